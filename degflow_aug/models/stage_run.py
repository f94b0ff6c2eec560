"""Runs one stage to its last iteration, from its newest checkpoint if there is one: the loop behind ``degflow fit``."""
from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from degflow_aug.atomic_file import remove_partial
from degflow_aug.data.draws import DrawSampler
from degflow_aug.models.stage_model import StageModel

Report = Callable[[int, int, float], None]
BuildModel = Callable[[dict[str, Any]], StageModel]

CHECKPOINTS_KEPT = 2


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


def run_stage(
    build: BuildModel, opt: dict[str, Any], dataset: Any, total: int, report: Report, save_seconds: float = 60.0
) -> StageModel:
    """Train to iteration ``total`` and return the model.

    Args:
        build: makes the model from ``opt``.
        dataset: accepts draws; batch size, workers and seed come from ``opt``.
        report: called as (iteration, total, loss).
        save_seconds: time between checkpoints.

    Raises:
        KeyboardInterrupt, SystemExit: asked to stop; the last iteration was saved before.
        TrainingDiverged: see :class:`StageModel`.
    """
    make_folders(opt)
    saved = saved_iterations(opt)
    start = saved[-1] if saved else 0
    if start:
        opt["path"]["pretrain_network_g"] = str(Path(opt["path"]["models"]) / f"net_g_{start}.pth")
    model = build(opt)
    if start:
        state = torch.load(Path(opt["path"]["training_states"]) / f"{start}.state", map_location="cpu", weights_only=True)
        model.resume_training(state)
    last_save = time.monotonic()
    for iteration, data in enumerate(batches(opt, dataset, start, total), start + 1):
        model.update_learning_rate(iteration, warmup_iter=opt["train"]["warmup_iter"])
        model.feed_data(data)
        model.optimize_parameters(iteration)
        if iteration % 20 == 0 or iteration == total:
            report(iteration, total, model.get_current_log()["total"])
        if time.monotonic() - last_save > save_seconds and iteration < total:
            model.save(0, iteration)
            remove_old_checkpoints(opt)
            last_save = time.monotonic()
    model.save(-1, -1)
    return model


def batches(opt: dict[str, Any], dataset: Any, start: int, total: int) -> DataLoader[Any]:
    """Batches ``start + 1`` to ``total`` of a run; each is the same however often the run was interrupted."""
    section = opt["datasets"]["train"]
    batch = section["batch_size_per_gpu"]
    sampler = DrawSampler(dataset, 1, 0, ratio=-(-total * batch // len(dataset)), seed=opt["manual_seed"])
    sampler.stop_after(total * batch)
    sampler.resume_at(0, start * batch)
    workers = section["num_worker_per_gpu"]
    return DataLoader(
        dataset, batch, sampler=sampler, num_workers=workers, drop_last=True, persistent_workers=workers > 0,
        generator=torch.Generator().manual_seed(opt["manual_seed"]), pin_memory=opt["num_gpu"] > 0,
    )


def remove_old_checkpoints(opt: dict[str, Any]) -> None:
    """Keep the newest few checkpoints; the state goes first, so that none is left without its network."""
    for iteration in saved_iterations(opt)[:-CHECKPOINTS_KEPT]:
        (Path(opt["path"]["training_states"]) / f"{iteration}.state").unlink(missing_ok=True)
        (Path(opt["path"]["models"]) / f"net_g_{iteration}.pth").unlink(missing_ok=True)


def seconds_per_iteration(build: BuildModel, opt: dict[str, Any], dataset: Any, seconds: float = 6.0) -> float:
    """Time of an iteration, measured on a model that is thrown away: median after three to warm up."""
    model, times = build(opt), []
    began = time.monotonic()
    for iteration, data in enumerate(batches(opt, dataset, 0, 10_000), 1):
        before = time.perf_counter()
        model.feed_data(data)
        model.optimize_parameters(iteration)
        model.get_current_log()
        times.append(time.perf_counter() - before)
        if len(times) >= 8 and time.monotonic() - began > seconds:
            break
    return sorted(times[3:])[len(times[3:]) // 2]
