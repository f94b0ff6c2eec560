"""Pictures beside the numbers of an evaluation: the middle of some scenes, real and by every method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from degflow_aug.data.tensors import to_array
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.generator.several_cameras import SeveralCameras, cameras_to_name
from degflow_aug.evaluation.evaluation import FITTED, EvaluationScene, methods_for

SIDE, RIM = 192, 48
MOST_SCENES, MOST_OF_A_CAMERA, MOST_SCALES = 8, 4, 3
GAIN = 4
SHOWN = ("bicubic", *FITTED, "DegFlow")


class Sample(NamedTuple):
    """A strip (H, W, 3), RGB in uint8, of squares of equal size with a name each."""

    title: str
    columns: tuple[str, ...]
    pixels: np.ndarray


class SampleScenes:
    """Keeps the middles of scenes that pass by on their way to an evaluation: the first few of each camera."""

    def __init__(self) -> None:
        self.kept: list[EvaluationScene] = []

    def passing(self, scenes: Iterable[EvaluationScene]) -> Iterator[EvaluationScene]:
        """The scenes as they are."""
        for scene in scenes:
            of_camera = sum(each.camera == scene.camera for each in self.kept)
            if of_camera < MOST_OF_A_CAMERA and len(self.kept) < MOST_SCENES:
                views = {scale: _middle(scene.views[scale]) for scale in _some(sorted(scene.views))}
                self.kept.append(EvaluationScene(scene.name, scene.camera, _middle(scene.hr), views))
            yield scene

    @torch.no_grad()
    def strips(self, generator: DegFlow | FittedKernel) -> list[Sample]:
        """A strip for each kept scene and scale: HR, the real view, those of the methods, and four times what the last
        one differs by, around gray."""
        several = generator if isinstance(generator, SeveralCameras) and cameras_to_name(generator) else None
        found = []
        for scene in self.kept:
            if several is not None:
                several.use_camera(scene.camera)
            methods = {name: method for name, method in methods_for(generator).items() if name in SHOWN}
            for scale, real in scene.views.items():
                images = {"HR": scene.hr, "real": real}
                for name, method in methods.items():
                    view = method(scene.hr, scale, real)
                    if view is not None:
                        images[name] = view
                last = list(images)[-1]
                images[f"{last} - real, x{GAIN}"] = (0.5 + GAIN * (images[last] - real)).clamp(0, 1)
                title = f"{scene.camera}/{scene.name} x{scale:g}" if scene.camera else f"{scene.name} x{scale:g}"
                pixels = np.concatenate([to_array(_inner(image)[0]) for image in images.values()], axis=1)
                found.append(Sample(title, tuple(images), pixels))
        if several is not None:
            several.use_camera(None)
        return found


def _some(scales: list[float]) -> list[float]:
    """At most three: the ends and one between."""
    if len(scales) <= MOST_SCALES:
        return scales
    return [scales[round(place * (len(scales) - 1) / (MOST_SCALES - 1))] for place in range(MOST_SCALES)]


def _middle(image: Tensor) -> Tensor:
    """The middle with a rim that methods may look at; a copy, so that the whole image can go."""
    return _cut(image, SIDE + 2 * RIM).clone()


def _inner(image: Tensor) -> Tensor:
    return _cut(image, SIDE)


def _cut(image: Tensor, side: int) -> Tensor:
    top, left = (max(0, (extent - side) // 2) for extent in image.shape[-2:])
    return image[..., top : top + side, left : left + side]
