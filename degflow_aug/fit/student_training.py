"""Teach a student its generator: LR images at any scale of the range, and real ones at the training scales."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.student import LRCorrection
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.evaluation.evaluation import EvaluationScene
from degflow_aug.fit.schedule import Budget, Schedule

CROP, BATCH, GRID = 56, 8, 8
RATE, FLOOR, WARMUP, LONGEST_STEP = 3e-3, 1e-6, 0.3, 1.0
STEPS = 6000
"""Of a training that has no time to keep to."""
DRAWS, LR_SIDE, REAL_SIDE, RIM = 4, 224, 640, 2
"""Scales per HR image at which the generator teaches, sides of what it makes there and of real views, and what is cut
off at their borders, which lie inside of photographs."""
REPORT_STEPS = 20


class Example(NamedTuple):
    """A pair of LR images (3, h, w) at a scale: what the student begins with, and what it is to make of it."""

    scale: float
    given: Tensor
    wanted: Tensor


@dataclass(frozen=True)
class StudentRun:
    """How a student is taught.

    Attributes:
        budget: steps, or seconds that the schedule then follows.
        seed: of the crops and the scales.
        report: called as (step, expected total, mean loss since the last call).
    """

    budget: Budget
    seed: int = 0
    report: Callable[[int, int, float], None] = lambda step, total, loss: None


@torch.no_grad()
def examples_of(
    teacher: Degradation, kernel: FittedKernel, scenes: Iterable[EvaluationScene], seed: int
) -> tuple[list[Example], list[Example]]:
    """What scenes teach: LR of the generator at four scales drawn from its range, and real LR.

    Args:
        teacher: draws no noise.
        kernel: the fitted camera that the student begins with.
        scenes: their views may be none, as those of photographs are.
        seed: of the scales and places.

    Returns:
        What the generator teaches, and what real LR does.
    """
    taught, real = list[Example](), list[Example]()
    low, high = kernel.scale_range
    for number, scene in enumerate(scenes):
        rng = np.random.default_rng([seed % 2**63, number])
        for scale in map(float, rng.uniform(low, high, DRAWS)):
            hr = _window(scene.hr, round(LR_SIDE * scale), rng)
            taught.append(_example(scale, kernel(hr, scale), teacher(hr, scale)))
        for scale, view in scene.views.items():
            hr, real_view = (_window(image, REAL_SIDE) for image in (scene.hr, view))
            real.append(_example(scale, kernel(hr, scale), to_lr_grid(real_view, scale)))
    return taught, real


def _window(image: Tensor, side: int, rng: np.random.Generator | None = None) -> Tensor:
    """A square of at most ``side`` pixels a side: the middle, or any."""
    left_over = [max(0, extent - side) for extent in image.shape[-2:]]
    top, left = (int(rng.integers(rest + 1)) if rng else rest // 2 for rest in left_over)
    return image[..., top : top + side, left : left + side]


def _example(scale: float, given: Tensor, wanted: Tensor) -> Example:
    height, width = given.shape[-2:]
    inner = (0, ..., slice(RIM, height - RIM), slice(RIM, width - RIM))
    return Example(scale, given[inner].cpu(), wanted[inner].cpu())


def train_student(sources: Sequence[Sequence[Example]], run: StudentRun, device: torch.device) -> LRCorrection:
    """Bring down the mean absolute difference; what a step draws depends on the seed and its number alone.

    Args:
        sources: examples, of which every batch takes equal shares; empty ones are left out.

    Returns:
        What is to be added to the fitted camera's LR, frozen.

    Raises:
        ValueError: examples smaller than 8x8 pixels.
    """
    crop = min(CROP, *(side for source in sources for each in source for side in each.given.shape[-2:])) // GRID * GRID
    if not crop:
        raise ValueError(
            f"expected HR images whose LR has at least {GRID + 2 * RIM} pixels a side to teach a student, got smaller "
            "ones; take larger images"
        )
    known = [source for source in sources if source]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(run.seed)
        student = LRCorrection().to(device)
    optimizer = torch.optim.AdamW(student.parameters(), RATE, betas=(0.9, 0.99))
    schedule, began = Schedule(RATE, FLOOR, WARMUP), time.monotonic()
    total, count = torch.zeros((), device=device), 0
    for step in itertools.count():
        progress = run.budget.progress(step, time.monotonic() - began)
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(max(progress, 1e-3))
        scales, given, wanted = _batch(known, crop, [run.seed % 2**63, step], device)
        loss = (given + student(given, scales) - wanted).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), LONGEST_STEP)
        optimizer.step()
        total, count = total + loss.detach(), count + 1
        done = run.budget.progress(step + 1, time.monotonic() - began)
        if (step + 1) % REPORT_STEPS == 0 or done >= 1:
            run.report(step + 1, round((step + 1) / done), float(total) / count)
            total, count = torch.zeros_like(total), 0
    return LRCorrection.from_state(student.state_dict())


def _batch(
    sources: Sequence[Sequence[Example]], crop: int, seed: list[int], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Scales (B,), and what is given and wanted (B, 3, crop, crop), from equal places."""
    rng = np.random.default_rng(seed)
    turns = [sources[number % len(sources)] for number in range(BATCH)]
    chosen = [source[int(rng.integers(len(source)))] for source in turns]
    crops = []
    for each in chosen:
        top, left = (int(rng.integers(side - crop + 1)) for side in each.given.shape[-2:])
        place = (..., slice(top, top + crop), slice(left, left + crop))
        crops.append((each.given[place], each.wanted[place]))
    given, wanted = (torch.stack(images).to(device) for images in zip(*crops, strict=True))
    return torch.tensor([each.scale for each in chosen], device=device), given, wanted
