"""The residual noise of a generator, or of a fitted kernel, learned from the pairs it was trained on."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from degflow_aug.bundle import Bundle, save_bundle
from degflow_aug.data.scene import Scene
from degflow_aug.degradations.degflow import DegFlow
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.degradations.residual_estimation import Pair, estimate_noise
from degflow_aug.models.evaluation import EvaluationScene

WINDOW, SCENES, RIM = 640, 64, 2


class Renderer(Protocol):
    """What makes views of HR images, such as ``DegFlow`` and ``FittedKernel``."""

    def render(self, hr: Tensor, scale: float) -> Tensor:
        """View of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1], both."""


def spread_out(scenes: Sequence[Scene]) -> Sequence[Scene]:
    """At most 64 of the scenes, evenly: more say nothing new about the noise."""
    return scenes[:: max(1, math.ceil(len(scenes) / SCENES))]


def add_noise(path: Path, bundle: Bundle, scenes: Iterable[EvaluationScene], device: torch.device) -> Bundle:
    """The bundle with the noise that its views lack beside the real ones of ``scenes``, written to ``path``.

    Raises:
        ValueError: images too small to learn from, or no view at a knot.
    """
    noise = learn_noise(DegFlow.from_bundle(bundle).to(device), scenes)
    whole = replace(bundle, noise=noise)
    save_bundle(path, whole)
    return whole


@torch.no_grad()
def learn_noise(generator: Renderer, scenes: Iterable[EvaluationScene]) -> dict[str, Tensor]:
    """State of the :class:`ResidualNoise` between rendered and real LR images, in the middle of every scene.

    Raises:
        ValueError: images too small to learn from, or no view at a knot.
    """
    pairs: dict[float, list[Pair]] = defaultdict(list)
    for scene in scenes:
        hr = _middle(scene.hr)
        for scale, view in scene.views.items():
            rendered, real = (to_lr_grid(image, scale) for image in (generator.render(hr, scale), _middle(view)))
            inner = (..., slice(RIM, rendered.shape[-2] - RIM), slice(RIM, rendered.shape[-1] - RIM))
            pairs[scale].append((rendered[inner].cpu(), real[inner].cpu()))
    if not pairs:
        raise ValueError("expected real views to learn noise from, got none; name scenes at the scales of the bundle")
    return dict(estimate_noise(pairs).state_dict())


def _middle(image: Tensor) -> Tensor:
    top, left = (max(0, (side - WINDOW) // 2) for side in image.shape[-2:])
    return image[..., top : top + WINDOW, left : left + WINDOW]
