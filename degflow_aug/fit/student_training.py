"""Teach a student its generator: LR images at any scale of the range, and real ones at the training scales."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.student import LRCorrection
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.degradations.noise.residual_estimation import TooSmallError
from degflow_aug.evaluation.evaluation import EvaluationScene
from degflow_aug.fit.schedule import Schedule
from degflow_aug.fit.short_training import ShortRun, ShortTraining

CROP, BATCH, GRID = 56, 8, 8
RATE, FLOOR, WARMUP, LONGEST_STEP = 3e-3, 1e-6, 0.3, 1.0
STEPS = 6000
"""Of a training that has no time to keep to."""
DRAWS, LR_SIDE, REAL_SIDE, RIM = 4, 224, 640, 2
"""Scales per HR image at which the generator teaches, sides of what it makes there and of real views, and what is cut
off at their borders, which lie inside of photographs."""


class Example(NamedTuple):
    """A pair of LR images (3, h, w) at a scale: what the student begins with, and what it is to make of it."""

    scale: float
    given: Tensor
    wanted: Tensor


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
            hr = window(scene.hr, round(LR_SIDE * scale), rng)
            taught.append(_example(scale, kernel(hr, scale), teacher(hr, scale)))
        for scale, view in scene.views.items():
            hr, real_view = (window(image, REAL_SIDE) for image in (scene.hr, view))
            real.append(_example(scale, kernel(hr, scale), to_lr_grid(real_view, scale)))
    return taught, real


def window(image: Tensor, side: int, rng: np.random.Generator | None = None) -> Tensor:
    """A square of at most ``side`` pixels a side: the middle, or any."""
    left_over = [max(0, extent - side) for extent in image.shape[-2:]]
    top, left = (int(rng.integers(rest + 1)) if rng else rest // 2 for rest in left_over)
    return image[..., top : top + side, left : left + side]


def _example(scale: float, given: Tensor, wanted: Tensor) -> Example:
    height, width = given.shape[-2:]
    inner = (0, ..., slice(RIM, height - RIM), slice(RIM, width - RIM))
    return Example(scale, given[inner].cpu(), wanted[inner].cpu())


def train_student(sources: Sequence[Sequence[Example]], run: ShortRun, device: torch.device) -> LRCorrection:
    """Bring down the mean absolute difference.

    Args:
        sources: examples, of which every batch takes equal shares; empty ones are left out.

    Returns:
        What is to be added to the fitted camera's LR, frozen.

    Raises:
        TooSmallError: examples smaller than 8x8 pixels.
    """
    training = _Lessons([source for source in sources if source], run, device)
    training.to_the_end()
    return LRCorrection.from_state(training.student.state_dict())


class _Lessons(ShortTraining):
    def __init__(self, sources: Sequence[Sequence[Example]], run: ShortRun, device: torch.device) -> None:
        smallest = min(side for source in sources for each in source for side in each.given.shape[-2:])
        self.sources, self.crop = sources, min(CROP, smallest) // GRID * GRID
        if not self.crop:
            raise TooSmallError(
                f"expected HR images whose LR has at least {GRID + 2 * RIM} pixels a side to teach a student, got "
                "smaller ones; take larger images"
            )
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(run.seed)
            self.student = LRCorrection().to(device)
        self.optimizer = torch.optim.AdamW(self.student.parameters(), RATE, betas=(0.9, 0.99))
        self.schedule = Schedule(RATE, FLOOR, WARMUP)
        content = math.fsum(
            float((each.wanted - each.given).double().square().sum()) for source in sources for each in source
        )
        super().__init__(run, device, content, {"student": self.student, "optimizer": self.optimizer})

    def advance(self, step: int, progress: float) -> Tensor:
        """One step; returns its mean absolute difference."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(max(progress, 1e-3))
        scales, given, wanted = _batch(self.sources, self.crop, [self.run.seed % 2**63, step], self.device)
        loss = (given + self.student(given, scales) - wanted).abs().mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), LONGEST_STEP)
        self.optimizer.step()
        return loss.detach()


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
