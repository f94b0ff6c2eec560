"""Where benchmarks write: a folder per device, with facts about it, each file whole or not at all."""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import scipy
import torch

import degflow_aug
from degflow_aug import compat
from degflow_aug.files.run_history import processor_name
from degflow_aug.files.writing import atomic_path

RESULTS = Path(__file__).parents[1] / "results"
_STARTED = time.monotonic()


def device_name(device: torch.device) -> str:
    """The device as its maker calls it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return processor_name()


def device_slug(kind: str, name: str, threads: int) -> str:
    """A folder's name: ``nvidia-h200``, ``cpu-amd-epyc-2-threads``."""
    words = re.sub(r"\((r|tm)\)|processor|@.*", "", name.lower())
    slug = re.sub(r"[^a-z0-9.]+", "-", words).strip("-")
    return slug if kind == "cuda" else f"cpu-{slug}-{threads}-thread{'s' * (threads != 1)}"


def results_folder(device: torch.device) -> Path:
    """The folder of a device's results."""
    return RESULTS / device_slug(device.type, device_name(device), torch.get_num_threads())


def facts(device: torch.device, seed: int | None = None, **more: Any) -> dict[str, Any]:
    """List what a result depends on beside the code, and the wall time of this process so far.

    Args:
        device: that of the networks.
        seed: of all that is drawn; None where nothing is, or where every row has one of its own.
        more: further settings.
    """
    found = {
        "device": device_name(device), "device_type": device.type, "threads": torch.get_num_threads(),
        "python": platform.python_version(), "platform": platform.platform(), "torch": torch.__version__,
        "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "numpy": numpy.__version__,
        "scipy": scipy.__version__, "basicsr": _basicsr_version(), "degflow_aug": degflow_aug.__version__,
        "float32_matmul_precision": torch.get_float32_matmul_precision(), "seed": seed,
        "wall_seconds": round(time.monotonic() - _STARTED, 1),
    }  # fmt: skip
    if device.type == "cuda":
        found["cudnn_allow_tf32"] = torch.backends.cudnn.allow_tf32
        found["cudnn_benchmark"] = torch.backends.cudnn.benchmark
    return {**found, **more}


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns but the first are aligned to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def write_results(stem: Path, content: dict[str, Any], text: str) -> None:
    """Write ``content`` as JSON and ``text`` as Markdown beside each other."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    for suffix, written in ((".json", json.dumps(content, indent=1) + "\n"), (".md", text.rstrip() + "\n")):
        with atomic_path(stem.with_name(stem.name + suffix)) as partial:
            partial.write_text(written, encoding="utf-8")


def _basicsr_version() -> str | None:
    if not compat.has_basicsr():
        return None
    from importlib.metadata import version

    return version("basicsr")
