"""``degflow bundles`` and ``degflow demo --shipped`` on random bundles in place of those of the package."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.photographs import photograph
from helpers.random_networks import random_rae, randomise
from helpers.refusals import refused

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.bundles.bundle import (
    Bundle,
    GeneratorSpec,
    KernelBundle,
    KernelSpec,
    load_bundle,
    read_spec,
    save_bundle,
)
from degflow_aug.cli import main
from degflow_aug.commands.demo import shipped as shipped_demo
from degflow_aug.evaluation.bundle_metrics import Measurement, Score
from degflow_aug.files.image_file import read_image

SIDE = 168


@pytest.fixture
def shipped(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two bundles that stands for the package's own."""
    folder = tmp_path / "weights"
    folder.mkdir()
    shutil.copy(bundle, folder / "simulator.safetensors")
    found = load_bundle(bundle)
    scores = tuple(
        Score(method, scale, scene, psnr, 0.9)
        for method, psnr in (("bicubic", 30.0), ("DegFlow", 33.5))
        for scale in (2.0, 2.9)
        for scene in ("061", "062")
    )
    spec = replace(
        found.spec,
        knots=(1.0, 2.9),
        camera="Phone",
        licence="MIT; trained on photographs",
        training={"iterations": {"rae": 3, "lfm": 4}, "scenes": [f"Phone/{n:03}" for n in range(1, 61)]},
        metrics=[Measurement("Phone", "degflow evaluate", scores).plain()],
    )
    save_bundle(folder / "city100-iphone.safetensors", replace(found, spec=spec))
    monkeypatch.setattr("degflow_aug.bundles.spec.WEIGHTS", folder)
    return folder


