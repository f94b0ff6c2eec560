"""Encoders against BasicSR's whole networks, at every size, and specs that are not understood."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from helpers.random_networks import randomise
from torch import Tensor, nn

from degflow_aug import compat
from degflow_aug.archs.arbitrary_scale.encoders import SwinIREncoder, build_encoder, pad_to_windows

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)
compat.apply()

EDSR = {"name": "edsr-baseline", "args": {"n_resblocks": 2, "n_feats": 6}}
RDN = {"name": "rdn", "args": {"G0": 4, "RDNconfig": "A"}}
SWINIR = {
    "name": "swinir",
    "args": {"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 3], "window_size": 4, "drop_path_rate": 0.0},
}
SPECS = [pytest.param(spec, id=str(spec["name"])) for spec in (EDSR, RDN, SWINIR)]


def random_image(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (6, 2), (3, 5), (8, 8), (11, 13)])
@pytest.mark.parametrize("spec", SPECS)
def test_features_have_the_size_of_the_image(spec: dict[str, Any], size: tuple[int, int]) -> None:
    encoder = randomise(build_encoder(spec))
    with torch.no_grad():
        features = encoder(random_image(2, 3, *size))
    assert features.shape == (2, encoder.out_dim, *size)
    assert torch.isfinite(features).all()
    assert (features[0] - features[1]).abs().max() > 0.01


@pytest.mark.parametrize("spec", SPECS)
def test_copies_give_the_same_features(spec: dict[str, Any]) -> None:
    encoder = randomise(build_encoder(spec))
    again = build_encoder(spec).eval()
    with torch.no_grad():
        truth = encoder(random_image(1, 3, 9, 6))
        assert torch.equal(copy.deepcopy(encoder)(random_image(1, 3, 9, 6)), truth)
        # The keys and shapes are those of a fresh network, whatever images this one has seen.
        again.load_state_dict(encoder.state_dict())
        assert torch.equal(again(random_image(1, 3, 9, 6)), truth)


@pytest.mark.parametrize("arguments", [None, {}, {"no_upsampling": True}])
def test_the_sizes_are_the_fields_unless_told(arguments: dict[str, Any] | None) -> None:
    with torch.device("meta"):
        edsr, rdn = (build_encoder({"name": name, "args": arguments}) for name in ("edsr-baseline", "rdn"))
    assert (edsr.out_dim, rdn.out_dim) == (64, 64)
    # 3 -> 64 channels, then 16 blocks of two convolutions and one more, each with biases.
    assert sum(value.numel() for value in edsr.parameters()) == 28 * 64 + 33 * (9 * 64 + 1) * 64
    assert len(rdn.RDBs) == 16


def test_swinir_has_the_sizes_of_ltes_unless_told() -> None:
    encoder = build_encoder({"name": "swinir"})
    assert encoder.out_dim == 64
    assert [len(layer.residual_group.blocks) for layer in encoder.network.layers] == [6] * 6
    assert encoder.network.layers[0].residual_group.blocks[0].mlp.fc1.weight.shape == (360, 180)
    assert {block.window_size for block in encoder._blocks()} == {8}


def features_inside(whole: nn.Module, name: str, image: Tensor) -> Tensor:
    """What a module of BasicSR's network is given when the whole network runs."""
    seen: list[Tensor] = []
    whole.get_submodule(name).register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    with torch.no_grad():
        whole(image)
    return seen[0]


@pytest.mark.parametrize("res_scale", [1.0, 0.1])
def test_edsr_is_basicsrs_up_to_the_upsampler(res_scale: float) -> None:
    from basicsr.archs.edsr_arch import EDSR as Whole

    whole = randomise(Whole(3, 3, num_feat=5, num_block=3, res_scale=res_scale, img_range=1, rgb_mean=(0, 0, 0)))
    encoder = build_encoder({"name": "edsr-baseline", "args": {"n_resblocks": 3, "n_feats": 5, "res_scale": res_scale}})
    missing = encoder.load_state_dict(whole.state_dict(), strict=False)
    assert missing.missing_keys == []
    assert {key.split(".")[0] for key in missing.unexpected_keys} == {"upsample", "conv_last"}
    image = random_image(2, 3, 6, 5)
    with torch.no_grad():
        torch.testing.assert_close(encoder(image), features_inside(whole, "upsample", image))


