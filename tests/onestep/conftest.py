"""Images and weights that the trainings of one-step systems share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def photograph_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of photographs to train on, simulated pairs at 4 to validate on, and samples as of FLUX."""
    from benchmarks.onestep.tiny import write_photograph_pairs
    from degflow_aug.onestep.fluxsr.noise_image_dataset import NoiseImages

    folder = write_photograph_pairs(tmp_path_factory.mktemp("images"), count=3)
    samples = NoiseImages(folder / "trajectories", {"size": 64})
    generator = torch.Generator().manual_seed(0)
    for number in range(3):
        noise, latents = torch.randn(2, 16, 8, 8, generator=generator).unbind()
        samples.write(number, noise, latents, torch.rand(3, 64, 64, generator=generator))
    return folder


@pytest.fixture(scope="session")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights for LPIPS, random."""
    from helpers.tiny_backbones import write_vgg

    return write_vgg(tmp_path_factory.mktemp("vgg") / "vgg16.pth")
