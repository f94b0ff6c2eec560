"""LR images through a trained network: in one piece, as validation does it, or in windows under a limit of memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import (
    ArbitraryScaleNetwork,
    answer,
    pixel_centres,
    upscale,
)
from degflow_aug.degradations.convolution import pad_to_multiple
from degflow_aug.degradations.grid import resize
from degflow_aug.files.notice import notice
from degflow_aug.models.checks.images import side_multiple
from degflow_aug.models.inference.peak_memory import PeakMemory
from degflow_aug.models.inference.reach import reach_of
from degflow_aug.models.inference.tiles import Span, Tiles, map_windows

_TRIED = 64
"""Side of the LR whose memory is counted."""
_LEAST = 32
"""Side of the smallest windows, whatever memory they take."""


def enlarge_whole(
    network: nn.Module, lq: Tensor, size: tuple[int, int], scale: int | None, memory_mb: float = 1024
) -> Tensor:
    """(1, 3, h, w) in [0, 1] -> (1, 3, *size) in [0, 1] in one piece.

    Args:
        network: left in the mode, training or evaluation, that it is in.
        lq: LR; for a network of a fixed scale it is mirrored to a size that this takes (:func:`side_multiple`).
        size: (height, width); what a network of a fixed scale makes is brought to it by bicubic interpolation.
        scale: the network's; None for an arbitrary-scale network.
        memory_mb: limit for the queries of an arbitrary-scale network.
    """
    with _evaluated(network):
        if isinstance(network, ArbitraryScaleNetwork):
            return upscale(network, lq, size, memory_mb).float().clamp(0, 1)
        assert scale is not None
        padded = pad_to_multiple(lq, side_multiple(network))
        image = network(padded)[..., : lq.shape[-2] * scale, : lq.shape[-1] * scale]
        return resize(image, size).clamp(0, 1)


@dataclass(frozen=True)
class Enlarger:
    """A trained network for images of any size.

    Args:
        network: on its device, in evaluation mode.
        scale: the network's; None for an arbitrary-scale network.
        memory_mb: what it may hold at once beside its weights, the LR image and the result.
        shown: show the progress through the windows of an image.
    """

    network: nn.Module
    scale: int | None
    memory_mb: float = 2048
    shown: bool = False

    @torch.no_grad()
    def __call__(self, lq: Tensor, size: tuple[int, int]) -> Tensor:
        """LR (1, 3, h, w) in [0, 1] -> (3, *size) in [0, 1], on the CPU; see :mod:`~.tiles` for what windows change."""
        tiles = self.tiles_for(lq.shape[-2], lq.shape[-1])
        if tiles is None:
            return enlarge_whole(self.network, lq, size, self.scale, self._share)[0].cpu()
        render = self._render_any if isinstance(self.network, ArbitraryScaleNetwork) else self._render_fixed
        padded = lq if self.scale is None else pad_to_multiple(lq, tiles.multiple)

        def window(rows: Span, columns: Span, down: slice, across: slice) -> Tensor:
            part = padded[..., rows.start : _end(rows, lq, padded, -2), columns.start : _end(columns, lq, padded, -1)]
            return render(part, lq, size, (rows.start, columns.start), (down, across))

        return map_windows(window, (lq.shape[-2], lq.shape[-1]), size, tiles, self.shown).clamp(0, 1)

    def tiles_for(self, height: int, width: int) -> Tiles | None:
        """The windows of LR of this size; None where it goes in one piece."""
        if height * width <= self.side**2:
            return None
        if self._reach is not None:
            return Tiles(self.side, self._reach, self._multiple, exact=True)
        margin = self._multiple * math.ceil(self.side / 8 / self._multiple)
        notice(
            f"{type(self.network).__name__} sees further than {margin} pixels: tiles of {self.side} pixels of LR are "
            "blended; with more memory the result comes nearer to that of one piece",
            "blended",
        )
        return Tiles(self.side, margin, self._multiple, exact=False)

    @cached_property
    def side(self) -> int:
        """Side of the largest square of LR whose way through the network fits into the memory."""
        multiple = self._multiple
        tried = multiple * math.ceil(_TRIED / multiple)
        taken = self._peak(tried) / tried**2
        side = int(math.sqrt(self._share * 2**20 / taken)) // multiple * multiple
        return max(side, multiple * math.ceil(_LEAST / multiple))

    @cached_property
    def _reach(self) -> int | None:
        """How far the network sees, if that is at most a quarter of a window, so that half of it is left as its own."""
        limit = self.side // 4
        if self.scale is not None:
            return reach_of(self.network, _as_it_is, self._multiple, limit)
        reach = reach_of(self.network, _twice, self._multiple, limit - self._multiple)
        # Pixels of the result whose centre lies in one pixel of LR may begin in the one before.
        return None if reach is None else reach + self._multiple

    @cached_property
    def _multiple(self) -> int:
        return side_multiple(self.network)

    @property
    def _share(self) -> float:
        """An arbitrary-scale network has features and queries in memory together."""
        return self.memory_mb / (2 if self.scale is None else 1)

    def _peak(self, side: int) -> int:
        """Bytes that LR of this side takes on its way, counted without making anything where the network lets it."""
        for device in ("meta", None):
            network = self.network if device is None else deepcopy(self.network).to(device)
            lq = torch.zeros(1, 3, side, side, device=device or next(network.parameters()).device)
            try:
                with torch.no_grad(), PeakMemory() as memory:
                    network.encode(lq) if isinstance(network, ArbitraryScaleNetwork) else network(lq)
                return memory.peak + lq.untyped_storage().nbytes()
            except Exception:
                # Some read values, which tensors on meta have not.
                if device is None:
                    raise
        raise AssertionError

    def _render_fixed(
        self, part: Tensor, lq: Tensor, size: tuple[int, int], start: tuple[int, int], asked: tuple[slice, slice]
    ) -> Tensor:
        assert self.scale is not None
        down, across = (
            slice(wanted.start - self.scale * first, wanted.stop - self.scale * first)
            for wanted, first in zip(asked, start, strict=True)
        )
        return self.network(part)[0, :, down, across]

    def _render_any(
        self, part: Tensor, lq: Tensor, size: tuple[int, int], start: tuple[int, int], asked: tuple[slice, slice]
    ) -> Tensor:
        """Ask for the same places, in the coordinates of the window."""
        assert isinstance(self.network, ArbitraryScaleNetwork)
        places, cell = [], []
        for axis, (wanted, first) in enumerate(zip(asked, start, strict=True), -2):
            whole, made, window = lq.shape[axis], size[axis], part.shape[axis]
            place = (torch.arange(wanted.start, wanted.stop, dtype=torch.float64) + 0.5) * whole / made - first
            places.append((2 * place / window - 1).float())
            cell.append(2 / made * whole / window)
        coord = torch.stack(torch.meshgrid(*places, indexing="ij"), dim=-1).reshape(-1, 2)
        there = torch.tensor(cell, device=lq.device)
        colours = answer(self.network, part, coord.to(lq.device), there, self._share)
        return colours[0].T.unflatten(1, (len(places[0]), len(places[1])))


def _end(span: Span, lq: Tensor, padded: Tensor, axis: int) -> int:
    """The last window takes in what LR is padded with."""
    return padded.shape[axis] if span.end == lq.shape[axis] else span.end


def _as_it_is(network: nn.Module, lq: Tensor) -> Tensor:
    made: Tensor = network(lq)
    return made


def _twice(network: nn.Module, lq: Tensor) -> Tensor:
    """At x2 every LR pixel is looked at from both sides."""
    assert isinstance(network, ArbitraryScaleNetwork)
    height, width = 2 * lq.shape[-2], 2 * lq.shape[-1]
    cell = torch.tensor([2 / height, 2 / width], dtype=lq.dtype)
    colours = answer(network, lq, pixel_centres(height, width).to(lq.dtype), cell)
    return colours.transpose(1, 2).unflatten(2, (height, width))


@contextmanager
def _evaluated(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
