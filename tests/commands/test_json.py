"""``--json``: one document on stdout whatever happens, and everything for people on stderr."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny_camera import write_pairs

from degflow_aug.bundles.bundle import load_any_bundle, read_spec
from degflow_aug.cli import main
from tests.commands.test_evaluate import write_city100


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def document(capsys: pytest.CaptureFixture[str], code: int, *arguments: object) -> dict[str, Any]:
    """The one object on stdout of ``degflow ARGUMENTS --json``, which ends with ``code``."""
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == code
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    return dict(json.loads(printed, parse_constant=refuse))


def test_generate_counts(bundle: Path, hr_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (hr_folder / "broken.png").write_bytes(b"not an image")
    arguments = [
        "generate",
        hr_folder,
        "--bundle",
        bundle,
        "--scales",
        "1,2",
        "--out",
        tmp_path / "lr",
        "--device",
        "cpu",
    ]
    expected = {
        "out": str(tmp_path / "lr"), "scales": [1.0, 2.0], "images": 5, "there_before": 0, "skipped": ["broken"],
        "process": 0, "processes": 1,
    }  # fmt: skip
    assert document(capsys, 1, *arguments) == expected
    again = document(capsys, 1, *arguments)
    assert (again["images"], again["there_before"]) == (5, 5)


def test_bundles_say_all_of_themselves(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = document(capsys, 0, "bundles", bundle)
    assert (one["knots"], one["s_max"], one["bytes"]) == ([1.0, 2.0, 4.0], 4.0, bundle.stat().st_size)
    monkeypatch.setattr("degflow_aug.bundles.spec.WEIGHTS", tmp_path)
    assert document(capsys, 0, "bundles") == {"bundles": []}
    shutil.copy(bundle, tmp_path / "simulator.safetensors")
    (listed,) = document(capsys, 0, "bundles")["bundles"]
    assert listed["name"] == "simulator"
    assert listed["velocity"] == read_spec(bundle).velocity


def test_convert_counts_parameters(fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "camera.safetensors"
    found = document(
        capsys, 0, "convert", "--rae", fixtures / "tiny_ae.pth", "--flow", fixtures / "tiny_flow.pth", "--out", out
    )
    made = load_any_bundle(out)
    assert found["rae_parameters"] == sum(value.numel() for value in made.rae.parameters())  # type: ignore[union-attr]
    assert (found["bundle"], found["knots"]) == (str(out), [1.0, 2.0, 4.0])


def test_fit_and_noise_say_what_they_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pattern, out = write_pairs(tmp_path / "pairs", size=192, scales=(2.0,)), tmp_path / "kernel.safetensors"
    layout = ["--layout", "pattern", "--pattern", pattern, "--device", "cpu"]
    found = document(
        capsys, 0, "fit", tmp_path / "pairs", *layout, "--preset", "kernel", "--held-out", "002", "--out", out
    )
    assert (found["bundle"], found["knots"], found["held_out"]) == (str(out), [1.0, 2.0], True)
    assert found["scenes"] == ["pairs/002"]
    assert found["noise"] is True
    assert {"bicubic", "fitted kernel"} <= {row["method"] for row in found["rows"]}
    # The pairs are bicubic: as near as can be, which JSON has no number for, or nearly so by the rounding of torch 2.6.
    assert (next(row for row in found["rows"] if row["method"] == "bicubic")["psnr_y"] or 200) > 90
    assert Path(found["report"]).is_file()
    learned = document(
        capsys, 0, "noise", out, "--pairs", tmp_path / "pairs", *layout, "--out", tmp_path / "n.safetensors"
    )
    (at_two,) = learned["noise"]
    assert at_two["scale"] == 2
    assert 0 <= at_two["lowest"] <= at_two["highest"]


def test_what_people_read_goes_to_stderr(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_city100(tmp_path / "pairs", ("A",), 1)
    arguments = ["evaluate", str(bundle), "--pairs", str(root), "--layout", "city100", "--device", "cpu", "--json"]
    assert main([*arguments, "--report", str(tmp_path / "page.html")]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["report"] == str(tmp_path / "page.html")
    assert f"degflow: report: {tmp_path / 'page.html'}\n" in said.err
    assert main([*arguments, "--report", "none"]) == 0
    assert json.loads(capsys.readouterr().out)["report"] is None


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["generate", "nowhere", "--bundle", "b", "--scales", "2", "--out", "o"], "nowhere"),
        (["evaluate", "nothing.safetensors", "--pairs", "p", "--layout", "city100"], "p"),
        (["bundles", "nothing.safetensors"], "nothing.safetensors"),
        (["noise", "nothing.safetensors", "--pairs", "p", "--layout", "city100"], "p"),
        (["distill", "nothing.safetensors", "--photos", "."], "nothing.safetensors"),
        (["convert", "--rae", "a.pth", "--flow", "b.pth", "--out", "o.pth"], "expected --out to name"),
        (["fit", "p", "--layout", "city100", "--out", "o.safetensors", "--minutes", "1", "--iters", "1"], "got both"),
        (["demo", "--shipped", "--iters", "1"], "--shipped or a budget"),
        (["demo", "--minutes", "1", "--iters", "1"], "--minutes or --iters, got both"),
        (["report", "nowhere"], "nowhere: nothing there"),
        (["generate", "--bundel", "x"], "did you mean '--bundle'?"),
        (["test", "-opt", "missing.yml"], "missing.yml"),
    ],
)
def test_a_mistake_is_an_object_too(
    arguments: list[str], part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--json"]) == 2
    said = capsys.readouterr()
    error = json.loads(said.out)
    assert list(error) == ["error"]
    assert part in error["error"]
    assert said.err == f"degflow: {error['error']}\n"
    assert list(tmp_path.iterdir()) == []
