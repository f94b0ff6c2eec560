"""LIIF against the official code's output, against a query-by-query rewrite, and against what its image should do."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.query_reference import Array, around, centres, encoded, images, nearest_pixels, random_queries, run_mlp
from helpers.random_networks import randomise

from degflow_aug import compat
from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import upscale
from degflow_aug.archs.arbitrary_scale.liif_arch import LIIF, load_official

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)

EDSR = {"name": "edsr-baseline", "args": {"n_resblocks": 1, "n_feats": 6}}
IMNET = {"name": "mlp", "args": {"hidden_list": [10, 7]}}
SWITCHES = list(itertools.product([True, False], repeat=3))


def random_liif(**arguments: Any) -> LIIF:
    network = randomise(LIIF(**{"encoder_spec": EDSR, "imnet_spec": IMNET} | arguments))
    assert isinstance(network, LIIF)
    return network


def test_official_weights_give_the_official_colours(fixtures: Path) -> None:
    network = load_official(fixtures / "official_liif.pth")
    reference = torch.load(fixtures / "official_liif_reference.pt", weights_only=True)
    with torch.no_grad():
        found = network(reference["input"] * 0.5 + 0.5, reference["coord"], reference["cell"])
        image = upscale(network, reference["input"] * 0.5 + 0.5, tuple(reference["size"]), memory_mb=0.2)
    assert (2 * found - 1 - reference["output"]).abs().max() < 1e-5
    assert reference["output"].std() > 0.05
    whole = reference["output"].transpose(1, 2).reshape(image.shape)
    assert (2 * image - 1 - whole).abs().max() < 1e-5
    assert not network.training
    assert all(value.requires_grad and value.dtype == torch.float32 for value in network.parameters())
    assert network.spec == {
        "encoder_spec": {"name": "edsr-baseline", "args": {"no_upsampling": True, "n_resblocks": 2, "n_feats": 8}},
        "imnet_spec": {"name": "mlp", "args": {"out_dim": 3, "hidden_list": [16, 16]}},
        "local_ensemble": True,
        "feat_unfold": True,
        "cell_decode": True,
    }


def reference(network: LIIF, features: Array, coord: Array, cell: Array) -> Array:
    """One query of one image as the paper words it: features (C, h, w), coord (2,), cell (2,) -> RGB (3,)."""
    ensemble, unfold, cell_decode = (network.spec[key] for key in ("local_ensemble", "feat_unfold", "cell_decode"))
    size = np.array(features.shape[1:])
    answers, areas = [], []
    for row in nearest_pixels(coord[0], size[0], 2 if ensemble else 1):
        for column in nearest_pixels(coord[1], size[1], 2 if ensemble else 1):
            centre = np.array([centres(size[0], 0, size[0])[row], centres(size[1], 0, size[1])[column]])
            offset = (coord - centre) * size
            latent = around(features, row, column) if unfold else features[:, row, column]
            answers.append(run_mlp(network.imnet, np.concatenate([latent, offset, cell * size if cell_decode else []])))
            areas.append(abs(offset[0] * offset[1]))
    # Each answer counts with the area towards the pixel diagonally opposite.
    blended = sum(area * answer for area, answer in zip(reversed(areas), answers, strict=True)) / sum(areas)
    return blended * 0.5 + 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 3), (7, 9)])
@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_every_query_is_the_papers(switches: tuple[bool, bool, bool], size: tuple[int, int]) -> None:
    names = ("local_ensemble", "feat_unfold", "cell_decode")
    network, lq = random_liif(**dict(zip(names, switches, strict=True))).double(), images(1, 2, 3, *size)
    coord, cell = random_queries(2, 2, 12)
    coord[0, 0], coord[0, 1], coord[1, 0] = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-0.999, 0.999]])
    found = network(lq, coord, cell).detach().numpy()
    for sample, query in itertools.product(range(2), range(12)):
        features = encoded(network, (lq[sample] - 0.5) / 0.5)
        truth = reference(network, features, coord[sample, query].numpy(), cell[sample, query].numpy())
        np.testing.assert_allclose(found[sample, query], truth, atol=1e-9)
    assert found.std() > 0.01


def test_default_sizes_are_the_papers() -> None:
    with torch.device("meta"):
        network = LIIF(encoder_spec={"name": "edsr-baseline", "args": {"no_upsampling": True}})
    shapes = [tuple(value.shape) for key, value in network.state_dict().items() if key.startswith("imnet.layers")]
    assert shapes[::2] == [(256, 64 * 9 + 4), (256, 256), (256, 256), (256, 256), (3, 256)]
    assert [key for key in network.state_dict() if "imnet" in key][:3] == [
        "imnet.layers.0.weight",
        "imnet.layers.0.bias",
        "imnet.layers.2.weight",
    ]


Checkpoint = dict[str, Any]


@pytest.fixture
def checkpoint(fixtures: Path) -> Checkpoint:
    return torch.load(fixtures / "official_liif.pth", weights_only=True)


def test_rdn_checkpoints_load(tmp_path: Path) -> None:
    """RDN keeps its names; what a training run stores beside the model is left alone."""
    network = random_liif(encoder_spec={"name": "rdn", "args": {"G0": 4, "RDNconfig": "A"}}, imnet_spec=IMNET)
    arguments = {
        "encoder_spec": {"name": "rdn", "args": {"no_upsampling": True, "G0": 4, "RDNconfig": "A"}},
        "imnet_spec": IMNET,
    }
    model = {"name": "liif", "args": arguments, "sd": network.half().state_dict()}
    torch.save({"model": model, "optimizer": {"name": "adam", "sd": {}}, "epoch": 3}, tmp_path / "rdn-liif.pth")
    loaded = load_official(str(tmp_path / "rdn-liif.pth"))
    lq, queries = images(1, 1, 3, 5, 4).float(), [each.float() for each in random_queries(1, 1, 9)]
    with torch.no_grad():
        assert torch.equal(loaded(lq, *queries), network.float()(lq, *queries))


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
        (lambda c: without(c, "encoder.head.0.weight"), "encoder.conv_first.weight"),
        (lambda c: without(c, "imnet.layers.2.bias"), "imnet.layers.2.bias"),
        (lambda c: with_tensor(c, "encoder.tail.0.weight", torch.zeros(3)), "encoder.tail.0.weight"),
        (lambda c: with_tensor(c, "encoder.body.3.weight", torch.zeros(8, 8, 3, 3)), "encoder.body.3.weight"),
        (lambda c: with_tensor(c, "imnet.layers.0.bias", torch.zeros(17)), "size mismatch for imnet.layers.0.bias"),
        (lambda c: with_tensor(c, "imnet.layers.0.bias", "text"), "got: 'str' object"),
        (lambda c: with_tensor(c, 5, torch.zeros(1)), "got: Unexpected key"),
        (lambda c: c["model"].update(name="metasr"), "no model with name: liif"),
        (lambda c: c["model"].pop("sd"), "no model with name: liif, args and sd"),
        (lambda c: c.update(model=[1, 2]), "no model with name: liif"),
        (lambda c: c["model"]["args"].update(encoding="none"), "unexpected keyword argument 'encoding'"),
        (lambda c: c["model"]["args"].update(imnet_spec={"name": "siren"}), "expected imnet_spec"),
        (lambda c: c["model"]["args"].pop("encoder_spec"), "encoder edsr-baseline or rdn"),
        (lambda c: with_encoder(c, {"name": "swinir", "args": {}}), "encoder edsr-baseline or rdn in"),
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
        check_refusal(tmp_path / "foreign.pth", "no model with name: liif, args and sd")
