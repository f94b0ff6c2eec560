"""How far networks see: closed forms of stacked convolutions, blocks, strides, and what sees everything."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from degflow_aug.models.inference.reach import reach_of


class Attention(nn.Module):
    """Every pixel looks at all of its window."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window, self.scale = window, nn.Parameter(torch.ones(1))

    def forward(self, image: Tensor) -> Tensor:
        blocks = image.unflatten(-1, (-1, self.window)).unflatten(-3, (-1, self.window))
        return (blocks * self.scale).mean((-3, -1), keepdim=True).expand_as(blocks).flatten(-2).flatten(-3, -2)


class Pooled(nn.Module):
    """Channel attention: a factor that the whole image decides."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return self.conv(image) * image.mean((-2, -1), keepdim=True)


def conv(kernel: int, dilation: int = 1) -> nn.Module:
    return nn.Conv2d(3, 3, kernel, padding=dilation * (kernel // 2), dilation=dilation)


def silent(module: nn.Module) -> nn.Module:
    """With weights of zero: what a network sees is not what it has learned."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


@pytest.mark.parametrize(
    ("network", "multiple", "expected"),
    [
        (conv(1), 1, 0),
        (conv(3), 1, 1),
        (nn.Sequential(conv(3), nn.ReLU(), conv(5), nn.LeakyReLU(), conv(7)), 1, 1 + 2 + 3),
        (silent(nn.Sequential(conv(3), nn.ReLU(), conv(3))), 1, 2),
        (conv(3, dilation=30), 1, 30),
        # After enlargement by 2 a kernel of 5 sees a pixel of LR at most.
        (nn.Sequential(conv(3), nn.Upsample(scale_factor=2), conv(5)), 1, 2),
        (nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 12, 3, padding=1), nn.PixelShuffle(2)), 2, 2),
        (Attention(8), 8, 0),
        (nn.Sequential(Attention(8), conv(3), Attention(8)), 8, 8),
        (nn.Sequential(*(conv(3) for _ in range(41))), 1, None),
        (Pooled(), 1, None),
    ],
)
def test_reach_is_what_kernels_and_windows_add_up_to(network: nn.Module, multiple: int, expected: int | None) -> None:
    assert reach_of(network, lambda net, lq: net(lq), multiple, 40) == expected


def test_the_network_stays_as_it_is() -> None:
    network = conv(3)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    reach_of(network, lambda net, lq: net(lq), 1, 8)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
