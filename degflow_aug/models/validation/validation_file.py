"""The results of a validation as a file, a data set and iteration each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from degflow_aug.files.atomic_file import atomic_path
from degflow_aug.models.validation.scale_table import ScaleTable

Label = TypeVar("Label", int, str, int | str)


def iteration_label(opt: dict[str, Any], current_iter: Label) -> Label:
    """The iteration of a validation: BasicSR's one after the last iteration counts one too many. Other labels stay."""
    total = (opt.get("train") or {}).get("total_iter")
    return min(current_iter, total) if isinstance(current_iter, int) and total else current_iter


def results_folder(opt: dict[str, Any]) -> Path:
    """Where the results of this run lie."""
    path = opt["path"]
    return Path(path.get("experiments_root") or path["results_root"]) / "validation"


def write_results(folder: Path, dataset: str, table: ScaleTable, label: int | str) -> None:
    """Write ``DATASET_LABEL.json``, whole or not at all; ``label`` is the iteration in training."""
    file = folder / f"{dataset}_{label}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"dataset": dataset, "iter": label, **table.plain()}
    with atomic_path(file) as partial:
        partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
