"""What every arbitrary-scale network owes its users, with every encoder: training, any scale, any chunk, any batch."""

from __future__ import annotations

import json
import math

import pytest
import torch
from helpers.query_reference import EDSR, images, random_queries
from helpers.random_networks import randomise
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import ArbitraryScaleNetwork, pixel_centres, upscale
from degflow_aug.archs.arbitrary_scale.ciaosr_arch import CiaoSR
from degflow_aug.archs.arbitrary_scale.liif_arch import LIIF
from degflow_aug.archs.arbitrary_scale.lte_arch import LTE
from degflow_aug.archs.arbitrary_scale.metasr_arch import MetaSR
from degflow_aug.models.inference.peak_memory import PeakMemory

ENCODERS = {
    "edsr-baseline": EDSR,
    "rdn": {"name": "rdn", "args": {"G0": 4, "RDNconfig": "A"}},
    "swinir": {
        "name": "swinir",
        "args": {"embed_dim": 4, "depths": [2], "num_heads": [2], "window_size": 4, "drop_path_rate": 0.0},
    },
}
IMNET = {"name": "mlp", "args": {"out_dim": 3, "hidden_list": [8, 8]}}
NETWORKS: dict[type[ArbitraryScaleNetwork], dict[str, object]] = {
    LIIF: {"imnet_spec": IMNET},
    LTE: {"imnet_spec": IMNET, "hidden_dim": 8},
    MetaSR: {"hidden_list": [8]},
    CiaoSR: {"imnet_q": [8, 8], "imnet_k": [8], "imnet_v": [8], "multi_scale": [2, 3]},
}


def build(kind: type[ArbitraryScaleNetwork], encoder: str = "edsr-baseline") -> ArbitraryScaleNetwork:
    torch.manual_seed(0)
    return kind(encoder_spec=ENCODERS[encoder], **NETWORKS[kind]).eval()


def queries(seed: int, batch: int, count: int) -> tuple[Tensor, Tensor]:
    coord, cell = random_queries(seed, batch, count)
    return coord.float(), cell.float()