def basicsr_swinir(image: Tensor, before: str = "upsample") -> tuple[SwinIREncoder, Tensor]:
    """Our encoder, and what BasicSR's network with the same weights sends to a module, by default its upsampler."""
    from basicsr.archs.swinir_arch import SwinIR as Whole

    sizes = {"embed_dim": 12, "depths": [2, 2], "num_heads": [2, 3], "window_size": 4, "mlp_ratio": 2.0}
    whole = randomise(Whole(img_size=16, upscale=2, upsampler="pixelshuffle", **sizes))
    whole.mean = torch.zeros(1, 3, 1, 1)
    encoder = build_encoder({"name": "swinir", "args": {**sizes, "conv_before_upsample": before == "upsample"}})
    assert isinstance(encoder, SwinIREncoder)
    missing = encoder.network.load_state_dict(whole.state_dict(), strict=False)
    assert missing.missing_keys == []
    strangers = {key for key in missing.unexpected_keys if not key.endswith("attn_mask")}
    assert {key.split(".")[0] for key in strangers} == {"upsample", "conv_last", before}
    return encoder.eval(), features_inside(whole, before, image)


@pytest.mark.parametrize("size", [(16, 16), (4, 4), (12, 20), (5, 6), (3, 4), (7, 3), (11, 13)])
def test_swinir_is_basicsrs_on_the_image_mirrored_and_cropped(size: tuple[int, int]) -> None:
    image = random_image(2, 3, *size)
    padding = ((0, 0), (0, 0), *((0, -side % 4) for side in size))
    mirrored = torch.from_numpy(np.pad(image.numpy(), padding, mode="reflect"))
    encoder, truth = basicsr_swinir(mirrored)
    with torch.no_grad():
        torch.testing.assert_close(encoder(image), truth[..., : size[0], : size[1]], rtol=1e-5, atol=1e-5)


def test_swinir_may_end_before_its_last_convolution() -> None:
    image = random_image(2, 3, 8, 12)
    encoder, truth = basicsr_swinir(image, before="conv_before_upsample")
    assert encoder.out_dim == 12
    with torch.no_grad():
        torch.testing.assert_close(encoder(image), truth, rtol=1e-5, atol=1e-5)


def test_swinirs_masks_follow_the_size_and_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = randomise(build_encoder(SWINIR))
    sizes = [(8, 8), (8, 8), (8, 12), (12, 8), (8, 8), (7, 5)]
    with torch.no_grad():
        truth = [randomise(build_encoder(SWINIR))(random_image(1, 3, *size)) for size in sizes]
    block = type(encoder.network.layers[0].residual_group.blocks[0])
    original, made = block.calculate_mask, []
    monkeypatch.setattr(block, "calculate_mask", lambda self, size: made.append(size) or original(self, size))
    with torch.no_grad():
        for size, expected in zip(sizes, truth, strict=True):
            assert torch.equal(encoder(random_image(1, 3, *size)), expected)
    assert made == [(8, 8), (8, 12), (12, 8), (8, 8)]
    with torch.no_grad():
        torch.testing.assert_close(encoder.double()(random_image(1, 3, 7, 5).double()).float(), truth[-1])


