"""HR images that cannot be are one sentence, on the CPU at once, and on a GPU when their extremes have arrived."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from helpers.random_kernels import random_kernel
from helpers.random_networks import random_rae, random_velocity
from PIL import Image
from torch import Tensor

from degflow_aug import compat, to_lr_grid
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.image_check import ValueCheck
from degflow_aug.degradations.mixture import Mixture
from degflow_aug.degradations.simulator.camera import SimulatedCamera
from degflow_aug.degradations.simulator.phone import SimulatedPhone

HR = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
SCALES = torch.tensor([1.5, 2.0])


def realesrgan() -> Degradation:
    if not compat.has_basicsr():
        pytest.skip("BasicSR is not installed")
    from degflow_aug.degradations.realesrgan.realesrgan import RealESRGAN

    return RealESRGAN()


def bsrgan() -> Degradation:
    if not compat.has_basicsr():
        pytest.skip("BasicSR is not installed")
    from degflow_aug.degradations.bsrgan.bsrgan import BSRGAN

    return BSRGAN()


DEGRADATIONS: dict[str, Callable[[], Degradation]] = {
    "Bicubic": Bicubic,
    "Camera": SimulatedCamera,
    "FittedKernel": random_kernel,
    "DegFlow": lambda: DegFlow(random_rae(), random_velocity(base_channels=4)),
    "RealESRGAN": realesrgan,
    "BSRGAN": bsrgan,
    "Mixture": lambda: Mixture([(1, Bicubic()), (1, random_kernel())]),
}


def with_pixel(value: float) -> Tensor:
    image = HR.clone()
    image[1, 2, 3, 4] = value
    return image


class Marked(Tensor):
    """An image by its class alone, as torchvision's are."""


IMAGES: dict[str, tuple[Any, str]] = {
    "NaN": (with_pixel(math.nan), "pixels that are NaN or infinite"),
    "infinity": (with_pixel(-math.inf), "pixels that are NaN or infinite"),
    "NaN in double precision": (with_pixel(math.nan).double(), "pixels that are NaN or infinite"),
    "0 to 255": (HR * 255, "values from 0.* to 25.*; divide 8-bit values by 255"),
    "0 to 255 in half precision": (HR.half() * 255, "divide 8-bit values by 255"),
    "without its mean": (HR - 0.5, "values from -0.4.* undo other normalisation"),
    "-1 to 1": (HR * 2 - 1, "values from -0.9.* undo other normalisation"),
    "of a marked kind": (with_pixel(math.nan).as_subclass(Marked), "pixels that are NaN or infinite"),
    "sparse": (HR.to_sparse(), "got a tensor of layout sparse_coo"),
    "nested": (torch.nested.nested_tensor([HR[0], HR[1]]), "got a nested one; pad"),
    "complex": (HR.to(torch.complex64), "got torch.complex64"),
    "float8": (HR.to(torch.float8_e4m3fn), "convert to float32 what is of another kind"),
    "8 bit": (HR.mul(255).byte(), "got torch.uint8 .*divide 8-bit values by 255"),
    "empty": (HR[:0], "at least one image, got an empty batch"),
    "NumPy": (HR.numpy(), "got ndarray; torch.from_numpy"),
    "Pillow": (Image.new("RGB", (16, 16)), "got Image; torch.from_numpy"),
    "list": ([HR[0], HR[1]], "got list"),
    "one image": (HR[0], r"got torch.float32 \(3, 16, 16\); stack images"),
    "gray": (HR[:, :1], r"got torch.float32 \(2, 1, 16, 16\); put channels second, repeat a gray one"),
    "alpha": (torch.rand(2, 4, 16, 16), "leave alpha out"),
    "channels last": (HR.permute(0, 2, 3, 1), "put channels second"),
}


@pytest.mark.parametrize("what", IMAGES)
@pytest.mark.parametrize("name", DEGRADATIONS)
def test_images_that_cannot_be_are_one_sentence(name: str, what: str) -> None:
    degradation, (image, sentence) = DEGRADATIONS[name](), IMAGES[what]
    calls: tuple[Callable[[], object], ...] = (
        lambda: degradation(image, 2.0),
        lambda: degradation.render(image, 2.0),
        lambda: degradation.render_scales(image, [2.0]),
        lambda: degradation.lr_patches(image, SCALES, 8),
    )
    for call in calls:
        with pytest.raises(ValueError, match=rf"^expected HR .*{sentence}"):
            call()


