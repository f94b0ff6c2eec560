"""``degflow align`` from a folder of photographs to a fitted camera, again, and with every mistake."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refused
from skimage import data

from benchmarks.alignment.cases import Case, make
from degflow_aug.cli import main
from degflow_aug.files.image_file import read_image, write_image

CASE = Case("coffee", 2.0, 0.7, (6.0, -4.0), 1.2, (1.0, 0.97, 1.04), 0.4, 3)
PHOTOGRAPHS = {
    "coffee": lambda: data.coffee(),
    "cat": lambda: data.chelsea(),
    "stones": lambda: np.repeat(data.gravel()[:400, :400, None], 3, 2),
}


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes of which each has a view at 2, and one at 4 as well."""
    root = tmp_path_factory.mktemp("align") / "shots"
    for name, photograph in PHOTOGRAPHS.items():
        (root / name).mkdir(parents=True)
        for scale in (2.0, 4.0) if name == "stones" else (2.0,):
            hr, lr, _ = make(dataclasses.replace(CASE, scale=scale), photograph())
            write_image(root / name / f"x{scale:g}.png", lr)
        write_image(root / name / "HR.png", hr)
    return root


@pytest.fixture(scope="module")
def pairs(shots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command makes of them."""
    out = tmp_path_factory.mktemp("align") / "pairs"
    assert main(["align", str(shots), "--out", str(out)]) == 0
    return out


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_pairs_and_report_are_there(pairs: Path) -> None:
    assert sorted(files(pairs)) == sorted(
        [f"{kind}/{name}.png" for kind in ("HR", "LR2") for name in PHOTOGRAPHS]
        + ["LR4/stones.png", "align.html", "align.json", "pattern.yml"]
    )
    scenes = json.loads((pairs / "align.json").read_text())["scenes"]
    (view,) = scenes["coffee"]["views"]
    assert view["measured_scale"] == pytest.approx(2, rel=2e-3)
    assert view["rotation_degrees"] == pytest.approx(0.7, abs=0.05)
    assert view["shift_hr_pixels"] == pytest.approx([6, -4], abs=0.2)
    assert view["gains"] == pytest.approx([1.2, 1.2 * 0.97, 1.2 * 1.04], rel=0.02)
    assert view["residual_hr_pixels"]["bound"] < 0.3
    assert view["reason"] == ""


def test_a_view_lies_on_hr(shots: Path, pairs: Path) -> None:
    """HR is a part of the photograph, unchanged; the view is nearer to it than shifted by a pixel, and as bright."""
    hr, view = (read_image(pairs / kind / "stones.png").astype(float) for kind in ("HR", "LR2"))
    whole = read_image(shots / "stones" / "HR.png")
    left, top, right, bottom = json.loads((pairs / "align.json").read_text())["scenes"]["stones"]["crop"]
    assert np.array_equal(hr, whole[top:bottom, left:right])
    assert view.shape == hr.shape
    inner = (slice(8, -8), slice(8, -8))
    error = {
        (down, right): np.mean((np.roll(view, (down, right), (0, 1)) - hr)[inner] ** 2)
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    }
    assert min(error, key=lambda key: error[key]) == (0, 0)
    assert view.mean((0, 1)) == pytest.approx(hr.mean((0, 1)), rel=0.02)


def test_the_result_is_taken_by_fit(pairs: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "kernel.safetensors"
    assert main(["fit", str(pairs), "--preset", "kernel", "--out", str(bundle)]) == 0
    assert bundle.is_file()


def test_a_second_run_does_nothing(shots: Path, pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(pairs)
    assert main(["align", str(shots), "--out", str(pairs)]) == 0
    assert files(pairs) == before
    out = capsys.readouterr().out
    assert "3 scenes aligned, 0 failed" in out
    assert f"degflow fit {pairs} --out camera.safetensors" in out


def test_scenes_that_fail_are_reported_and_not_written(
    shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = tmp_path / "shots", tmp_path / "out"
    shutil.copytree(shots, root)
    shutil.copy(root / "cat" / "x2.png", root / "coffee" / "x2.png")
    (root / "stones" / "x4.png").write_bytes((root / "stones" / "x4.png").read_bytes()[:500])
    for name in ("HR", "x2"):
        (root / "cat" / f"{name}.png").rename(root / "cat" / f"IMG_{name[-1]}.png")
    assert main(["align", str(root), "--out", str(out)]) == 1
    said = capsys.readouterr().out
    assert "two different scenes" in said
    assert "cut off" in said
    assert "expected a focal length in EXIF" in said
    assert "0 scenes aligned, 3 failed" in said
    assert sorted(files(out)) == ["align.json"]
    # Mended, only what was mended is done.
    shutil.rmtree(root / "cat")
    shutil.copytree(shots / "cat", root / "cat")
    assert main(["align", str(root), "--out", str(out)]) == 1
    assert sorted(files(out)) == ["HR/cat.png", "LR2/cat.png", "align.html", "align.json", "pattern.yml"]
    # What is taken away stays in the set, which says so.
    shutil.rmtree(root / "cat")
    capsys.readouterr()
    assert main(["align", str(root), "--out", str(out)]) == 1
    assert f"{out} still has cat, no longer in {root}" in capsys.readouterr().err


def test_one_folder_of_all_photographs_makes_the_same_pairs(shots: Path, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    for path in shots.glob("*/*.png"):
        shutil.copy(path, tmp_path / "flat" / f"{path.parent.name}_{path.name}")
    assert main(["align", str(tmp_path / "flat"), "--out", str(tmp_path / "out")]) == 0
    for name in ("HR/cat.png", "LR2/coffee.png", "LR4/stones.png", "pattern.yml"):
        assert (tmp_path / "out" / name).read_bytes() == (pairs / name).read_bytes()


def test_the_scale_must_be_near_the_one_named(shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "shots"
    shutil.copytree(shots / "cat", root / "cat")
    assert main(["align", str(root), "--out", str(tmp_path / "a"), "--scales", "2.5"]) == 1
    assert "measured, expected 2.5 within 5 %" in capsys.readouterr().out
    wide = ["--scales", "2.5", "--tolerance", "30"]
    assert main(["align", str(root), "--out", str(tmp_path / "b"), *wide]) == 0
    assert (tmp_path / "b" / "LR2.5" / "cat.png").is_file()
    # A name that says nothing: the measured scale finds its place.
    (root / "cat" / "x2.png").rename(root / "cat" / "far.png")
    assert main(["align", str(root), "--out", str(tmp_path / "c"), "--scales", "2,4"]) == 0
    assert (tmp_path / "c" / "LR2" / "cat.png").is_file()
    assert main(["align", str(root), "--out", str(tmp_path / "c")]) == 1
    assert "neither name (x2, x4) nor focal length" in capsys.readouterr().out
    assert not (tmp_path / "c" / "LR2" / "cat.png").exists()


def test_sixteen_bits_stay(shots: Path, tmp_path: Path) -> None:
    (tmp_path / "shots" / "cat").mkdir(parents=True)
    for name in ("HR", "x2"):
        image = read_image(shots / "cat" / f"{name}.png").astype(np.uint16) * 257
        write_image(tmp_path / "shots" / "cat" / f"{name}.tif", image)
    assert main(["align", str(tmp_path / "shots"), "--out", str(tmp_path / "out")]) == 0
    assert read_image(tmp_path / "out" / "HR" / "cat.png").dtype == np.uint16
    view = read_image(tmp_path / "out" / "LR2" / "cat.png")
    assert view.dtype == np.uint16
    assert np.any(view % 257)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["align"], "arguments are required: SHOTS"),
        (["align", "no_such", "--out", "o"], "no_such: expected a folder"),
        (["align", "SHOTS", "--out", "SHOTS"], "expected --out apart from the photographs"),
        (["align", "SHOTS", "--out", "SHOTS/out"], "expected --out apart from the photographs"),
        (["align", "SHOTS", "--out", "o", "--scales", "1,2"], "expected --scales above 1"),
        (["align", "SHOTS", "--out", "o", "--residual", "0"], "expected a number above 0"),
        (["align", "SHOTS", "--out", "o", "--tolerence", "5"], "did you mean '--tolerance'?"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str],
    part: str,
    shots: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert part in refused(capsys, *(word.replace("SHOTS", str(shots)) for word in arguments))