@pytest.mark.parametrize("window", [2, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (2, 3), (5, 9), (8, 8), (17, 1)])
def test_padding_mirrors_and_then_repeats(size: tuple[int, int], window: int) -> None:
    image = random_image(2, 3, *size)
    truth = image.numpy()
    for axis, side in ((2, size[0]), (3, size[1])):
        wanted = -side % window
        for mode, count in (("reflect", min(wanted, side - 1)), ("edge", max(wanted - side + 1, 0))):
            truth = np.pad(truth, [(0, count if axis == index else 0) for index in range(4)], mode=mode)
    found = pad_to_windows(image, window)
    assert all(side % window == 0 for side in found.shape[-2:])
    np.testing.assert_array_equal(found.numpy(), truth)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "edsr-basline"}, "got 'edsr-basline'; did you mean 'edsr-baseline'?"),
        ({"name": "SwinIR"}, "expected an encoder edsr-baseline, rdn or swinir, got 'SwinIR'"),
        ({"name": "rcan"}, "got 'rcan'"),
        ({}, "expected an encoder edsr-baseline, rdn or swinir, got None"),
        ({"nmae": "rdn"}, "unknown key 'nmae' in the encoder's spec; did you mean 'name'?"),
        ({"name": "rdn", "arg": {}}, "did you mean 'args'?"),
        ("rdn", "expected an encoder as {name: ..., args: {...}}, got 'rdn'"),
        ({"name": "rdn", "args": [64]}, "expected an encoder as {name: ..., args: {...}}"),
        ({"name": "edsr-baseline", "args": {"n_feat": 64}}, "did you mean 'n_feats'?"),
        ({"name": "rdn", "args": {"RDNksize": 3}}, "unknown argument 'RDNksize' of the encoder rdn; did you mean"),
        (
            {"name": "swinir", "args": {"upsampler": "pixelshuffle"}},
            "unknown argument 'upsampler' of the encoder swinir",
        ),
        ({"name": "edsr-baseline", "args": {"no_upsampling": False}}, "expected no_upsampling: true"),
        ({"name": "edsr-baseline", "args": {"n_feats": "64"}}, "expected n_feats of the encoder edsr-baseline to be a"),
        ({"name": "edsr-baseline", "args": {"n_resblocks": True}}, "expected n_resblocks of the encoder"),
        ({"name": "edsr-baseline", "args": {"res_scale": "x"}}, "expected res_scale of the encoder"),
        ({"name": ["rdn"]}, "expected an encoder edsr-baseline, rdn or swinir, got ['rdn']"),
        ({"name": "rdn", "args": {"G0": 4.0}}, "expected G0 of the encoder rdn to be a whole number, got 4.0"),
        ({"name": "rdn", "args": {"RDNconfig": ["A"]}}, "expected RDNconfig A or B, got ['A']"),
        (
            {"name": "swinir", "args": {"conv_before_upsample": 0}},
            "expected conv_before_upsample of the encoder swinir to be true or false, got 0",
        ),
        ({"name": "swinir", "args": {"mlp_ratio": "x"}}, "expected mlp_ratio of the encoder swinir"),
        ({"name": "swinir", "args": {"drop_path_rate": 1.5}}, "drop_path_rate from 0 to below 1, got 2.0 and 1.5"),
        ({"name": "swinir", "args": {"num_heads": [6, 6, 6, 6, 6, "x"]}}, "expected depths and num_heads of"),
        ({"name": "edsr-baseline", "args": {"n_resblocks": 0}}, "n_resblocks and n_feats of at least 1, got 0 and 64"),
        ({"name": "swinir", "args": {"depths": 6}}, "expected numbers as arguments of the encoder swinir"),
        ({"name": "swinir", "args": {"depths": [6]}}, "as many depths as num_heads"),
        ({"name": "swinir", "args": {"depths": [], "num_heads": []}}, "as many depths as num_heads"),
        ({"name": "swinir", "args": {"window_size": 7}}, "expected an even window_size"),
        ({"name": "swinir", "args": {"embed_dim": 100}}, "an embed_dim that all num_heads divide"),
    ],
)
def test_specs_that_are_not_understood_are_refused(spec: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        build_encoder(spec)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["edsr-baseline", "swinir"])
def test_without_basicsr_one_sentence_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "has_basicsr", lambda: False)
    with pytest.raises(ValueError, match=f"expected BasicSR for the encoder {name}, but it is not installed"):
        build_encoder({"name": name})
    assert build_encoder(RDN).out_dim == 4
