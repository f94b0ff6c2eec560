"""The residual autoencoder against the official one: keys, shapes, values, how it starts, and what it sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.official_networks import official_shapes, relative
from helpers.random_networks import random_rae
from torch import Tensor

from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.archs.generator.rae_layers import HRFeatures, ScaledBlocks


@pytest.fixture(scope="module")
def reference(fixtures: Path) -> dict[str, Tensor]:
    return torch.load(fixtures / "tiny_reference.pt", weights_only=True)


@pytest.fixture
def official(fixtures: Path) -> ResidualAutoencoder:
    state = torch.load(fixtures / "tiny_ae.pth", weights_only=True)
    rae = ResidualAutoencoder(base_channels=8).eval().requires_grad_(False)
    rae.encoder.load_state_dict(state["encoder"])
    rae.decoder.load_state_dict(state["decoder"])
    return rae


def stored_features(reference: dict[str, Tensor]) -> HRFeatures:
    image = reference["image"]
    return HRFeatures((reference["f0"], reference["f1"], reference["f2"], torch.empty(0)), image)


@pytest.mark.parametrize(("part", "count"), [("encoder", 14_631_300), ("decoder", 14_766_467)])
def test_full_size_has_the_official_keys_shapes_and_count(fixtures: Path, part: str, count: int) -> None:
    with torch.device("meta"):
        network = getattr(ResidualAutoencoder(), part)
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == official_shapes(fixtures, part)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_encoding_is_the_official_one(official: ResidualAutoencoder, reference: dict[str, Tensor]) -> None:
    latent, features = official.encode(reference["image"])
    assert relative(latent, reference["latent"]) < 5e-6
    for found, key in zip(features.levels[:3], ("f0", "f1", "f2"), strict=True):
        assert relative(found, reference[key]) < 5e-6
    assert torch.equal(features.image, reference["image"])
    flipped, _ = official.encode(reference["image"].flip(-1))
    assert relative(flipped, reference["latent_flip"]) < 5e-6


@pytest.mark.parametrize(("latent", "decoded"), [("latent", "decoded"), ("latent_flip", "decoded_other")])
def test_decoding_is_the_official_one(
    official: ResidualAutoencoder, reference: dict[str, Tensor], latent: str, decoded: str
) -> None:
    found = official.decode(reference[latent], stored_features(reference))
    assert relative(found, reference[decoded]) < 5e-6


def test_double_precision_is_the_official_one(official: ResidualAutoencoder, reference: dict[str, Tensor]) -> None:
    image = reference["image"].double()
    view, latent = official.double()(image, image)
    assert relative(latent, reference["latent64"]) < 1e-8
    assert relative(view, reference["decoded64"]) < 1e-8


def test_gates_start_at_zero_so_that_blocks_are_identities() -> None:
    torch.manual_seed(0)
    rae = ResidualAutoencoder(base_channels=4)
    blocks = [module for module in rae.modules() if isinstance(module, ScaledBlocks)]
    assert len(blocks) == 8
    for block in blocks:
        x = torch.randn(1, block.beta.shape[1], 6, 6)
        assert torch.equal(block.blocks(x), x)


def test_a_residual_output_starts_as_the_hr_image_and_its_plain_sibling_does_not() -> None:
    torch.manual_seed(0)
    hr, view = torch.rand(2, 3, 32, 24) * 2 - 1, torch.rand(2, 3, 32, 24) * 2 - 1
    assert torch.equal(ResidualAutoencoder(base_channels=4, residual=True)(view, hr)[0], hr)
    assert not torch.allclose(ResidualAutoencoder(base_channels=4)(view, hr)[0], hr, atol=0.1)


def test_residual_adds_the_hr_image_to_the_same_graph() -> None:
    plain, residual = random_rae(), random_rae(residual=True)
    residual.load_state_dict(plain.state_dict())
    generator = torch.Generator().manual_seed(0)
    view, hr = (torch.rand(1, 3, 16, 16, generator=generator) for _ in range(2))
    torch.testing.assert_close(residual(view, hr)[0], plain(view, hr)[0] + hr)


@pytest.mark.parametrize(("base", "latent", "size"), [(1, 1, (8, 8)), (4, 16, (24, 40)), (6, 3, (8, 64))])
def test_other_sizes_encode_to_an_eighth_and_come_back(base: int, latent: int, size: tuple[int, int]) -> None:
    rae = random_rae(base, latent)
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    z, features = rae.encode(image)
    assert z.shape == (2, latent, size[0] // 8, size[1] // 8)
    assert [tuple(part.shape[1:]) for part in (*features.levels, features.image)] == [
        (base, *size),
        (base, size[0] // 2, size[1] // 2),
        (2 * base, size[0] // 4, size[1] // 4),
        (4 * base, size[0] // 8, size[1] // 8),
        (3, *size),
    ]
    assert rae.decode(z, features).shape == image.shape
    again = ResidualAutoencoder(**rae.spec).eval()
    again.load_state_dict(rae.state_dict())
    assert torch.equal(again(image, image)[0], rae(image, image)[0])


def test_the_latent_is_that_of_the_view_and_the_features_those_of_hr() -> None:
    rae, generator = random_rae(), torch.Generator().manual_seed(0)
    view, hr = (torch.rand(1, 3, 32, 32, generator=generator) for _ in range(2))
    decoded, latent = rae(view, hr)
    assert torch.equal(latent, rae.encode(view)[0])
    torch.testing.assert_close(decoded, rae.decode(latent, rae.encode(hr)[1]))


def test_noise_reaches_the_decoder_and_not_the_latent() -> None:
    rae, image = random_rae(), torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    shown: list[Tensor] = []
    rae.decoder.register_forward_pre_hook(lambda module, arguments: shown.append(arguments[0]))
    torch.manual_seed(0)
    clean, noisy = rae(image, image), rae(image, image, noise=0.5)
    assert torch.equal(clean[1], noisy[1])
    assert torch.equal(shown[0], clean[1])
    level = (shown[1] - clean[1]).square().mean((1, 2, 3)).sqrt()
    # The mean square of 0.5 u n is 0.25 / 3.
    assert float(level.square().mean()) == pytest.approx(0.25 / 3, rel=0.35)
    assert level.min() < 0.1 < 0.3 < level.max()


def support(image_gradient: Tensor) -> tuple[int, int]:
    """First and last row of (1, C, H, W) that is not zero."""
    rows = image_gradient.abs().sum((0, 1, 3)).nonzero().flatten()
    return int(rows[0]), int(rows[-1])


@pytest.mark.parametrize(
    ("sizes", "exact"),
    [
        ({}, 76),
        ({"unshuffle": 2, "decoder_blocks": 1}, None),
        ({"unshuffle": 4, "multipliers": (1, 1, 2), "encoder_blocks": 1, "decoder_blocks": 1}, None),
        ({"unshuffle": 2, "multipliers": (1, 2), "decoder_blocks": 1}, None),
    ],
)
def test_the_margins_hold_all_that_a_pixel_depends_on(sizes: dict[str, Any], exact: int | None) -> None:
    rae = random_rae(4, **sizes).double()
    generator, m = torch.Generator().manual_seed(0), rae.multiple
    image = torch.rand(1, 3, 24 * m, 2 * m, dtype=torch.float64, generator=generator, requires_grad=True)
    latent, features = rae.encode(image)
    first, last = support(torch.autograd.grad(latent[:, :, 12].sum(), image, retain_graph=True)[0])
    encoder_reach = max(12 * m - first, last - (12 * m + m - 1))
    assert exact in (None, encoder_reach)
    assert rae.encoder_margin - m < encoder_reach <= rae.encoder_margin

    latent = latent.detach().requires_grad_(True)
    view = rae.decode(latent, features)
    reach = []
    for row in range(12 * m, 13 * m):
        to_latent, to_image = torch.autograd.grad(view[:, :, row].sum(), (latent, image), retain_graph=True)
        first, last = support(to_latent)
        reach += [m * (12 - first), m * (last - 12)]
        first, last = support(to_image)
        reach += [row - first, last - row]
    assert rae.decoder_margin - 2 * m <= max(reach) <= rae.decoder_margin


SHUFFLED = [
    {"unshuffle": 2, "latent_channels": 16},
    {"unshuffle": 4, "multipliers": (1, 2), "latent_channels": 3, "encoder_blocks": 1},
    {"unshuffle": 3, "multipliers": (2, 1, 1), "decoder_blocks": 1, "residual": True},
]


@pytest.mark.parametrize("sizes", SHUFFLED)
def test_an_unshuffled_stem_is_the_same_network_on_squares_of_pixels(sizes: dict[str, Any]) -> None:
    rae = random_rae(4, **sizes)
    side, levels = sizes["unshuffle"], len(sizes.get("multipliers", (1, 1, 2, 4)))
    assert rae.multiple == side * 2 ** (levels - 1)
    image = torch.rand(2, 3, 3 * rae.multiple, 2 * rae.multiple, generator=torch.Generator().manual_seed(0))
    z, features = rae.encode(image)
    assert z.shape == (2, sizes.get("latent_channels", 4), 3, 2)
    across = [part.shape[-1] * side * 2**level for level, part in enumerate(features.levels)]
    assert across == [image.shape[-1]] * levels
    stem = rae.encoder.stem
    kernel = torch.zeros(stem.out_channels, 3, 3 * side, 3 * side)
    for row in range(side):
        for column in range(side):
            # Channel c u^2 + row u + column of the squares is channel c at that place in the square.
            kernel[:, :, row::side, column::side] = stem.weight[:, row * side + column :: side * side]
    strided = F.conv2d(image, kernel, stem.bias, stride=side, padding=side)
    shown: list[Tensor] = []
    stem.register_forward_hook(lambda module, inputs, output: shown.append(output))
    view = rae(image, image)[0]
    torch.testing.assert_close(shown[0], strided, rtol=1e-4, atol=1e-4)
    assert view.shape == image.shape
    again = ResidualAutoencoder(**rae.spec).eval()
    again.load_state_dict(rae.state_dict())
    assert torch.equal(again(image, image)[0], view)


@pytest.mark.parametrize("sizes", [{}, *SHUFFLED])
def test_features_join_as_a_convolution_over_both_would(sizes: dict[str, Any]) -> None:
    rae, generator = random_rae(4, **sizes).double(), torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 2 * rae.multiple, rae.multiple, dtype=torch.float64, generator=generator)
    latent, features = rae.encode(image)
    decoder, levels = rae.decoder, len(features.levels)
    x = decoder.conv_in(latent)
    for index, level in enumerate(reversed(range(levels))):
        x = getattr(decoder, f"DB{index}")(x)
        if level:
            x = getattr(decoder, f"conv_cat{level - 1}")(torch.cat([x, features.levels[level - 1]], 1))
    out = F.pixel_shuffle(decoder.refine(x), rae.encoder.unshuffle)
    torch.testing.assert_close(rae.decode(latent, features), out + image if decoder.residual else out)


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"base_channels": 0}, "widths of at least 1"),
        ({"latent_channels": 0}, "widths of at least 1"),
        ({"unshuffle": 0}, "unshuffle of at least 1"),
        ({"multipliers": (1,)}, "two or more multipliers"),
        ({"multipliers": (1, 0)}, "two or more multipliers"),
        ({"encoder_blocks": 3}, "one or two blocks"),
        ({"decoder_blocks": 0}, "one or two blocks"),
    ],
)
def test_sizes_that_make_no_network_are_refused(sizes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ResidualAutoencoder(**sizes)


@pytest.mark.parametrize(
    ("sizes", "side", "size"),
    [({}, 8, (12, 16)), ({}, 8, (7, 8)), ({"unshuffle": 4, "multipliers": (1, 1, 1)}, 16, (32, 24))],
)
def test_sides_that_are_no_whole_latents_are_refused(sizes: dict[str, Any], side: int, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"multiples of {side}, got \({size[0]}, {size[1]}\); pad the image"):
        random_rae(2, **sizes).encode(torch.zeros(1, 3, *size))


def test_tracked_statistics_converge_to_the_latents_own() -> None:
    rae, rng = ResidualAutoencoder(base_channels=1, latent_channels=3), torch.Generator().manual_seed(0)
    mean, std = torch.tensor([0.5, -2.0, 10.0]), torch.tensor([0.05, 3.6, 0.5])
    for _ in range(400):
        noise = torch.randn(8, 3, 8, 8, generator=rng)
        rae.track_latents(noise * std[:, None, None] + mean[:, None, None], 0.05)
    torch.testing.assert_close(rae.latent_mean, mean, rtol=0.02, atol=0.05)
    torch.testing.assert_close(rae.latent_std, std, rtol=0.05, atol=0)


def test_tracking_counts_the_spread_between_batches() -> None:
    rae = ResidualAutoencoder(base_channels=1, latent_channels=1)
    for step in range(4000):
        rae.track_latents(torch.full((1, 1, 2, 2), 3.0 if step % 2 else -3.0), 0.005)
    assert float(rae.latent_mean) == pytest.approx(0, abs=0.05)
    assert float(rae.latent_std) == pytest.approx(3, rel=0.01)


def test_a_constant_latent_leaves_a_spread_to_divide_by() -> None:
    rae = ResidualAutoencoder(base_channels=1, latent_channels=1)
    for _ in range(50):
        rae.track_latents(torch.zeros(1, 1, 2, 2), 0.9)
    assert rae.latent_std > 0
    assert torch.isfinite(rae.standardise(torch.zeros(1, 1, 2, 2))).all()


def test_standardising_is_undone_and_gives_unit_latents() -> None:
    rae = random_rae(1, 3)
    noise = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    latent = noise * rae.latent_std[:, None, None] + rae.latent_mean[:, None, None]
    torch.testing.assert_close(rae.standardise(latent), noise, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(rae.unstandardise(rae.standardise(latent)), latent, rtol=1e-5, atol=1e-5)
    untracked = ResidualAutoencoder(base_channels=1, latent_channels=3)
    assert torch.equal(untracked.standardise(latent), latent)