@pytest.mark.parametrize(
    "scale",
    [
        [2.0, 2.0],
        (2.0,),
        np.array([2.0, 3.0]),
        "2",
        None,
        True,
        np.True_,
        b"2",
        10**400,
        2 + 0j,
        {},
    ],
)
@pytest.mark.parametrize("name", DEGRADATIONS)
def test_scales_that_are_no_number_are_one_sentence(name: str, scale: Any) -> None:
    degradation = DEGRADATIONS[name]()
    for call in (lambda: degradation(HR, scale), lambda: degradation.render_scales(HR, [scale])):
        with pytest.raises(ValueError, match="expected one scale as a number, got"):
            call()
    with pytest.raises(ValueError, match=r"expected scales as a tensor \(2,\), got"):
        degradation.lr_patches(HR, scale, 8)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_transforms_of_torch_func_are_one_sentence(name: str) -> None:
    degradation = DEGRADATIONS[name]()
    for transform in (torch.vmap, lambda function: torch.func.grad(lambda image: function(image).sum())):
        with pytest.raises(ValueError, match=r"got one inside of vmap, grad or another of torch\.func"):
            transform(lambda image: degradation(image, 2.0))(torch.stack([HR, HR]))


@pytest.mark.parametrize("name", ["DegFlow", "RealESRGAN", "BSRGAN", "Camera", "Phone"])
def test_what_needs_values_is_not_made_of_shapes(name: str) -> None:
    degradation = SimulatedPhone() if name == "Phone" else DEGRADATIONS[name]()
    with pytest.raises(ValueError, match=r"expected HR (on cpu, where this DegFlow is|with values), got .* on meta"):
        degradation(HR.to("meta"), 2.0)
    for scales in (SCALES.to("meta"), SCALES.to_sparse()):
        with pytest.raises(ValueError, match=r"expected scales (with values|as a dense tensor .2,.), got"):
            degradation.lr_patches(HR, scales, 8)


@pytest.mark.parametrize("what", IMAGES)
def test_the_public_way_to_the_lr_grid_takes_no_others_either(what: str) -> None:
    image, sentence = IMAGES[what]
    with pytest.raises(ValueError, match=rf"^expected HR .*{sentence}"):
        to_lr_grid(image, 2.0)


def test_the_public_way_to_the_lr_grid_takes_scales_from_1() -> None:
    torch.testing.assert_close(to_lr_grid(HR, 2.3), Bicubic()(HR, 2.3), rtol=0, atol=0)
    for scale in (0.5, 0, -2, math.nan, math.inf):
        with pytest.raises(ValueError, match="expected a scale from 1 to inf, got"):
            to_lr_grid(HR, scale)
    for scale in ("2", [2.0], None):
        with pytest.raises(ValueError, match="expected one scale as a number, got"):
            to_lr_grid(HR, scale)  # type: ignore[arg-type]


def test_other_arguments_are_one_sentence() -> None:
    for size in (8.5, "8", None, True, [8]):
        with pytest.raises(ValueError, match="expected an LR size of at least 1"):
            Bicubic().lr_patches(HR, SCALES, size)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected a list of scales, got 2\.0"):
        Bicubic().render_scales(HR, 2.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected one scale as a number"):
        DEGRADATIONS["DegFlow"]()(HR, SCALES)


def test_what_resampling_overshoots_is_taken() -> None:
    assert Bicubic()(HR * 1.6 - 0.3, 2.0).shape == (2, 3, 8, 8)


class Event:
    """Stands for a CUDA event: what a test says has arrived."""

    arrived = False

    def record(self, stream: object) -> None:
        """Nothing runs here."""

    def query(self) -> bool:
        return self.arrived


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """The way of a GPU on the CPU; calling it says whether copies have arrived."""
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    return lambda arrived: monkeypatch.setattr(Event, "arrived", arrived)


def test_a_gpu_tells_a_call_later(without_gpu: Callable[[bool], None]) -> None:
    for wrong in (with_pixel(math.nan), HR * 255):
        check = ValueCheck()
        without_gpu(False)
        check._look_later(wrong)
        # One batch is on its way at a time, so the next is not looked at.
        check._look_later(HR)
        without_gpu(True)
        with pytest.raises(ValueError, match=r"expected HR in \[0, 1\] in an earlier batch, got"):
            check._look_later(HR)
        for _ in range(3):
            check._look_later(HR)


def test_a_copy_does_not_take_over_what_is_on_its_way(without_gpu: Callable[[bool], None]) -> None:
    degradation = Bicubic()
    degradation._check_values._look_later(HR * 255)
    without_gpu(True)
    for each in (copy.deepcopy(degradation), pickle.loads(pickle.dumps(degradation))):
        each._check_values._look_later(HR)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_nothing_waits_for_a_gpu() -> None:
    degradation, wrong = DEGRADATIONS["DegFlow"]().cuda(), with_pixel(math.nan).cuda()
    degradation(HR.cuda(), 2.0)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        lr = degradation(wrong, 2.0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert lr.isnan().any()
    with pytest.raises(ValueError, match="in an earlier batch"):
        degradation(wrong, 2.0)