@pytest.fixture(params=NETWORKS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[ArbitraryScaleNetwork]:
    return request.param


@pytest.fixture(params=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_step_reaches_every_parameter_and_lowers_the_loss(kind: type[ArbitraryScaleNetwork], encoder: str) -> None:
    network = build(kind, encoder).train()
    lq, colours = images(1, 2, 3, 9, 6).float(), images(2, 2, 40, 3).float()
    coord, cell = queries(3, 2, 40)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    before = torch.nn.functional.l1_loss(network(lq, coord, cell), colours)
    before.backward()
    # DistributedDataParallel stops at a parameter without a gradient; one of zeros learns nothing.
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert bool(parameter.grad.any()), name
    optimiser.step()
    after = torch.nn.functional.l1_loss(network(lq, coord, cell), colours)
    assert float(after.detach()) < float(before.detach()) < 10


@torch.no_grad()
@pytest.mark.parametrize("size", [(9, 6), (24, 16), (36, 24), (72, 48), (31, 50)], ids="{0[0]}x{0[1]}".format)
def test_any_size_is_the_same_in_any_chunks(
    kind: type[ArbitraryScaleNetwork], encoder: str, size: tuple[int, int]
) -> None:
    """Scales 1, 2.7, 4 and 8 of 9x6, and one that stretches."""
    network, lq = build(kind, encoder), images(1, 2, 3, 9, 6).float()
    count = size[0] * size[1]
    coord = pixel_centres(*size).expand(2, -1, -1)
    cell = torch.tensor([2 / size[0], 2 / size[1]]).expand(2, count, 2)
    whole = network(lq, coord, cell).transpose(1, 2).reshape(2, 3, *size)
    seventh = 2 * 4 * network.floats_per_query * count / 7 / 2**20
    assert bool(whole.isfinite().all())
    assert float(whole.std()) > 1e-3
    torch.testing.assert_close(upscale(network, lq, size, memory_mb=seventh), whole, atol=2e-6, rtol=0)


@torch.no_grad()
def test_a_sample_depends_on_no_other(kind: type[ArbitraryScaleNetwork], encoder: str) -> None:
    network, lq = build(kind, encoder), images(1, 3, 3, 9, 6).float()
    coord, cell = queries(3, 3, 30)
    together = network(lq, coord, cell)
    for sample in range(3):
        alone = network(*(tensor[sample : sample + 1] for tensor in (lq, coord, cell)))
        torch.testing.assert_close(together[sample : sample + 1], alone, atol=2e-6, rtol=0)


@torch.no_grad()
def test_autocast_keeps_coordinates_exact(kind: type[ArbitraryScaleNetwork]) -> None:
    """In bfloat16 a coordinate on 700 columns would be pixels away, among pixels that differ by a third."""
    network, lq = build(kind), images(1, 1, 3, 3, 700).float()
    randomise(network)
    coord = pixel_centres(5, 1400).unsqueeze(0)
    cell = torch.tensor([2 / 5, 2 / 1400]).expand_as(coord)
    exact = network(lq, coord, cell)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(lq, coord, cell)
    assert found.dtype == torch.float32
    assert float((found - exact).square().mean().sqrt()) < 0.03 * float(exact.std())


def test_no_value_is_read_back(kind: type[ArbitraryScaleNetwork], encoder: str) -> None:
    """Tensors that have a shape but no values cannot be read, as little as those of a busy GPU should be."""
    network = build(kind, encoder)
    with FakeTensorMode(allow_non_fake_inputs=True):
        lq, coord = torch.rand(2, 3, 8, 8), torch.rand(2, 30, 2)
        with pytest.raises(DataDependentOutputException):
            coord.max().item()
        assert network(lq, coord, coord).shape == (2, 30, 3)


def test_the_spec_rebuilds_the_network(kind: type[ArbitraryScaleNetwork], encoder: str) -> None:
    network, lq = build(kind, encoder), images(1, 1, 3, 5, 6).float()
    torch.manual_seed(1)
    again = kind(**json.loads(json.dumps(network.spec))).eval()
    again.load_state_dict(network.state_dict())
    assert again.spec == network.spec
    torch.testing.assert_close(again(lq, *queries(3, 1, 9)), network(lq, *queries(3, 1, 9)))


@torch.no_grad()
@pytest.mark.parametrize("sizes", [{}, "tiny"], ids=["published sizes", "tiny sizes"])
@pytest.mark.parametrize("n_feats", [4, 32])
def test_memory_of_a_query_is_what_is_promised(
    kind: type[ArbitraryScaleNetwork], sizes: dict[str, object] | str, n_feats: int
) -> None:
    spec = {"name": "edsr-baseline", "args": {"n_resblocks": 1, "n_feats": n_feats}}
    network = kind(encoder_spec=spec, **(NETWORKS[kind] if sizes == "tiny" else {}))
    features, (coord, cell) = network.encode(images(1, 2, 3, 6, 6).float()), queries(3, 2, 200)
    with PeakMemory() as memory:
        network.query(features, coord, cell)
    assert 0.6 < memory.peak / (4 * 2 * 200 * network.floats_per_query) < 1.02


@pytest.mark.parametrize(
    ("coord", "cell"),
    [((2, 5, 2), (2, 4, 2)), ((1, 5, 2), (1, 5, 2)), ((2, 5, 3), (2, 5, 3)), ((5, 2), (5, 2)), ((2, 5, 2), (2, 2))],
)
def test_queries_of_another_shape_are_refused(
    kind: type[ArbitraryScaleNetwork], coord: tuple[int, ...], cell: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="expected coord and cell"):
        build(kind)(torch.rand(2, 3, 4, 4), torch.zeros(coord), torch.zeros(cell))


@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (3, 4, 4), (1, 3, 0, 4)])
def test_anything_but_rgb_images_is_refused(kind: type[ArbitraryScaleNetwork], shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected LR images"):
        build(kind).encode(torch.zeros(shape))


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        *(
            (LIIF, {name: value})
            for name in ("local_ensemble", "feat_unfold", "cell_decode")
            for value in ("x", 1, None)
        ),
        *((CiaoSR, {name: value}) for name in ("feat_unfold", "non_local_attn") for value in ("x", 0, None)),
        *((CiaoSR, {"local_size": value}) for value in ("x", 2.0, True, None)),
        *((CiaoSR, {"softmax_scale": value}) for value in ("x", True, math.nan, math.inf)),
        *((CiaoSR, {"multi_scale": value}) for value in ("x", [[2]], [True], {2: 2}, None)),
        *((CiaoSR, {name: value}) for name in ("imnet_q", "imnet_k", "imnet_v") for value in ("x", [True], ["x"], 8)),
        *((LTE, {"hidden_dim": value}) for value in ("x", 8.0, True, None)),
        *((network, {"imnet_spec": value}) for network in (LIIF, LTE) for value in ("mlp", ["mlp"], 3, {})),
        *((MetaSR, {"hidden_list": value}) for value in ("x", [True], ["x"], None, {8: 8})),
        *((network, {"encoder_spec": value}) for network in NETWORKS for value in (None, "edsr-baseline", 3)),
    ],
)
def test_arguments_of_another_type_are_one_sentence(
    kind: type[ArbitraryScaleNetwork], arguments: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="expected ") as error:
        kind(**{"encoder_spec": EDSR, **NETWORKS[kind], **arguments})
    assert "\n" not in str(error.value)
