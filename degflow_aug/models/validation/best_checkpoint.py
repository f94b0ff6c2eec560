"""``val.best``: which value decides about the best checkpoint, and what it was so far."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degflow_aug.files.writing import atomic_path
from degflow_aug.options.nearest_name import nearest_name
from degflow_aug.options.sections import read_options


@dataclass(frozen=True)
class BestOptions:
    """The section ``val.best``.

    Attributes:
        metric: a name in ``val.metrics``.
        scale: the scale at which it decides; None: the mean over the scales.
        dataset: the ``name`` of a validation dataset; empty: the first one.
    """

    metric: str
    scale: float | None = None
    dataset: str = ""

    def __post_init__(self) -> None:
        if self.scale is not None and not 0 < self.scale < math.inf:
            raise ValueError(f"expected a scale above 0 in val.best.scale, got {self.scale}")


def check_best(val: Mapping[str, Any] | None, datasets: Mapping[str, Any]) -> BestOptions | None:
    """The section ``val.best`` with its dataset filled in, or None where there is none.

    Args:
        val: the option file's section ``val``.
        datasets: the option file's section ``datasets``.

    Raises:
        ValueError: a metric or dataset that does not exist, or another mistake in the section.
    """
    section = (val or {}).get("best")
    if section is None:
        return None
    best = read_options(BestOptions, section, "val.best")
    names = [str(entry.get("name")) for phase, entry in datasets.items() if not phase.startswith("train")]
    _one_of(best.metric, list((val or {}).get("metrics") or ()), "val.best.metric", "val.metrics")
    if best.dataset or not names:
        _one_of(best.dataset, names, "val.best.dataset", "the validation datasets")
    return BestOptions(best.metric, best.scale, best.dataset or names[0])


def check_best_scale(val: Mapping[str, Any] | None, datasets: Mapping[str, Any], built: Mapping[str, Any]) -> None:
    """Look whether the dataset of ``val.best`` has images at its scale, where that dataset tells its pairs.

    Args:
        val, datasets: as for :func:`check_best`.
        built: datasets by name.

    Raises:
        ValueError: it has none.
    """
    best = check_best(val, datasets) if (val or {}).get("best") else None
    pairs = getattr(built.get(best.dataset), "pairs", None) if best is not None and best.scale is not None else None
    if best is not None and pairs and not _among(best, {pair.scale for pair in pairs}):
        raise ValueError(_no_such_scale(best, {pair.scale for pair in pairs}))


def deciding_value(
    best: BestOptions, by_scale: Mapping[float, Mapping[str, float]], overall: Mapping[str, float]
) -> float:
    """What the options chose out of one validation of their dataset; NaN, with a warning, where it has no such scale.

    Training is worth more than its best checkpoint: the last one is kept in any case.
    """
    if best.scale is None:
        return overall[best.metric]
    found = _among(best, by_scale)
    if found:
        return by_scale[found[0]][best.metric]
    warnings.warn(f"{_no_such_scale(best, by_scale)}; until then no checkpoint is the best", stacklevel=2)
    return math.nan


def _among(best: BestOptions, scales: Iterable[float]) -> list[float]:
    return [scale for scale in scales if best.scale is not None and math.isclose(scale, best.scale, rel_tol=1e-4)]


def _no_such_scale(best: BestOptions, scales: Iterable[float]) -> str:
    known = ", ".join(f"{scale:g}" for scale in sorted(scales))
    return f"expected val.best.scale among the scales of {best.dataset} ({known}), got {best.scale}; name one of them"


class BestRecord:
    """The best value so far, kept beside BasicSR's own record of its metric and in a small file.

    A training state is saved before the validation of its iteration, so it lacks what that validation found; the file
    does not, and it stays beside the checkpoint it speaks of.

    Args:
        record: BasicSR's record of the metric, ``best_metric_results[dataset][metric]``; gains the key ``checkpoint``.
        file: where the record is also written.
    """

    def __init__(self, best: BestOptions, record: dict[str, Any], file: Path) -> None:
        self.best, self.record, self.file = best, record, file
        self._choice = {"dataset": best.dataset, "metric": best.metric, "scale": best.scale}

    def improves(self, value: float) -> bool:
        """Whether ``value`` is better than any before; NaN never is."""
        entries: list[Any] = [self.record.get("checkpoint"), self._read()]
        kept = [entry["val"] for entry in entries if self._is_mine(entry)]
        lower = self.record["better"] == "lower"
        return not math.isnan(value) and all(value < other if lower else value > other for other in kept)

    def keep(self, value: float, iteration: int) -> None:
        """Note the value that a saved checkpoint has reached."""
        entry = {**self._choice, "val": value, "iter": iteration}
        self.record["checkpoint"] = entry
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.file) as partial:
            partial.write_text(json.dumps(entry, indent=2) + "\n", encoding="utf-8")

    def _is_mine(self, entry: Any) -> bool:
        """Whether an entry was made under the same options, and holds a number."""
        return (
            isinstance(entry, dict)
            and {key: entry.get(key) for key in self._choice} == self._choice
            and isinstance(entry.get("val"), (int, float))
        )

    def _read(self) -> Any:
        try:
            return json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


def _one_of(name: str, known: Sequence[str], where: str, among: str) -> None:
    if name not in known:
        shown = ", ".join(known) or "none"
        raise ValueError(f"expected {where} out of {among} ({shown}), got {name!r}{nearest_name(name, known)}")
