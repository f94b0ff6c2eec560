"""The classifier two-sample test: how well a network that has seen other scenes tells generated LR from real LR.

Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017. An accuracy of one half, and an area of one
half under the ROC curve (AUC), mean that it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor, nn

PATCH = 32
"""Side of the patches in LR pixels."""
GRID = 8
"""Pitch of the places that patches are cut at: that of the blocks of JPEG, which a classifier may look at."""
STEPS, BATCH, RATE = 300, 24, 2e-3
FOLDS = 3
LEAST_SCENES = 6
"""Scenes below which the test says nothing: it trains on two thirds of them."""


@dataclass(frozen=True)
class TwoSample:
    """Result of one classifier: means over the folds, and half of what these differ by.

    Attributes:
        accuracy, auc: in [0, 1]; 0.5 where it cannot tell.
        accuracy_spread, auc_spread: half of the range over folds.
        patches: real patches that were told apart, in all folds together. Of n independent patches a fold on either
            side, the AUC of equal distributions has a standard error of sqrt((2 n + 1) / 12) / n (Mann-Whitney).
    """

    accuracy: float
    auc: float
    accuracy_spread: float
    auc_spread: float
    patches: int


@dataclass(frozen=True)
class LRScene:
    """Real LR (3, h, w) in [0, 1] of a scene, and generated LR (draws, 3, h, w) of the same HR image.

    Raises:
        ValueError: other shapes, or images that hold no patch.
    """

    real: Tensor
    generated: Tensor

    def __post_init__(self) -> None:
        real, generated = tuple(self.real.shape), tuple(self.generated.shape)
        if len(real) != 3 or real[0] != 3 or len(generated) != 4 or generated[1:] != real or not generated[0]:
            raise ValueError(
                f"expected real LR (3, h, w) and generated (draws, 3, h, w) of it, got {real}, {generated}"
            )
        if min(real[1:]) < PATCH:
            raise ValueError(
                f"expected LR of at least {PATCH}x{PATCH} pixels for a two-sample test, got {real[1]}x{real[2]}; "
                "take larger images"
            )


def two_sample_test(
    scenes: Sequence[LRScene],
    classifier: str = "residual",
    *,
    folds: int = FOLDS,
    seed: int = 0,
    steps: int | None = None,
) -> TwoSample:
    """Tell each fold of the scenes apart by a classifier of its own, with its own seed, trained on the other folds.

    So every scene is told apart once, by a network that has not seen it. It learns from patches at any place of
    the grid, real and generated from the same places, so that content tells nothing; it is tested on patches side by
    side. All is done on the CPU; the same seed gives the same result on one machine, and torch's random numbers are
    left as they were.

    Args:
        scenes: at least ``LEAST_SCENES``, in any order; their draws count as so many generated images.
        classifier: one of ``CLASSIFIERS``.
        folds: into how many parts the scenes are split, at random by ``seed``.
        seed: of the split, the networks and the batches.
        steps: of training each; default: ``STEPS``.

    Raises:
        ValueError: too few scenes, or a classifier that there is not.
    """
    if classifier not in CLASSIFIERS:
        raise ValueError(f"expected a classifier out of {', '.join(CLASSIFIERS)}, got {classifier!r}")
    if len(scenes) < LEAST_SCENES:
        raise ValueError(f"expected at least {LEAST_SCENES} scenes for a two-sample test, got {len(scenes)}; add pairs")
    accuracies, areas, patches = [], [], 0
    with torch.inference_mode(False), torch.enable_grad():
        for number, (training, held) in enumerate(split(len(scenes), folds, seed)):
            rng = np.random.default_rng([seed, number])
            network = _trained(_new(classifier, rng), [scenes[index] for index in training], rng, steps or STEPS)
            real, generated = _scores(network, [scenes[index] for index in held])
            accuracies.append(((real > 0).mean() + (generated < 0).mean()) / 2)
            areas.append(area_under_curve(real, generated))
            patches += len(real)
    return TwoSample(
        float(np.mean(accuracies)), float(np.mean(areas)), float(np.ptp(accuracies) / 2), float(np.ptp(areas) / 2),
        patches,
    )  # fmt: skip


def split(scenes: int, folds: int, seed: int) -> list[tuple[list[int], list[int]]]:
    """Numbers of the scenes to train on and of those to test on, per fold; each scene is tested in one of them."""
    order = np.random.default_rng(seed).permutation(scenes).tolist()
    parts = [order[fold::folds] for fold in range(folds)]
    return [([index for index in order if index not in held], held) for held in parts]


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Probability that a positive's score (n,) is above a negative's (m,), ties counted half (Mann-Whitney)."""
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    wins = ranks.sum() - len(positive) * (len(positive) + 1) / 2
    return float(wins / (len(positive) * len(negative)))


