"""What is measured on the LR of all scenes together: a two-sample test, and the colours of noise at edges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks.realism.methods import Rendered
from benchmarks.realism.metrics import Metric
from benchmarks.realism.report import Cell, Summary
from degflow_aug.console.progress import track
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.evaluation.realism import LRSample

AUC = Metric("auc", "two-sample AUC", 3)
CHROMA = Metric("edge_chroma", "chroma at edges, off by", 2)


class Samples:
    """Gathers LR by method and scale; that of all seeds of a method counts as draws of one."""

    def __init__(self) -> None:
        self._samples: dict[tuple[str, float], LRSample] = {}

    def add(self, method: str, scale: float, real: Tensor, rendered: Sequence[Rendered]) -> None:
        """Keep what the seeds of a method have made of an HR image whose real view is ``real``."""
        if rendered:
            lr, reference = (torch.cat([getattr(each, name) for each in rendered]) for name in ("lr", "reference"))
            self._samples.setdefault((method, scale), LRSample()).add(to_lr_grid(real, scale), lr, reference)

    def summary(self, note: Callable[[str], None]) -> tuple[list[Metric], Summary]:
        """Measure: the mean AUC over the parts of the scenes and half of what they differ by, and by which share the
        ratio of chroma to luma at edges is off that of real LR.

        Args:
            note: is told in one sentence why there is no test.
        """
        found: Summary = {AUC.key: {}, CHROMA.key: {}}
        reasons = dict[str, None]()
        for (method, scale), sample in track(self._samples.items(), "two-sample test", "method"):
            made, real = sample.edge_chroma()
            if math.isfinite(made) and real > 0:
                found[CHROMA.key].setdefault(method, {})[scale] = Cell(abs(made / real - 1), None)
            try:
                told = sample.two_sample("residual")
            except ValueError as error:
                reasons[f"{AUC.title}: not measured at x{scale:g}; {error}"] = None
            else:
                found[AUC.key].setdefault(method, {})[scale] = Cell(told.auc, told.auc_spread)
        for reason in reasons:
            note(reason)
        metrics = [metric for metric in (AUC, CHROMA) if found[metric.key]]
        return metrics, {metric.key: found[metric.key] for metric in metrics}
