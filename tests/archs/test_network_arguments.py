"""Arguments as plain types; networks without weights: the same shapes, and a limit before memory is taken."""

from __future__ import annotations

import json
import math
from types import MappingProxyType

import pytest
from torch import nn

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.archs.network_arguments import (
    MOST_PARAMETERS,
    TooLargeError,
    check_kind,
    check_weights_fit,
    outline,
    plain,
)

NETWORKS = {
    "official-like autoencoder": (ResidualAutoencoder, {"base_channels": 8}),
    "small autoencoder": (ResidualAutoencoder, {"base_channels": 4, "residual": True, "unshuffle": 2}),
    "velocity": (NCSNpp, {"base_channels": 8, "blocks": 1, "condition_channels": 12, "cameras": 3}),
    "one-step velocity": (NCSNpp, {"base_channels": 8, "blocks": 1, "local": True, "end_time": True}),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_are_those_of_the_network(name: str) -> None:
    kind, arguments = NETWORKS[name]
    shapes = {key: value.shape for key, value in kind(**arguments).state_dict().items()}
    made = outline(kind, arguments)
    assert {key: value.shape for key, value in made.state_dict().items()} == shapes
    assert {value.device.type for value in made.parameters()} == {"meta"}


def test_widths_without_end_are_refused() -> None:
    with pytest.raises(TooLargeError, match=f"at most {MOST_PARAMETERS} parameters, got one of"):
        outline(ResidualAutoencoder, {"base_channels": 30_000})
    for kind, arguments in ((NCSNpp, {"blocks": 10**9}), (NCSNpp, {"multipliers": [1] * 10**5}),
                            (ResidualAutoencoder, {"multipliers": [1] * 10**5}),
                            (ResidualAutoencoder, {"unshuffle": 10**6})):  # fmt: skip
        with pytest.raises(ValueError, match="at most"):
            outline(kind, arguments)


def test_weights_of_another_network_do_not_fit() -> None:
    state = ResidualAutoencoder(base_channels=4).state_dict()
    check_weights_fit(ResidualAutoencoder, {"base_channels": 4}, state)
    for arguments in ({"base_channels": 5}, {"base_channels": 500}, {"base_channels": 4, "multipliers": [1, 2]}):
        with pytest.raises(RuntimeError, match=r"size mismatch|Missing|Unexpected"):
            check_weights_fit(ResidualAutoencoder, arguments, state)
    with pytest.raises(RuntimeError, match="Missing"):
        check_weights_fit(ResidualAutoencoder, {"base_channels": 4}, {})


def test_the_limit_counts_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("degflow_aug.archs.network_arguments.MOST_PARAMETERS", 12)
    outline(nn.Linear, {"in_features": 3, "out_features": 3})
    with pytest.raises(TooLargeError, match="got one of 16"):
        outline(nn.Linear, {"in_features": 3, "out_features": 4})


def test_nested_arguments_become_dicts_and_lists() -> None:
    found = plain(MappingProxyType({"args": {"depths": (2, (3,)), "name": "A", "on": True, "none": None}}))
    assert found == {"args": {"depths": [2, [3]], "name": "A", "on": True, "none": None}}
    assert json.loads(json.dumps(found)) == found


def test_the_copy_is_independent() -> None:
    spec = {"args": {"depths": [2]}}
    copy = plain(spec)
    spec["args"]["depths"].append(3)
    assert copy == {"args": {"depths": [2]}}


@pytest.mark.parametrize(("kind", "value"), [(bool, False), (int, -2), (float, 0.5), (float, 3)])
def test_values_of_their_kind_pass(kind: type, value: object) -> None:
    check_kind(kind, "LIIF", argument=value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (bool, "x"), (bool, 1), (bool, None), (int, "x"), (int, True), (int, 2.0), (int, [2]), (float, "1"),
        (float, False), (float, math.nan), (float, math.inf), (float, None),
    ],
)  # fmt: skip
def test_values_of_another_kind_are_one_sentence(kind: type, value: object) -> None:
    with pytest.raises(ValueError, match=r"expected argument of LIIF to be .+, got ") as error:
        check_kind(kind, "LIIF", fine=kind(1), argument=value)
    assert "\n" not in str(error.value)
