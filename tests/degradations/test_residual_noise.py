"""Noise of known spread and correlation is drawn so, found again by the estimate, and off where it has to be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from degflow_aug.degradations.residual_estimation import estimate_noise
from degflow_aug.degradations.residual_noise import ResidualNoise, local_contrast

CONTRASTS = torch.tensor([0.0, 0.1, 0.2])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def kernel() -> Tensor:
    """Green alone is smooth along rows; red and blue share half of their variance; all have unit spread."""
    filters = torch.zeros(3, 3, 3, 3)
    filters[0, 0, 1, 1] = 1
    filters[1, 1, 1, :2] = 0.5**0.5
    filters[2, 2, 1, 1] = filters[2, 0, 1, 1] = 0.5**0.5
    return filters


def noise(scales: tuple[float, ...] = (2.0, 4.0)) -> ResidualNoise:
    """0.01 in flat areas and 0.05 at a contrast of 0.2 at the first scale; twice that at the second."""
    first = torch.tensor([0.01, 0.03, 0.05])
    deviations = torch.stack([first * (index + 1) for index in range(len(scales))])
    return ResidualNoise(torch.tensor(scales), CONTRASTS, deviations, kernel().expand(len(scales), -1, -1, -1, -1))


def flat_and_stripes(size: int = 192) -> Tensor:
    """Left half gray, right half stripes one pixel wide, of a known contrast."""
    image = torch.full((1, 3, size, size), 0.5)
    image[..., :, size // 2 :: 2] += 0.1
    image[..., :, size // 2 + 1 :: 2] -= 0.1
    return image


def test_local_contrast_is_the_deviation_of_luma() -> None:
    image = torch.rand(2, 3, 9, 11, generator=seeded(), dtype=torch.float64)
    found = local_contrast(image)
    window = image.mean(1)[:, 2:7, 3:8]
    assert torch.allclose(found[:, 0, 4, 5], window.flatten(1).std(1, unbiased=False), atol=1e-12)
    assert local_contrast(torch.full((1, 3, 8, 8), 0.7)).max() < 1e-4


@pytest.mark.parametrize(("scale", "factor"), [(1.0, 0.0), (1.5, 0.5), (2.0, 1.0), (3.0, 1.5), (4.0, 2.0), (6.0, 2.0)])
def test_spread_follows_contrast_and_scale(scale: float, factor: float) -> None:
    lr = flat_and_stripes()
    drawn = noise()(lr, torch.tensor([scale]), 1.0, seeded()) - lr
    flat, stripes = drawn[..., 8:-8, 8:80], drawn[..., 8:-8, 112:-8]
    assert float(flat.std()) == pytest.approx(0.01 * factor, rel=0.03, abs=1e-9)
    # A window of five has three stripes of one kind: a contrast of 0.2 sqrt(6) / 5.
    expected = torch.lerp(torch.tensor(0.01), torch.tensor(0.05), 0.2 * 6**0.5 / 5 / 0.2)
    assert float(stripes.std()) == pytest.approx(float(expected) * factor, rel=0.03, abs=1e-9)


def test_neighbours_and_channels_are_correlated_as_the_kernel_says() -> None:
    lr = torch.full((1, 3, 256, 256), 0.5)
    drawn = (noise()(lr, torch.tensor([2.0]), 1.0, seeded()) - lr)[0] / 0.01
    assert drawn.var((1, 2)).tolist() == pytest.approx([1, 1, 1], rel=0.03)
    along, across = (drawn[1, :, 1:] * drawn[1, :, :-1]).mean(), (drawn[1, 1:] * drawn[1, :-1]).mean()
    assert float(along) == pytest.approx(0.5, abs=0.03)
    assert float(across) == pytest.approx(0, abs=0.03)
    assert float((drawn[0] * drawn[2]).mean()) == pytest.approx(0.5**0.5, abs=0.03)
    assert float((drawn[0] * drawn[1]).mean()) == pytest.approx(0, abs=0.03)


def test_strength_seed_and_scales_of_a_batch() -> None:
    lr = torch.full((3, 3, 24, 20), 0.5)
    scales = torch.tensor([1.0, 2.0, 4.0])
    once = noise()(lr, scales, 1.0, seeded(3))
    assert torch.equal(once, noise()(lr, scales, 1.0, seeded(3)))
    assert not torch.equal(once, noise()(lr, scales, 1.0, seeded(4)))
    assert torch.equal(once[0], lr[0])
    assert torch.allclose(noise()(lr, scales, 0.5, seeded(3)) - lr, (once - lr) / 2, atol=1e-7)
    assert float((once[2] - lr[2]).std() / (once[1] - lr[1]).std()) == pytest.approx(2, rel=0.15)
    alone = noise()(lr[:1], scales[2:], 1.0, seeded(3))
    assert alone.shape == (1, 3, 24, 20)
    assert float((alone - lr[:1]).std()) == pytest.approx(0.02, rel=0.15)


def test_values_stay_in_range_and_precision() -> None:
    bright = torch.ones(1, 3, 32, 32, dtype=torch.bfloat16)
    drawn = noise()(bright, torch.tensor([4.0]), 1.0, seeded())
    assert drawn.dtype == torch.bfloat16
    assert 0 <= float(drawn.min()) < float(drawn.max()) <= 1


def test_the_estimate_finds_what_was_put_in() -> None:
    truth = noise()
    generator = seeded(1)
    pairs: dict[float, list[tuple[Tensor, Tensor]]] = {2.0: [], 4.0: []}
    for index in range(12):
        texture = torch.rand(1, 1, 128, 160, generator=generator) * torch.linspace(0, 0.6, 160)
        lr = (0.2 + texture).expand(1, 3, -1, -1).contiguous()
        for scale, found in pairs.items():
            found.append((lr, truth(lr, torch.tensor([scale]), 1.0, seeded(100 + index))))
    estimate = estimate_noise(pairs)
    assert estimate.scales.tolist() == [2, 4]
    lr = flat_and_stripes()
    for row in (0, 1):
        levels = torch.linspace(0.02, 0.15, 6)
        picture = levels.repeat_interleave(32)[None, None, None].expand(1, 1, 4, -1)
        wanted, got = (_at(each, row, picture) for each in (truth, estimate))
        assert torch.allclose(got, wanted, rtol=0.08)
    drawn = (estimate(lr, torch.tensor([2.0]), 1.0, seeded()) - lr)[0, :, 8:-8, 8:80]
    unit = drawn / drawn.std((1, 2), keepdim=True)
    assert float((unit[1, :, 1:] * unit[1, :, :-1]).mean()) == pytest.approx(0.5, abs=0.06)
    assert float((unit[0] * unit[2]).mean()) == pytest.approx(0.5**0.5, abs=0.06)


def _at(each: ResidualNoise, row: int, contrast: Tensor) -> Tensor:
    """Deviations of one scale at given contrasts, by an interpolation of its own."""
    import numpy as np

    known, values = each.contrasts.numpy(), each.deviations[row].numpy()
    return torch.from_numpy(np.interp(contrast.flatten().unique().numpy(), known, values))


@contextmanager
def no_reading_back() -> Iterator[None]:
    class Refuse(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            assert func not in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
            return func(*args, **(kwargs or {}))

    with Refuse():
        yield


def test_nothing_is_read_back() -> None:
    with no_reading_back():
        noise()(torch.rand(2, 3, 16, 16), torch.tensor([2.0, 3.0]), 1.0, seeded())
    with pytest.raises(AssertionError), no_reading_back():
        torch.tensor(1.0).item()


def test_a_round_trip_through_its_state() -> None:
    lr, scales = torch.rand(1, 3, 16, 16), torch.tensor([3.0])
    copy = ResidualNoise.from_state(noise().state_dict())
    assert torch.equal(copy(lr, scales, 1.0, seeded()), noise()(lr, scales, 1.0, seeded()))
    with pytest.raises(ValueError, match="expected the state of a residual noise, got none with 'kernels'"):
        ResidualNoise.from_state({key: value for key, value in noise().state_dict().items() if key != "kernels"})


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="expected deviations and kernels of shapes"):
        ResidualNoise(torch.tensor([2.0]), CONTRASTS, torch.ones(2, 3), kernel()[None])
    with pytest.raises(ValueError, match="expected LR images of at least 32x32 pixels at x2"):
        estimate_noise({2.0: [(torch.rand(1, 3, 31, 40), torch.rand(1, 3, 31, 40))]})
    with pytest.raises(ValueError, match="to learn noise from"):
        estimate_noise({2.0: []})
