"""Checkpoints of the authors of LIIF, LTE, MetaSR and CiaoSR: their colours, every encoder, and files that are none."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.official_writers import ciaosr_form, liif_form
from helpers.query_reference import images, random_queries
from helpers.random_networks import randomise
from torch import Tensor

from degflow_aug import compat
from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import ArbitraryScaleNetwork, upscale
from degflow_aug.archs.arbitrary_scale.ciaosr_arch import CiaoSR
from degflow_aug.archs.arbitrary_scale.liif_arch import LIIF
from degflow_aug.archs.arbitrary_scale.lte_arch import LTE
from degflow_aug.archs.arbitrary_scale.metasr_arch import MetaSR
from degflow_aug.archs.arbitrary_scale.official_checkpoint import load_official
from degflow_aug.compat.weights import fill_network

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)

Checkpoint = dict[str, Any]
NAMES = [
    *(f"{network}_{encoder}" for network in ("liif", "lte") for encoder in ("edsr-baseline", "rdn", "swinir")),
    "metasr_edsr-baseline", "metasr_rdn", "ciaosr_edsr", "ciaosr_rdn", "ciaosr_swinir",
]  # fmt: skip


def whole(value: Any) -> Any:
    """A checkpoint whose tensors are views of small pools as it would be without."""
    if isinstance(value, Tensor):
        return value.clone(memory_format=torch.contiguous_format)
    return {key: whole(each) for key, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("name", NAMES)
def test_colours_are_those_of_the_authors_code(name: str, assr: Path, tmp_path: Path) -> None:
    (file,) = (path for path in assr.glob(f"{name}.*pth"))
    torch.save(whole(torch.load(file, weights_only=True)), tmp_path / "weights.pth")
    truth = torch.load(assr / f"{name}_reference.pt", weights_only=True)
    network = load_official(tmp_path / "weights.pth")
    with torch.no_grad():
        found = network(truth["lq"], truth["coord"], truth["cell"])
    assert (found - truth["colours"]).abs().max() < 1e-4
    assert truth["colours"].std() > 0.1
    check_fills(network, tmp_path / "weights.pth")


def check_fills(network: ArbitraryScaleNetwork, path: Path) -> None:
    """A network of an option file takes the same file as ``path.pretrain_network_g``."""
    again = type(network)(**network.spec)
    fill_network(again, path, part="params_ema")
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in again.state_dict().items())


def test_whole_images_are_those_of_the_authors_code(fixtures: Path) -> None:
    network = load_official(fixtures / "official_liif.pth")
    reference = torch.load(fixtures / "official_liif_reference.pt", weights_only=True)
    with torch.no_grad():
        found = network(reference["input"] * 0.5 + 0.5, reference["coord"], reference["cell"])
        image = upscale(network, reference["input"] * 0.5 + 0.5, tuple(reference["size"]), memory_mb=0.2)
    assert (2 * found - 1 - reference["output"]).abs().max() < 1e-5
    assert reference["output"].std() > 0.05
    expected = reference["output"].transpose(1, 2).reshape(image.shape)
    assert (2 * image - 1 - expected).abs().max() < 1e-5
    assert not network.training
    assert all(value.requires_grad and value.dtype == torch.float32 for value in network.parameters())
    assert network.spec == {
        "encoder_spec": {"name": "edsr-baseline", "args": {"no_upsampling": True, "n_resblocks": 2, "n_feats": 8}},
        "imnet_spec": {"name": "mlp", "args": {"out_dim": 3, "hidden_list": [16, 16]}},
        "local_ensemble": True,
        "feat_unfold": True,
        "cell_decode": True,
    }


ENCODERS: dict[str, dict[str, Any]] = {
    "edsr-baseline": {"n_resblocks": 2, "n_feats": 6},
    "rdn": {"G0": 4, "RDNconfig": "A", "RDNkSize": 3},
    "swinir": {"embed_dim": 12, "depths": [2, 1], "num_heads": [2, 3], "window_size": 4, "mlp_ratio": 1.5},
}
IMNET = {"name": "mlp", "args": {"hidden_list": [10, 7]}}
CIAO = {"imnet_q": [5], "imnet_k": [6, 7], "imnet_v": [8]}
NETWORKS: dict[str, tuple[type[ArbitraryScaleNetwork], dict[str, Any]]] = {
    "LIIF": (LIIF, {"imnet_spec": IMNET, "cell_decode": False}),
    "LTE": (LTE, {"imnet_spec": IMNET, "hidden_dim": 12}),
    "MetaSR": (MetaSR, {"hidden_list": [9]}),
    "CiaoSR": (CiaoSR, CIAO),
    "CiaoSR 2 3": (CiaoSR, {**CIAO, "feat_unfold": False, "multi_scale": [2, 3]}),
    "CiaoSR local": (CiaoSR, {**CIAO, "non_local_attn": False}),
}


def official_form(network: ArbitraryScaleNetwork) -> Checkpoint:
    given = {"cell_decode": False} if isinstance(network, LIIF) else {}
    return ciaosr_form(network) if isinstance(network, CiaoSR) else liif_form(network, **given)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_encoder_is_found_by_its_tensors(name: str, encoder: str, tmp_path: Path) -> None:
    kind, arguments = NETWORKS[name]
    sizes = ENCODERS[encoder] | ({"conv_before_upsample": kind is not CiaoSR} if encoder == "swinir" else {})
    network = randomise(kind(encoder_spec={"name": encoder, "args": sizes}, **arguments))
    halves = copy.deepcopy(network).half()
    torch.save(official_form(halves), tmp_path / "weights.pth")
    network.load_state_dict(halves.state_dict())
    loaded = load_official(tmp_path / "weights.pth")
    assert type(loaded) is kind
    lq, queries = images(1, 1, 3, 6, 5).float(), [each.float() for each in random_queries(1, 1, 9)]
    with torch.no_grad():
        assert torch.equal(loaded(lq, *queries), network(lq, *queries))
    check_fills(loaded, tmp_path / "weights.pth")


def test_a_generator_may_lie_bare_behind_wrappers(tmp_path: Path) -> None:
    network = randomise(CiaoSR(encoder_spec={"name": "edsr-baseline", "args": ENCODERS["edsr-baseline"]}, **CIAO))
    state = ciaosr_form(network)["state_dict"]
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "weights.pth")
    found = load_official(tmp_path / "weights.pth").state_dict()
    assert all(torch.equal(value, found[key]) for key, value in network.state_dict().items())


@pytest.fixture
def checkpoint(fixtures: Path) -> Checkpoint:
    return torch.load(fixtures / "official_liif.pth", weights_only=True)


def test_switches_are_read_from_the_checkpoint(tmp_path: Path, checkpoint: Checkpoint) -> None:
    model = checkpoint["model"]
    model["args"] |= {"feat_unfold": False, "cell_decode": False, "local_ensemble": False}
    model["sd"]["imnet.layers.0.weight"] = model["sd"]["imnet.layers.0.weight"][:, : 8 + 2]
    torch.save(checkpoint, tmp_path / "u.pth")
    spec = load_official(tmp_path / "u.pth").spec
    assert [spec[name] for name in ("feat_unfold", "cell_decode", "local_ensemble")] == [False] * 3


def without(checkpoint: Checkpoint, key: str) -> None:
    del checkpoint["model"]["sd"][key]


def with_tensor(checkpoint: Checkpoint, key: str, value: Any) -> None:
    checkpoint["model"]["sd"][key] = value


def with_encoder(checkpoint: Checkpoint, spec: Any) -> None:
    checkpoint["model"]["args"]["encoder_spec"] = spec


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: without(c, "encoder.head.0.weight"), "got: no conv_first.weight"),
        (lambda c: without(c, "imnet.layers.2.bias"), "imnet.layers.2.bias"),
        (lambda c: with_tensor(c, "encoder.tail.0.weight", torch.zeros(3)), "encoder.tail.0.weight"),
        (lambda c: with_tensor(c, "encoder.body.3.weight", torch.zeros(8, 8, 3, 3)), "several, encoder.body.3.weight"),
        (lambda c: with_tensor(c, "imnet.layers.0.bias", torch.zeros(17)), "size mismatch for imnet.layers.0.bias"),
        (lambda c: with_tensor(c, "imnet.layers.0.bias", "text"), "got str as imnet.layers.0.bias"),
        (lambda c: with_tensor(c, 5, torch.zeros(1)), "got: Unexpected key"),
        (lambda c: c["model"].update(name="metasr"), "an official MetaSR"),
        (lambda c: c["model"].update(name="lte"), "expected an official LTE with its tensors"),
        (lambda c: c["model"].update(name="edsr"), "LIIF, LTE, MetaSR or CiaoSR"),
        (lambda c: c["model"].update(name=["liif"]), "LIIF, LTE, MetaSR or CiaoSR"),
        (lambda c: c["model"].pop("sd"), "a model with name, args and sd"),
        (lambda c: c.update(model=[1, 2]), "LIIF, LTE, MetaSR or CiaoSR"),
        (lambda c: c["model"]["args"].update(encoding="none"), "unexpected keyword argument 'encoding'"),
        (lambda c: c["model"]["args"].update(imnet_spec={"name": "siren"}), "expected imnet_spec"),
        (lambda c: c["model"]["args"].pop("encoder_spec"), "encoder_spec is None"),
        (lambda c: with_encoder(c, {"name": "rcan"}), "expected an encoder edsr-baseline, rdn or swinir, got 'rcan'"),
        (
            lambda c: with_encoder(c, {"name": "swinir", "args": {}}),
            "unknown argument 'n_resblocks' of the encoder swinir",
        ),
        (lambda c: with_encoder(c, {"name": "edsr-baseline", "args": {"scale": 2}}), "unknown argument 'scale'"),
        (lambda c: with_encoder(c, {"name": "edsr-baseline", "args": {"no_upsampling": False}}), "no_upsampling: true"),
    ],
)
def test_other_checkpoints_are_refused(
    tmp_path: Path, checkpoint: Checkpoint, spoil: Callable[[Checkpoint], Any], message: str
) -> None:
    spoil(checkpoint)
    path = tmp_path / "other.pth"
    torch.save(checkpoint, path)
    check_refusal(path, message)


def check_refusal(path: Path, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        load_official(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_no_checkpoint_are_refused(tmp_path: Path, fixtures: Path) -> None:
    whole = (fixtures / "official_liif.pth").read_bytes()
    for content in (b"no weights", whole[: len(whole) // 2]):
        (tmp_path / "bad.pth").write_bytes(content)
        check_refusal(tmp_path / "bad.pth", "damaged, another kind of file, or holds code; it was not run")
    for content in (torch.zeros(3), [1, 2], {"state_dict": {}}):
        torch.save(content, tmp_path / "foreign.pth")
        check_refusal(tmp_path / "foreign.pth", "LIIF, LTE, MetaSR or CiaoSR")
