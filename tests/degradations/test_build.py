"""The ``degradation:`` section: every type is built as it is written, and what is written wrongly is named."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.random_kernels import random_kernel
from helpers.random_networks import random_rae, random_velocity
from torch import Tensor

from degflow_aug import compat, load_generator
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, KernelBundle, KernelSpec, save_bundle
from degflow_aug.degradations.bicubic import Bicubic, BicubicOptions
from degflow_aug.degradations.build import TYPES, build_degradation, generator_of, register_degradation
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.mixture import Mixture
from degflow_aug.degradations.simulator.camera import SimulatedCamera
from degflow_aug.degradations.simulator.optics import CameraOptics

PART = {"weight": 1, "type": "DegFlow", "bundle": "{bundle}"}


KERNEL = random_kernel(knots=(1.0, 2.9))


def write(path: Path, **parts: Any) -> Path:
    rae, velocity = random_rae(2), random_velocity()
    spec = GeneratorSpec(rae.spec, velocity.spec, (1.0, 2.9), 2.9, "phone", "euler", 3)
    save_bundle(path, Bundle(spec, rae, velocity, **parts))
    return path


@pytest.fixture(scope="module")
def camera_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("bundle") / "camera.safetensors", kernels=[KERNEL.state_dict()])


def images(size: int = 40) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_degflow_with_the_defaults_of_its_bundle(camera_bundle: Path) -> None:
    made = build_degradation({"type": "DegFlow", "bundle": str(camera_bundle)})
    assert isinstance(made, DegFlow)
    assert (made.solver, made.steps, made.tile, made.amp, made.scale_range) == ("euler", 3, 1024, "none", (1.0, 2.9))
    assert torch.equal(made(images(), 2.0), load_generator(camera_bundle)(images(), 2.0))
    assert not any(parameter.requires_grad for parameter in made.parameters())


def test_degflow_with_options(camera_bundle: Path) -> None:
    section = OrderedDict(
        type="DegFlow", bundle=str(camera_bundle), scale_range=[1.5, 6], solver="heun", steps=2, tile=512, amp="bf16",
        extrapolate=True,
    )  # fmt: skip
    made = build_degradation(section)
    assert isinstance(made, DegFlow)
    assert (made.solver, made.steps, made.tile, made.amp, made.scale_range) == ("heun", 2, 512, "bf16", (1.5, 6.0))
    with pytest.raises(ValueError, match=r"from 1\.5 to 6, got 1\.2"):
        made(images(), 1.2)


def test_a_shipped_name_and_a_path_from_the_working_directory(
    camera_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(camera_bundle.parent)
    assert build_degradation({"type": "DegFlow", "bundle": "camera.safetensors"}).scale_range == (1.0, 2.9)
    monkeypatch.setattr("degflow_aug.bundles.spec.WEIGHTS", camera_bundle.parent)
    assert build_degradation({"type": "DegFlow", "bundle": "camera"}).scale_range == (1.0, 2.9)


def test_compile_compiles_the_networks(camera_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[tuple[str, str | None]] = []

    def note(self: torch.nn.Module, mode: str | None) -> None:
        compiled.append((type(self).__name__, mode))

    monkeypatch.setattr(torch.nn.Module, "compile", note)
    for asked, mode in ((True, None), ("max-autotune-no-cudagraphs", "max-autotune-no-cudagraphs")):
        build_degradation({"type": "DegFlow", "bundle": str(camera_bundle), "compile": asked})
        assert compiled == [(network, mode) for network in ("Encoder", "Decoder", "NCSNpp")]
        compiled.clear()
    for asked in ("fast", "reduce-overhead"):
        with pytest.raises(ValueError, match="compile as true, false or out of default, max-autotune-no-cudagraphs"):
            build_degradation({"type": "DegFlow", "bundle": str(camera_bundle), "compile": asked})


def test_bicubic() -> None:
    assert build_degradation({"type": "Bicubic"}).scale_range == Bicubic.scale_range
    made = build_degradation({"type": "Bicubic", "scale_range": [1, 4]})
    assert isinstance(made, Bicubic)
    assert made.scale_range == (1.0, 4.0)


def test_camera_with_its_optics() -> None:
    section = {"type": "Camera", "blur": 0.5, "channel_blur": [1, 1.1, 1.2], "levels": 1023, "scale_range": [1, 3]}
    made = build_degradation(section)
    assert isinstance(made, SimulatedCamera)
    assert made.optics == CameraOptics(blur=0.5, channel_blur=(1.0, 1.1, 1.2), levels=1023)
    assert build_degradation({"type": "Camera"}).optics == CameraOptics()


@pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
def test_realesrgan_with_its_settings() -> None:
    from degflow_aug.degradations.realesrgan.realesrgan import RealESRGAN
    from degflow_aug.degradations.realesrgan.settings import RealESRGANSettings

    section = {"type": "RealESRGAN", "jpeg_range": [50, 95], "kernel_list": ["iso"], "kernel_prob": [1], "usm": True}
    made = build_degradation({**section, "scale_range": [2, 4]})
    assert isinstance(made, RealESRGAN)
    assert made.settings == RealESRGANSettings(
        jpeg_range=(50.0, 95.0), kernel_list=("iso",), kernel_prob=(1.0,), usm=True
    )
    assert made.scale_range == (2.0, 4.0)
    assert build_degradation({"type": "RealESRGAN"}).settings == RealESRGANSettings()


def test_fitted_kernel_of_a_bundle_and_of_a_kernel_file(camera_bundle: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file(KERNEL.state_dict(), tmp_path / "kernel.safetensors")
    for path in (camera_bundle, tmp_path / "kernel.safetensors"):
        made = build_degradation({"type": "FittedKernel", "bundle": str(path), "scale_range": [1, 2]})
        assert isinstance(made, FittedKernel)
        assert made.scale_range == (1.0, 2.0)
        assert torch.equal(made(images(), 1.7), KERNEL(images(), 1.7))


def test_a_mixture_of_sections(camera_bundle: Path) -> None:
    parts = [
        {"weight": 3, "type": "DegFlow", "bundle": str(camera_bundle)},
        {"weight": 1.0, "type": "Bicubic", "scale_range": [1.5, 4]},
        {"weight": 0, "type": "Mixture", "parts": [{"weight": 1, "type": "Camera"}]},
    ]
    made = build_degradation({"type": "Mixture", "parts": parts, "scale_range": [2, 2.5]})
    assert isinstance(made, Mixture)
    assert [type(part) for part in made.parts] == [DegFlow, Bicubic, Mixture]
    assert made.probabilities.tolist() == [0.75, 0.25, 0]
    assert made.scale_range == (2.0, 2.5)
    assert made.lr_patches(images(), torch.tensor([2.0, 2.5]), 16).shape == (2, 3, 16, 16)


def test_nothing_of_the_section_is_changed(camera_bundle: Path) -> None:
    section = {"type": "Mixture", "parts": [{"weight": 1, "type": "DegFlow", "bundle": str(camera_bundle)}]}
    copy = {"type": "Mixture", "parts": [dict(section["parts"][0])]}
    build_degradation(section)
    assert section == copy


@pytest.mark.parametrize("settings", [
    {"solver": 0}, {"steps": False}, {"amp": False}, {"compile": 0}, {"extrapolate": 0}, {"stpes": None},
])  # fmt: skip
def test_a_kernel_alone_takes_no_settings_of_networks(settings: dict[str, Any]) -> None:
    bundle = KernelBundle(KernelSpec((1.0, 2.9), "phone", {}), [KERNEL.state_dict()], [])
    unset = {"solver": None, "steps": None, "extrapolate": False, "amp": "none", "compile": False, "tile": 512}
    assert isinstance(generator_of(bundle, **unset), FittedKernel)
    with pytest.raises(ValueError, match=f"expected .*{next(iter(settings))}"):
        generator_of(bundle, **settings)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (["DegFlow"], r"a mapping in degradation, got \['DegFlow'\]"),
        ({}, r"degradation\.type out of DegFlow, RealESRGAN, .*, got None$"),
        ({"type": "DegFlo"}, r"got 'DegFlo'; did you mean 'DegFlow'\?"),
        ({"type": ["DegFlow"]}, r"degradation\.type out of"),
        ({"type": "DegFlow"}, "expected bundle in degradation, got none"),
        ({"type": "DegFlow", "bundle": 3}, r"expected text in degradation\.bundle, got 3"),
        (
            {"type": "DegFlow", "bundle": "{bundle}", "sover": "heun"},
            "unknown key 'sover' in degradation; did you mean 'solver'",
        ),
        ({"type": "DegFlow", "bundle": "nowhere"}, r"a bundle file .*, got nowhere: nothing there \(in degradation\)"),
        ({"type": "DegFlow", "bundle": "{bundle}", "steps": 0}, r"from 1 to 1000 in degradation\.steps, got 0"),
        ({"type": "DegFlow", "bundle": "{bundle}", "steps": 2.5}, r"whole number .* in degradation\.steps, got 2\.5"),
        ({"type": "DegFlow", "bundle": "{bundle}", "solver": "hen"}, r"a solver out of euler, .*, got 'hen'"),
        ({"type": "DegFlow", "bundle": "{bundle}", "solver": ""}, r"a solver out of .*, got '' \(in degradation"),
        ({"type": "DegFlow", "bundle": "{bundle}", "amp": "fp16"}, "amp to be none or bf16, got 'fp16'"),
        (
            {"type": "DegFlow", "bundle": "{bundle}", "scale_range": [1, 4]},
            r"degradation\.scale_range as \[lowest, highest\] inside \[1, 2\.9\], .* this DegFlow .*, got \[1, 4\]",
        ),
        ({"type": "Bicubic", "scale_range": [0.5, 2]}, r"from 1 to 1000 in degradation\.scale_range, got 0\.5"),
        ({"type": "Bicubic", "scale_range": [3, 2]}, r"as \[lowest, highest\] .*, got \[3, 2\]"),
        ({"type": "Bicubic", "scale_range": [1, float("nan")]}, r"from 1 to 1000 in degradation\.scale_range, got nan"),
        ({"type": "Bicubic", "scale_range": [2]}, r"expected 2 values in degradation\.scale_range, got \[2\]"),
        ({"type": "Bicubic", "scale_range": 2}, r"expected a list in degradation\.scale_range, got 2"),
        ({"type": "Camera", "phase": [0, 0, 0]}, r"expected 2 values in degradation\.phase"),
        ({"type": "Camera", "blurr": 1}, "unknown key 'blurr' in degradation; did you mean 'blur'"),
        ({"type": "Camera", "gamma": -1}, r"above 0, at most 16 in degradation\.gamma, got -1"),
        ({"type": "Camera", "shot_noise": 1e9}, r"from 0 to 1 in degradation\.shot_noise"),
        ({"type": "Camera", "levels": "255"}, r"in degradation\.levels, got '255'; write it without quotes"),
        ({"type": "RealESRGAN", "blur_kernel_size": 1e9}, r"from 7 to 255 in degradation\.blur_kernel_size"),
        ({"type": "DegFlow", "bundle": "{bundle}", "steps": 10**9}, r"from 1 to 1000 in degradation\.steps"),
        ({"type": "FittedKernel", "bundle": "{bare}"}, r"with fitted kernels in degradation\.bundle, got .*bare"),
        ({"type": "FittedKernel", "bundle": "{text}"}, "expected a safetensors bundle, got"),
        ({"type": "Mixture", "parts": []}, r"weights of at least 0, not all 0, got \[\]"),
        ({"type": "Mixture", "parts": [{"type": "Bicubic"}]}, r"expected a weight in degradation\.parts\[0\]"),
        ({"type": "Mixture", "parts": ["Bicubic"]}, r"expected a mapping in degradation\.parts, got 'Bicubic'"),
        (
            {"type": "Mixture", "parts": [{"weight": 1, "type": "Camera", "gamma": 0}]},
            r"above 0, at most 16 in degradation\.parts\[0\]\.gamma, got 0",
        ),
        ({"type": "Mixture", "parts": [{"weight": "a", "type": "Bicubic"}]}, r"number in .*\.parts\[0\]\.weight"),
        ({"type": "Mixture", "parts": [{"weight": -1, "type": "Bicubic"}]}, r"got \[-1\.0\]"),
        (
            {"type": "Mixture", "scale_range": [1, 4], "parts": [PART]},
            r"inside \[1, 2\.9\], what this Mixture was made for, got \[1, 4\]",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_named_in_one_sentence(section: Any, message: str, camera_bundle: Path, tmp_path: Path) -> None:
    bare, text = write(tmp_path / "bare.safetensors"), tmp_path / "text.safetensors"
    text.write_text("none", encoding="utf-8")
    paths = {"{bundle}": camera_bundle, "{bare}": bare, "{text}": text}

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [filled(item) for item in value]
        return str(paths.get(value, value)) if isinstance(value, str) else value

    with pytest.raises(ValueError, match=message) as caught:
        build_degradation(filled(section))
    assert "\n" not in str(caught.value)


def test_the_place_of_the_section_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown key 'x' in the test section"):
        build_degradation({"type": "Bicubic", "x": 1}, "the test section")


def test_linear_kernels_are_no_pipeline(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file(KERNEL.state_dict(), tmp_path / "kernel.safetensors")
    with pytest.raises(ValueError, match=r"with a FittedPipeline in degradation\.bundle, got .* linear kernels alone"):
        build_degradation({"type": "FittedPipeline", "bundle": str(tmp_path / "kernel.safetensors")})
    with pytest.raises(ValueError, match="unknown key 'kind'"):
        build_degradation({"type": "FittedKernel", "bundle": str(tmp_path / "kernel.safetensors"), "kind": 1})
    with pytest.raises(ValueError, match="expected no camera for a file of kernels"):
        build_degradation({"type": "FittedKernel", "bundle": str(tmp_path / "kernel.safetensors"), "camera": "x"})


def test_a_taken_name_or_a_class_that_reads_no_section_is_not_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("degflow_aug.degradations.build.TYPES", dict(TYPES))
    register_degradation("Cubic", BicubicOptions)
    register_degradation("Cubic", BicubicOptions)
    assert isinstance(build_degradation({"type": "Cubic"}), Bicubic)
    with pytest.raises(
        ValueError, match="a new name for a degradation, got 'Camera', which is SimulatedCameraOptions's"
    ):
        register_degradation("Camera", BicubicOptions)
    with pytest.raises(ValueError, match="a dataclass with the field scale_range and a method build"):
        register_degradation("Plain", Bicubic)  # type: ignore[arg-type]


@pytest.mark.parametrize("kernels", [KERNEL.kernels.to(torch.complex64), KERNEL.kernels * torch.nan])
def test_a_file_of_kernels_that_are_no_numbers_is_refused(kernels: Tensor, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "kernel.safetensors"
    save_file({**KERNEL.state_dict(), "kernels": kernels}, path)
    with pytest.raises(ValueError, match=r"expected a whole file of kernels, got .*kernel\.safetensors: kernels holds"):
        build_degradation({"type": "FittedKernel", "bundle": str(path)})


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"nois": 1}, "unknown key 'nois' in the settings of a generator; did you mean 'noise'"),
    ({"Solver": "euler"}, "unknown key 'Solver' in the settings of a generator; did you mean 'solver'"),
])  # fmt: skip
def test_settings_that_no_generator_has_are_named(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        load_generator("simulator", **settings)


@pytest.mark.parametrize(("knots", "kernels", "kinds"), [
    ([1, 2, 4], KERNEL.kernels, "list and Tensor"), (KERNEL.knots, KERNEL.kernels.numpy(), "Tensor and ndarray"),
])  # fmt: skip
def test_kernels_are_tensors(knots: Any, kernels: Any, kinds: str) -> None:
    with pytest.raises(ValueError, match=f"expected knots and kernels as tensors, got {kinds}"):
        FittedKernel(knots, kernels)
