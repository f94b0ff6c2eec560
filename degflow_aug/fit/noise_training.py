"""Train learned noise by the energy score of two draws, later beside an adversary; stoppable, resumed to the bit."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from degflow_aug.degradations.noise.learned_noise import LearnedNoise
from degflow_aug.degradations.noise.residual_estimation import SMALLEST, Pair
from degflow_aug.degradations.noise.residual_noise import ResidualNoise
from degflow_aug.files.tensor_file import load_tensors
from degflow_aug.files.writing import atomic_path
from degflow_aug.fit.noise_adversary import Adversary, adversary_share
from degflow_aug.fit.schedule import Budget, Schedule
from degflow_aug.metrics.energy_score import ResidualScore
from degflow_aug.models.training import interrupt

CROP, BATCH, GRID = 56, 8, 8
LONGEST_STEP = 1.0
ALONE, BESIDE = Schedule(2e-3, 1e-6, 0.3), Schedule(1e-3, 1e-6, 0.3)
"""Learning rates by the energy score alone, and then beside the adversary."""
REPORT_STEPS = 20
STEPS = 4000
"""Of a training that has no time to keep to."""
Report = Callable[[int, int, float], None]


@dataclass(frozen=True)
class NoiseRun:
    """How noise is trained.

    Attributes:
        budget: steps, or seconds that the schedule then follows.
        seed: of the network, the crops and the draws.
        report: called as (step, expected total, mean score since the last call).
        state: file to resume from, written every ``save_seconds`` and where the training is stopped; None for none.
    """

    budget: Budget
    seed: int = 0
    report: Report = lambda step, total, score: None
    state: Path | None = None
    save_seconds: float = 60.0

    def part(self, index: int, count: int) -> NoiseRun:
        """That of one out of ``count`` cameras, with its share of the budget and a state of its own."""
        budget = Budget(-(-self.budget.iterations // count), self.budget.seconds / count)
        state = self.state and self.state.with_stem(f"{self.state.stem}_{index}")
        return replace(self, budget=budget, state=state)


def train_noise(
    pairs: Mapping[float, Sequence[Pair]],
    field: ResidualNoise,
    score: ResidualScore,
    run: NoiseRun,
    device: torch.device,
) -> LearnedNoise:
    """Teach a network the noise between rendered and real LR.

    Args:
        field: Gaussian noise of the same pairs, which stays as it is.
        pairs: by scale, rendered and real LR images (1, 3, h, w) in [0, 1], of at least 32x32 pixels.
        score: what is brought down, made of the residuals of these pairs.
    """
    training = _Training(pairs, field, score, run, device)
    if run.state is None:
        return training.run_to_the_end()
    with interrupt.stoppable():
        interrupt.on_stop(training.save)
        return training.run_to_the_end()


class _Training:
    """The network on its way. What a step draws depends on the seed and its number alone."""

    def __init__(
        self,
        pairs: Mapping[float, Sequence[Pair]],
        field: ResidualNoise,
        score: ResidualScore,
        run: NoiseRun,
        device: torch.device,
    ) -> None:
        self.pairs = [(scale, lr[0], real[0]) for scale in sorted(pairs) for lr, real in pairs[scale]]
        self.score, self.run, self.device = score, run, device
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(run.seed)
            self.noise, self.adversary = LearnedNoise(field).to(device), Adversary(device)
        self.optimizer = torch.optim.AdamW(self.noise.parameters(), ALONE.peak, betas=(0.9, 0.99))
        self.step, self.seconds = 0, 0.0
        smallest = min(min(lr.shape[-2:]) for _, lr, _ in self.pairs)
        self.crop = min(CROP, max(smallest, SMALLEST) // GRID * GRID)
        self.fingerprint = math.fsum(float((real - lr).double().square().sum()) for _, lr, real in self.pairs)

    def run_to_the_end(self) -> LearnedNoise:
        """Train what is left of the budget; returns the noise, frozen."""
        self._resume()
        began, saved = time.monotonic() - self.seconds, self.seconds
        total, count = torch.zeros((), device=self.device), 0
        for step in itertools.count(self.step):
            progress = self.run.budget.progress(step, self.seconds)
            if progress >= 1:
                break
            interrupt.check(saving=True)
            total, count = total + self._advance(step, progress), count + 1
            self.step, self.seconds = step + 1, time.monotonic() - began
            done = self.run.budget.progress(self.step, self.seconds)
            if self.step % REPORT_STEPS == 0 or done >= 1:
                self.run.report(self.step, round(self.step / done), float(total) / count)
                total, count = torch.zeros_like(total), 0
            if self.seconds - saved > self.run.save_seconds and done < 1:
                self.save()
                saved = self.seconds
        self.save()
        return LearnedNoise.from_state(self.noise.state_dict())

    def _advance(self, step: int, progress: float) -> Tensor:
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

    def _resume(self) -> None:
        file = self.run.state
        if file is None or not file.is_file():
            return
        kept = load_tensors(file)
        # Of other pairs, as after a stage was trained anew, it is begun anew.
        if not isinstance(kept, dict) or kept.get("pairs") != self.fingerprint:
            return
        self.noise.load_state_dict(kept["noise"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.adversary.resume(kept["adversary"])
        self.step, self.seconds = kept["step"], kept["seconds"]

    def save(self) -> None:
        """Write what :meth:`run_to_the_end` resumes from, where there is a file for it."""
        if self.run.state is None:
            return
        self.run.state.parent.mkdir(parents=True, exist_ok=True)
        kept = {
            "pairs": self.fingerprint, "noise": self.noise.state_dict(), "optimizer": self.optimizer.state_dict(),
            "adversary": self.adversary.state(), "step": self.step, "seconds": self.seconds,
        }  # fmt: skip
        with atomic_path(self.run.state) as partial:
            torch.save(kept, partial)


def _rounded(image: Tensor) -> Tensor:
    """To whole gray levels, with the gradient of the identity."""
    return image + ((image.clamp(0, 1) * 255).round() / 255 - image).detach()
