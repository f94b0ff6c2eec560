"""A history of a run beside BasicSR's log.

BasicSR 1.4.2 rounds the losses in its log, begins a new file whenever a run goes on, and has "-1 day" left at the end.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import torch

from degflow_aug.files.run_history import HISTORY, RunHistory, processor_name

# What BasicSR's loop adds to the losses of the model.
_NOT_LOSSES = ("epoch", "iter", "lrs", "time", "data_time")


def patch() -> None:
    """Let BasicSR's ``MessageLogger`` keep a :class:`RunHistory` in the folder of the experiment."""
    import basicsr.train

    class RecordingLogger(basicsr.train.MessageLogger):  # type: ignore[misc]
        """Writes on rank 0, as the log."""

        def __init__(self, opt: dict[str, Any], start_iter: int = 1, tb_logger: Any = None) -> None:
            super().__init__(opt, start_iter, tb_logger)
            # BasicSR leaves the next iteration out of the time left, which is below zero at the end.
            self.max_iters += 1
            self.history: RunHistory | None = None
            self.seconds, self.counted = 0.0, start_iter
            if opt.get("rank", 0) == 0:
                self.history = RunHistory(Path(opt["path"]["experiments_root"]) / HISTORY, start_iter)
                self.seconds = self.history.seconds
                self.history.start(start_iter, started_by(), device_name(bool(opt.get("num_gpu"))))

        def __call__(self, log_vars: dict[str, Any]) -> None:
            if self.history is not None:
                # The time of an iteration is a mean over the last ones.
                self.seconds += float(log_vars.get("time", 0)) * (log_vars["iter"] - self.counted)
                self.counted = log_vars["iter"]
                losses = {name: float(value) for name, value in log_vars.items() if name not in _NOT_LOSSES}
                self.history.add(log_vars["iter"], self.seconds, losses)
            super().__call__(log_vars)

    basicsr.train.MessageLogger = RecordingLogger


def started_by() -> str:
    """Write out the command line of this process; ``degflow COMMAND`` stands there as one word."""
    return " ".join([sys.argv[0], shlex.join(sys.argv[1:])]).strip()


def device_name(gpu: bool) -> str:
    """Name the device that trains as its maker does."""
    if gpu and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"{processor_name()}, {threads} thread{'s' * (threads > 1)}"
