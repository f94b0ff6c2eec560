"""A search for a pipeline that is shown, stopped where a signal asks, and goes on from a file."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from degflow_aug.degradations.fitted.pipeline_estimation import SearchWatch
from degflow_aug.files.tensor_file import load_tensors, write_checkpoint
from degflow_aug.models.training import interrupt

StageReport = Callable[[str, int, int, float], None]


class KeptSearch(SearchWatch):
    """Shows a search, stops it where a signal asks, and keeps it in a file."""

    def __init__(self, report: StageReport, path: Path | None) -> None:
        self.report, self.path = report, path

    def step(self, done: int, total: int) -> None:
        interrupt.check()
        self.report("pipeline", done, total, math.nan)

    def recall(self) -> dict[str, Any] | None:
        if self.path is None or not self.path.is_file():
            return None
        try:
            return dict(load_tensors(self.path))
        except (ValueError, TypeError):
            # It saves time and nothing else: a damaged one is begun anew.
            return None

    def keep(self, state: dict[str, Any]) -> None:
        if self.path is not None:
            write_checkpoint(self.path, state)
