"""The estimate finds in residuals the noise that was put in: spread, tails, displacement, grain, correlation."""

from __future__ import annotations

import pytest
import torch
from helpers.known_noise import CONTRASTS, bell, drawn, kernel, noise, seeded
from torch import Tensor

from degflow_aug.degradations.noise.noise_covariance import correlate, product_sums, solve
from degflow_aug.degradations.noise.noise_fields import kernels_of, look_up, sample_smooth_fields, smooth_variance
from degflow_aug.degradations.noise.residual_estimation import CONTRASTS as MARKS
from degflow_aug.degradations.noise.residual_estimation import estimate_noise
from degflow_aug.degradations.noise.residual_noise import ResidualNoise


def pictures(count: int = 12, height: int = 128, width: int = 160) -> list[Tensor]:
    """Texture of a contrast that rises from left to right, and of a level that rises from top to bottom."""
    rise = torch.linspace(0.02, 0.5, width)
    found = []
    for index in range(count):
        texture = torch.rand(1, 1, height, width, generator=seeded(index)) - 0.5
        found.append((torch.linspace(0.3, 0.7, height)[:, None] + texture * rise).expand(1, 3, -1, -1).contiguous())
    return found


def estimated(truth: ResidualNoise, images: list[Tensor], scales: tuple[float, ...] = (2.0,)) -> ResidualNoise:
    pairs = {
        scale: [(lr, lr + drawn(truth, lr, scale, 100 + index)) for index, lr in enumerate(images)] for scale in scales
    }
    return estimate_noise(pairs)


def test_spread_and_correlation_at_two_scales() -> None:
    images = pictures()
    found = estimated(noise(), images, (2.0, 4.0))
    assert found.scales.tolist() == [2, 4]
    for scale in (2.0, 4.0):
        for lr in images[:3]:
            wanted, got = (each.variance(lr, torch.tensor([scale])).mean(1) for each in (noise(), found))
            # Quarters by contrast; the marks of the estimate do not lie where those of the truth do.
            for left in range(0, 160, 40):
                part = (..., slice(left, left + 40))
                assert float(got[part].mean()) == pytest.approx(float(wanted[part].mean()), rel=0.12)
    field = drawn(found, torch.full((4, 3, 128, 128), 0.5))
    unit = field / field.std((0, 2, 3), keepdim=True)
    assert float((unit[:, 1, :, 1:] * unit[:, 1, :, :-1]).mean()) == pytest.approx(0.5, abs=0.06)
    assert float((unit[:, 1, 1:] * unit[:, 1, :-1]).mean()) == pytest.approx(0, abs=0.06)
    assert float((unit[:, 0] * unit[:, 2]).mean()) == pytest.approx(0.5**0.5, abs=0.06)


def test_the_level_is_told_from_the_contrast() -> None:
    tables = torch.zeros(1, 3, 3, 2)
    tables[0, 0] = torch.tensor([[0.01], [0.025], [0.05]])
    still = torch.zeros(1, 4, 3, 3, 1, 1)
    truth = ResidualNoise(torch.tensor([2.0]), CONTRASTS, tables, kernel()[None], still, still[:, 0, :1, :1])
    images = [(lr * 2.2 - 0.6).clamp(0.02, 0.98) for lr in pictures()]
    found = estimated(truth, images)
    wanted, got = (each.variance(images[0], torch.tensor([2.0])).mean(1) for each in (truth, found))
    for top in range(0, 128, 32):
        part = (..., slice(top, top + 32), slice(None))
        assert float(got[part].mean()) == pytest.approx(float(wanted[part].mean()), rel=0.15)


@pytest.mark.parametrize(("shift", "focus"), [(0.25, 0.0), (0.0, 0.12), (0.2, 0.1)])
def test_displacement_and_focus(shift: float, focus: float) -> None:
    found = estimated(noise(shift=shift, focus=focus), pictures(16))
    power = smooth_variance(found.fields[0]).sqrt()
    wanted = smooth_variance(noise(shift=shift, focus=focus).fields[0])[1:].sqrt()
    assert torch.allclose(power[1:], wanted, rtol=0.25, atol=0.03)
    # All channels move together, so one field makes all of them.
    field = sample_smooth_fields(found.fields[0], 256, 256, seeded())
    row = 1 if shift else 3
    together = torch.corrcoef(field[row].flatten(1))
    assert float(together.min()) > 0.85


def test_tails() -> None:
    for tail in (0.0, 0.35):
        found = estimated(noise(tail=tail), pictures(16))
        wanted = float(smooth_variance(noise(tail=tail).tails)[0].sqrt())
        assert float(smooth_variance(found.tails).sqrt()) == pytest.approx(wanted, rel=0.2, abs=0.07)


