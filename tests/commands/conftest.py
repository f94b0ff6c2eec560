"""A tiny generator with random weights, and images to feed it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.photographs import photograph, write_photographs
from helpers.random_networks import random_rae, random_velocity

from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.files.image_file import write_image


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with knots 1, 2 and 4."""
    rae, velocity = random_rae(residual=True), random_velocity()
    path = tmp_path_factory.mktemp("bundle") / "tiny.safetensors"
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=(1.0, 2.0, 4.0), s_max=4.0)
    save_bundle(path, Bundle(spec, rae, velocity))
    return path


@pytest.fixture
def hr_folder(tmp_path: Path) -> Path:
    """Five images, one of them 16-bit and one in a folder below."""
    folder = tmp_path / "hr"
    write_photographs(folder, 3)
    write_photographs(folder / "more", 1, height=24, width=33)
    write_image(folder / "deep.tif", photograph(9, dtype=np.uint16))
    return folder
