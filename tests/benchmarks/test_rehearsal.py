"""The paper's chain from pairs to its tables runs as it ships, at sizes at which its numbers mean nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

for package in ("basicsr", "lpips", "skimage"):
    pytest.importorskip(package, reason="the chain trains by BasicSR, and measures by both others")
from benchmarks.rehearsal import __main__ as rehearsal  # noqa: E402
from benchmarks.rehearsal import hours  # noqa: E402
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder  # noqa: E402


@pytest.mark.slow
def test_the_whole_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "work"
    assert rehearsal.main(["--work", str(work), "--out", str(tmp_path / "rehearsal")]) == 0
    cells = re.findall(r"\d+\.\d{2}/\d\.\d{4}/\d\.\d{4} \|", capsys.readouterr().out)
    assert len(cells) == 5
    assert set(json.loads((tmp_path / "rehearsal.json").read_text())["seconds"]) >= {*rehearsal.STEPS, "generate"}
    # Of four scenes of Nikon.
    assert len([*work.glob("generated/*/version0/2.5/*_LR2.5.png")]) == 4


@pytest.mark.parametrize("name", [*rehearsal.STEPS, *rehearsal.TESTS])
def test_only_sizes_and_counts_differ(name: str) -> None:
    shipped, found = rehearsal.load_yaml(rehearsal.OPTIONS / f"{name}.yml"), rehearsal.options(name)
    changed = {*rehearsal.SMALL, *rehearsal.COUNTS, "val_freq", "save_checkpoint_freq"}
    # A test is of the network that was trained, and not of the one that its file names as an example.
    changed |= {"network_g"} if name in rehearsal.TESTS else set()

    def compare(one: object, other: object, key: str = "") -> None:
        if key not in changed and isinstance(one, dict) and isinstance(other, dict):
            assert one.keys() == other.keys()
            for inner in one:
                compare(one[inner], other[inner], inner)
        elif key not in changed:
            assert one == other, key

    compare(shipped, found)


def test_operations_are_those_of_the_layers() -> None:
    """Of a convolution 2 * 9 * C * C' per pixel, and backward twice as many, but none for the gradient of an image."""
    convolution = torch.nn.Conv2d(3, 8, 3, padding=1)
    forward = 2 * 9 * 3 * 8 * 64**2
    assert hours.operations(lambda: convolution(hours.image(64))) == forward
    assert hours.operations(lambda: convolution(hours.image(64)).sum().backward()) == 2 * forward
    rae = ResidualAutoencoder(base_channels=8, latent_channels=4)
    assert hours.of_stage_1(rae, 128) == 4 * hours.of_stage_1(rae, 64)
