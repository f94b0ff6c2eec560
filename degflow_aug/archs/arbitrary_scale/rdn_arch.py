"""RDN (Zhang et al., CVPR 2018) without its upsampler, as arbitrary-scale networks use it: image in, features out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from degflow_aug.archs.network_arguments import check_kind

# Residual dense blocks, convolutions in each, and the channels that each convolution adds.
CONFIGURATIONS = {"A": (20, 6, 32), "B": (16, 8, 64)}


class DenseConv(nn.Module):
    """A 3x3 convolution and ReLU whose result is appended to its input."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(in_channels, growth, 3, padding=1), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(x)], 1)


class ResidualDenseBlock(nn.Module):
    """Convolutions that see all before them, fused by a 1x1 convolution (LFF) and added to the input."""

    def __init__(self, channels: int, growth: int, layers: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(DenseConv(channels + i * growth, growth) for i in range(layers)))
        self.LFF = nn.Conv2d(channels + layers * growth, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.LFF(self.convs(x)) + x


class RDN(nn.Module):
    """Residual dense network: (B, 3, h, w) -> (B, G0, h, w), any h, w >= 1.

    Args:
        G0: channels of the features.
        RDNkSize: kernel size of the shallow and of the fusing convolution, odd; those inside the blocks are 3x3.
        RDNconfig: the paper's A (20 blocks of 6 convolutions that add 32 channels) or B (16 of 8, 64).

    Raises:
        ValueError: no such configuration, or sizes that make no network.
    """

    def __init__(self, *, G0: int = 64, RDNkSize: int = 3, RDNconfig: str = "B") -> None:
        super().__init__()
        check_kind(int, "the encoder rdn", G0=G0, RDNkSize=RDNkSize)
        if not isinstance(RDNconfig, str) or RDNconfig not in CONFIGURATIONS:
            raise ValueError(f"expected RDNconfig A or B, got {RDNconfig!r}")
        if G0 < 1 or RDNkSize < 1 or RDNkSize % 2 == 0:
            raise ValueError(f"expected G0 of at least 1 and an odd RDNkSize, got {G0} and {RDNkSize}")
        blocks, layers, growth = CONFIGURATIONS[RDNconfig]
        self.out_dim = G0
        self.SFENet1 = nn.Conv2d(3, G0, RDNkSize, padding=RDNkSize // 2)
        self.SFENet2 = nn.Conv2d(G0, G0, RDNkSize, padding=RDNkSize // 2)
        self.RDBs = nn.ModuleList(ResidualDenseBlock(G0, growth, layers) for _ in range(blocks))
        self.GFF = nn.Sequential(nn.Conv2d(blocks * G0, G0, 1), nn.Conv2d(G0, G0, RDNkSize, padding=RDNkSize // 2))

    def forward(self, image: Tensor) -> Tensor:
        shallow = self.SFENet1(image)
        x, local = self.SFENet2(shallow), []
        for block in self.RDBs:
            x = block(x)
            local.append(x)
        return self.GFF(torch.cat(local, 1)) + shallow
