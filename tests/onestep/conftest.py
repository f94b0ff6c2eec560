"""What the trainings of one-step systems share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def photograph_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of photographs to train on, and simulated pairs at 4 of other parts to validate on."""
    from benchmarks.onestep.tiny import write_photograph_pairs

    return write_photograph_pairs(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def taught_backbones(tiny_backbones: Path, photograph_pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny backbones, their VAEs taught for seconds."""
    from benchmarks.onestep.tiny import teach_vaes

    folder = tmp_path_factory.mktemp("taught") / "backbones"
    shutil.copytree(tiny_backbones, folder)
    teach_vaes(folder, photograph_pairs, steps=100)
    return folder
