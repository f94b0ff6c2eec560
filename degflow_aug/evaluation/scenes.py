"""Scenes to evaluate on, and the middles that are kept of some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

SIDE, RIM = 192, 48
MOST_SCENES, MOST_OF_A_CAMERA, MOST_SCALES = 8, 4, 3


class EvaluationScene(NamedTuple):
    """A scene: HR (1, 3, H, W) in [0, 1] and its real views of the same shape, by scale."""

    name: str
    camera: str
    hr: Tensor
    views: Mapping[float, Tensor]


def keep_middle(kept: list[EvaluationScene], scene: EvaluationScene) -> None:
    """Add the middle of a scene with a rim that methods may look at, if it is among the first few of its camera."""
    of_camera = sum(each.camera == scene.camera for each in kept)
    if of_camera < MOST_OF_A_CAMERA and len(kept) < MOST_SCENES:
        views = {scale: _middle(scene.views[scale]) for scale in _some(sorted(scene.views))}
        kept.append(EvaluationScene(scene.name, scene.camera, _middle(scene.hr), views))


def without_rim(image: Tensor) -> Tensor:
    """The part of a middle that is shown."""
    return _cut(image, SIDE)


def _some(scales: list[float]) -> list[float]:
    """At most three: the ends and one between."""
    if len(scales) <= MOST_SCALES:
        return scales
    return [scales[round(place * (len(scales) - 1) / (MOST_SCALES - 1))] for place in range(MOST_SCALES)]


def _middle(image: Tensor) -> Tensor:
    """A copy, so that the whole image can go."""
    return _cut(image, SIDE + 2 * RIM).clone()


def _cut(image: Tensor, side: int) -> Tensor:
    top, left = (max(0, (extent - side) // 2) for extent in image.shape[-2:])
    return image[..., top : top + side, left : left + side]
