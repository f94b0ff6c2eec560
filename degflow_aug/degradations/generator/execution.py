"""How images pass the networks of a generator: precision, compilation, range, and in one piece or in tiles.

The RAE is convolutional with norms over channels only, so a tile with a margin of its receptive field gives exactly
what the whole image gives. The flow is not (its norms and attention see the whole latent), but at 1/64 of the pixels
it can afford to; so only the RAE is tiled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from degflow_aug.archs.generator.ncsnpp_arch import hr_condition
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.archs.generator.rae_layers import HRFeatures
from degflow_aug.degradations.convolution import pad_to_multiple
from degflow_aug.degradations.grid import at_least_float32, without_autocast
from degflow_aug.options.values import Count, convert

# Not those that take CUDA graphs: the next call of a network would overwrite outputs that a path still needs.
COMPILE_MODES = ("default", "max-autotune-no-cudagraphs")

Window = tuple[slice, slice]


def check_execution(amp: str, compile: bool | str) -> None:
    """Raise a ValueError for an unknown precision or mode of compilation."""
    if isinstance(convert(compile, bool | str | None, "compile"), str) and compile not in COMPILE_MODES:
        raise ValueError(f"expected compile as true, false or out of {', '.join(COMPILE_MODES)}, got {compile!r}")
    if amp not in ("none", "bf16"):
        raise ValueError(f"expected amp to be none or bf16, got {amp!r}")


def autocast(amp: str, device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager[object]:
    """Networks in bfloat16 for ``amp`` bf16, else in the precision of the surroundings; 16-bit ones in their own."""
    if dtype in (torch.bfloat16, torch.float16):
        return without_autocast(device)
    if amp == "bf16" and torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def compile_networks(networks: Iterable[nn.Module], compile: bool | str) -> None:
    """Pass networks through ``torch.compile`` in place, in the mode of that name, or do nothing where it is false."""
    if compile:
        for network in networks:
            network.compile(mode=None if compile is True else compile)


def to_network(image: Tensor, dtype: torch.dtype, multiple: int) -> Tensor:
    """An image in [0, 1] as networks take it: in [-1, 1], mirrored until its sides are multiples of ``multiple``."""
    return pad_to_multiple(image.to(dtype).mul(2).sub_(1), multiple)


def from_network(views: Sequence[Tensor], hr: Tensor) -> list[Tensor]:
    """Views in [-1, 1], changed in place, as images in [0, 1] of the size and dtype of ``hr``.

    They are contiguous, whatever the networks' memory format is: BasicSR's ``VGGStyleDiscriminator`` flattens what a
    network makes of them by ``view``.
    """
    height, width = hr.shape[-2:]
    cut = (at_least_float32(view[:, :, :height, :width]) for view in views)
    return [view.mul_(0.5).add_(0.5).clamp_(0, 1).to(hr.dtype).contiguous() for view in cut]


@dataclass(frozen=True)
class Tile:
    """A window of the image that is read, and the part of it that is kept: in the image, and in the tile."""

    read: Window
    keep: Window
    inside: Window


def _spans(size: int, tile: int, margin: int) -> Iterator[tuple[slice, slice, slice]]:
    if size <= tile:
        yield slice(0, size), slice(0, size), slice(0, size)
        return
    core = tile - 2 * margin
    for start in range(0, size, core):
        stop = min(start + core, size)
        low, high = max(0, start - margin), min(size, stop + margin)
        yield slice(low, high), slice(start, stop), slice(start - low, stop - low)


def check_tile(tile: int, margin: int) -> None:
    """Raise a ValueError where ``tile`` leaves no room between its margins."""
    if convert(tile, Count, "tile") < 2 * margin + 64:
        raise ValueError(f"expected a tile of at least {2 * margin + 64} pixels, got {tile}; raise it")


def tiles(height: int, width: int, tile: int, margin: int, multiple: int) -> list[Tile]:
    """Tiles of at most ``tile`` pixels a side, on whole latents of ``multiple`` pixels, that keep every pixel once.

    Raises:
        ValueError: ``tile`` leaves no room between its margins.
    """
    check_tile(tile, margin)
    tile -= tile % multiple
    return [
        Tile((rows[0], columns[0]), (rows[1], columns[1]), (rows[2], columns[2]))
        for rows in _spans(height, tile, margin)
        for columns in _spans(width, tile, margin)
    ]


def _latent_window(window: Window, multiple: int) -> Window:
    rows, columns = (slice(part.start // multiple, part.stop // multiple) for part in window)
    return rows, columns


class EncodedHR:
    """HR images (B, 3, H, W) in [-1, 1], encoded once and decodable at many latents.

    Args:
        tile: images with more than ``tile``^2 pixels are worked on in tiles of that side.
        conditioned: keep the condition of the velocity network.

    Attributes:
        latent: (B, c, H/m, W/m), m pixels a latent.
        condition: (B, rae.condition_channels, H/m, W/m) or None.
    """

    def __init__(self, rae: ResidualAutoencoder, image: Tensor, *, tile: int, conditioned: bool) -> None:
        self.rae, self.image, self.tile = rae, image, tile
        self.projected: HRFeatures | None = None
        self.condition: Tensor | None = None
        if image.shape[-2] * image.shape[-1] <= tile * tile:
            self.latent, features = rae.encode(image)
            self.condition = hr_condition(features) if conditioned else None
            self.projected = rae.decoder.project(features)
        else:
            self._encode_tiles(conditioned)

    def _encode_tiles(self, conditioned: bool) -> None:
        batch, _, height, width = self.image.shape
        multiple = self.rae.multiple
        for tile in tiles(height, width, self.tile, self.rae.encoder_margin, multiple):
            latent, features = self.rae.encode(self.image[:, :, tile.read[0], tile.read[1]])
            parts = [("latent", latent)]
            if conditioned:
                parts.append(("condition", hr_condition(features)))
            keep, inside = _latent_window(tile.keep, multiple), _latent_window(tile.inside, multiple)
            for name, part in parts:
                if getattr(self, name, None) is None:
                    setattr(self, name, part.new_empty(batch, part.shape[1], height // multiple, width // multiple))
                getattr(self, name)[:, :, keep[0], keep[1]] = part[:, :, inside[0], inside[1]]

    def decode(
        self, latents: Sequence[Tensor], side: int | None = None, bases: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """Views (B, 3, H, W), not clamped, one for each of ``latents`` (B, c, H/m, W/m); in tiles, each tile's
        features are made once for all of them. ``bases`` (B, 3, H, W) in [-1, 1] are what the output of an anchored
        autoencoder is added to, one for each latent.

        With ``side`` no more than the top-left square of that many pixels is wanted, and the views may be smaller than
        the image: what lies outside its margin is not decoded.
        """
        under: Sequence[Tensor | None] = [None] * len(latents) if bases is None else bases
        if self.projected is not None:
            down, across = self._wanted(side)
            projected = self._cut_features(self.projected, down, across)
            height, width = down * self.rae.multiple, across * self.rae.multiple
            return [
                self.rae.decode_projected(
                    latent[:, :, :down, :across], projected.on(None if base is None else base[:, :, :height, :width])
                )
                for latent, base in zip(latents, under, strict=True)
            ]
        views = [torch.empty_like(self.image) for _ in latents]
        height, width = self.image.shape[-2:]
        for tile in tiles(height, width, self.tile, self.rae.decoder_margin, self.rae.multiple):
            _, features = self.rae.encode(self.image[:, :, tile.read[0], tile.read[1]])
            projected = self.rae.decoder.project(features)
            rows, columns = _latent_window(tile.read, self.rae.multiple)
            for view, latent, base in zip(views, latents, under, strict=True):
                beneath = projected.on(None if base is None else base[:, :, tile.read[0], tile.read[1]])
                part = self.rae.decode_projected(latent[:, :, rows, columns], beneath)
                view[:, :, tile.keep[0], tile.keep[1]] = part[:, :, tile.inside[0], tile.inside[1]]
        return views

    def _wanted(self, side: int | None) -> tuple[int, int]:
        """Rows and columns of latents behind the top-left square of ``side`` pixels, with its margin."""
        multiple = self.rae.multiple
        height, width = (length // multiple for length in self.image.shape[-2:])
        if side is None:
            return height, width
        most = -(-(side + self.rae.decoder_margin) // multiple)
        return min(height, most), min(width, most)

    def _cut_features(self, projected: HRFeatures, rows: int, columns: int) -> HRFeatures:
        multiple = self.rae.multiple
        if (rows * multiple, columns * multiple) == tuple(self.image.shape[-2:]):
            return projected
        first = multiple // self.rae.encoder.unshuffle
        levels = (
            level[:, :, : rows * (first >> index), : columns * (first >> index)]
            for index, level in enumerate(projected.levels)
        )
        return HRFeatures(tuple(levels), projected.image[:, :, : rows * multiple, : columns * multiple])
