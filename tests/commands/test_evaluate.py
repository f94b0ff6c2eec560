"""``degflow evaluate`` on small pairs of every layout."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.photographs import photograph
from helpers.random_networks import random_noise
from helpers.refusals import refused
from helpers.tiny_camera import write_pairs

from degflow_aug import load_generator
from degflow_aug.bundles.bundle import load_bundle, save_bundle
from degflow_aug.cli import main
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.evaluation.evaluation import Scores
from degflow_aug.files.image_file import read_image, write_image
from degflow_aug.metrics import two_sample
from degflow_aug.metrics.fidelity import psnr_y, ssim_y


def write_city100(root: Path, cameras: tuple[str, ...] = ("City100_A", "City100_B"), scenes: int = 3) -> Path:
    """HR images whose views are bicubic ones, 8-bit, in the City100 layout."""
    for number, camera in enumerate(cameras):
        (root / camera).mkdir(parents=True)
        for scene in range(1, scenes + 1):
            hr = photograph(10 * number + scene)
            view = Bicubic().render(to_tensor(hr)[None], 2.9)[0]
            write_image(root / camera / f"{scene:03}H.png", hr)
            write_image(root / camera / f"{scene:03}L.png", to_array(view))
    return root


def write_realsr(root: Path, scales: tuple[float, ...]) -> Path:
    """Two scenes a scale in the RealSR layout, split Test."""
    for scale in scales:
        folder = root / "Canon" / "Test" / f"{scale:g}"
        folder.mkdir(parents=True)
        for scene in (1, 2):
            write_image(folder / f"Canon_{scene:03}_HR.png", photograph(scene))
            write_image(folder / f"Canon_{scene:03}_LR{scale:g}.png", photograph(scene + 50))
    return root


def rows(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[dict[str, Any]]:
    """Rows of ``degflow evaluate ... --json``, the only thing on stdout."""
    capsys.readouterr()
    assert main(["evaluate", *map(str, arguments), "--json", "--device", "cpu"]) == 0
    return json.loads(capsys.readouterr().out)["rows"]


def test_rows_hold_the_metrics_of_the_views(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_city100(tmp_path / "pairs")
    found = rows(capsys, bundle, "--pairs", root, "--layout", "city100", "--cameras", "City100_A", "--scenes", "2-3")
    by_method = {row["method"]: row for row in found}
    assert {(row["camera"], row["scale"], row["scenes"]) for row in found} == {("City100_A", 2.9, 2)}
    generator = load_generator(bundle)
    values = []
    for scene in ("002", "003"):
        hr, view = (to_tensor(read_image(root / "City100_A" / f"{scene}{kind}.png"))[None] for kind in "HL")
        rendered = generator.render(hr, 2.9)
        values.append([float(metric(rendered, view, eight_bit=True)) for metric in (psnr_y, ssim_y)])
    assert by_method["DegFlow"]["psnr_y"] == pytest.approx((values[0][0] + values[1][0]) / 2)
    assert by_method["DegFlow"]["ssim_y"] == pytest.approx((values[0][1] + values[1][1]) / 2)
    assert by_method["bicubic"]["psnr_y"] is None, "equal views are infinitely near, which JSON cannot say"
    assert by_method["bicubic"]["ssim_y"] == pytest.approx(1)
    assert {"HR itself", "RAE ceiling"} <= set(by_method)


def test_another_bundle_has_a_row_beside(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_city100(tmp_path / "pairs", scenes=1)
    other, taken = tmp_path / "other.safetensors", tmp_path / "bicubic.safetensors"
    for path in (other, taken):
        path.write_bytes(bundle.read_bytes())
    asked = ("--pairs", root, "--layout", "city100", "--report", "none")
    found = rows(capsys, bundle, *asked, "--beside", other)
    by_method = {row["method"]: row for row in found if row["camera"] == "City100_B"}
    assert by_method.pop("other") == {**by_method["DegFlow"], "method": "other"}
    assert list(by_method.values()) == [row for row in rows(capsys, bundle, *asked) if row["camera"] == "City100_B"]
    for twice in ((taken,), (other, other)):
        beside = [part for path in twice for part in ("--beside", path)]
        said = refused(capsys, "evaluate", bundle, *asked, *beside)
        assert f"whose names no other row has, got '{twice[0].stem}'" in said


def test_a_bundle_beside_is_asked_within_its_range(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "pairs")
    near, known = tmp_path / "near.safetensors", load_bundle(bundle)
    save_bundle(near, replace(known, spec=replace(known.spec, knots=(1.0, 2.0), s_max=2.0)))
    asked = ["evaluate", str(bundle), "--pairs", str(tmp_path / "pairs"), "--report", "none", "--beside", str(near)]
    assert main(asked) == 0
    assert "near makes no LR at x4: it has no cell there" in capsys.readouterr().err
    said = refused(capsys, *asked, "--knots", "4")
    assert "expected pairs at scales up to 2 for --beside near, got x4; leave it out" in said


def test_the_table_has_a_block_a_camera(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_city100(tmp_path / "pairs")
    options = ["--pairs", str(root), "--layout", "city100", "--limit", "1", "--device", "cpu"]
    page = tmp_path / "page.html"
    assert main(["evaluate", str(bundle), *options, "--oracle", "--report", str(page)]) == 0
    assert "\noracle" in capsys.readouterr().out
    assert "oracle" in page.read_text(encoding="utf-8").split("<main", 1)[-1]
    assert main(["evaluate", str(bundle), *options]) == 0
    said = capsys.readouterr()
    assert "oracle" not in said.out
    assert said.out.count("x2.9 (1 scenes)") == 2
    assert "City100_A" in said.out
    assert "City100_B" in said.out
    assert "degflow: the row of the fitted kernel is left out: the bundle holds none\n" in said.err
    assert "scene/s" not in said.err


@pytest.mark.parametrize("asked", [True, False])
def test_a_page_that_was_asked_for_and_is_not_there_is_told_by_the_exit_code(
    asked: bool, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("degflow_aug.report.report_file.write_page", fail)
    options = ["--pairs", str(write_city100(tmp_path / "pairs")), "--layout", "city100", "--limit", "1"]
    options += ["--report", str(tmp_path / "page.html")] if asked else []
    assert main(["evaluate", str(bundle), *options]) == int(asked)
    said = capsys.readouterr()
    assert "City100_A" in said.out
    assert "degflow: no report was written: No space left on device" in said.err


def test_scales_are_those_of_the_pairs_or_those_named(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_realsr(tmp_path / "RealSR", (2, 3.5, 4))
    layout = ("--pairs", root, "--layout", "realsr")
    assert {row["scale"] for row in rows(capsys, bundle, *layout)} == {2, 3.5, 4}
    assert {row["scale"] for row in rows(capsys, bundle, *layout, "--knots", "1,2,4")} == {2, 4}


def test_a_pattern_comes_from_a_file(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, seed in (("HR", 1), ("LR2", 2)):
        (tmp_path / folder).mkdir()
        write_image(tmp_path / folder / "a.png", photograph(seed))
    (tmp_path / "pattern.yml").write_text('hr: "HR/{id}.png"\nviews: {2: "LR2/{id}.png"}\n')
    found = rows(capsys, bundle, "--pairs", tmp_path, "--layout", "pattern", "--pattern", tmp_path / "pattern.yml")
    assert {(row["scale"], row["scenes"]) for row in found} == {(2, 1)}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--layout", "realsr", "--split", "Train"], "{camera}/Train/{scale}"),
        (["--layout", "realsr"], "pairs at scales from 1 to 4, the range of the bundle, got 8; name the scales"),
        (["--layout", "realsr", "--knots", "2,3"], "--knots among the scales of the pairs (2, 8), got 3"),
        (["--layout", "realsr", "--knots", "8"], "the range of the bundle, got 8"),
        (["--layout", "realsr", "--knots", "1"], "--knots among the scales of the pairs (2, 8), got 1"),
        (["--layout", "realsr", "--cameras", "Cannon"], "did you mean 'Canon'?"),
        (["--layout", "realsr", "--scenes", "070-080"], "scenes to select by '070-080'"),
        (["--layout", "realsr", "--pattern", "p.yml"], "with --layout pattern only, got --pattern p.yml"),
        (["--layout", "city100", "--split", "Test"], "--split with a RealSR layout, got --layout city100"),
        (["--layout", "pattern", "--pattern", "p.yml", "--split", "x"], "--split with a RealSR layout"),
        (["--layout", "pattern"], "got no --pattern with pattern"),
        (["--layout", "city100"], "001H.PNG"),
        (["--layout", "pattern", "--pattern", "missing.yml"], "No such file or directory: missing.yml"),
    ],
)
def test_pairs_that_do_not_fit(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    root = write_realsr(tmp_path / "RealSR", (2, 8))
    assert sentence in refused(capsys, "evaluate", bundle, "--pairs", root, *options, "--device", "cpu")


def test_a_small_image_is_refused_before_any_is_compared(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_city100(tmp_path, ("A",), 2)
    for kind in "HL":
        write_image(root / f"A/002{kind}.png", photograph(1, 10, 40))
    monkeypatch.setattr(Scores, "add", None)
    said = refused(capsys, "evaluate", bundle, "--pairs", root, "--layout", "city100", "--device", "cpu")
    assert "002H.png: expected at least 11x11 pixels to compare, got 40x10" in said


def test_a_truncated_image_is_refused(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_city100(tmp_path / "pairs", ("A",), 1)
    path = root / "A" / "001L.png"
    path.write_bytes(path.read_bytes()[:-300])
    assert main(["evaluate", str(bundle), "--pairs", str(root), "--layout", "city100", "--device", "cpu"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{path}: expected a whole image" in said.err.splitlines()[-1]


def test_pairs_on_the_lr_grid_are_compared_on_that_of_hr(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_city100(tmp_path / "pairs", ("A",), 1)
    hr = to_tensor(read_image(root / "A" / "001H.png"))[None]
    write_image(root / "A" / "001L.png", to_array(Bicubic()(hr, 2.9)[0]))
    found = rows(capsys, bundle, "--pairs", root, "--layout", "city100")
    assert next(row for row in found if row["method"] == "bicubic")["psnr_y"] > 45


def write_noisy(bundle: Path, path: Path) -> Path:
    """The bundle with noise at 2 and 4."""
    save_bundle(path, replace(load_bundle(bundle), noise=[random_noise().state_dict()]))
    return path


def write_pattern(root: Path, scenes: int, size: int) -> tuple[str, ...]:
    """Scenes with views at 2; the options that name them."""
    for number in range(scenes):
        for folder, seed in (("HR", number), ("LR2", number + 50)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            write_image(root / folder / f"{number}.png", photograph(seed, size, size))
    (root / "pattern.yml").write_text('hr: "HR/{id}.png"\nviews: {2: "LR2/{id}.png"}\n')
    return "--pairs", str(root), "--layout", "pattern", "--pattern", str(root / "pattern.yml")


def test_noise_is_told_from_real_where_scenes_are_enough(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(two_sample, "STEPS", 3)
    noisy, page = write_noisy(bundle, tmp_path / "noisy.safetensors"), tmp_path / "page.html"
    pairs = write_pattern(tmp_path, two_sample.LEAST_SCENES, 2 * two_sample.PATCH)
    found = []
    for seed in ("3", "3", "4"):
        options = ["--noise", "1", "--seed", seed, "--json", "--device", "cpu", "--report", str(page)]
        assert main(["evaluate", str(noisy), *pairs, *options]) == 0
        found.append(json.loads(capsys.readouterr().out))
    (row,) = found[0]["realism"]
    assert (row["scale"], row["scenes"], row["reason"]) == (2, two_sample.LEAST_SCENES, "")
    assert set(row["two_sample"]) == set(two_sample.CLASSIFIERS)
    assert all(0 <= each["auc"] <= 1 and each["patches"] == 6 for each in row["two_sample"].values())
    assert found[0] == found[1] != found[2]
    assert "generated LR against real LR" in page.read_text(encoding="utf-8")
    # Views have no noise: their rows are those of the command without it.
    assert found[0]["rows"] == rows(capsys, noisy, *pairs)


def test_too_few_scenes_or_too_small_ones_are_told_in_a_line(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for scenes, size, sentence in (
        (3, 64, "x2: expected at least 6 scenes for a two-sample test, got 3; add pairs"),
        (6, 62, "x2: expected LR of at least 32x32 pixels for a two-sample test, got 31x31; take larger images"),
    ):
        pairs = write_pattern(tmp_path / str(scenes), scenes, size)
        assert main(["evaluate", str(bundle), *pairs, "--noise", "0", "--report", "none", "--device", "cpu"]) == 0
        said = capsys.readouterr().out.splitlines()
        assert sentence in said
        assert any(line.split()[:4] == ["x2", str(scenes), "-", "-"] for line in said)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--seed", "1"], "expected --seed with --noise, which it is for, got --seed 1 alone; add --noise 1"),
        (["--noise", "1"], "expected noise of 0 for a generator that has learned none, got 1"),
        (["--noise", "-1"], "expected a number from 0 to 100, got '-1'"),
        (["--noise", "101"], "expected a number from 0 to 100, got '101'"),
        (["--noise", "nan"], "expected a number from 0 to 100, got 'nan'"),
    ],
)
def test_noise_that_cannot_be_measured(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    assert sentence in refused(capsys, "evaluate", bundle, *write_pattern(tmp_path, 1, 40), *options)