def _new(classifier: str, rng: np.random.Generator) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would seed accelerators too.
        torch.default_generator.manual_seed(int(rng.integers(2**31)))
        return CLASSIFIERS[classifier]()


def _trained(network: nn.Module, scenes: Sequence[LRScene], rng: np.random.Generator, steps: int) -> nn.Module:
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(steps):
        scores = network(_batch(scenes, rng))
        loss = F.softplus(torch.cat([-scores[:BATCH], scores[BATCH:]])).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def _batch(scenes: Sequence[LRScene], rng: np.random.Generator) -> Tensor:
    """Real patches, then generated ones of the same places, mirrored alike: (2 BATCH, 3, P, P)."""
    real, generated = [], []
    for index in rng.integers(len(scenes), size=BATCH):
        scene = scenes[index]
        top, left = (GRID * int(rng.integers((side - PATCH) // GRID + 1)) for side in scene.real.shape[1:])
        place = (..., slice(top, top + PATCH), slice(left, left + PATCH))
        real.append(scene.real[place])
        generated.append(scene.generated[int(rng.integers(len(scene.generated)))][place])
    batch = torch.stack(real + generated).cpu().float()
    for axis in (-1, -2):
        mirrored = torch.from_numpy(rng.random(BATCH) < 0.5).repeat(2).view(-1, 1, 1, 1)
        batch = torch.where(mirrored, batch.flip(axis), batch)
    return batch


@torch.no_grad()
def _scores(network: nn.Module, scenes: Sequence[LRScene]) -> tuple[np.ndarray, np.ndarray]:
    """Scores of all real and of all generated patches; above 0 is taken for real."""
    real = torch.cat([network(_tiles(scene.real[None])) for scene in scenes])
    generated = torch.cat([network(_tiles(draw[None])) for scene in scenes for draw in scene.generated])
    return real.numpy(), generated.numpy()


def _tiles(image: Tensor) -> Tensor:
    """Patches side by side, (1, 3, h, w) -> (n, 3, P, P)."""
    windows = image.cpu().float().unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)
    return windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, PATCH, PATCH)


class _Classifier(nn.Module):
    """Convolutions, then mean and standard deviation of each feature over the patch, then a linear score (B,)."""

    def __init__(self, widths: Sequence[int], strides: Sequence[int], high_pass: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, stride in zip(widths, strides, strict=True):
            layers += [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
            channels = width
        self.features = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.score = nn.Linear(2 * channels, 1)
        self.high_pass = high_pass

    def forward(self, patches: Tensor) -> Tensor:
        """Score patches (B, 3, P, P) in [0, 1]."""
        x = patches - 0.5
        if self.high_pass:
            binomial = x.new_tensor([1.0, 2.0, 1.0]) / 4
            kernel = (binomial[:, None] * binomial).expand(3, 1, 3, 3)
            x = 16 * (x - F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, groups=3))
        features = self.features(x.contiguous(memory_format=torch.channels_last))
        spread = features.var((-2, -1)).add(1e-5).sqrt()
        return self.score(torch.cat([features.mean((-2, -1)), spread], 1)).squeeze(1)


CLASSIFIERS: Mapping[str, Callable[[], nn.Module]] = {
    "plain": partial(_Classifier, (16, 24, 32), (1, 2, 2), False),
    "residual": partial(_Classifier, (24, 24, 32, 48), (1, 2, 1, 2), True),
}
"""A small network on the pixels, and a stronger one on what a binomial low-pass leaves."""
