"""Every degradation on a fake CUDA device: no device is mixed, no value is read back, and no GPU is waited for.

Where there is a GPU, it makes of the same images what a CPU makes, and is not waited for either.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.fake_cuda import FakeCUDA, GPUWaitedForError
from helpers.random_kernels import random_kernel
from helpers.random_networks import random_rae, random_velocity

from degflow_aug import compat
from degflow_aug.degradations.at_scale import AtScale
from degflow_aug.degradations.build import TYPES, build_degradation
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.student import LRCorrection, Student
from degflow_aug.degradations.generator.degflow import DegFlow

DEGFLOW = {"type": "DegFlow", "amp": "bf16"}
ANY = {**DEGFLOW, "bundle": "city100", "camera": "any"}
SECTIONS: dict[str, dict[str, Any]] = {
    "Bicubic": {"type": "Bicubic"},
    # Poisson noise first, then Gaussian, each also in gray.
    "RealESRGAN": {
        "type": "RealESRGAN", "usm": True, "gaussian_noise_prob": 0.0, "gaussian_noise_prob2": 1.0,
        "gray_noise_prob": 1.0, "gray_noise_prob2": 1.0,
    },
    "BSRGAN": {"type": "BSRGAN", "sensor_prob": 1.0, "jpeg_prob": 1.0},
    "Camera": {"type": "Camera", "shot_noise": 0, "read_noise": 0},
    "FittedKernel": {"type": "FittedKernel", "bundle": "city100-iphone"},
    "FittedPipeline": {"type": "FittedPipeline", "bundle": "simulator"},
    "city100-iphone": {**DEGFLOW, "bundle": "city100-iphone"},
    "city100-nikon": {**DEGFLOW, "bundle": "city100-nikon", "amp": "none"},
    "simulator": {**DEGFLOW, "bundle": "simulator"},
    "a camera drawn": ANY,
    "noise of a camera drawn": {**ANY, "noise": 1.0},
    "Mixture": {
        "type": "Mixture",
        "parts": [{"weight": 1, "type": "Bicubic"}, {"weight": 1, "type": "FittedKernel", "bundle": "city100-iphone"}],
    },
}  # fmt: skip
BATCHED = set(SECTIONS) - {"RealESRGAN", "BSRGAN", "Camera"}
SIDE = 32


def images(side: int = SIDE) -> torch.Tensor:
    return torch.rand(2, 3, side, side).to("cuda")


def test_every_type_is_here() -> None:
    assert {section["type"] for section in SECTIONS.values()} | {"Phone", "Student"} == set(TYPES)


def test_a_student_makes_lr_on_the_device(fake_cuda: FakeCUDA) -> None:
    kernel = build_degradation(SECTIONS["FittedKernel"])
    assert isinstance(kernel, FittedKernel)
    student, hr = Student(kernel, LRCorrection()).to("cuda"), images()
    student(hr, 2.0)
    made = [student(hr, 2.0), student.render(hr, 2.0), student.lr_patches(hr, torch.tensor([1.3, 2.0]).to("cuda"), 16)]
    assert all(part.is_cuda for part in made)


@pytest.mark.parametrize("name", SECTIONS)
def test_lr_is_made_on_the_device(name: str, fake_cuda: FakeCUDA) -> None:
    if name in ("RealESRGAN", "BSRGAN") and not compat.has_basicsr():
        pytest.skip("BasicSR is not installed")
    degradation = build_degradation(SECTIONS[name]).to("cuda")
    hr, scales = images(), torch.tensor([1.3, 2.0])
    on_gpu = scales.to("cuda")
    # What the first call moves to the device stays there: filters of BasicSR.
    degradation(hr, 2.0)
    fake_cuda.waits = False
    degradation.seed(0)
    made = [degradation(hr, 2.0), degradation.render(hr, 2.0), degradation.lr_patches(hr, scales, 16)]
    assert [(part.device.type, part.dtype, part.shape[-1]) for part in made] == [
        ("cuda", torch.float32, side) for side in (16, SIDE, 16)
    ]
    if name in BATCHED:
        assert degradation.lr_patches(hr, on_gpu, 16).is_cuda


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", SECTIONS)
def test_a_gpu_makes_what_a_cpu_makes(name: str) -> None:
    section = SECTIONS[name] | ({"amp": "none", "noise": 0.0} if SECTIONS[name]["type"] == "DegFlow" else {})
    degradation, hr, scales = build_degradation(section), torch.rand(2, 3, SIDE, SIDE), torch.tensor([1.3, 2.0])
    degradation.seed(0)
    expected = [degradation(hr, 2.0), degradation.lr_patches(hr, scales, 16)]
    on_gpu = images().copy_(hr)
    degradation.to("cuda")(on_gpu, 2.0)
    degradation.seed(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.backends.cudnn.flags(allow_tf32=False):
            found = [degradation(on_gpu, 2.0), degradation.lr_patches(on_gpu, scales, 16)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for mine, theirs in zip(found, expected, strict=True):
        # A GPU draws Real-ESRGAN's noise from a stream of its own; a camera's values may round to the next of 8 bits.
        if name != "RealESRGAN":
            torch.testing.assert_close(mine.cpu(), theirs, rtol=0, atol=1.1 / 255 if name == "Camera" else 1e-4)


def test_a_batched_pass_with_scales_on_the_device_can_be_a_cuda_graph(fake_cuda: FakeCUDA) -> None:
    """Nothing passes between CPU and GPU."""
    degradation, hr, scales = build_degradation(SECTIONS["city100-iphone"]).to("cuda"), images(), torch.tensor([1.3, 2])
    on_gpu = scales.to("cuda")
    fake_cuda.waits = fake_cuda.copies = False
    assert degradation.lr_patches(hr, on_gpu, 16).is_cuda
    with pytest.raises(GPUWaitedForError, match="copy"):
        degradation.lr_patches(hr, scales, 16)


def test_a_transform_draws_its_scale_without_waiting(fake_cuda: FakeCUDA) -> None:
    transform, hr = AtScale(random_kernel(), (1.5, 3.0)).to("cuda"), images()
    fake_cuda.waits = False
    assert transform(hr).is_cuda


def test_several_scales_wait_for_nothing(fake_cuda: FakeCUDA) -> None:
    degradation, hr = DegFlow(random_rae(residual=True), random_velocity()).to("cuda"), images()
    fake_cuda.waits = False
    assert [view.shape for view in degradation.render_scales(hr, [1.5, 3.0])] == 2 * [hr.shape]


def test_what_is_made_on_the_cpu_brings_the_image_there(fake_cuda: FakeCUDA) -> None:
    """A simulated phone's processing and JPEG are NumPy's and Pillow's, and a camera's noise depends on the content."""
    hr = images()
    fake_cuda.waits = False
    for kind in ("Phone", "Camera"):
        with pytest.raises((GPUWaitedForError, RuntimeError)):
            build_degradation({"type": kind}).to("cuda")(hr, 2.0)


def test_mistakes_are_seen(fake_cuda: FakeCUDA) -> None:
    here, there = torch.rand(2, 3), torch.rand(2, 3, device="cuda")
    row = torch.tensor([1])
    fake_cuda.waits = False
    with pytest.raises(RuntimeError, match="same device"):
        here + there
    with pytest.raises(Exception, match="_local_scalar_dense"):
        float(there.sum())
    for wait in (
        lambda: there.cpu(), lambda: here.to("cuda"), lambda: there[row], lambda: there.new_tensor([1.0]),
        lambda: torch.multinomial(there, 1), lambda: there.copy_(here),
    ):  # fmt: skip
        with pytest.raises(GPUWaitedForError):
            wait()
    with pytest.raises(Exception, match="nonzero"):
        there[there > 0]
    for free in (lambda: here.to("cuda", non_blocking=True), lambda: there[0], lambda: there.new_full((2,), 1.0)):
        assert free().is_cuda
    assert float(here.sum()) > 0
