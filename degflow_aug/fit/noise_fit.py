"""Learn the noise of a generator or fitted camera from the pairs it was trained on, in the form that suits it."""

from __future__ import annotations

import copy
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from degflow_aug.bundles.bundle import Bundle, KernelBundle, State
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.build import generator_of
from degflow_aug.degradations.camera_choice import find_camera
from degflow_aug.degradations.generator.several_cameras import SeveralCameras
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.degradations.noise.noisy_degradation import Noise, NoNoise
from degflow_aug.degradations.noise.residual_estimation import Pair, estimate_noise
from degflow_aug.evaluation.evaluation import EvaluationScene, check_view
from degflow_aug.fit.noise_choice import GAUSSIAN, LEARNED, NONE, Choice, choose_noise, hold_out
from degflow_aug.fit.noise_training import train_noise
from degflow_aug.fit.short_training import ShortRun
from degflow_aug.metrics.energy_score import ResidualScore

WINDOW, SCENES, RIM = 640, 64, 2
AnyBundle = TypeVar("AnyBundle", bound=Bundle | KernelBundle)


def spread_out(scenes: Sequence[Scene]) -> Sequence[Scene]:
    """At most 64 scenes of each camera, evenly: more say nothing new about the noise."""
    by_camera: dict[str, list[Scene]] = defaultdict(list)
    for scene in scenes:
        by_camera[scene.camera].append(scene)
    return [scene for own in by_camera.values() for scene in own[:: max(1, math.ceil(len(own) / SCENES))]]


def with_noise(
    bundle: AnyBundle, scenes: Iterable[EvaluationScene], device: torch.device, run: ShortRun
) -> tuple[AnyBundle, list[Choice]]:
    """Add to a bundle the noise that its views lack beside the real ones of ``scenes``, of the form that suits best.

    Where the bundle knows several cameras each has its own; their scenes come one camera after the other, and share the
    budget of ``run``.

    Returns:
        The bundle, and per camera what was chosen, which its header says too.

    Raises:
        ValueError: images too small to learn from (:class:`TooSmallError`), or no view at a knot, or none of some
            camera.
    """
    generator = generator_of(bundle).to(device)
    if isinstance(generator, SeveralCameras) and generator.cameras:
        found = learn_noise_by_camera(generator, scenes, device, run)
    else:
        found = [learn_noise(generator, scenes, device, run)]
    choices = [choice for _, choice in found]
    spec = replace(bundle.spec, training={**bundle.spec.training, "noise": " / ".join(map(str, choices))})
    parts: dict[str, Any] = {"spec": spec, "noise": [state for state, _ in found]}
    return replace(bundle, **parts), choices


def learn_noise_by_camera(
    generator: SeveralCameras, scenes: Iterable[EvaluationScene], device: torch.device, run: ShortRun
) -> list[tuple[State, Choice]]:
    """:func:`learn_noise` of each of the generator's cameras from its own scenes.

    Raises:
        ValueError: as that, a scene of another camera, or no scene of one.
    """
    found: dict[int, tuple[State, Choice]] = {}
    for name, group in itertools.groupby(scenes, key=lambda scene: scene.camera):
        generator.use_camera(name)
        index = find_camera(name, generator.cameras)
        state, choice = learn_noise(generator, group, device, run.part(index, len(generator.cameras)))
        found[index] = state, replace(choice, camera=name)
    missing = [name for index, name in enumerate(generator.cameras) if index not in found]
    if missing:
        raise ValueError(f"expected scenes of every camera of the bundle to learn noise from, got none of {missing[0]}")
    return [found[index] for index in range(len(generator.cameras))]


def learn_noise(
    generator: Degradation, scenes: Iterable[EvaluationScene], device: torch.device, run: ShortRun
) -> tuple[State, Choice]:
    """State of the noise between rendered and real LR images, in the middle of every scene.

    Some scenes are held out, and none, :class:`ResidualNoise` and :class:`LearnedNoise` are compared on them. Where the
    second wins it is that of all scenes; a single scene gives it without comparison.

    Raises:
        ValueError: images too small to learn from, no view at a knot, or rendered views that are no numbers.
    """
    every = list(_pairs(generator, scenes))
    if not any(every):
        raise ValueError("expected real views to learn noise from, got none; name scenes at the scales of the bundle")
    whole, held_out = estimate_noise(_by_scale(every)), set(hold_out(len(every)))
    held = _by_scale([pairs for index, pairs in enumerate(every) if index in held_out])
    training = _by_scale([pairs for index, pairs in enumerate(every) if index not in held_out])
    if not held or training.keys() != held.keys():
        return whole.state_dict(), Choice(GAUSSIAN)
    gaussian = estimate_noise(training)
    score = ResidualScore(real[0] - lr[0] for pairs in training.values() for lr, real in pairs)
    forms: dict[str, Noise] = {
        NONE: NoNoise(gaussian.scales),
        GAUSSIAN: gaussian,
        LEARNED: train_noise(training, copy.deepcopy(gaussian), score, run, device).cpu(),
    }
    choice = choose_noise(forms, held, score, run.seed)
    return (whole if choice.form == GAUSSIAN else forms[choice.form]).state_dict(), choice


@torch.no_grad()
def _pairs(generator: Degradation, scenes: Iterable[EvaluationScene]) -> Iterator[dict[float, Pair]]:
    """Rendered and real LR of each scene by scale, in the middle and without a rim."""
    for scene in scenes:
        hr, found = _middle(scene.hr), {}
        for scale, view in scene.views.items():
            made = generator.render(hr, scale)
            check_view(made, "the generator", scene, scale)
            rendered, real = (to_lr_grid(image, scale) for image in (made, _middle(view)))
            inner = (..., slice(RIM, rendered.shape[-2] - RIM), slice(RIM, rendered.shape[-1] - RIM))
            found[scale] = rendered[inner].cpu(), real[inner].cpu()
        yield found


def _by_scale(scenes: Iterable[Mapping[float, Pair]]) -> dict[float, list[Pair]]:
    pairs: dict[float, list[Pair]] = defaultdict(list)
    for scene in scenes:
        for scale, pair in scene.items():
            pairs[scale].append(pair)
    return dict(pairs)


def _middle(image: Tensor) -> Tensor:
    top, left = (max(0, (side - WINDOW) // 2) for side in image.shape[-2:])
    return image[..., top : top + WINDOW, left : left + WINDOW]
