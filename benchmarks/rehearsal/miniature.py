"""What the paper's option files name, in miniature: RealSR and RealArbiSR of simulated photographs, and VGG16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torchvision

from degflow_aug.commands.demo.simulated_pairs import bundled_photographs
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.simulator.camera import SimulatedCamera
from degflow_aug.files.image_file import write_image
from degflow_aug.metrics.lpips_loss import VGG_FILE

SIDE = 192
SCENES = {"Train": 4, "Test": 1}
REALSR_SCALES = (2.0, 3.0, 4.0)
REALARBISR_SCALES = (2.5, 3.0, 3.5)


def write_miniature(folder: Path) -> None:
    """Write ``datasets/RealSR_v2_ordered`` and ``datasets/RealArbiSR`` below ``folder``, as their authors have them."""
    training, held_out = bundled_photographs()
    photographs = {"Train": list(training.values()), "Test": list(held_out.values())}
    camera, rng = SimulatedCamera(), np.random.default_rng(0)
    camera.seed(0)
    for name in ("Canon", "Nikon"):
        for split, count in SCENES.items():
            for number in range(1, count + 1):
                root = folder / "datasets/RealSR_v2_ordered" / name / split
                hr = _crop(photographs[split][number % len(photographs[split])], rng)
                for scale in REALSR_SCALES:
                    stem = f"{scale:g}/{name}_{number:03d}"
                    _write(root / f"{stem}_HR.png", hr)
                    _write(root / f"{stem}_LR{scale:g}.png", _view(camera, hr, scale))
    for scale in REALARBISR_SCALES:
        text, hr = f"{scale:g}".replace(".", "dot"), _crop(photographs["Test"][0], rng)
        root = folder / "datasets/RealArbiSR/Test"
        _write(root / f"HR{text}/1.png", hr)
        _write(root / f"LR{text}/1.png", to_array(camera(to_tensor(hr)[None], scale)[0]))


def write_random_vgg(folder: Path) -> None:
    """Write VGG16 of random weights where torchvision keeps its own below ``folder``."""
    torch.manual_seed(0)
    layers = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"], batch_norm=False)
    file = folder / "hub/checkpoints" / VGG_FILE
    file.parent.mkdir(parents=True)
    torch.save({f"features.{key}": value for key, value in layers.state_dict().items()}, file)


def _crop(photograph: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    top, left = (int(rng.integers(0, side - SIDE + 1)) for side in photograph.shape[:2])
    return photograph[top : top + SIDE, left : left + SIDE]


def _view(camera: Degradation, hr: np.ndarray, scale: float) -> np.ndarray:
    return to_array(camera.render(to_tensor(hr)[None], scale)[0])


def _write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, image)
