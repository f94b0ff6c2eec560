from __future__ import annotations

import dataclasses
import math
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from degflow_aug import compat
from degflow_aug.degradations.grid import lr_size
from degflow_aug.degradations.realesrgan.draw import OrderDraw, RealESRGANDraw
from degflow_aug.degradations.realesrgan.realesrgan import RealESRGAN
from degflow_aug.degradations.realesrgan.sensor_noise import add_noise
from degflow_aug.degradations.realesrgan.settings import RealESRGANSettings

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)
compat.apply()


def smooth(batch: int, height: int, width: int, seed: int = 0) -> Tensor:
    coarse = torch.rand(batch, 3, height // 4 + 1, width // 4 + 1, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")


class Script:
    """Stands in for BasicSR's random sources, and answers with the values that were drawn for us."""

    def __init__(self, draws: RealESRGANDraw) -> None:
        self.uniforms, self.ways, self.modes = [], [], [draws.first.mode, draws.second.mode, draws.final_mode]
        for index, order in enumerate((draws.first, draws.second)):
            if index:
                self.uniforms.append(0.0 if order.kernels is not None else 1.0)
            self.ways.append("keep" if order.resize == 1 else "up" if order.resize > 1 else "down")
            if order.resize != 1:
                self.uniforms.append(order.resize)
            self.uniforms.append(0.0 if order.gaussian else 1.0)
        self.uniforms.append(0.0 if draws.jpeg_last else 1.0)
        self.random = SimpleNamespace(uniform=lambda *_: self.uniforms.pop(0))

    def choices(self, *_: Any) -> list[str]:
        return [self.ways.pop(0)]

    def choice(self, _: Any) -> str:
        return self.modes.pop(0)


def basicsr_lr(hr: Tensor, draws: RealESRGANDraw, monkeypatch: pytest.MonkeyPatch, usm: bool) -> Tensor:
    """LR of BasicSR's own ``RealESRGANModel.feed_data`` at x4, its random sources replaced by ``draws``."""
    from basicsr.data import degradations
    from basicsr.models import realesrgan_model
    from basicsr.utils import DiffJPEG, USMSharp

    script, orders, qualities = Script(draws), [draws.first, draws.second], [draws.first, draws.second]

    def noise(add: Any, name: str) -> Any:
        def replacement(image: Tensor, **options: Any) -> Tensor:
            order = orders.pop(0)
            with torch.random.fork_rng():
                torch.manual_seed(order.noise_seed)
                return add(image, order.strengths, gray_noise=order.gray, clip=True, rounds=options["rounds"])

        monkeypatch.setattr(realesrgan_model, name, replacement)
        return replacement

    noise(degradations.add_gaussian_noise_pt, "random_add_gaussian_noise_pt")
    noise(
        lambda image, scale, **rest: degradations.add_poisson_noise_pt(image, scale, **rest),
        "random_add_poisson_noise_pt",
    )
    monkeypatch.setattr(realesrgan_model, "np", script)
    monkeypatch.setattr(realesrgan_model, "random", script)
    jpeg = DiffJPEG(differentiable=False)
    model = object.__new__(realesrgan_model.RealESRGANModel)
    settings = vars(RealESRGANSettings())
    model.opt = {**settings, "scale": 4, "gt_size": hr.shape[-1], "high_order_degradation": True}
    model.is_train, model.device = True, torch.device("cpu")
    model.usm_sharpener = USMSharp() if usm else torch.nn.Identity()
    # Contiguous, because on current torch filter2D fails on what DiffJPEG returns.
    model.jpeger = lambda image, quality: jpeg(image, quality=qualities.pop(0).qualities.clone()).contiguous()
    model._dequeue_and_enqueue = lambda: None
    impulse = torch.zeros(hr.shape[0], 21, 21)
    impulse[:, 10, 10] = 1
    second = impulse if draws.second.kernels is None else draws.second.kernels
    model.feed_data({"gt": hr, "kernel1": draws.first.kernels, "kernel2": second, "sinc_kernel": draws.sinc_kernels})
    assert [*script.uniforms, *script.ways, *script.modes, *orders, *qualities] == []
    return model.lq


@pytest.mark.parametrize("usm", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_is_basicsr_for_the_same_draws(seed: int, usm: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    degradation = RealESRGAN(RealESRGANSettings(usm=usm))
    degradation.seed(seed)
    # The smallest sizes at which BasicSR's own filters still have enough to reflect.
    hr, draws = smooth(3, 128, 128, seed), degradation.draw(3)
    torch.testing.assert_close(
        degradation.degrade(hr, 4, draws), basicsr_lr(hr, draws, monkeypatch, usm), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("scale", [1.0, 1.37, 2.0, 4.0, 7.5])
@pytest.mark.parametrize("size", [(64, 48), (8, 8), (37, 51)])
def test_any_size_at_any_scale(scale: float, size: tuple[int, int]) -> None:
    degradation = RealESRGAN()
    for seed in range(5):
        degradation.seed(seed)
        lr = degradation(smooth(2, *size), scale)
        assert lr.shape == (2, 3, *lr_size(*size, scale))
        assert 0 <= lr.min() <= lr.max() <= 1
        torch.testing.assert_close((lr * 255).round() / 255, lr)


def test_repeats_under_its_seed_and_leaves_global_states_alone() -> None:
    degradation, hr = RealESRGAN(), smooth(2, 64, 64)
    states = random.getstate(), np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    degradation.seed(3)
    first = [degradation(hr, 2.5) for _ in range(4)]
    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), states[2])
    torch.manual_seed(99)
    degradation.seed(3)
    assert all(torch.equal(lr, degradation(hr, 2.5)) for lr in first)
    assert not torch.equal(first[0], first[1])
    degradation.seed(4)
    assert not torch.equal(first[0], degradation(hr, 2.5))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_keeps_the_dtype(dtype: torch.dtype) -> None:
    degradation, hr = RealESRGAN(), smooth(1, 32, 32)
    draws = degradation.draw(1)
    lr = degradation.degrade(hr.to(dtype).float().to(dtype), 2, draws)
    assert lr.dtype == dtype
    torch.testing.assert_close(lr.float(), degradation.degrade(hr.to(dtype).float(), 2, draws), atol=4e-3, rtol=0)


@pytest.mark.parametrize("gaussian", [True, False])
@pytest.mark.parametrize("gray", [0.0, 1.0])
def test_noise_leaves_what_is_not_a_number_and_the_rest_as_it_was(gaussian: bool, gray: float) -> None:
    order = dataclasses.replace(
        RealESRGAN().draw(2).first, gaussian=gaussian, strengths=torch.ones(2), gray=torch.full((2,), gray)
    )
    image = smooth(2, 16, 16)
    expected = add_noise(image, order)
    broken = image.clone()
    broken[1, :, 3:5, 4] = math.nan
    found = add_noise(broken, order)
    assert torch.equal(found.isnan(), broken.isnan())
    assert torch.equal(found[0], expected[0])


@pytest.mark.parametrize("share", [1.0, 0.001])
def test_hr_that_is_not_a_number_gives_lr_that_is_not(share: float) -> None:
    """On a GPU, where nobody waits for the values of HR."""
    degradation, hr = RealESRGAN(), smooth(1, 64, 64)
    degradation._check_values = lambda hr: None  # type: ignore[assignment]
    hr[torch.rand(hr.shape, generator=torch.Generator().manual_seed(0)) < share] = math.nan
    for seed in range(12):
        degradation.seed(seed)
        assert degradation(hr, 2.0).isnan().any()


def test_has_no_state_to_save_or_to_train() -> None:
    degradation = RealESRGAN()
    lr = degradation(smooth(1, 32, 32).requires_grad_(), 2)
    assert not lr.requires_grad
    assert not list(degradation.parameters())
    assert not degradation.state_dict()


def test_drawn_parameters_stay_in_their_ranges() -> None:
    settings, degradation = RealESRGANSettings(), RealESRGAN()

    def inside(values: Tensor, bounds: tuple[float, float]) -> bool:
        return bool(((values >= bounds[0] - 1e-6) & (values <= bounds[1] + 1e-6)).all())

    def check(order: OrderDraw, suffix: str) -> None:
        strength = ("noise_range" if order.gaussian else "poisson_scale_range") + suffix
        assert inside(order.strengths, getattr(settings, strength))
        assert inside(order.qualities, getattr(settings, "jpeg_range" + suffix))
        assert inside(torch.tensor(order.resize), getattr(settings, "resize_range" + suffix))

    draws = [degradation.draw(2) for _ in range(100)]
    for one in draws:
        check(one.first, "")
        check(one.second, "2")
    shares = [
        np.mean([d.first.resize > 1 for d in draws]),
        np.mean([d.first.resize == 1 for d in draws]),
        np.mean([d.first.gaussian for d in draws]),
        np.mean([d.second.kernels is not None for d in draws]),
    ]
    np.testing.assert_allclose(shares, [0.2, 0.1, 0.5, 0.8], atol=0.15)


@pytest.mark.parametrize(("bounds", "lowest", "highest"), [((0.2, 0.9), 0.2, 1.0), ((1.2, 1.5), 1.0, 1.5)])
def test_a_resize_range_on_one_side_of_1_draws_up_to_1(
    bounds: tuple[float, float], lowest: float, highest: float
) -> None:
    degradation = RealESRGAN(RealESRGANSettings(resize_range=bounds, resize_range2=bounds))
    drawn = [order.resize for one in (degradation.draw(1) for _ in range(60)) for order in (one.first, one.second)]
    assert lowest <= min(drawn) < max(drawn) <= highest


def test_without_basicsr_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "has_basicsr", lambda: False)
    with pytest.raises(ValueError, match="expected BasicSR for the Real-ESRGAN degradation, "):
        RealESRGAN()
