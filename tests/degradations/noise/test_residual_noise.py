"""Noise of known spread, tails, displacement and correlation is drawn so, and off where it has to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.known_noise import CONTRASTS, drawn, noise, seeded
from scipy import ndimage
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from degflow_aug.degradations.noise.noise_fields import derivatives, finest, local_contrast, look_up, table_sums
from degflow_aug.degradations.noise.residual_noise import ResidualNoise


def test_local_contrast_is_the_deviation_of_luma() -> None:
    image = torch.rand(2, 3, 9, 11, generator=seeded(), dtype=torch.float64)
    found = local_contrast(image)
    window = image.mean(1)[:, 2:7, 3:8]
    assert torch.allclose(found[:, 0, 4, 5], window.flatten(1).std(1, unbiased=False), atol=1e-12)
    assert local_contrast(torch.full((1, 3, 8, 8), 0.7)).max() < 1e-4


def test_derivatives_and_finest_detail_are_those_of_scipy() -> None:
    image = torch.rand(1, 3, 9, 11, generator=seeded(), dtype=torch.float64)
    plane = image[0].mean(0).numpy()
    wanted = [ndimage.correlate1d(plane, [-0.5, 0, 0.5], axis, mode="nearest") for axis in (1, 0)]
    wanted.append(ndimage.laplace(plane, mode="nearest"))
    assert np.allclose(derivatives(image)[0].numpy(), np.stack(wanted), atol=1e-12)
    window = np.outer([1, 2, 1], [1, 2, 1]) / 16
    smooth = np.stack([ndimage.correlate(channel.numpy(), window, mode="nearest") for channel in image[0]])
    assert np.allclose(finest(image)[0].numpy(), image[0].numpy() - smooth, atol=1e-12)


def test_tables_are_read_and_filled_with_the_same_weights() -> None:
    image = torch.rand(1, 3, 12, 10, generator=seeded()) * torch.linspace(0, 1, 10)
    table = torch.rand(4, 5, generator=seeded(1))
    found = look_up(table[None, None], image, CONTRASTS)
    rows = image.mean(1).clamp(0, 1)[0].numpy() * 3
    contrast = np.clip(local_contrast(image)[0, 0].numpy(), 0.002, 0.2)
    columns = np.log(contrast / 0.002) / np.log(100) * 4
    wanted = ndimage.map_coordinates(table.numpy(), [rows, columns], order=1, mode="nearest")
    assert np.allclose(found[0, 0].numpy(), wanted, atol=1e-5)
    values = torch.rand(1, 2, 12, 10, generator=seeded(2))
    sums = table_sums(image, values, (4, 5), CONTRASTS)
    assert torch.allclose((sums * table).sum((1, 2)).float(), (values * found).sum((2, 3))[0], rtol=1e-4)


@pytest.mark.parametrize(("scale", "factor"), [(1.0, 0.0), (1.5, 0.5), (2.0, 1.0), (3.0, 1.5), (4.0, 2.0), (6.0, 2.0)])
def test_spread_follows_contrast_and_scale(scale: float, factor: float) -> None:
    lr = torch.full((1, 3, 192, 192), 0.5)
    lr[..., :, 96::2] += 0.1
    lr[..., :, 97::2] -= 0.1
    found = drawn(noise(), lr, scale)
    assert float(found[..., 8:-8, 8:80].std()) == pytest.approx(0.01 * factor, rel=0.03, abs=1e-9)
    # A window of five has three stripes of one kind, a contrast of 0.2 sqrt(6) / 5; the middle mark is at 0.02.
    share = float(torch.log10(torch.tensor(0.2 * 6**0.5 / 5 / 0.02)))
    wanted = (0.03 + 0.02 * share) * factor
    assert float(found[..., 8:-8, 112:-8].std()) == pytest.approx(wanted, rel=0.03, abs=1e-9)


def test_neighbours_and_channels_are_correlated_as_the_kernel_says() -> None:
    found = drawn(noise(), torch.full((1, 3, 256, 256), 0.5))[0] / 0.01
    assert found.var((1, 2)).tolist() == pytest.approx([1, 1, 1], rel=0.03)
    assert float((found[1, :, 1:] * found[1, :, :-1]).mean()) == pytest.approx(0.5, abs=0.03)
    assert float((found[1, 1:] * found[1, :-1]).mean()) == pytest.approx(0, abs=0.03)
    assert float((found[0] * found[2]).mean()) == pytest.approx(0.5**0.5, abs=0.03)
    assert float((found[0] * found[1]).mean()) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize(("shift", "focus"), [(0.3, 0.0), (0.0, 0.2), (0.2, 0.1)])
def test_displacement_and_focus_follow_the_derivatives(shift: float, focus: float) -> None:
    lr = torch.rand(16, 1, 96, 96, generator=seeded()).expand(-1, 3, -1, -1)
    found = drawn(noise(shift=shift, focus=focus), lr, 2.0) - drawn(noise(), lr, 2.0)
    slopes = derivatives(lr)
    wanted = shift**2 * slopes[:, :2].square().sum(1) + focus**2 * slopes[:, 2].square()
    # Linear between nodes, a smooth field loses a little of its variance; the expected square knows how much.
    parts = [source.variance(lr, torch.full((16,), 2.0)) for source in (noise(shift=shift, focus=focus), noise())]
    assert float((parts[0] - parts[1]).mean()) == pytest.approx(float(wanted.mean()), rel=0.15)
    assert float(found.square().mean()) == pytest.approx(float((parts[0] - parts[1]).mean()), rel=0.15)
    assert torch.allclose(found[:, 0], found[:, 2], atol=1e-6)


def test_a_displacement_moves_the_image() -> None:
    x = torch.linspace(0, 6.28, 200)
    lr = (0.5 + 0.2 * torch.sin(x)).expand(1, 3, 64, -1)
    source = noise(shift=0.5)
    source.tables.zero_()
    moved = lr + drawn(source, lr)
    rows = moved[0, 0, 10:12] - lr[0, 0, 10:12]
    slope = derivatives(lr)[0, 0, 10]
    steep = slope.abs() > 0.5 * slope.abs().max()
    displacement = (rows / slope)[:, steep]
    assert 0.05 < float(displacement.abs().mean()) < 1.5
    # Neighbours move together.
    assert float((displacement[0] - displacement[1]).abs().mean()) < 0.2 * float(displacement.abs().mean())


def test_an_offset_is_smooth_and_of_its_size() -> None:
    lr = torch.full((24, 3, 96, 96), 0.5)
    source = noise(offset=0.04)
    source.tables[:, 0] = 0
    found = drawn(source, lr)
    expected = source.variance(lr, torch.full((24,), 2.0)).mean().sqrt()
    assert 0.035 < float(expected) <= 0.04
    assert float(found.square().mean().sqrt()) == pytest.approx(float(expected), rel=0.08)
    assert float(found.diff(dim=-1).square().mean().sqrt()) < 0.1 * float(expected)


def test_tails_leave_the_variance_and_raise_the_fourth_moment() -> None:
    lr = torch.full((48, 3, 128, 128), 0.5)
    plain, heavy = drawn(noise(), lr), drawn(noise(tail=0.4), lr)
    ratio = heavy.square().mean() / plain.square().mean()
    assert float(ratio) == pytest.approx(1, abs=0.08)
    kurtosis = float(heavy.pow(4).mean() / heavy.square().mean() ** 2)
    assert kurtosis == pytest.approx(3 * np.exp(4 * 0.4**2 * 0.93), rel=0.15)
    assert float(plain.pow(4).mean() / plain.square().mean() ** 2) == pytest.approx(3, abs=0.05)


def test_grain_goes() -> None:
    lr = 0.5 + 0.001 * torch.randn(1, 3, 64, 64, generator=seeded())
    kept = drawn(noise(grain=0.75), lr) - drawn(noise(), lr)
    assert torch.allclose(kept, -0.75 * finest(lr), atol=1e-6)


def test_strength_seed_and_scales_of_a_batch() -> None:
    lr = torch.full((3, 3, 24, 20), 0.5)
    scales = torch.tensor([1.0, 2.0, 4.0])
    source = noise(offset=0.01, tail=0.2)
    once = source(lr, scales, 1.0, seeded(3))
    assert torch.equal(once, source(lr, scales, 1.0, seeded(3)))
    assert not torch.equal(once, source(lr, scales, 1.0, seeded(4)))
    assert torch.equal(once[0], lr[0])
    assert torch.equal(source(lr, scales, 0.0, seeded(3)), lr)
    assert torch.allclose(source(lr, scales, 0.5, seeded(3)) - lr, (once - lr) / 2, atol=1e-7)
    alone = source(lr[:1], scales[2:], 1.0, seeded(3))
    assert alone.shape == (1, 3, 24, 20)


@pytest.mark.parametrize("scale", [1.0, 1.25, 1.5])
def test_everything_fades_towards_scale_1(scale: float) -> None:
    lr = torch.rand(1, 3, 64, 64, generator=seeded())
    source = noise(offset=0.02, shift=0.2, focus=0.1, grain=0.5)
    assert torch.allclose(drawn(source, lr, scale), drawn(source, lr, 2.0) * (scale - 1), atol=1e-6)
    tailed = noise(tail=0.3)
    assert torch.allclose(drawn(tailed, lr, scale), drawn(tailed, lr, 2.0) * (scale - 1), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 31, 45), (3, 64, 9)])
def test_values_stay_in_range_precision_and_shape(dtype: torch.dtype, shape: tuple[int, int, int]) -> None:
    bright = torch.ones(shape[0], 3, *shape[1:], dtype=dtype)
    found = noise(offset=0.02, shift=0.1, tail=0.2)(bright, torch.full(shape[:1], 4.0), 1.0, seeded())
    assert found.dtype == dtype
    assert found.shape == bright.shape
    assert 0 <= float(found.min()) < float(found.max()) <= 1


def test_nothing_is_read_back() -> None:
    """Tensors that have a shape but no values cannot be read."""
    source, draws = noise(shift=0.1), seeded()
    with FakeTensorMode(allow_non_fake_inputs=True):
        lr, scales = torch.rand(2, 3, 16, 16), torch.rand(2)
        with pytest.raises(DataDependentOutputException):
            scales.max().item()
        assert source(lr, scales, 1.0, draws).shape == lr.shape


def test_a_round_trip_through_its_state() -> None:
    lr, scales = torch.rand(1, 3, 16, 16), torch.tensor([3.0])
    copy = ResidualNoise.from_state(noise().state_dict())
    assert torch.equal(copy(lr, scales, 1.0, seeded()), noise()(lr, scales, 1.0, seeded()))


@pytest.mark.parametrize("inside", [False, True])
def test_a_memory_format_of_four_axes_leaves_shapes_and_noise(inside: bool) -> None:
    made, lr = noise(), torch.rand(2, 3, 16, 20, generator=seeded())
    before, wanted = {name: part.clone() for name, part in made.state_dict().items()}, drawn(made, lr, 2.5)
    (torch.nn.Sequential(made) if inside else made).to(memory_format=torch.channels_last)
    after = made.state_dict()
    assert all(torch.equal(part, after[name]) for name, part in before.items())
    assert torch.equal(drawn(made, lr, 2.5), wanted)
    assert made.double().kernels.dtype == made.tails.dtype == torch.float64
    assert made.to("meta").kernels.shape == before["kernels"].shape


def test_a_state_of_the_first_form_is_refused_in_one_sentence() -> None:
    first = {"scales": torch.ones(1), "contrasts": torch.ones(12), "deviations": torch.ones(1, 12)}
    with pytest.raises(ValueError, match=r"^expected the state of a residual noise, .* run `degflow noise` again$"):
        ResidualNoise.from_state(first)


def test_what_does_not_fit_is_refused() -> None:
    state = dict(noise().state_dict())
    for name in ("tables", "kernels", "fields", "tails"):
        with pytest.raises(ValueError, match="expected tables, kernels, fields and tails of shapes"):
            ResidualNoise.from_state({**state, name: state[name][:1]})
    with pytest.raises(ValueError, match="odd sides"):
        ResidualNoise.from_state({**state, "kernels": state["kernels"][..., :2, :2]})
