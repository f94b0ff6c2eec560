"""Runs one stage to the end of its budget, from its newest checkpoint: the loop behind ``degflow fit``."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from degflow_aug.compat.resume import read_training_state
from degflow_aug.compat.state import other_networks
from degflow_aug.console.progress import note
from degflow_aug.draws import DrawSampler
from degflow_aug.files.run_history import HISTORY, RunHistory
from degflow_aug.files.writing import atomic_path, remove_partial
from degflow_aug.fit.peers import Peers
from degflow_aug.fit.schedule import Budget, Schedule
from degflow_aug.models.stages.stage_model import StageModel
from degflow_aug.models.training import interrupt

Report = Callable[[int, int, float], None]
BuildModel = Callable[[dict[str, Any]], StageModel]

CHECKPOINTS_KEPT = 2
BATCHES_AN_EPOCH = 1000
REPORT_ITERATIONS, REPORT_SECONDS = 20, 1.0


def make_folders(opt: dict[str, Any]) -> None:
    """Create the run's folders and remove what a killed run left half written."""
    for key in ("models", "training_states"):
        Path(opt["path"][key]).mkdir(parents=True, exist_ok=True)
    remove_partial(opt["path"]["experiments_root"])


def saved_iterations(opt: dict[str, Any]) -> list[int]:
    """Iterations with a training state and its network on disk, oldest first."""
    states, models = Path(opt["path"]["training_states"]), Path(opt["path"]["models"])
    found = (int(file.stem) for file in states.glob("*.state") if file.stem.isdigit())
    return sorted(iteration for iteration in found if (models / f"net_g_{iteration}.pth").is_file())


def is_finished(opt: dict[str, Any]) -> bool:
    """Whether the stage has written its last network."""
    return (Path(opt["path"]["models"]) / "net_g_latest.pth").is_file()


