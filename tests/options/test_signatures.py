"""Arguments of networks and losses by the signatures of their constructors."""

from __future__ import annotations

from typing import Any

import pytest

from degflow_aug.options.signatures import argument_hints, settle_arguments


class Network:
    """As BasicSR writes them: defaults, and no annotations."""

    __module__ = "basicsr.archs.test_arch"

    def __init__(
        self,
        num_in_ch,
        num_feat=64,
        res_scale=1,
        img_size=64,
        ape=False,
        mean=(0.4, 0.5),
        depths=(6, 6),
        act=None,
        **more,
    ):  # type: ignore[no-untyped-def]
        pass


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({"num_in_ch": "3"}, "a whole number .* in network_g.num_in_ch"),
        ({"num_feat": 8.5}, "a whole number .* in network_g.num_feat"),
        ({"num_feat": 1e9}, "a whole number from 1 to 65536 in network_g.num_feat"),
        ({"num_feat": -1}, "a whole number .* in network_g.num_feat"),
        ({"res_scale": "0.1"}, "a number in network_g.res_scale"),
        ({"ape": "false"}, "true or false in network_g.ape"),
        ({"ape": 1}, "true or false in network_g.ape"),
        ({"mean": 0.4}, "a list in network_g.mean"),
        ({"mean": [0.4, None]}, "a number .* in network_g.mean"),
        ({"depths": [6, 1.5]}, "a whole number .* in network_g.depths"),
        ({"unknown": float("nan")}, "a number in network_g.unknown, got nan"),
        ({3: 1}, "names of arguments in network_g, got 3"),
    ],
)
def test_arguments_of_another_type_are_one_sentence(argument: dict[Any, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"expected {said}"):
        settle_arguments(Network, argument, "network_g")


def test_arguments_of_their_type_pass() -> None:
    section = {"num_in_ch": 3.0, "num_feat": 64, "res_scale": 0.1, "img_size": [64, 48], "act": "relu", "more": "x"}
    settle_arguments(Network, section, "network_g")
    assert repr(section["num_in_ch"]) == "3"


def test_defaults_of_other_packages_bind_nobody() -> None:
    theirs = type("Theirs", (Network,), {"__module__": "neosr.archs"})
    settle_arguments(theirs, {"ape": "layer", "num_feat": "wide"}, "network_g")
    with pytest.raises(ValueError, match=r"network_g\.num_feat, got inf"):
        settle_arguments(theirs, {"num_feat": float("inf")}, "network_g")


def test_annotations_come_before_defaults() -> None:
    from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp

    assert argument_hints(NCSNpp)["local"] is bool
    with pytest.raises(ValueError, match=r"true or false in network_g\.local, got 'no'"):
        settle_arguments(NCSNpp, {"local": "no"}, "network_g")
