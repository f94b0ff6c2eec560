"""Rows of a generator that knows several cameras: each scene with its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.generator.several_cameras import cameras_to_name
from degflow_aug.evaluation.evaluation import EvaluationScene, Row, evaluate_views, methods_for

Note = Callable[[str], None]


def evaluate_generator(
    generator: DegFlow | FittedKernel, scenes: Iterable[EvaluationScene], note: Note = lambda text: None
) -> list[Row]:
    """The rows of :func:`evaluate_views` for all of :func:`methods_for`.

    Where the generator knows several cameras and none is chosen, the generated views and the fitted kernel are those
    of each scene's own camera.

    Args:
        scenes: one camera after the other; read once.
        note: see :func:`methods_for`.

    Raises:
        ValueError: a scene of a camera that the generator does not know.
    """
    if isinstance(generator, FittedKernel) or not cameras_to_name(generator):
        return evaluate_views(methods_for(generator, note), scenes)
    rows, heard = [], note
    for camera, group in itertools.groupby(scenes, key=lambda scene: scene.camera):
        generator.use_camera(camera)
        rows += evaluate_views(methods_for(generator, heard), group)
        heard = _nothing
    generator.use_camera(None)
    return rows


def _nothing(text: str) -> None:
    """Said once, a note is not repeated for every camera."""