def test_the_list_has_a_line_a_bundle(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundles"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    size = (shipped / "city100-iphone.safetensors").stat().st_size / 1e6
    assert first == (
        "city100-iphone  Phone, scales 1 to 2.9 (knots 1, 2.9); Phone x2.9: DegFlow 33.50, bicubic 30.00 dB, "
        f"{size:.1f} MB"
    )
    assert second.startswith("simulator       unnamed camera, scales 1 to 4 (knots 1, 2, 4), ")


def test_an_empty_package_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("degflow_aug.bundles.spec.WEIGHTS", tmp_path)
    assert main(["bundles"]) == 0
    assert capsys.readouterr().out == "no bundle ships with this package; `degflow fit` makes one\n"
    said = refused(capsys, "demo", "--shipped", "--out", tmp_path / "demo")
    assert "expected the bundle 'simulator' in the package, got none; install it anew" in said
    assert not (tmp_path / "demo").exists()


def test_one_bundle_says_all_of_itself(shipped: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundles", "city100-iphone"]) == 0
    said = capsys.readouterr().out
    for part in ("licence: MIT; trained on photographs", "iterations: rae 3, lfm 4", "measured by: degflow evaluate"):
        assert part in said.splitlines()
    assert "scenes: 60, Phone/001 to Phone/060" in said.splitlines()
    assert "*33.50" in said
    assert main(["bundles", str(bundle)]) == 0
    assert "licence: not said" in capsys.readouterr().out


@pytest.mark.parametrize("evil", ["\x1b]0;owned\x07\x1b[2J", "a\nfake: well\rb", "a\u202egnp.exe", "a\x9b31mb\x7f"])
def test_what_a_bundle_says_cannot_write_to_the_terminal(
    evil: str, shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = load_bundle("city100-iphone")
    scores = (Score(evil, 2.0, evil, 30.0, 0.9), Score("bicubic", 2.0, evil, 29.0, 0.9))
    spec = replace(
        found.spec,
        camera=evil,
        licence=evil,
        training={evil: evil, "preset": {evil: evil}, "scenes": [evil] * 30},
        metrics=[Measurement(evil, evil, scores).plain()],
    )
    save_bundle(tmp_path / "evil.safetensors", replace(found, spec=spec))
    assert main(["bundles", "city100-iphone"]) == 0
    lines = len(capsys.readouterr().out.splitlines())
    for arguments in ([], ["--json"]):
        assert main(["bundles", str(tmp_path / "evil.safetensors"), *arguments]) == 0
        said = capsys.readouterr().out.removesuffix("\n").split("\n")
        assert all(line.isprintable() for line in said)
        assert len(said) == (1 if arguments else lines + 1)


def test_an_unknown_name_lists_the_known_ones(
    shipped: Path, hr_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(hr_folder.parent / "lr")
    for arguments in (["bundles"], ["generate", str(hr_folder), "--scales", "2", "--out", out, "--bundle"]):
        said = refused(capsys, *arguments, "iphone")
        assert "a shipped one (city100-iphone, simulator), got iphone: nothing there" in said
    assert "expected a bundle file" in refused(capsys, "bundles", "")


def test_the_demo_shows_what_ships(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("skimage")
    photographs = {"one": photograph(1, SIDE, SIDE + 8)}
    monkeypatch.setattr(shipped_demo, "bundled_photographs", lambda: ({}, photographs))
    out = tmp_path / "demo"
    for _ in range(2):
        assert main(["demo", "--shipped", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "x1.5 (1 scenes)" in said
    assert "DegFlow" in said
    assert read_image(out / "shipped" / "city100-iphone" / "2.9" / "one.png").shape == (58, 61, 3)
    assert sorted(path.name for path in (out / "shipped" / "city100-iphone").glob("[0-9]*")) == ["1.5", "2", "2.9"]
    assert (out / "shipped" / "simulator" / "4" / "one.png").is_file()
    assert main(["demo", "--shipped", "--out", str(out), "--json"]) == 0
    machine = json.loads(capsys.readouterr().out)
    assert machine["sheet"] == str(out / "shipped.png")
    assert [each["there_before"] for each in machine["generate"]] == [1, 1]
    assert {row["scale"] for row in machine["evaluate"]["rows"]} == {1.5, 2.0, 2.5, 3.0, 3.5, 4.0}
    assert machine["evaluate"]["report"] == str(out / "simulator.evaluation.html")
    height, width = read_image(out / "shipped.png").shape[:2]
    assert (height > 3 * 160, width > 4 * 160, width < 5 * 160) == (True, True, True)


def test_a_budget_and_shipped_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "demo", "--shipped", "--iters", 3, "--out", tmp_path / "demo")
    assert "expected --shipped or a budget for training, got both" in said


def test_a_bundle_of_two_cameras_shows_each(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rae, velocity = random_rae(residual=True), NCSNpp(base_channels=8, multipliers=[1, 2], blocks=1, cameras=2)
    randomise(velocity)
    velocity.camera.data *= 40
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=(1.0, 2.9), s_max=2.9, cameras=("A", "B"))
    save_bundle(shipped / "city100.safetensors", Bundle(spec, rae, velocity))
    rows = shipped_demo.camera_rows(["city100"], {"one": photograph(1, SIDE, SIDE)})
    assert list(rows["one x2"]) == ["HR", "bicubic", "city100 A", "city100 B"]
    assert (rows["one x2"]["city100 A"] != rows["one x2"]["city100 B"]).any()
    assert main(["bundles", "city100"]) == 0
    assert "cameras to choose from: A, B" in capsys.readouterr().out.splitlines()


def test_a_fitted_kernel_alone_says_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = KernelSpec((1.0, 2.9), "Phone", {"scenes": ["Phone/001"]})
    kernels = {"knots": torch.tensor([1.0, 2.9]), "kernels": torch.zeros(2, 3, 5, 5)}
    save_bundle(tmp_path / "kernel.safetensors", KernelBundle(spec, [kernels]))
    assert read_spec(tmp_path / "kernel.safetensors") == spec
    assert main(["bundles", str(tmp_path / "kernel.safetensors")]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first == "Phone, scales 1 to 2.9 (knots 1, 2.9)"
    assert others == ["licence: not said", "scenes: ['Phone/001']"]
