"""The multilayer perceptron that implicit image functions are decoded with, and how an option file describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU between them, over the last dimension; keys ``layers.N`` as in LIIF's release.

    Args:
        in_dim: channels in.
        out_dim: channels out.
        hidden_list: widths of the hidden layers; empty for a single linear layer.

    Attributes:
        floats_per_row: numbers alive at its peak for every vector that goes through, the vector itself not counted.

    Raises:
        ValueError: hidden widths that are no list, or a width below 1.
    """

    def __init__(self, in_dim: int, out_dim: int, hidden_list: Sequence[int]) -> None:
        super().__init__()
        if isinstance(hidden_list, str) or not isinstance(hidden_list, Sequence):
            raise ValueError(f"expected hidden_list of the MLP as a list of widths, got {hidden_list!r}")
        widths = [in_dim, *hidden_list, out_dim]
        if any(not isinstance(width, int) or isinstance(width, bool) or width < 1 for width in widths):
            raise ValueError(f"expected widths of the MLP as whole numbers of at least 1, got {widths}")
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

        inner = widths[1:]
        self.floats_per_row = max([*(a + b for a, b in pairwise(inner)), *(2 * width for width in inner[:-1]), out_dim])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def build_imnet(spec: Mapping[str, Any], in_dim: int) -> MLP:
    """Build the MLP from ``in_dim`` channels to colours of ``{name: mlp, args: {hidden_list: [...]}}``.

    ``out_dim: 3`` may stand among the arguments, as in the published option files.

    Raises:
        ValueError: no mapping, another name, unknown or missing keys or arguments, or another ``out_dim``.
    """
    expected = "expected imnet_spec {name: mlp, args: {out_dim: 3, hidden_list: [...]}}"
    if not isinstance(spec, Mapping):
        raise ValueError(f"{expected}, got {spec!r}")
    args = spec.get("args")
    if (
        {*spec} - {"name", "args"}
        or spec.get("name") != "mlp"
        or not isinstance(args, Mapping)
        or "hidden_list" not in args
    ):
        raise ValueError(f"{expected}, got {dict(spec)}")
    if {*args} - {"hidden_list", "out_dim"} or args.get("out_dim", 3) != 3:
        raise ValueError(f"{expected}, got the arguments {dict(args)}; the width in comes from the network")
    return MLP(in_dim, 3, args["hidden_list"])
