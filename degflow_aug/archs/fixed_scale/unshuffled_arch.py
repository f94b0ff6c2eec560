"""Networks of a fixed scale for LR on the HR grid, as RealSR has it and as InterFlow and DegFlow train on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, cast

from torch import Tensor, nn

from degflow_aug import compat
from degflow_aug.archs.network_arguments import check_kind


class Unshuffled(nn.Module):
    """A network that enlarges ``factor`` times, in front of whose first convolution an image shrinks as often.

    Blocks of factor x factor pixels become the channels of one (pixel unshuffle), so that the network works at the size
    that it was made for, and what it gives has the size of the image: (B, 3, H, W) -> (B, 3, H, W), where H and W are
    multiples of ``factor`` times what the network asks for. What it does to colours before that convolution, it still
    does.

    Args:
        network: its section, as of ``network_g``: RCAN, SwinIR, EDSR, HAT and others whose first convolution is
            ``conv_first``.
        factor: what the network enlarges by.

    Raises:
        ValueError: another kind of network, or a factor below 1.
    """

    def __init__(self, *, network: Mapping[str, Any], factor: int = 4) -> None:
        super().__init__()
        check_kind(int, "Unshuffled", factor=factor)
        if factor < 1 or not isinstance(network, Mapping) or "type" not in network:
            raise ValueError(
                "expected a factor of at least 1 and a section network: {type: RCAN, ...}, got "
                f"{factor} and {network!r}"
            )
        compat.require_basicsr("the network Unshuffled")
        compat.apply()
        import basicsr.archs  # noqa: F401 - fills the registry
        from basicsr.utils.registry import ARCH_REGISTRY

        # BasicSR's build_network begins a log, also where a run has not begun.
        arguments = {key: value for key, value in network.items() if key != "type"}
        self.network: nn.Module = ARCH_REGISTRY.get(network["type"])(**deepcopy(arguments))
        first = getattr(self.network, "conv_first", None)
        if not isinstance(first, nn.Conv2d):
            raise ValueError(f"expected a network with a first convolution conv_first, got {network['type']}")
        wide = nn.Conv2d(
            first.in_channels * factor**2,
            first.out_channels,
            cast("tuple[int, int]", first.kernel_size),
            padding=cast("tuple[int, int]", first.padding),
            bias=first.bias is not None,
        )
        self.network.conv_first = nn.Sequential(nn.PixelUnshuffle(factor), wide)
        windows = [getattr(part, "window_size", None) for part in self.network.modules()]
        self.window_size = factor * math.lcm(*(size for size in windows if isinstance(size, int)))

    def forward(self, image: Tensor) -> Tensor:
        enhanced: Tensor = self.network(image)
        return enhanced
