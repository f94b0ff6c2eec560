"""The command line with pairs of several cameras: fit, evaluate, generate, noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.photographs import write_photographs
from helpers.random_networks import random_rae, randomise
from helpers.refusals import refused
from helpers.two_cameras import CAMERAS, write_two_cameras
from safetensors.torch import load_file

import degflow_aug
from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, load_any_bundle, load_bundle, save_bundle
from degflow_aug.cli import main
from degflow_aug.compat import has_basicsr
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.files.image_file import read_image
from degflow_aug.metrics.fidelity import psnr_y

needs_basicsr = pytest.mark.skipif(not has_basicsr(), reason="training needs BasicSR")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    write_two_cameras(folder, scenes=2)
    return folder


def box(side: int) -> dict[str, torch.Tensor]:
    kernels = torch.zeros(2, 3, 5, 5)
    kernels[0, :, 2, 2] = 1
    inner = slice(2 - side // 2, 3 + side // 2)
    kernels[1, :, inner, inner] = 1 / side**2
    return {"knots": torch.tensor([1.0, 2.0]), "kernels": kernels}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator of both cameras whose embeddings are far apart, with a kernel each."""
    rae, network = random_rae(residual=True), NCSNpp(base_channels=8, multipliers=[1, 2], blocks=1, cameras=2)
    randomise(network)
    network.camera.data *= 40
    spec = GeneratorSpec(rae=rae.spec, velocity=network.spec, knots=(1.0, 2.0), s_max=2.0, cameras=CAMERAS)
    path = tmp_path_factory.mktemp("bundle") / "both.safetensors"
    save_bundle(path, Bundle(spec, rae, network, [box(3), box(5)]))
    return path


def layout(pairs: Path) -> list[str]:
    return ["--layout", "pattern", "--pattern", str(pairs / "pattern.yml")]


