"""RDN against a count of its own, its equations written out, and the key names of the field's checkpoints."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.random_networks import randomise
from torch import Tensor

from degflow_aug.archs.arbitrary_scale.rdn_arch import RDN

# D, C and G of the paper, written again on purpose.
PAPER = {"A": (20, 6, 32), "B": (16, 8, 64)}


def expected_shapes(config: str, g0: int, k: int) -> dict[str, tuple[int, ...]]:
    d, c, g = PAPER[config]
    shapes: dict[str, tuple[int, ...]] = {"SFENet1": (g0, 3, k, k), "SFENet2": (g0, g0, k, k)}
    for block in range(d):
        for layer in range(c):
            shapes[f"RDBs.{block}.convs.{layer}.conv.0"] = (g, g0 + layer * g, 3, 3)
        shapes[f"RDBs.{block}.LFF"] = (g0, g0 + c * g, 1, 1)
    shapes |= {"GFF.0": (g0, d * g0, 1, 1), "GFF.1": (g0, g0, k, k)}
    return shapes


@pytest.mark.parametrize(("config", "g0", "k"), [("A", 64, 3), ("B", 64, 3), ("B", 32, 5), ("A", 8, 1)])
def test_keys_and_shapes_are_those_of_official_checkpoints(config: str, g0: int, k: int) -> None:
    with torch.device("meta"):
        state = RDN(G0=g0, RDNkSize=k, RDNconfig=config).state_dict()
    weights = expected_shapes(config, g0, k)
    expected = {f"{name}.weight": shape for name, shape in weights.items()}
    expected |= {f"{name}.bias": shape[:1] for name, shape in weights.items()}
    assert {key: tuple(value.shape) for key, value in state.items()} == expected


def written_out(state: dict[str, Tensor], image: Tensor, config: str) -> Tensor:
    def conv(name: str, x: Tensor) -> Tensor:
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, state[f"{name}.bias"], padding=(weight.shape[-1] - 1) // 2)

    d, c, _ = PAPER[config]
    f_minus_1 = conv("SFENet1", image)
    f = [conv("SFENet2", f_minus_1)]
    for block in range(d):
        seen = [f[-1]]
        for layer in range(c):
            seen.append(conv(f"RDBs.{block}.convs.{layer}.conv.0", torch.cat(seen, 1)).clamp_min(0))
        f.append(f[-1] + conv(f"RDBs.{block}.LFF", torch.cat(seen, 1)))
    return f_minus_1 + conv("GFF.1", conv("GFF.0", torch.cat(f[1:], 1)))


@pytest.mark.parametrize(
    ("config", "k", "size"), [("A", 3, (5, 7)), ("B", 3, (4, 4)), ("A", 5, (1, 1)), ("A", 1, (2, 1))]
)
def test_it_is_its_equations(config: str, k: int, size: tuple[int, int]) -> None:
    network = randomise(RDN(G0=6, RDNkSize=k, RDNconfig=config)).double()
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        found, truth = network(image), written_out(network.state_dict(), image, config)
    assert found.shape == (2, network.out_dim, *size)
    assert truth.abs().max() > 0.1
    torch.testing.assert_close(found, truth, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("config", ["C", "a", None, 16])
def test_other_configurations_are_refused(config: object) -> None:
    with pytest.raises(ValueError, match=rf"expected RDNconfig A or B, got {config!r}"):
        RDN(RDNconfig=config)  # type: ignore[arg-type]


@pytest.mark.parametrize("sizes", [{"G0": 0}, {"RDNkSize": 2}, {"RDNkSize": -1}])
def test_sizes_that_make_no_network_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected G0 of at least 1 and an odd RDNkSize"):
        RDN(**sizes)
