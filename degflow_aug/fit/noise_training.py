"""Train learned noise by the energy score of two draws, later beside an adversary; stoppable, resumed to the bit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from degflow_aug.degradations.noise.learned_noise import LearnedNoise
from degflow_aug.degradations.noise.residual_estimation import SMALLEST, Pair
from degflow_aug.degradations.noise.residual_noise import ResidualNoise
from degflow_aug.fit.noise_adversary import Adversary, adversary_share
from degflow_aug.fit.schedule import Schedule
from degflow_aug.fit.short_training import ShortRun, ShortTraining
from degflow_aug.metrics.energy_score import ResidualScore

CROP, BATCH, GRID = 56, 8, 8
LONGEST_STEP = 1.0
ALONE, BESIDE = Schedule(2e-3, 1e-6, 0.3), Schedule(1e-3, 1e-6, 0.3)
"""Learning rates by the energy score alone, and then beside the adversary."""
STEPS = 4000
"""Of a training that has no time to keep to."""


def train_noise(
    pairs: Mapping[float, Sequence[Pair]],
    field: ResidualNoise,
    score: ResidualScore,
    run: ShortRun,
    device: torch.device,
) -> LearnedNoise:
    """Teach a network the noise between rendered and real LR.

    Args:
        field: Gaussian noise of the same pairs, which stays as it is.
        pairs: by scale, rendered and real LR images (1, 3, h, w) in [0, 1], of at least 32x32 pixels.
        score: what is brought down, made of the residuals of these pairs.
    """
    training = _Training(pairs, field, score, run, device)
    training.to_the_end()
    return LearnedNoise.from_state(training.noise.state_dict())


class _Training(ShortTraining):
    def __init__(
        self,
        pairs: Mapping[float, Sequence[Pair]],
        field: ResidualNoise,
        score: ResidualScore,
        run: ShortRun,
        device: torch.device,
    ) -> None:
        self.pairs = [(scale, lr[0], real[0]) for scale in sorted(pairs) for lr, real in pairs[scale]]
        self.score = score
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(run.seed)
            self.noise, self.adversary = LearnedNoise(field).to(device), Adversary(device)
        self.optimizer = torch.optim.AdamW(self.noise.parameters(), ALONE.peak, betas=(0.9, 0.99))
        smallest = min(min(lr.shape[-2:]) for _, lr, _ in self.pairs)
        self.crop = min(CROP, max(smallest, SMALLEST) // GRID * GRID)
        content = math.fsum(float((real - lr).double().square().sum()) for _, lr, real in self.pairs)
        parts = {"noise": self.noise, "optimizer": self.optimizer, "adversary": self.adversary}
        super().__init__(run, device, content, parts)

    def advance(self, step: int, progress: float) -> Tensor:
        """One step; returns its score, on the device."""
        share = adversary_share(step, progress)
        beside = (progress - 1 + share) / share
        rate = BESIDE.rate(max(beside, 1e-3)) if beside >= 0 else ALONE.rate(max(progress / (1 - share), 1e-3))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        lr, real, scales, draws = self._batch(step)
        twice = torch.cat([lr, lr])
        made = _rounded(twice + self.noise.sample(twice, torch.cat([scales, scales]), draws))
        score = self.score(made[: len(lr)] - lr, made[len(lr) :] - lr, real - lr)
        loss = score + self.adversary.loss(real, made[: len(lr)], beside) if beside >= 0 else score
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.noise.parameters(), LONGEST_STEP)
        self.optimizer.step()
        return score.detach()

    def _batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, torch.Generator]:
        """Rendered and real LR from equal places, their scales, and a stream for the draws."""
        rng = np.random.default_rng([self.run.seed % 2**63, step])
        chosen = [self.pairs[index] for index in rng.integers(len(self.pairs), size=BATCH)]
        crops = []
        for _, lr, real in chosen:
            top, left = (GRID * int(rng.integers((side - self.crop) // GRID + 1)) for side in lr.shape[-2:])
            place = (..., slice(top, top + self.crop), slice(left, left + self.crop))
            crops.append((lr[place], real[place]))
        lr, real = (torch.stack(images).to(self.device) for images in zip(*crops, strict=True))
        scales = torch.tensor([scale for scale, _, _ in chosen], device=self.device)
        return lr, real, scales, torch.Generator(self.device).manual_seed(int(rng.integers(2**63)))


def _rounded(image: Tensor) -> Tensor:
    """To whole gray levels, with the gradient of the identity."""
    return image + ((image.clamp(0, 1) * 255).round() / 255 - image).detach()
