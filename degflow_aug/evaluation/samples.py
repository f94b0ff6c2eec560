"""Pictures beside the numbers of an evaluation: the middle of some scenes, real and by every method."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from degflow_aug.data.tensors import to_array
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.generator.several_cameras import SeveralCameras, cameras_to_name
from degflow_aug.evaluation.evaluation import FITTED, EvaluationScene, methods_for, without_rim

GAIN = 4
SHOWN = ("bicubic", *FITTED, "DegFlow")


class Sample(NamedTuple):
    """A strip (H, W, 3), RGB in uint8, of squares of equal size with a name each."""

    title: str
    columns: tuple[str, ...]
    pixels: np.ndarray


@torch.no_grad()
def draw_samples(generator: DegFlow | FittedKernel, middles: Iterable[EvaluationScene]) -> list[Sample]:
    """Draw a strip per scene and scale: HR, the real view, those of the methods, and four times what the last one
    differs by, around gray."""
    several = generator if isinstance(generator, SeveralCameras) and cameras_to_name(generator) else None
    found = []
    for scene in middles:
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
            pixels = np.concatenate([to_array(without_rim(image)[0]) for image in images.values()], axis=1)
            found.append(Sample(title, tuple(images), pixels))
    if several is not None:
        several.use_camera(None)
    return found