class StageRun:
    """A stage on its way.

    Args:
        build: makes the model from ``opt``.
        opt: as :func:`degflow_aug.fit.stage_options.stage_options` makes it.
        dataset: accepts draws.
        budget, schedule: how long, and how fast it learns.
        report: called as (iteration, expected total, loss).
        save_seconds: time between checkpoints.
        peers: the processes that train together, each of which runs the stage; the first writes.
    """

    def __init__(
        self, build: BuildModel, opt: dict[str, Any], dataset: Any, budget: Budget, schedule: Schedule, report: Report,
        save_seconds: float = 60.0, peers: Peers | None = None,
    ) -> None:  # fmt: skip
        self.opt, self.dataset, self.budget, self.schedule = opt, dataset, budget, schedule
        self.report, self.save_seconds, self.peers = report, save_seconds, peers or Peers()
        if self.peers.first:
            make_folders(opt)
        self.peers.wait()
        self.clock_file = Path(opt["path"]["experiments_root"]) / "clock.json"
        self.model, self.start = self._resume(build)
        # All are asked to stop after the same step.
        self.model.stops = self.peers.world == 1
        self.elapsed = self._read_clock()
        if self.peers.first:
            self.history = RunHistory(self.clock_file.with_name(HISTORY), self.start)

    def _resume(self, build: BuildModel) -> tuple[StageModel, int]:
        torch.manual_seed(self.opt["manual_seed"])
        saved = saved_iterations(self.opt)
        if not saved:
            return build(self.opt), 0
        self.opt["path"]["pretrain_network_g"] = str(Path(self.opt["path"]["models"]) / f"net_g_{saved[-1]}.pth")
        model = build(self.opt)
        state = read_training_state(Path(self.opt["path"]["training_states"]) / f"{saved[-1]}.state")
        for sentence in other_networks(self.opt, state) if self.peers.first else ():
            note(sentence)
        model.resume_training(state)
        return model, saved[-1]

    def run(self) -> StageModel:
        """Train to the end of the budget, write the last network and return the model.

        Raises:
            KeyboardInterrupt, SystemExit: asked to stop; the last iteration was saved before.
            TrainingDiverged: see :class:`StageModel`.
        """
        try:
            self._train()
        except (KeyboardInterrupt, SystemExit):
            self._write_clock()
            raise
        self.model.save(-1, -1)
        self.peers.wait()
        return self.model

    def _train(self) -> None:
        data, last_save, last_report = batches(self.opt, self.dataset, self.start), self.elapsed, self.elapsed
        began = time.monotonic() - self.elapsed
        for iteration in itertools.count(self.start + 1):
            progress = self.budget.progress(iteration - 1, self.elapsed)
            if progress >= 1:
                return
            self.model.set_learning_rate(self.schedule.rate(progress, self.budget.step))
            self.model.feed_data(next(data))
            self.model.optimize_parameters(iteration)
            self.elapsed, asked = self.peers.after_step(time.monotonic() - began)
            if asked:
                self.model.save_between_steps()
                raise interrupt.stop(asked)
            done = self.budget.progress(iteration, self.elapsed)
            late = self.elapsed - last_report >= REPORT_SECONDS
            if late or iteration % REPORT_ITERATIONS == 0 or done >= 1:
                self._tell(iteration, done)
                last_report = self.elapsed
            if self.elapsed - last_save > self.save_seconds and done < 1:
                self._write_clock()
                self.model.save(0, iteration)
                if self.peers.first:
                    remove_old_checkpoints(self.opt)
                last_save = self.elapsed

    def _tell(self, iteration: int, done: float) -> None:
        losses = self.model.get_current_log()
        if self.peers.first:
            self.report(iteration, round(iteration / done), losses["total"])
            self.history.add(iteration, self.elapsed, losses)

    def _read_clock(self) -> float:
        if self.start == 0 or not self.clock_file.is_file():
            return 0.0
        try:
            seconds = float(json.loads(self.clock_file.read_text(encoding="utf-8"))["seconds"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            seconds = -1.0
        if not 0 <= seconds < math.inf:
            raise ValueError(f"expected seconds in {self.clock_file}, got other content; remove the work folder")
        return seconds

    def _write_clock(self) -> None:
        if not self.peers.first:
            return
        with atomic_path(self.clock_file) as partial:
            partial.write_text(json.dumps({"seconds": self.elapsed}), encoding="utf-8")


def batches(opt: dict[str, Any], dataset: Any, start: int) -> Iterator[Any]:
    """Batches from ``start + 1`` on, without end; each is the same however often the run was interrupted."""
    section = opt["datasets"]["train"]
    batch, workers = section["batch_size_per_gpu"], section["num_worker_per_gpu"]
    draws = BATCHES_AN_EPOCH * batch
    world, rank = opt["world_size"], opt["rank"]
    sampler = DrawSampler(dataset, world, rank, ratio=math.ceil(draws * world / len(dataset)), seed=opt["manual_seed"])
    sampler.stop_after(draws)
    first, consumed = divmod(start, BATCHES_AN_EPOCH)
    sampler.resume_at(first, consumed * batch)
    loader: DataLoader[Any] = DataLoader(
        dataset, batch, sampler=sampler, num_workers=workers, persistent_workers=workers > 0,
        generator=torch.Generator().manual_seed(opt["manual_seed"]), pin_memory=opt["num_gpu"] > 0,
    )  # fmt: skip
    for epoch in itertools.count(first):
        sampler.set_epoch(epoch)
        yield from loader


def remove_old_checkpoints(opt: dict[str, Any]) -> None:
    """Keep the newest few checkpoints; the state goes first, so that none is left without its network."""
    for iteration in saved_iterations(opt)[:-CHECKPOINTS_KEPT]:
        (Path(opt["path"]["training_states"]) / f"{iteration}.state").unlink(missing_ok=True)
        (Path(opt["path"]["models"]) / f"net_g_{iteration}.pth").unlink(missing_ok=True)
