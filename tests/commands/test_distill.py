"""``degflow distill`` puts a student into a bundle, which other commands know, and says what it cannot use."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.photographs import write_photographs
from helpers.random_kernels import random_kernel
from helpers.refusals import refused
from helpers.tiny_camera import write_pairs

from degflow_aug.bundles.bundle import load_bundle, save_bundle
from degflow_aug.cli import main
from degflow_aug.degradations.build import build_degradation


@pytest.fixture
def fitted(bundle: Path, tmp_path: Path) -> Path:
    """The bundle with a fitted kernel."""
    path = tmp_path / "fitted.safetensors"
    save_bundle(path, replace(load_bundle(bundle), kernels=[random_kernel().state_dict()]))
    return path


def test_photographs_teach(fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_photographs(tmp_path / "photos", 2, height=64, width=72)
    before, out = fitted.read_bytes(), tmp_path / "out.safetensors"
    arguments = ["distill", str(fitted), "--photos", str(tmp_path / "photos"), "--iters", "2"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert "student: not compared with real views; type: Student" in capsys.readouterr().out
    assert fitted.read_bytes() == before
    assert len(load_bundle(out).students) == 1
    assert main(arguments) == 0
    assert fitted.read_bytes() == out.read_bytes()
    hr = torch.rand(1, 3, 64, 64)
    made, plain = (
        build_degradation({"type": kind, "bundle": str(out)})(hr, 3.0) for kind in ("Student", "FittedKernel")
    )
    assert not torch.equal(made, plain)


def test_pairs_teach_and_evaluate_shows_it(fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pattern = write_pairs(tmp_path / "pairs")
    pairs = ["--pairs", str(tmp_path / "pairs"), "--layout", "pattern", "--pattern", str(pattern)]
    capsys.readouterr()
    assert main(["distill", str(fitted), *pairs, "--iters", "1", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["students"]
    # One of three scenes does not teach.
    assert (found["scenes"], found["holds"]) == (1, found["psnr_y"] >= found["generator_psnr_y"] - 0.1)
    assert main(["bundles", str(fitted)]) == 0
    assert f"student: Y-PSNR {found['psnr_y']:.2f} dB, its generator" in capsys.readouterr().out
    assert main(["evaluate", str(fitted), *pairs, "--limit", "1", "--report", "none"]) == 0
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line]
    assert "student" in rows


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--photos DIR or --pairs DIR"),
        *(
            (["--photos", ".", f"--{name}", value], f"expected --pairs DIR with --{name}")
            for name, value in (
                ("layout", "city100"),
                ("pattern", "p.yml"),
                ("split", "Test"),
                ("cameras", "a"),
                ("scenes", "1"),
                ("true-scales", "2=2.1"),
            )
        ),
        (["--photos", "nowhere"], "nothing"),
        (["--photos", ".", "--iters", "0"], "0"),
        (["--photos", ".", "--iters", "2", "--minutes", "1"], "not allowed with"),
        (["--photos", ".", "--out", "student.pth"], ".safetensors"),
    ],
)
def test_a_mistake_is_a_sentence(
    fitted: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = fitted.read_bytes()
    assert words in refused(capsys, "distill", fitted, *arguments)
    assert fitted.read_bytes() == before


def test_a_bundle_without_a_fitted_camera_and_a_shipped_one_are_refused(
    bundle: Path, hr_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "fitted kernel or pipeline" in refused(capsys, "distill", bundle, "--photos", hr_folder)
    said = refused(capsys, "distill", "city100-iphone", "--photos", hr_folder)
    assert "--out FILE.safetensors for a shipped bundle" in said


@pytest.mark.parametrize(("folder", "said"), [
    ("iPhoneX", "expected pairs of every camera of the bundle, got none of City100_NikonD5500"),
    ("sony", "expected a camera out of City100_iPhoneX, City100_NikonD5500, got 'sony'"),
])  # fmt: skip
@pytest.mark.parametrize("photos", [False, True])
def test_every_camera_of_several_needs_something_to_be_taught_by(
    folder: str, said: str, photos: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A camera goes by the last words of its name, and pairs of another one are never left out without a word."""
    write_pairs(tmp_path / folder, scales=(2.9,))
    out = tmp_path / "out.safetensors"
    pairs = ["--pairs", tmp_path / folder, "--layout", "pattern", "--pattern", tmp_path / folder / "pattern.yml"]
    arguments = ["distill", "city100", *pairs, "--out", out, "--iters", "1"]
    if photos and folder == "iPhoneX":
        write_photographs(tmp_path / "photos", 1, height=64, width=64)
        assert main([str(word) for word in [*arguments, "--photos", tmp_path / "photos"]]) == 0
        return
    assert said in refused(capsys, *arguments)
    assert not out.exists()