def test_offset_and_grain() -> None:
    images = [0.5 + 0.01 * torch.randn(1, 3, 128, 128, generator=seeded(index)) for index in range(16)]
    truth = noise(offset=0.03, grain=0.6)
    found = estimated(truth, images)
    lr, scale = images[0], torch.tensor([2.0])
    assert float(look_up(found.tables[:, 2:], lr, MARKS).mean()) == pytest.approx(0.6, abs=0.05)
    whole = [float(each.variance(lr, scale).mean()) for each in (truth, found)]
    assert whole[1] == pytest.approx(whole[0], rel=0.1)
    # As smooth as the truth: differences between neighbours, and between pixels far apart.
    for lag in (1, 4, 24):
        spread = []
        for each in (truth, found):
            field = drawn(each, torch.cat(images), 2.0, 7)
            spread.append(float((field[..., lag:] - field[..., :-lag]).square().mean()))
        assert spread[1] == pytest.approx(spread[0], rel=0.2)


def test_pairs_that_cannot_be_used() -> None:
    with pytest.raises(ValueError, match="expected LR images of at least 32x32 pixels at x2"):
        estimate_noise({2.0: [(torch.rand(1, 3, 31, 40), torch.rand(1, 3, 31, 40))]})
    with pytest.raises(ValueError, match="to learn noise from"):
        estimate_noise({2.0: []})


def test_without_a_residual_there_is_no_noise() -> None:
    images = pictures(3, 40, 48)
    found = estimate_noise({2.0: [(lr, lr.clone()) for lr in images]})
    assert all(bool(torch.isfinite(each).all()) for each in found.state_dict().values())
    assert float(drawn(found, images[0]).abs().max()) < 1e-4


def test_correlations_over_images_of_several_sizes() -> None:
    images = [torch.rand(2, height, width, generator=seeded(height)) for height, width in ((9, 12), (5, 4), (9, 12))]
    found = correlate(images, 6)
    for down, across in ((0, 0), (2, -3), (-6, 1), (4, 4)):
        wanted = torch.zeros(2, 2, dtype=torch.float64)
        for image in images:
            for y in range(image.shape[-2]):
                for x in range(image.shape[-1]):
                    if 0 <= y + down < image.shape[-2] and 0 <= x + across < image.shape[-1]:
                        wanted += image[:, y, x].double()[:, None] * image[:, y + down, x + across].double()
        assert torch.allclose(found[:, :, 6 + down, 6 + across], wanted, atol=1e-4)


def test_least_squares_of_products_take_terms_apart() -> None:
    """Two white fields of known covariance, times a constant and times a map that is known."""
    first, second = torch.tensor([[1.0, 0.5], [0.5, 2.0]]), torch.tensor([[0.5, -0.2], [-0.2, 0.3]])
    images = []
    for seed in range(40):
        generator = seeded(seed)
        maps = torch.stack([torch.ones(64, 64), 2 * torch.randn(64, 64, generator=generator)])
        white = torch.randn(2, 2, 64, 64, generator=generator)
        fields = [
            torch.einsum("cd,dhw->chw", torch.linalg.cholesky(each), part)
            for each, part in zip((first, second), white, strict=True)
        ]
        images.append((maps, maps[0] * fields[0] + maps[1] * fields[1]))
    found = solve(*product_sums(images, 2))
    assert torch.allclose(found[0, :, :, 2, 2].float(), first, atol=0.08)
    assert torch.allclose(found[1, :, :, 2, 2].float(), second, atol=0.08)
    assert float(found[:, :, :, 1, 2].abs().max()) < 0.05


def test_filters_have_the_covariance_they_were_made_for() -> None:
    whole = torch.zeros(3, 3, 16, 16)
    filters = kernel()
    for down in range(-2, 3):
        for across in range(-2, 3):
            one = filters[..., max(0, -down) : 3 - max(0, down), max(0, -across) : 3 - max(0, across)]
            other = filters[..., max(0, down) : 3 - max(0, -down), max(0, across) : 3 - max(0, -across)]
            # A filter that looks ahead makes a field whose later pixels see the earlier entries.
            whole[:, :, 8 - down, 8 - across] = torch.einsum("cihw,dihw->cd", one, other)
    found = kernels_of(whole, 15)
    field = torch.nn.functional.conv2d(torch.randn(1, 3, 400, 400, generator=seeded()), found)[0]
    assert float((field[1, :, 1:] * field[1, :, :-1]).mean()) == pytest.approx(0.5, abs=0.03)
    assert float((field[0] * field[2]).mean()) == pytest.approx(0.5**0.5, abs=0.03)
    assert field.var((1, 2)).tolist() == pytest.approx([1, 1, 1], rel=0.03)


def test_smooth_fields_lose_as_much_variance_as_is_said() -> None:
    filters = bell(7, 1.0).expand(64, 1, 1, -1, -1)
    field = sample_smooth_fields(filters, 160, 160, seeded())
    assert float(field.square().mean()) == pytest.approx(float(smooth_variance(filters).mean()), rel=0.05)
