"""Learn the residual noise of a generator or fitted camera from the pairs it was trained on."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from degflow_aug.bundles.bundle import Bundle, KernelBundle, State
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.build import generator_of
from degflow_aug.degradations.camera_choice import find_camera
from degflow_aug.degradations.generator.several_cameras import SeveralCameras
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.degradations.noise.residual_estimation import Pair, estimate_noise
from degflow_aug.evaluation.evaluation import EvaluationScene, check_view

WINDOW, SCENES, RIM = 640, 64, 2
AnyBundle = TypeVar("AnyBundle", bound=Bundle | KernelBundle)


def spread_out(scenes: Sequence[Scene]) -> Sequence[Scene]:
    """At most 64 scenes of each camera, evenly: more say nothing new about the noise."""
    by_camera: dict[str, list[Scene]] = defaultdict(list)
    for scene in scenes:
        by_camera[scene.camera].append(scene)
    return [scene for own in by_camera.values() for scene in own[:: max(1, math.ceil(len(own) / SCENES))]]


def with_noise(bundle: AnyBundle, scenes: Iterable[EvaluationScene], device: torch.device) -> AnyBundle:
    """Add to a bundle the noise that its views lack beside the real ones of ``scenes``.

    Where the bundle knows several cameras each has its own; their scenes come one camera after the other.

    Raises:
        ValueError: images too small to learn from (:class:`TooSmallError`), or no view at a knot, or none of some
            camera.
    """
    generator = generator_of(bundle).to(device)
    if isinstance(generator, SeveralCameras) and generator.cameras:
        noise = learn_noise_by_camera(generator, scenes)
    else:
        noise = [learn_noise(generator, scenes)]
    return replace(bundle, noise=noise)


def learn_noise_by_camera(generator: SeveralCameras, scenes: Iterable[EvaluationScene]) -> list[State]:
    """:func:`learn_noise` of each of the generator's cameras from its own scenes.

    Raises:
        ValueError: as that, a scene of another camera, or no scene of one.
    """
    found: dict[int, State] = {}
    for name, group in itertools.groupby(scenes, key=lambda scene: scene.camera):
        generator.use_camera(name)
        found[find_camera(name, generator.cameras)] = learn_noise(generator, group)
    missing = [name for index, name in enumerate(generator.cameras) if index not in found]
    if missing:
        raise ValueError(f"expected scenes of every camera of the bundle to learn noise from, got none of {missing[0]}")
    return [found[index] for index in range(len(generator.cameras))]


@torch.no_grad()
def learn_noise(generator: Degradation, scenes: Iterable[EvaluationScene]) -> State:
    """State of the :class:`ResidualNoise` between rendered and real LR images, in the middle of every scene.

    Raises:
        ValueError: images too small to learn from, no view at a knot, or rendered views that are no numbers.
    """
    pairs: dict[float, list[Pair]] = defaultdict(list)
    for scene in scenes:
        hr = _middle(scene.hr)
        for scale, view in scene.views.items():
            made = generator.render(hr, scale)
            check_view(made, "the generator", scene, scale)
            rendered, real = (to_lr_grid(image, scale) for image in (made, _middle(view)))
            inner = (..., slice(RIM, rendered.shape[-2] - RIM), slice(RIM, rendered.shape[-1] - RIM))
            pairs[scale].append((rendered[inner].cpu(), real[inner].cpu()))
    if not pairs:
        raise ValueError("expected real views to learn noise from, got none; name scenes at the scales of the bundle")
    return estimate_noise(pairs).state_dict()


def _middle(image: Tensor) -> Tensor:
    top, left = (max(0, (side - WINDOW) // 2) for side in image.shape[-2:])
    return image[..., top : top + WINDOW, left : left + WINDOW]