def evaluated(capsys: pytest.CaptureFixture[str], *words: object) -> dict[tuple[str, str], float]:
    capsys.readouterr()
    assert main(["evaluate", *map(str, words), "--json", "--device", "cpu"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
    return {(row["camera"], row["method"]): row["psnr_y"] for row in rows}


def test_evaluate_takes_each_scene_s_own_camera(pairs: Path, both: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = evaluated(capsys, both, "--pairs", pairs, *layout(pairs))
    assert list(dict.fromkeys(camera for camera, _ in own)) == list(CAMERAS)
    for number, camera in enumerate(CAMERAS):
        generator = degflow_aug.load_generator(both, camera=camera)
        kernel = FittedKernel(**box((3, 5)[number]))
        found: dict[str, list[float]] = {"DegFlow": [], "fitted kernel": []}
        for scene in ("000", "001"):
            hr, real = (to_tensor(read_image(pairs / camera / kind / f"{scene}.png"))[None] for kind in ("HR", "x2"))
            for method, view in (("DegFlow", generator.render(hr, 2.0)), ("fitted kernel", kernel.render(hr, 2.0))):
                found[method].append(float(psnr_y(view, real, eight_bit=True)))
        for method, values in found.items():
            assert own[camera, method] == pytest.approx(sum(values) / 2, abs=1e-4)
    other = evaluated(capsys, both, "--pairs", pairs, *layout(pairs), "--camera", "soft")
    assert other["Lab_Soft", "DegFlow"] == pytest.approx(own["Lab_Soft", "DegFlow"], abs=1e-9)
    assert other["Lab_Sharp", "fitted kernel"] != pytest.approx(own["Lab_Sharp", "fitted kernel"], abs=1e-2)


def test_generate_makes_the_lr_of_the_named_camera(both: Path, tmp_path: Path) -> None:
    write_photographs(tmp_path / "hr", 1)
    command = ["generate", str(tmp_path / "hr"), "--bundle", str(both), "--scales", "2", "--device", "cpu"]
    assert main([*command, "--out", str(tmp_path / "out"), "--camera", "sharp"]) == 0
    hr = to_tensor(read_image(tmp_path / "hr" / "00.png"))[None]
    expected = degflow_aug.load_generator(both, camera="Lab_Sharp")(hr, 2.0)[0]
    assert np.array_equal(read_image(tmp_path / "out" / "2" / "00.png"), to_array(expected))
    # The other camera's images do not come among these.
    assert main([*command, "--out", str(tmp_path / "out"), "--camera", "soft"]) == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["generate", "{hr}", "--scales", "2", "--out", "{out}"],
            "--camera with one of the cameras of the bundle (Lab_",
        ),
        (["generate", "{hr}", "--scales", "2", "--out", "{out}", "--camera", "any"], "name one camera, got any"),
        (["generate", "{hr}", "--scales", "2", "--out", "{out}", "--camera", "Pixel"], "out of Lab_Sharp, Lab_Soft"),
        (["evaluate", "--pairs", "{others}", "--layout", "pattern"], "got 'others' for pairs; name the camera"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], sentence: str, both: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_photographs(tmp_path / "hr", 1)
    write_photographs(tmp_path / "others", 1)
    (tmp_path / "others/0.x2.png").write_bytes((tmp_path / "others/00.png").read_bytes())
    (tmp_path / "others/00.png").rename(tmp_path / "others/0.png")
    (tmp_path / "pattern.yml").write_text('{hr: "{id}.png", views: {2: "{id}.x2.png"}}', encoding="utf-8")
    places = {"hr": tmp_path / "hr", "out": tmp_path / "out", "others": tmp_path / "others"}
    pattern = ["--pattern", str(tmp_path / "pattern.yml")]
    bundle = [str(both), *pattern] if words[0] == "evaluate" else ["--bundle", str(both)]
    assert sentence in refused(capsys, words[0], *bundle, *(word.format(**places) for word in words[1:]))
    assert not (tmp_path / "out").exists()


def fit(pairs: Path, out: Path, *more: str) -> int:
    return main([
        "fit", str(pairs), *layout(pairs), "--out", str(out), "--preset", "tiny", "--iters", "8", "--held-out", "none",
        *more,
    ])  # fmt: skip


@needs_basicsr
def test_fit_tells_cameras_apart_and_resumes(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "both.safetensors"
    assert fit(pairs, out) == 0
    assert "tells Lab_Sharp, Lab_Soft apart" in capsys.readouterr().out
    found, tensors = load_bundle(out), load_file(out)
    assert (found.spec.cameras, found.spec.velocity["cameras"]) == (CAMERAS, 2)
    for index in range(2):
        assert tensors[f"kernel.{index}.knots"].tolist() == [1.0, 2.0]
        assert tensors[f"noise.{index}.scales"].tolist() == [2.0]
    assert not torch.equal(tensors["kernel.0.kernels"], tensors["kernel.1.kernels"])
    assert not torch.equal(tensors["student.0.layers.0.weight"], tensors["student.1.layers.0.weight"])
    assert found.velocity.camera.abs().max() > 0
    noisy = degflow_aug.load_generator(out, camera="sharp", noise=1.0)
    assert noisy(torch.rand(1, 3, 64, 64), 2.0).shape == (1, 3, 32, 32)

    # As if killed before the last iteration of the last stage was written.
    (tmp_path / "both.fit/refine/models/net_g_latest.pth").unlink()
    out.unlink()
    assert fit(pairs, out) == 0
    again = load_file(out)
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[key], value) for key, value in tensors.items())
    assert fit(pairs, out, "--no-cameras-apart") == 2
    assert "expected the same cameras" in capsys.readouterr().err


@needs_basicsr
def test_noise_is_learned_of_each_camera(
    pairs: Path, both: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["noise", str(both), "--pairs", str(pairs), *layout(pairs), "--device", "cpu"]
    assert main([*words, "--out", str(tmp_path / "noisy.safetensors")]) == 0
    said = capsys.readouterr().out
    assert all(f"noise of {camera} at x2" in said for camera in CAMERAS)
    assert len(load_bundle(tmp_path / "noisy.safetensors").noise) == 2
    assert main([*words, "--out", str(tmp_path / "half.safetensors"), "--cameras", "Lab_Soft"]) == 2
    assert "got none of Lab_Sharp" in capsys.readouterr().err
    assert not (tmp_path / "half.safetensors").exists()


def test_when_cameras_are_told_apart(pairs: Path) -> None:
    from degflow_aug.commands.shared.pairs_arguments import cameras_apart
    from degflow_aug.data.layouts.find import find_scenes

    scenes = find_scenes(pairs, "pattern", pattern={"hr": "{camera}/HR/{id}.png", "views": {2: "{camera}/x2/{id}.png"}})
    one = [scene for scene in scenes if scene.camera == "Lab_Soft"]
    assert cameras_apart(None, "ours", scenes) == cameras_apart(True, "paper", scenes) == list(CAMERAS)
    assert cameras_apart(None, "paper", scenes) == cameras_apart(False, "ours", scenes) == []
    assert cameras_apart(None, "ours", one) == []
    with pytest.raises(ValueError, match="several cameras for --cameras-apart, got those of Lab_Soft"):
        cameras_apart(True, "ours", one)


def test_a_kernel_alone_is_that_of_one_camera(pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "kernel.safetensors"
    words = ["fit", str(pairs), *layout(pairs), "--preset", "kernel", "--held-out", "none", "--out", str(out)]
    for more in ([], ["--cameras-apart"]):
        assert main([*words, *more]) == 2
        assert "expected pairs of one camera for --preset kernel, got those of Lab_Sharp," in capsys.readouterr().err
    assert main([*words, "--no-cameras-apart"]) == 0
    assert load_any_bundle(out).spec.camera == "Lab_Sharp + Lab_Soft"
    assert main([*words, "--cameras", "Lab_Soft"]) == 0
    hr = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    soft = degflow_aug.load_generator(out, camera="soft")
    assert torch.equal(soft(hr, 1.7), degflow_aug.load_generator(out)(hr, 1.7))
    with pytest.raises(ValueError, match="expected no camera for a generator that knows Lab_Soft alone"):
        degflow_aug.load_generator(out, camera="sharp")


def test_the_kernel_of_a_bundle_is_that_of_the_named_camera(both: Path) -> None:
    bundle = load_bundle(both)
    for camera, side in (("sharp", 3), ("soft", 5)):
        assert torch.equal(FittedKernel.from_bundle(bundle, camera=camera).kernels, box(side)["kernels"])
    with pytest.raises(ValueError, match="expected a camera out of Lab_Sharp, Lab_Soft"):
        FittedKernel.from_bundle(bundle)
