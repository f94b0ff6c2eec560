"""What every degradation promises of ``lr_patches``: a sample does not depend on its batch, device or history."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import torch
from helpers.random_kernels import random_kernel
from helpers.random_networks import random_noise, random_rae, random_velocity, randomise
from torch import Tensor

from degflow_aug import compat
from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.build import build_degradation
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.mixture import Mixture
from degflow_aug.degradations.simulator.camera import SimulatedCamera

SCALES = torch.tensor([1.0, 1.37, 2.9, 3.99, 2.0])


def degflow(*, local: bool = False, **settings: object) -> DegFlow:
    velocity = random_velocity(rae_channels=4)
    if local:
        velocity = randomise(NCSNpp(**{**velocity.spec, "local": True}))  # type: ignore[assignment]
    return DegFlow(random_rae(4, residual=True, anchored="kernel" in settings), velocity, **settings)


def realesrgan() -> Degradation:
    from degflow_aug.degradations.realesrgan.realesrgan import RealESRGAN

    return RealESRGAN()


def bsrgan() -> Degradation:
    from degflow_aug.degradations.bsrgan.bsrgan import BSRGAN

    return BSRGAN()


DETERMINISTIC: dict[str, Callable[[], Degradation]] = {
    "Bicubic": Bicubic,
    "Camera": SimulatedCamera,
    "FittedKernel": random_kernel,
    "DegFlow": degflow,
    "DegFlow anchored": lambda: degflow(kernel=random_kernel()),
}
BATCHED = ["Bicubic", "FittedKernel", "DegFlow", "DegFlow anchored"]


def images(batch: int, size: int) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", DETERMINISTIC)
@pytest.mark.parametrize(("size", "lr_size"), [(64, 16), (83, 16), (61, 13)])
def test_a_sample_of_a_batch_is_the_sample_alone(name: str, size: int, lr_size: int) -> None:
    degradation, hr = DETERMINISTIC[name](), images(5, size)
    degradation.seed(0)
    together = degradation.lr_patches(hr, SCALES, lr_size)
    assert together.shape == (5, 3, lr_size, lr_size)
    assert 0 <= together.min() <= together.max() <= 1
    for i in range(5):
        alone = degradation.lr_patches(hr[i : i + 1], SCALES[i : i + 1], lr_size)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-5)


@pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
@pytest.mark.parametrize("name", ["RealESRGAN", "BSRGAN"])
def test_a_random_sample_is_the_sample_alone_with_the_draws_of_its_turn(name: str) -> None:
    degradation, hr = (realesrgan if name == "RealESRGAN" else bsrgan)(), images(5, 83)
    degradation.seed(4)
    together = degradation.lr_patches(hr, SCALES, 16)
    for i in range(5):
        degradation.seed(4)
        for scale in SCALES[:i].tolist():
            at = () if name == "RealESRGAN" else (scale,)
            degradation.draw(1, *at)  # type: ignore[operator]
        alone = degradation.lr_patches(hr[i : i + 1], SCALES[i : i + 1], 16)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-6)


def sharpened() -> Degradation:
    from degflow_aug.degradations.realesrgan.realesrgan import RealESRGAN
    from degflow_aug.degradations.realesrgan.settings import RealESRGANSettings

    return RealESRGAN(RealESRGANSettings(usm=True))


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", [*DETERMINISTIC, "RealESRGAN", "RealESRGAN of sharpened HR"])
def test_images_are_contiguous(name: str, memory: torch.memory_format) -> None:
    """BasicSR's VGGStyleDiscriminator views what a network makes of LR, which keeps LR's memory format."""
    if name.startswith("RealESRGAN") and not compat.has_basicsr():
        pytest.skip("BasicSR is not installed")
    made = {**DETERMINISTIC, "RealESRGAN": realesrgan, "RealESRGAN of sharpened HR": sharpened}
    degradation = made[name]()
    hr = images(2, 64).contiguous(memory_format=memory)
    for seed in range(4):
        degradation.seed(seed)
        for scale in (1.0, 2.5):
            assert degradation(hr, scale).is_contiguous()
            assert degradation.render(hr, scale).is_contiguous()
        assert degradation.lr_patches(hr, SCALES[:2], 16).is_contiguous()


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_dtype_and_graph(name: str) -> None:
    degradation = DETERMINISTIC[name]()
    truth = degradation.lr_patches(images(5, 64), SCALES, 16)
    for dtype in (torch.float64, torch.bfloat16):
        patches = degradation.lr_patches(images(5, 64).to(dtype).requires_grad_(), SCALES, 16)
        assert patches.dtype == dtype
        assert not patches.requires_grad
        torch.testing.assert_close(patches.double(), truth.double(), rtol=0, atol=0.05)


def noisy_kernel() -> Degradation:
    made = random_kernel()
    made.residual, made.noise = random_noise(), 1.0
    return made


KINDS: dict[str, Callable[[], Degradation]] = {
    **DETERMINISTIC,
    "DegFlow with noise": lambda: degflow(residual=random_noise(), noise=1.0),
    "FittedKernel with noise": noisy_kernel,
    "RealESRGAN": realesrgan,
    "BSRGAN": bsrgan,
    "Mixture": lambda: Mixture([(1, Bicubic()), (1, degflow())]),
}


@pytest.mark.parametrize("cast", ["image", "degradation and image"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", KINDS)
def test_number_types_in_and_out_of_autocast(name: str, dtype: torch.dtype, cast: str) -> None:
    if name in ("RealESRGAN", "BSRGAN") and not compat.has_basicsr():
        pytest.skip("BasicSR is not installed")
    degradation, hr = KINDS[name](), images(2, 48)
    calls: list[Callable[[Tensor], Tensor]] = [
        lambda hr: degradation(hr, 2.0),
        lambda hr: degradation.render(hr, 2.0),
        lambda hr: degradation.lr_patches(hr, torch.tensor([1.5, 2.0]), 16),
    ]

    def results(hr: Tensor) -> list[Tensor]:
        degradation.seed(0)
        return [call(hr) for call in calls]

    truth = results(hr)
    if cast == "degradation and image":
        degradation.to(dtype)
    for autocast in (None, torch.bfloat16, torch.float16):
        with torch.autocast("cpu", autocast or torch.bfloat16, enabled=autocast is not None):
            found = results(hr.to(dtype))
        for one, expected in zip(found, truth, strict=True):
            assert one.dtype == dtype
            assert one.is_contiguous()
            # Where images are rounded, so are the levels and the gray values that JPEG starts from.
            assert (one.double() - expected.double()).abs().mean() < 0.03


@pytest.mark.parametrize("section", [
    {"type": "DegFlow", "bundle": "simulator", "noise": 1.0}, {"type": "FittedPipeline", "bundle": "simulator"},
    {"type": "Camera"}, {"type": "RealESRGAN"}, {"type": "BSRGAN", "sensor_prob": 1.0},
], ids=lambda section: section["type"])  # fmt: skip
def test_another_default_number_type_changes_nothing(section: dict[str, object]) -> None:
    if section["type"] in ("RealESRGAN", "BSRGAN") and not compat.has_basicsr():
        pytest.skip("BasicSR is not installed")
    hr, results = images(2, 48), []
    before = torch.get_default_dtype()
    try:
        for default in (before, torch.float64):
            torch.set_default_dtype(default)
            degradation = build_degradation(section)
            degradation.seed(0)
            results.append(degradation(hr, 2.0))
    finally:
        torch.set_default_dtype(before)
    assert results[1].dtype == hr.dtype
    torch.testing.assert_close(*results, rtol=0, atol=0.005)


@pytest.mark.parametrize("name", BATCHED)
def test_scales_of_any_dtype(name: str) -> None:
    degradation, hr = DETERMINISTIC[name](), images(5, 64)
    expected = degradation.lr_patches(hr, SCALES, 16)
    torch.testing.assert_close(degradation.lr_patches(hr, SCALES.double(), 16), expected, rtol=0, atol=1e-5)
    whole = torch.tensor([1, 2, 3, 4, 2])
    expected = degradation.lr_patches(hr, whole.float(), 16)
    torch.testing.assert_close(degradation.lr_patches(hr, whole, 16), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("amp", ["none", "bf16"])
@pytest.mark.parametrize("scales", [SCALES, SCALES.to("meta")], ids=["scales on the CPU", "scales on the device"])
@pytest.mark.parametrize("name", [*BATCHED, "DegFlow local", "DegFlow rk4", "Mixture"])
def test_nothing_is_read_back_and_no_shape_depends_on_data(name: str, scales: Tensor, amp: str) -> None:
    """A meta tensor has no values: reading one, or a shape that hangs on one, raises."""
    made: dict[str, Callable[[], Degradation]] = {
        **DETERMINISTIC,
        "DegFlow": lambda: degflow(amp=amp),
        "DegFlow local": lambda: degflow(local=True, amp=amp, tile=256),
        "DegFlow rk4": lambda: degflow(solver="rk4", steps=3, amp=amp),
        "Mixture": lambda: Mixture([(1, Bicubic()), (1, degflow(amp=amp))]),
    }
    degradation = made[name]().to("meta")
    for size in (83, 320):
        patches = degradation.lr_patches(torch.empty(5, 3, size, size, device="meta"), scales, 16)
        assert patches.shape == (5, 3, 16, 16)
        assert patches.device.type == "meta"


@pytest.mark.parametrize("name", BATCHED)
def test_scales_on_the_cpu_are_checked_before_the_device_is_touched(name: str) -> None:
    degradation, hr = DETERMINISTIC[name]().to("meta"), torch.empty(5, 3, 60, 60, device="meta")
    with pytest.raises(ValueError, match="at least 64 pixels"):
        degradation.lr_patches(hr, SCALES, 16)
    with pytest.raises(ValueError, match=r"one scale a sample, shape \(5,\)"):
        degradation.lr_patches(hr, SCALES[:4], 16)
    with pytest.raises(ValueError, match=r"expected a scale from 1 to .*, got 0\.5"):
        degradation.lr_patches(hr, SCALES / 2, 8)


def test_nothing_of_earlier_batches_is_kept() -> None:
    velocity = random_velocity(base_channels=4, rae_channels=1)
    degradation = Mixture([(1, DegFlow(random_rae(1), velocity, solver="euler", steps=1)), (1, Bicubic())])
    hr, scales = images(2, 32), torch.tensor([1.0, 4.0])

    def tensors_after(steps: int) -> int:
        for step in range(steps):
            degradation.seed(step)
            degradation.lr_patches(hr, scales, 8)
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    before = tensors_after(20)
    assert tensors_after(50) <= before
