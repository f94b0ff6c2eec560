"""``degflow fit --preset kernel``: a bundle without networks, and every command that takes one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.photographs import write_photographs
from helpers.refusals import refused
from helpers.tiny_camera import write_pairs

from degflow_aug import build_degradation, load_generator
from degflow_aug.bundles.bundle import KernelBundle, load_any_bundle, load_bundle
from degflow_aug.cli import main
from degflow_aug.console.progress import Progress
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.files.image_file import read_image


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes of 192 pixels, large enough to learn noise from at scale 4."""
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder, size=192)
    return folder


def layout(pairs: Path) -> list[str]:
    return ["--layout", "pattern", "--pattern", str(pairs / "pattern.yml")]


@pytest.fixture(scope="module")
def camera(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("camera") / "kernel.safetensors"
    asked = ["--preset", "kernel", "--camera", "phone", "--held-out", "none", "--device", "cpu"]
    assert main(["fit", str(pairs), *layout(pairs), *asked, "--out", str(out)]) == 0
    assert set(out.parent.iterdir()) == {out, out.with_suffix(".report.html")}, "no work folder"
    return out


def test_the_bundle_holds_kernels_and_noise(camera: Path) -> None:
    bundle = load_any_bundle(camera)
    assert isinstance(bundle, KernelBundle)
    assert (bundle.spec.knots, bundle.spec.camera) == ((1.0, 2.0, 4.0), "phone")
    assert bundle.spec.training["preset"] == "kernel"
    assert len(bundle.spec.training["scenes"]) == 3
    assert bundle.kernels[0]["kernels"].shape == (3, 3, 31, 31)
    assert bundle.noise


@pytest.mark.parametrize("preset", ["kernel", "pipeline"])
def test_every_look_at_a_pair_is_shown(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    seen: list[tuple[str, int, int]] = []
    monkeypatch.setattr(Progress, "__call__", lambda self, stage, done, total, *_: seen.append((stage, done, total)))
    asked = ["--preset", preset, "--held-out", "none", "--device", "cpu", "--report", "none"]
    assert main(["fit", str(pairs), *layout(pairs), *asked, "--out", str(tmp_path / "out.safetensors")]) == 0
    looks = [(done, total) for stage, done, total in seen if stage == "kernel"]
    assert looks == [(number, len(looks)) for number in range(1, len(looks) + 1)]
    assert len(looks) % 3 == 0
    searched = [done for stage, done, _ in seen if stage == "pipeline"]
    assert (len(searched) > 1) == (preset == "pipeline")


@pytest.fixture
def _ctrl_c() -> Iterator[None]:
    """As on a terminal: what a shell starts in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c")
def test_a_stopped_pipeline_goes_on_as_if_it_had_not_been(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("degflow_aug.degradations.fitted.pipeline_estimation.KEPT_EVERY", 1)
    monkeypatch.setattr("degflow_aug.fit.short_training.REPORT_STEPS", 1)
    asked = ["--preset", "pipeline", "--held-out", "none", "--device", "cpu", "--report", "none", "--iters", "9"]
    command = ["fit", str(pairs), *layout(pairs), *asked, "--out"]
    whole, out = tmp_path / "whole.safetensors", tmp_path / "out.safetensors"
    assert main([*command, str(whole)]) == 0
    seen: list[tuple[str, int]] = []

    def stop_at(stage: str, least: int) -> None:
        """Press Ctrl-C there, once."""

        def stop(self: Progress, now: str, done: int, total: int, *_: float) -> None:
            if now == stage and done >= least:
                monkeypatch.setattr(Progress, "__call__", lambda self, now, done, *_: seen.append((now, done)))
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(Progress, "__call__", stop)
        assert main([*command, str(out)]) == 130

    stop_at("pipeline", 2)
    assert [path.name for path in out.with_suffix(".fit").iterdir()] == ["alone_search.pth"]
    stop_at("noise network", 2)
    assert not out.exists()
    assert main([*command, str(out)]) == 0
    assert min(done for stage, done in seen if stage == "noise network") > 2
    first, second = (load_any_bundle(path) for path in (whole, out))
    for part in ("kernels", "noise"):
        for one, other in zip(getattr(first, part), getattr(second, part), strict=True):
            assert all(torch.equal(one[key], other[key]) for key in one | other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.safetensors", "whole.safetensors"]


def test_the_kernels_are_those_of_the_pairs(camera: Path, pairs: Path) -> None:
    def images(scene: str) -> tuple[torch.Tensor, dict[float, torch.Tensor]]:
        hr, *views = (to_tensor(read_image(pairs / folder / f"{scene}.png")) for folder in ("HR", "x2", "x4"))
        return hr, dict(zip((2.0, 4.0), views, strict=True))

    fitted = FittedKernel.fit([images(scene) for scene in ("000", "001", "002")])
    torch.testing.assert_close(load_any_bundle(camera).kernels[0]["kernels"], fitted.kernels)


def test_it_loads_as_a_fitted_kernel_with_noise_to_be_asked_for(camera: Path) -> None:
    hr = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    silent, loud = load_generator(camera), load_generator(camera, noise=1.0)
    assert isinstance(silent, FittedKernel)
    assert torch.equal(silent(hr, 2.7), to_lr_grid(silent.render(hr, 2.7), 2.7))
    assert torch.equal(loud.render(hr, 2.7), silent.render(hr, 2.7))
    scales = torch.tensor([1.5, 4.0])
    for make in (lambda made: made(hr, 2.7), lambda made: made.lr_patches(hr, scales, 12)):
        loud.seed(5)
        first = make(loud)
        assert not torch.equal(first, make(silent))
        assert first.shape == make(silent).shape
        loud.seed(5)
        assert torch.equal(make(loud), first)
    section = {"type": "FittedKernel", "bundle": str(camera), "noise": 1.0}
    made = build_degradation(section)
    made.seed(5)
    loud.seed(5)
    assert torch.equal(made(hr, 2.7), loud(hr, 2.7))


def test_evaluate_has_the_rows_that_need_no_networks(
    camera: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--pairs", str(pairs), *layout(pairs), "--limit", "1", "--device", "cpu"]
    assert main(["evaluate", str(camera), *asked, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    names = {row["method"] for row in rows}
    assert {"HR itself", "bicubic", "fitted kernel"} <= names
    assert not {"DegFlow", "RAE ceiling"} & names
    assert main(["evaluate", str(camera), *asked]) == 0
    assert "fitted kernel" in capsys.readouterr().out


def test_generate_writes_its_lr(camera: Path, tmp_path: Path) -> None:
    write_photographs(tmp_path / "hr", 2)
    asked = ["--bundle", str(camera), "--scales", "1.7,4", "--out", str(tmp_path / "lr"), "--device", "cpu"]
    assert main(["generate", str(tmp_path / "hr"), *asked]) == 0
    hr = to_tensor(read_image(tmp_path / "hr" / "01.png"))[None]
    expected = to_array(load_generator(camera)(hr, 1.7)[0])
    assert (read_image(tmp_path / "lr" / "1.7" / "01.png") == expected).all()
    assert main(["generate", str(tmp_path / "hr"), *asked, "--solver", "heun"]) == 2


def test_noise_can_be_learned_anew(camera: Path, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.safetensors"
    asked = ["--pairs", str(pairs), *layout(pairs), "--out", str(out), "--device", "cpu"]
    assert main(["noise", str(camera), *asked]) == 0
    again, first = (load_any_bundle(path).noise[0] for path in (out, camera))
    assert again.keys() == first.keys()
    assert all(torch.equal(again[key], first[key]) for key in first)


def test_networks_are_not_in_it(camera: Path) -> None:
    with pytest.raises(ValueError, match="holds a fitted kernel alone; take type: FittedKernel"):
        load_bundle(camera)
    with pytest.raises(ValueError, match=r"type: FittedKernel.*\(in degradation\)"):
        build_degradation({"type": "DegFlow", "bundle": str(camera)})
    for settings in ({"solver": "heun"}, {"steps": 2}, {"extrapolate": True}, {"amp": "bf16"}, {"compile": True}):
        with pytest.raises(ValueError, match=f"expected no {next(iter(settings))} for a bundle that holds a fitted"):
            load_generator(camera, **settings)
    assert isinstance(load_generator(camera, solver=None, tile=512), FittedKernel)


def test_the_table_is_of_scenes_held_out(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--preset", "kernel", "--scenes", "000-001", "--knots", "2", "--device", "cpu"]
    assert main(["fit", str(pairs), *layout(pairs), *asked, "--out", str(tmp_path / "k.safetensors")]) == 0
    printed = capsys.readouterr().out
    assert "at knots 1, 2\n" in printed
    assert "x2 (1 scenes)" in printed
    assert "fitted kernel" in printed
    assert "DegFlow" not in printed


@pytest.mark.parametrize(
    "more",
    [
        ["--minutes", "1"], ["--one-step"], ["--recipe", "ours"], ["--lpips-vgg", "none"],
        ["--work", "folder"], ["--seed", "1"], ["--save-every", "5"], ["--workers", "2"],
    ],
)  # fmt: skip
def test_options_of_training_are_refused(
    more: list[str], pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "k.safetensors"
    said = refused(capsys, "fit", pairs, *layout(pairs), "--preset", "kernel", "--out", out, *more)
    assert f"expected no {more[0]} with --preset kernel, which trains no networks" in said
    assert not list(tmp_path.iterdir())


def test_a_bundle_with_networks_lends_its_kernel_no_noise(bundle: Path) -> None:
    made = load_generator(bundle)
    assert isinstance(made, DegFlow)
    whole = load_bundle(bundle)
    with pytest.raises(ValueError, match="with a FittedKernel, got one without"):
        FittedKernel.from_bundle(whole)
    kernels = torch.zeros(2, 3, 5, 5)
    kernels[:, :, 2, 2] = 1
    whole = replace(whole, kernels=[{"knots": torch.tensor([1.0, 2.0]), "kernels": kernels}])
    assert FittedKernel.from_bundle(whole).scale_range == (1.0, 2.0)
    with pytest.raises(ValueError, match="got one with the noise of a better generator; make one with degflow fit"):
        FittedKernel.from_bundle(whole, noise=1.0)


def test_basicsr_is_not_needed(pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "k.safetensors"
    asked = ["fit", str(pairs), *layout(pairs), "--preset", "kernel", "--held-out", "none", "--out", str(out)]
    few = "import degflow_aug.fit.noise_training as training; training.STEPS = 10"
    run = f"from degflow_aug.cli import main; sys.exit(main({asked!r}))"
    hidden = f"import sys; sys.modules['basicsr'] = None; {few}; {run}"
    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert out.is_file()


def test_a_pipeline_is_a_bundle_as_well(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, hr = tmp_path / "p.safetensors", torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    asked = ["--preset", "pipeline", "--scenes", "000-001", "--knots", "2", "--device", "cpu", "--out", str(out)]
    assert main(["fit", str(pairs), *layout(pairs), *asked]) == 0
    printed = capsys.readouterr().out
    assert "fitted pipeline" in printed
    assert "fitted kernel" in printed
    bundle = load_any_bundle(out)
    assert isinstance(bundle, KernelBundle)
    assert bundle.spec.training["preset"] == "pipeline"
    made = load_generator(out, noise=1.0)
    assert isinstance(made, FittedPipeline)
    assert not torch.equal(made.render(hr, 1.7), FittedKernel.from_bundle(bundle).render(hr, 1.7))
    for kind, given in (("FittedPipeline", {"noise": 1.0}), ("FittedKernel", {})):
        assert type(build_degradation({"type": kind, "bundle": str(out), **given})).__name__ == kind
    with pytest.raises(ValueError, match="bundle of a FittedKernel alone for its noise, got one with the noise of a"):
        build_degradation({"type": "FittedKernel", "bundle": str(out), "noise": 1.0})
    with pytest.raises(ValueError, match="take type: FittedPipeline for it"):
        load_bundle(out)


def test_kernels_alone_are_no_pipeline(camera: Path) -> None:
    with pytest.raises(ValueError, match="expected a bundle with a FittedPipeline, got one without"):
        build_degradation({"type": "FittedPipeline", "bundle": str(camera)})
