"""NCSN++ as DegFlow's velocity network, v(z, t); keys and their order are those of the official release."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degflow_aug.archs.generator.ncsnpp_layers import Attention, Block, conv, dense, normalisation, time_embedding
from degflow_aug.archs.generator.rae_layers import HRFeatures

TIME_SCALE = 999.0
MOST_LEVELS = 8
MOST_BLOCKS = 64
Layer = TypeVar("Layer", bound=nn.Module)


def hr_condition(features: HRFeatures) -> Tensor:
    """The two deepest levels of HR features on the latent grid, (B, w_n + 4 w_(n-1), h, w), each position scaled to
    zero mean and unit spread; 12 times the base width in the official sizes."""
    stacked = torch.cat([features.levels[-1], F.pixel_unshuffle(features.levels[-2], 2)], 1)
    return F.layer_norm(stacked.permute(0, 2, 3, 1), stacked.shape[1:2]).permute(0, 3, 1, 2)


class NCSNpp(nn.Module):
    """U-Net over latents with residual blocks, attention in the bottleneck and skips from every level block.

    Args:
        latent_channels: channels of the latent, in and out.
        base_channels: width nf of the first level; 128 in the official release.
        multipliers: width of each level in units of ``base_channels``.
        blocks: residual blocks per level (one more on the way up).
        dropout: probability inside every block, in training.
        condition_channels: channels of the HR condition; 0 for none. Enters through a 1x1 convolution that starts at
            zero, so a conditioned network begins as the plain one.
        local: norms over the channels of each position in place of group norms, and no attention. The official
            network's norms and attention see the whole image, so that on photographs it works with statistics it has
            not met on training crops; a local one gives the same velocity in a crop as in the photograph.
        end_time: the network takes the end of a jump beside its start and gives the average velocity between them,
            z(end) = z(t) + (end - t) u(z, t, end). A second embedding, of end - t, joins that of t through a layer
            that starts at zero, so that such a network begins as the plain one.
        cameras: how many cameras the network tells apart, 0 for one. Each has an embedding, which joins that of t and
            starts at zero, so that such a network begins as the plain one too.

    Raises:
        ValueError: no level, no block, a negative width or number of cameras, or one camera to tell apart.
    """

    def __init__(
        self,
        *,
        latent_channels: int = 4,
        base_channels: int = 128,
        multipliers: Sequence[int] = (1, 2, 2, 2),
        blocks: int = 4,
        dropout: float = 0.1,
        condition_channels: int = 0,
        local: bool = False,
        end_time: bool = False,
        cameras: int = 0,
    ) -> None:
        super().__init__()
        counts = (latent_channels, blocks, len(multipliers), *multipliers)
        if min(counts) < 1 or base_channels < 4 or condition_channels < 0:
            raise ValueError("expected positive widths (base_channels >= 4), levels and blocks of the velocity network")
        if len(multipliers) > MOST_LEVELS or blocks > MOST_BLOCKS:
            raise ValueError(f"expected at most {MOST_LEVELS} levels and {MOST_BLOCKS} blocks of the velocity network")
        if cameras < 0 or cameras == 1:
            raise ValueError(f"expected network_g.cameras of 0, for one camera, or at least 2, got {cameras}")
        self.spec = {
            "latent_channels": latent_channels,
            "base_channels": base_channels,
            "multipliers": list(multipliers),
            "blocks": blocks,
            "dropout": dropout,
            "condition_channels": condition_channels,
            "local": local,
            "end_time": end_time,
            "cameras": cameras,
        }
        self.base_channels, self.levels, self.blocks = base_channels, len(multipliers), blocks
        self.multiple = 2 ** (self.levels - 1)
        self.all_modules = nn.ModuleList(_modules(latent_channels, base_channels, multipliers, blocks, dropout, local))
        self.condition: nn.Conv2d | None = None
        if condition_channels:
            self.condition = _at_zero(nn.Conv2d(condition_channels, base_channels, 1))
        self.end: nn.Linear | None = _at_zero(nn.Linear(base_channels, 4 * base_channels)) if end_time else None
        self.camera: nn.Parameter | None = None
        if cameras:
            self.camera = nn.Parameter(torch.zeros(cameras, 4 * base_channels))

    def forward(
        self,
        z: Tensor,
        t: Tensor,
        condition: Tensor | None = None,
        end: Tensor | None = None,
        camera: Tensor | None = None,
    ) -> Tensor:
        """Predict the velocity (B, c, h, w) of latents ``z`` (B, c, h, w) at times ``t`` (B,) in [0, 1].

        Args:
            condition: (B, condition_channels, h, w) from :func:`hr_condition`, where the network takes one.
            end: (B,) times in [t, 1], where the network takes them: the velocity is the average from t to there.
            camera: (B, cameras), where the network tells cameras apart: the weight of each one's embedding, one-hot
                for one camera; weights that add up to 1 stand for a camera between.

        Raises:
            ValueError: h or w is no multiple of 2^(levels - 1), or condition, end or camera are missing, not expected
                or of another number of cameras.
        """
        if z.shape[-1] % self.multiple or z.shape[-2] % self.multiple:
            raise ValueError(f"expected latent sides that are multiples of {self.multiple}, got {tuple(z.shape[-2:])}")
        if (condition is None) != (self.condition is None):
            raise ValueError("expected an HR condition exactly where the network was built with condition_channels")
        if (end is None) != (self.end is None):
            raise ValueError("expected end times exactly where the network was built with end_time")
        layers = iter(self.all_modules)
        time = next(layers)(self._embedding(t, z))
        if self.end is not None and end is not None:
            time = time + self.end(self._embedding(end - t, z))
        time = next(layers)(F.silu(self._with_camera(time, camera)))
        h = next(layers)(z)
        if self.condition is not None:
            h = h + self.condition(condition)
        h, skips = self._down(h, time, layers)
        h = next(layers)(h, time)
        h = next(layers)(h)
        h = next(layers)(h, time)
        for level in reversed(range(self.levels)):
            for _ in range(self.blocks + 1):
                h = next(layers)(torch.cat([h, skips.pop()], 1), time)
            if level:
                h = next(layers)(h, time)
        return self._head(h, layers)

    def _with_camera(self, time: Tensor, camera: Tensor | None) -> Tensor:
        if camera is None and self.camera is None:
            return time
        if camera is None or self.camera is None or camera.shape != (len(time), len(self.camera)):
            known = 0 if self.camera is None else len(self.camera)
            found = "none" if camera is None else f"weights {tuple(camera.shape)}"
            raise ValueError(
                f"expected weights ({len(time)}, {known}) of this network's cameras, got {found}"
                if known
                else f"expected no camera for a network that knows one, got {found}"
            )
        return time + camera.to(self.camera) @ self.camera

    def _embedding(self, t: Tensor, z: Tensor) -> Tensor:
        return time_embedding(t.float() * TIME_SCALE, self.base_channels).to(z.dtype)

    def _down(self, h: Tensor, time: Tensor, layers: Iterator[nn.Module]) -> tuple[Tensor, list[Tensor]]:
        skips = [h]
        for level in range(self.levels):
            for _ in range(self.blocks):
                h = next(layers)(h, time)
                skips.append(h)
            if level < self.levels - 1:
                h = next(layers)(h, time)
                skips.append(h)
        return h, skips

    @staticmethod
    def _head(h: Tensor, layers: Iterator[nn.Module]) -> Tensor:
        norm, last = layers
        return last(F.silu(norm(h)))


def _at_zero(layer: Layer) -> Layer:
    for value in layer.parameters():
        nn.init.zeros_(value)
    return layer


def _modules(
    latent: int, base: int, multipliers: Sequence[int], blocks: int, dropout: float, local: bool
) -> list[nn.Module]:
    """Every layer in the order in which :meth:`NCSNpp.forward` consumes them, which is that of the official keys."""
    time = 4 * base

    def block(in_channels: int, out_channels: int, *, up: bool = False, down: bool = False) -> Block:
        return Block(in_channels, out_channels, time, dropout, up=up, down=down, local=local)

    layers: list[nn.Module] = [dense(base, time), dense(time, time), conv(latent, base, 3)]
    widths, width = [base], base
    for level, multiplier in enumerate(multipliers):
        for _ in range(blocks):
            layers.append(block(width, base * multiplier))
            width = base * multiplier
            widths.append(width)
        if level < len(multipliers) - 1:
            layers.append(block(width, width, down=True))
            widths.append(width)
    layers += [block(width, width), nn.Identity() if local else Attention(width), block(width, width)]
    for level in reversed(range(len(multipliers))):
        for _ in range(blocks + 1):
            layers.append(block(width + widths.pop(), base * multipliers[level]))
            width = base * multipliers[level]
        if level:
            layers.append(block(width, width, up=True))
    return [*layers, normalisation(width, local), conv(width, latent, 3, scale=0.0)]
