"""The velocity network against the official one: keys, shapes, values, and how it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.official_networks import official_shapes, relative
from helpers.random_networks import randomise
from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp, hr_condition
from degflow_aug.archs.generator.rae_layers import HRFeatures


@pytest.fixture(scope="module")
def reference(fixtures: Path) -> dict[str, Tensor]:
    return torch.load(fixtures / "tiny_reference.pt", weights_only=True)


@pytest.fixture
def official(fixtures: Path) -> NCSNpp:
    state = torch.load(fixtures / "tiny_flow.pth", weights_only=True)["model"]
    network = NCSNpp(base_channels=16, blocks=1).eval().requires_grad_(False)
    network.load_state_dict({key: value for key, value in state.items() if key != "sigmas"})
    return network


def test_full_size_has_the_official_keys_shapes_and_count(fixtures: Path) -> None:
    with torch.device("meta"):
        network = NCSNpp()
    official = [(key, shape) for key, shape in official_shapes(fixtures, "model").items() if key != "sigmas"]
    assert [(key, tuple(value.shape)) for key, value in network.state_dict().items()] == official
    assert sum(parameter.numel() for parameter in network.parameters()) == 60_488_324


@pytest.mark.parametrize(("bits", "dtype", "tolerance"), [("", torch.float32, 5e-6), ("64", torch.float64, 1e-8)])
def test_velocity_is_the_official_one_at_every_time(
    official: NCSNpp, reference: dict[str, Tensor], bits: str, dtype: torch.dtype, tolerance: float
) -> None:
    for t, truth in zip(reference["t"], reference["velocity" + bits], strict=True):
        found = official.to(dtype)(reference["latent" + bits], t[None].to(dtype))[0]
        assert found.dtype == dtype
        assert relative(found, truth) < tolerance


def test_a_time_per_sample_is_the_official_one(official: NCSNpp, reference: dict[str, Tensor]) -> None:
    found = official(reference["batch_z"], reference["batch_t"])
    assert relative(found, reference["batch_velocity"]) < 5e-6


def test_the_velocity_starts_at_zero() -> None:
    torch.manual_seed(0)
    z = torch.randn(2, 4, 8, 8)
    assert NCSNpp(base_channels=16, blocks=1).eval()(z, torch.tensor([0.0, 0.7])).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("latent", "base", "multipliers", "blocks"),
    [
        (4, 16, (1, 2, 2, 2), 1),
        (8, 8, (1,), 2),
        (1, 48, (1, 3), 1),
        (16, 12, (2, 1, 3), 2),
        (3, 4, (1, 1), 1),
        (4, 5, (1, 2), 1),
    ],
)
def test_other_sizes_keep_the_latent_s_shape_and_use_every_weight(
    latent: int, base: int, multipliers: tuple[int, ...], blocks: int
) -> None:
    network = randomise(NCSNpp(latent_channels=latent, base_channels=base, multipliers=multipliers, blocks=blocks))
    side = 2 * 2 ** (len(multipliers) - 1)
    z = torch.randn(2, latent, side, 2 * side, generator=torch.Generator().manual_seed(0))
    velocity = network(z, torch.tensor([0.1, 0.9]))
    assert velocity.shape == z.shape
    velocity.square().sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
    assert network.spec == {
        "latent_channels": latent,
        "base_channels": base,
        "multipliers": list(multipliers),
        "blocks": blocks,
        "dropout": 0.1,
        "condition_channels": 0,
        "local": False,
        "end_time": False,
        "cameras": 0,
    }
    again = NCSNpp(**network.spec).eval()
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(z, torch.tensor([0.1, 0.9])), velocity)


def random_features(base: int, seed: int = 0) -> HRFeatures:
    """Features of a 32x32 HR image for an RAE of width ``base``."""
    generator = torch.Generator().manual_seed(seed)
    widths = ((base, 32), (base, 16), (2 * base, 8), (4 * base, 4), (3, 32))
    *levels, image = (5 * torch.randn(2, width, side, side, generator=generator) + 2 for width, side in widths)
    return HRFeatures(tuple(levels), image)


def test_the_condition_holds_both_feature_maps_normalised_at_each_position() -> None:
    features = random_features(6)
    condition = hr_condition(features)
    assert condition.shape == (2, 72, 4, 4)
    torch.testing.assert_close(condition.mean(1), torch.zeros(2, 4, 4), rtol=0, atol=1e-5)
    torch.testing.assert_close(condition.var(1, correction=0), torch.ones(2, 4, 4), rtol=0, atol=1e-4)
    # One 2x2 patch of the features before the deepest stands at one latent position, channel by channel.
    patch = features.levels[2][1, :, 4:6, 6:8].reshape(-1)
    column = torch.cat([features.levels[3][1, :, 2, 3], patch])
    torch.testing.assert_close(
        condition[1, :, 2, 3], (column - column.mean()) / column.std(correction=0), rtol=1e-4, atol=1e-4
    )


def test_conditioning_starts_as_the_plain_network_and_then_sees_the_hr_image() -> None:
    torch.manual_seed(0)
    plain = randomise(NCSNpp(base_channels=8, multipliers=(1, 2), blocks=1))
    conditioned = NCSNpp(base_channels=8, multipliers=(1, 2), blocks=1, condition_channels=72).eval()
    missing = conditioned.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert missing == ["condition.weight", "condition.bias"]
    z, t, condition = torch.randn(2, 4, 4, 4), torch.tensor([0.2, 0.6]), hr_condition(random_features(6))
    assert torch.equal(conditioned(z, t, condition), plain(z, t))
    conditioned(z, t, condition).square().sum().backward()
    assert conditioned.condition.weight.grad.abs().max() > 0
    randomise(conditioned)
    other = hr_condition(random_features(6, seed=1))
    assert not torch.allclose(conditioned(z, t, condition), conditioned(z, t, other))


def test_a_student_starts_as_its_teacher_and_then_sees_where_it_is_to_end() -> None:
    torch.manual_seed(0)
    sizes = {"base_channels": 8, "multipliers": (1, 2), "blocks": 1, "dropout": 0.0}
    teacher = randomise(NCSNpp(**sizes))
    student = NCSNpp(**sizes, end_time=True).eval()
    loaded = student.load_state_dict(teacher.state_dict(), strict=False)
    assert (loaded.missing_keys, loaded.unexpected_keys) == (["end.weight", "end.bias"], [])
    z, t, end = torch.randn(3, 4, 4, 4), torch.tensor([0.0, 0.2, 0.6]), torch.tensor([0.3, 1.0, 0.6])
    assert torch.equal(student(z, t, end=end), teacher(z, t))
    student(z, t, end=end).square().sum().backward()
    assert student.end is not None
    assert student.end.weight.grad.abs().max() > 0
    randomise(student)
    assert not torch.allclose(student(z, t, end=end), student(z, t, end=end + 0.3), atol=1e-3)
    again = NCSNpp(**student.spec).eval()
    again.load_state_dict(student.state_dict())
    assert torch.equal(again(z, t, end=end), student(z, t, end=end))


def test_the_time_embedding_stays_precise_in_bfloat16() -> None:
    network = randomise(NCSNpp(base_channels=16, multipliers=(1,), blocks=1))
    z = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    truth, other = network(z, torch.tensor([0.700])), network(z, torch.tensor([0.701]))
    network.bfloat16()
    found = network(z.bfloat16(), torch.tensor([0.700]))
    assert found.dtype == torch.bfloat16
    assert relative(found.float(), truth) < 0.05 < relative(other, truth)


@pytest.mark.parametrize("size", [(12, 8), (8, 12), (4, 4)])
def test_latent_sides_that_do_not_halve_are_refused(official: NCSNpp, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"multiples of 8, got \({size[0]}, {size[1]}\)"):
        official(torch.zeros(1, 4, *size), torch.zeros(1))


@pytest.mark.parametrize(
    ("built", "given"),
    [("condition_channels", {"condition": torch.zeros(1, 12, 8, 8)}), ("end_time", {"end": torch.zeros(1)})],
)
def test_conditions_and_ends_come_exactly_where_they_are_expected(built: str, given: dict[str, Tensor]) -> None:
    sizes = {"base_channels": 8, "multipliers": (1,), "blocks": 1}
    z, t = torch.zeros(1, 4, 8, 8), torch.zeros(1)
    said = f"exactly where the network was built with {built}"
    with pytest.raises(ValueError, match=said):
        NCSNpp(**sizes)(z, t, **given)
    with pytest.raises(ValueError, match=said):
        NCSNpp(**sizes, **{built: 12 if built == "condition_channels" else True})(z, t)


@pytest.mark.parametrize(
    "sizes",
    [
        {"latent_channels": 0},
        {"blocks": 0},
        {"multipliers": ()},
        {"multipliers": (1, 0)},
        {"base_channels": 3},
        {"condition_channels": -1},
    ],
)
def test_widths_that_make_no_network_are_refused(sizes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected positive widths"):
        NCSNpp(**sizes)


def test_local_network_gives_a_crop_what_it_gives_the_whole() -> None:
    sizes = {"base_channels": 8, "multipliers": (1,), "blocks": 1, "dropout": 0.0}
    z, t = torch.randn(1, 4, 48, 48, generator=torch.Generator().manual_seed(0)), torch.tensor([0.4])
    margin = 12  # 3x3 convolutions on the way: stem, head, and two in each of five blocks
    for local in (True, False):
        network = randomise(NCSNpp(**sizes, local=local), 0).eval()
        with torch.no_grad():
            whole = network(z, t)[..., margin:-margin, margin : 32 - margin]
            crop = network(z[..., :32], t)[..., margin:-margin, margin:-margin]
        assert torch.allclose(whole, crop, atol=1e-5) is local
