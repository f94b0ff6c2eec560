"""Validations of a run: each once, also the last one and one that was broken off.

BasicSR 1.4.2 validates after the last iteration, and once more at the end of the run; a validation that was broken off
is left out when the run goes on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from degflow_aug.files.run_history import HISTORY, Mark, write_mark


class Validations:
    """What a run has validated, kept in its history too.

    Args:
        opt: the options of the run; None for no run.
        resumed_at: the iteration that the run goes on after.
        marks: those of the history; None where it does not tell what was validated.
    """

    def __init__(
        self, opt: dict[str, Any] | None = None, resumed_at: int = 0, marks: Iterable[Mark] | None = None
    ) -> None:
        self.opt: dict[str, Any] = opt or {}
        self.resumed_at, self.known = resumed_at, marks is not None
        self.done = {each for each in marks or () if each.iteration <= resumed_at}
        self.loaders: list[Any] = []

    def note(self, mark: Mark) -> None:
        """Note that something is done."""
        self.done.add(mark)
        if not self.opt.get("rank", 0):
            write_mark(Path(self.opt["path"]["experiments_root"]) / HISTORY, mark)

    def watch(self, model: Any, writer: Callable[[], Any]) -> None:
        """Let ``model.validation`` do nothing a second time, and ``model.resume_training`` make up for what is missing.

        Args:
            model: as BasicSR's.
            writer: returns TensorBoard's writer.
        """
        validation, resume_training = model.validation, model.resume_training

        @functools.wraps(validation)
        def validate_once(dataloader: Any, current_iter: int, *arguments: Any, **named: Any) -> None:
            # At the end BasicSR counts one iteration too many.
            iteration = min(current_iter, int(self.opt["train"]["total_iter"]))
            name = str(dataloader.dataset.opt["name"])
            if Mark(iteration, name) not in self.done:
                validation(dataloader, current_iter, *arguments, **named)
                self.note(Mark(iteration, name))

        @functools.wraps(resume_training)
        def resume_and_make_up(resume_state: dict[str, Any]) -> None:
            resume_training(resume_state)
            val = self.opt.get("val")
            if val is not None and self.known and self.resumed_at % val["val_freq"] == 0:
                for loader in self.loaders:
                    validate_once(loader, self.resumed_at, writer(), val["save_img"])

        model.validation, model.resume_training = validate_once, resume_and_make_up
