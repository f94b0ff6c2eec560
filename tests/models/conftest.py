"""What the trainings of one-step systems share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from degflow_aug.commands.simulated_pairs import bundled_photographs, write_simulated_pairs
from degflow_aug.data.image_file import read_image, to_tensor, write_image
from degflow_aug.progress import Progress


@pytest.fixture(scope="session")
def photograph_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of photographs to train on, and simulated pairs at 4 of other parts to validate on."""
    folder = tmp_path_factory.mktemp("images")
    photographs, _ = bundled_photographs()
    (folder / "hr").mkdir()
    for name, image in photographs.items():
        write_image(folder / "hr" / f"{name}.png", image[100:228, 100:228])
    with Progress() as progress:
        others = {name: image[250:346, 250:346] for name, image in photographs.items()}
        write_simulated_pairs(others, (4.0,), folder / "pairs", progress)
    return folder


@pytest.fixture(scope="session")
def taught_backbones(tiny_backbones: Path, photograph_pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny backbones, their VAEs taught for seconds, so that latents say something of images."""
    from degflow_aug.onestep.tiny_autoencoder import teach_autoencoder

    folder = tmp_path_factory.mktemp("taught") / "backbones"
    shutil.copytree(tiny_backbones, folder)
    files = sorted((photograph_pairs / "hr").glob("*.png"))
    crops = torch.stack([to_tensor(read_image(file)) for file in files]) * 2 - 1
    for name in ("sd", "flux"):
        teach_autoencoder(folder / name / "vae", crops, steps=150)
    return folder
