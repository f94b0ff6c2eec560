"""Where the pairs lie that shipped bundles are trained and tested on; simulated ones are written first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.release.recipes import SIMULATED_KNOTS, HeldOut, Recipe
from degflow_aug.bundles.bundle import Bundle
from degflow_aug.commands.demo.simulated_pairs import (
    PATTERN_FILE,
    TESTED,
    bundled_photographs,
    layout_arguments,
    write_simulated_pairs,
)
from degflow_aug.commands.shared.pairs_arguments import load_scenes
from degflow_aug.console.progress import Progress
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.evaluation.bundle_metrics import Measurement, measure
from degflow_aug.evaluation.evaluation import EvaluationScene
from degflow_aug.files.image_file import read_image
from degflow_aug.options.yaml_file import load_yaml


def training_arguments(recipe: Recipe, city100: Path, work: Path) -> list[str]:
    """What ``degflow fit`` has to be told of the pairs to train on."""
    if not recipe.simulated:
        return [str(city100), "--layout", "city100", "--scenes", recipe.scenes]
    photographs = _photographs(find_scenes(city100, "city100", scenes=recipe.scenes))
    folder = work / "simulated" / "train" / recipe.training[0][0]
    _simulate(photographs, SIMULATED_KNOTS, folder)
    return [str(folder), *layout_arguments(folder), "--camera", "simulator"]


def held_out(test: HeldOut, city100: Path | None, work: Path, limit: int | None = None) -> Iterator[EvaluationScene]:
    """The first ``limit`` scenes of a test set (all by default), one in memory at a time."""
    scenes: list[Scene] = []
    if test.camera:
        if city100 is None:
            raise ValueError(f"expected --city100 DIR for the data set {test.data}, got none")
        scenes = find_scenes(city100, "city100", cameras=[test.camera], scenes=test.scenes)[:limit]
    scales: tuple[float, ...] = tuple(sorted({scale for scene in scenes for scale in scene.scales}))
    if test.simulated:
        photographs = _photographs(scenes) if test.camera else dict(list(bundled_photographs()[1].items())[:limit])
        folder, scales = work / "simulated" / "test" / (test.camera or "scikit-image"), TESTED
        _simulate(photographs, scales, folder)
        scenes = find_scenes(folder, "pattern", pattern=load_yaml(folder / PATTERN_FILE))
    yield from load_scenes(scenes, scales, torch.device("cpu"))


def measure_on(
    test: HeldOut, bundle: Bundle, city100: Path | None, work: Path, limit: int | None = None
) -> Measurement:
    """Scores of a bundle on a test set, on the CPU, where everybody gets the same."""
    return measure(generator_for(bundle, test), held_out(test, city100, work, limit), test.data, test.rerun)


def generator_for(bundle: Bundle, test: HeldOut) -> DegFlow:
    """The generator of ``bundle`` for the camera of ``test``."""
    return DegFlow.from_bundle(bundle, camera=test.camera if bundle.spec.cameras else None)


def _photographs(scenes: list[Scene]) -> dict[str, np.ndarray]:
    return {scene.name: read_image(scene.hr) for scene in scenes}


def _simulate(photographs: dict[str, np.ndarray], scales: tuple[float, ...], folder: Path) -> None:
    with Progress() as progress:
        write_simulated_pairs(photographs, scales, folder, progress)
