"""The demo's picture: LR of held-out photographs by each method beside the phone's, scores and differences beneath."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from degflow_aug.commands.demo.simulated_pairs import CROP, PATTERN_FILE
from degflow_aug.commands.shared.contact_sheet import middle_crop
from degflow_aug.console.progress import track

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from degflow_aug.data.layouts.scene import Scene
    from degflow_aug.degradations.base import Degradation

Cells = dict[str, dict[str, "np.ndarray"]]
Captions = dict[str, dict[str, str]]
SHOWN = 3.0
"""A scale that the demo does not train at."""
TRUTH, AMPLIFIED = "truth", 4


def demo_cells(bundle: Path, pipeline: Path, pairs: Path) -> tuple[Cells, Captions]:
    """Crops of the held-out photographs over their differences to the truth, a row per photograph, and their scores.

    Args:
        bundle: of the generator that was fitted, with noise.
        pipeline: of the pipeline without networks.
        pairs: folder of the held-out pairs.
    """
    import degflow_aug
    from degflow_aug.data.layouts.find import find_scenes
    from degflow_aug.options.yaml_file import load_yaml

    generator, opponent = degflow_aug.load_generator(bundle, noise=1.0), degflow_aug.load_generator(pipeline)
    cells: Cells = {}
    captions: Captions = {}
    for scene in track(find_scenes(pairs, "pattern", pattern=load_yaml(pairs / PATTERN_FILE)), "picture", "photograph"):
        row = f"{scene.name} x{SHOWN:g}"
        views = _views(scene, generator, opponent)
        truth = views[TRUTH]
        cells[row] = {name: _with_difference(view, truth) for name, view in views.items()}
        captions[row] = {name: _score(view, truth) for name, view in views.items() if name != TRUTH}
        captions[row][TRUTH] = f"difference x{AMPLIFIED}:"
    return cells, captions


def _views(scene: Scene, generator: Degradation, opponent: Degradation) -> dict[str, Tensor]:
    """The truth and each method's LR image on the HR grid, (1, 3, H, W) in [0, 1]."""
    import degflow_aug
    from degflow_aug.data.tensors import to_tensor
    from degflow_aug.degradations.grid import to_hr_grid
    from degflow_aug.files.image_file import read_image

    hr, truth = (to_tensor(read_image(path))[None] for path in (scene.hr, scene.views[SHOWN]))
    generator.seed(0)
    lr = {"DegFlow + noise": generator(hr, SHOWN), "pipeline": opponent(hr, SHOWN)}
    for name, kind in (("Real-ESRGAN", "RealESRGAN"), ("bicubic", "Bicubic")):
        degradation = degflow_aug.build_degradation({"type": kind})
        degradation.seed(0)
        lr[name] = degradation(hr, SHOWN)
    views = {name: to_hr_grid(each, (hr.shape[-2], hr.shape[-1])) for name, each in lr.items()}
    return {TRUTH: truth, **views}


def _with_difference(view: Tensor, truth: Tensor) -> np.ndarray:
    """The middle of a view, and beneath it what it adds to the truth and takes from it, amplified around gray."""
    import numpy as np

    gray = ((view - truth) * AMPLIFIED / 2 + 0.5).clamp(0, 1)
    return np.concatenate([middle_crop(view, CROP), middle_crop(gray, CROP)])


def _score(view: Tensor, truth: Tensor) -> str:
    from degflow_aug.degradations.grid import to_lr_grid
    from degflow_aug.metrics.fidelity import psnr_y
    from degflow_aug.metrics.spectrum_distance import spectrum_distance

    near = float(psnr_y(view, truth, eight_bit=True))
    spread = float(spectrum_distance(to_lr_grid(view, SHOWN), to_lr_grid(truth, SHOWN)))
    return f"{near:.1f} dB, spectrum off {spread:.1f}"
