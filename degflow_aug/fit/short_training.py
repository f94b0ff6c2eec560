"""A short training on what is held in memory: stoppable after any step, and resumed to the bit."""

from __future__ import annotations

import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from degflow_aug.files.tensor_file import load_tensors
from degflow_aug.files.writing import atomic_path
from degflow_aug.fit.schedule import Budget
from degflow_aug.models.training import interrupt

REPORT_STEPS = 20


@dataclass(frozen=True)
class ShortRun:
    """How long it takes, and what it is told and kept by.

    Attributes:
        budget: steps, or seconds that the schedule then follows.
        seed: of everything drawn.
        report: called as (step, expected total, mean loss since the last call).
        state: file to resume from, written every ``save_seconds`` and where the training is stopped; None for none.
    """

    budget: Budget
    seed: int = 0
    report: Callable[[int, int, float], None] = lambda step, total, loss: None
    state: Path | None = None
    save_seconds: float = 60.0

    def part(self, index: int, count: int) -> ShortRun:
        """That of one out of ``count`` cameras, with its share of the budget and a state of its own."""
        budget = Budget(-(-self.budget.iterations // count), self.budget.seconds / count)
        state = self.state and self.state.with_stem(f"{self.state.stem}_{index}")
        return replace(self, budget=budget, state=state)


class ShortTraining(ABC):
    """A training on its way. What a step draws depends on the seed and its number alone.

    Args:
        run: how long, and what it resumes from.
        device: that of the losses.
        content: of what is learned from; a state of other content is not resumed.
        parts: networks and optimizers by their names in the state.
    """

    def __init__(self, run: ShortRun, device: torch.device, content: float, parts: Mapping[str, Any]) -> None:
        self.run, self.device, self.content, self.parts = run, device, content, parts
        self.step, self.seconds = 0, 0.0

    @abstractmethod
    def advance(self, step: int, progress: float) -> Tensor:
        """Take a step at a progress in [0, 1]; returns its loss, on the device."""

    def to_the_end(self) -> None:
        """Train what is left of the budget.

        Raises:
            KeyboardInterrupt, SystemExit: asked to stop; the last step was saved before, where there is a file for it.
            ValueError: that file is damaged.
        """
        if self.run.state is None:
            self._train()
            return
        with interrupt.stoppable():
            interrupt.on_stop(self.save)
            self._train()

    def _train(self) -> None:
        self._resume()
        began, saved = time.monotonic() - self.seconds, self.seconds
        total, count = torch.zeros((), device=self.device), 0
        for step in itertools.count(self.step):
            progress = self.run.budget.progress(step, self.seconds)
            if progress >= 1:
                break
            interrupt.check(saving=True)
            total, count = total + self.advance(step, progress), count + 1
            self.step, self.seconds = step + 1, time.monotonic() - began
            done = self.run.budget.progress(self.step, self.seconds)
            if self.step % REPORT_STEPS == 0 or done >= 1:
                self.run.report(self.step, round(self.step / done), float(total) / count)
                total, count = torch.zeros_like(total), 0
            if self.seconds - saved > self.run.save_seconds and done < 1:
                self.save()
                saved = self.seconds
        self.save()

    def _resume(self) -> None:
        file = self.run.state
        if file is None or not file.is_file():
            return
        kept = load_tensors(file)
        # Of other pairs, as after a stage was trained anew, it is begun anew.
        if not isinstance(kept, dict) or kept.get("pairs") != self.content:
            return
        for name, part in self.parts.items():
            part.load_state_dict(kept[name])
        self.step, self.seconds = kept["step"], kept["seconds"]

    def save(self) -> None:
        """Write what :meth:`to_the_end` resumes from, where there is a file for it."""
        if self.run.state is None:
            return
        self.run.state.parent.mkdir(parents=True, exist_ok=True)
        states = {name: part.state_dict() for name, part in self.parts.items()}
        with atomic_path(self.run.state) as partial:
            torch.save({"pairs": self.content, **states, "step": self.step, "seconds": self.seconds}, partial)
