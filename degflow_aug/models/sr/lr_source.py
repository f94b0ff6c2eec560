"""Where a training batch gets its LR images from: its own, a degradation, or both by sample; and how long it takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from degflow_aug.degradations.base import Degradation, patch_sides
from degflow_aug.degradations.grid import resample_patches
from degflow_aug.flow.time_map import interpolate

# Sets the draws here apart from what else a training step draws from the same seed.
_DOMAIN = 0x1A


class LRBatch(NamedTuple):
    """A batch as a network trains on it.

    Attributes:
        gt: HR (B, 3, P, P) in [0, 1].
        lq: LR (B, 3, L, L) in [0, 1]; sample i covers the top-left round(L s_i) square of its HR image.
        scales: (B,) in float64 on the CPU, as they were drawn; those that an item brought along as they are in float32.
        own: (B,) on the CPU, whether a sample brought its LR along; beyond its square its HR may be padding.
    """

    gt: Tensor
    lq: Tensor
    scales: Tensor
    own: Tensor


@dataclass(frozen=True)
class FixedScale:
    """Whole HR patches, degraded at one scale."""

    scale: float

    def draw_scales(self, batch: int, generator: torch.Generator) -> Tensor:
        """That scale for every sample."""
        return torch.full((batch,), self.scale, dtype=torch.float64)

    def degrade(self, degradation: Degradation, gt: Tensor, scales: Tensor) -> Tensor:
        """LR (B, 3, P / s, P / s) of HR (B, 3, P, P)."""
        return degradation(gt, self.scale)


@dataclass(frozen=True)
class Views:
    """Whole HR patches, degraded at one of ``scales`` each, on the HR grid and in 255 levels, as files of views are."""

    scales: tuple[float, ...]

    def draw_scales(self, batch: int, generator: torch.Generator) -> Tensor:
        """One of the scales for every sample, each as likely."""
        return _one_of(self.scales, batch, generator)

    def degrade(self, degradation: Degradation, gt: Tensor, scales: Tensor) -> Tensor:
        """Views (B, 3, P, P) of HR (B, 3, P, P); see :meth:`Degradation.views`."""
        return _in_255_levels(degradation.views(gt, scales))


@dataclass(frozen=True)
class RandomScales:
    """LR patches of one size, each at a scale of its own: one of ``scales``, or any of ``scale_range``.

    With ``true_scales``, points (label, scale), these are labels: LR is a view at the label, of the size of the scale.
    """

    scale_range: tuple[float, float]
    lr_size: int
    scales: tuple[float, ...] = ()
    true_scales: tuple[tuple[float, float], ...] = ()

    def draw_scales(self, batch: int, generator: torch.Generator) -> Tensor:
        """Drawn evenly, in float64: in float32 an end of the range would lie outside of it."""
        low, high = self.scale_range
        if self.scales:
            labels = _one_of(self.scales, batch, generator)
        else:
            even = torch.rand(batch, generator=generator, dtype=torch.float64)
            labels = (low + (high - low) * even).clamp(low, high)
        return self.true(labels)

    def true(self, labels: Tensor) -> Tensor:
        """The scales that labels stand for."""
        return interpolate(labels, self.true_scales) if self.true_scales else labels

    def degrade(self, degradation: Degradation, gt: Tensor, scales: Tensor) -> Tensor:
        """LR (B, 3, L, L) of HR (B, 3, P, P); see :meth:`Degradation.lr_patches`."""
        if not self.true_scales:
            return degradation.lr_patches(gt, scales, self.lr_size)
        labels = interpolate(scales, [(scale, label) for label, scale in self.true_scales])
        views = _in_255_levels(degradation.views(gt, labels))
        return _in_255_levels(resample_patches(views, patch_sides(scales, self.lr_size), self.lr_size).clamp(0, 1))


def _in_255_levels(images: Tensor) -> Tensor:
    return (images * 255).round() / 255


def _one_of(scales: tuple[float, ...], batch: int, generator: torch.Generator) -> Tensor:
    drawn = torch.randint(len(scales), (batch,), generator=generator)
    return torch.tensor(scales, dtype=torch.float64)[drawn]


def check_fixed_scale(batch: LRBatch, scale: int) -> None:
    """Check that HR is LR times ``scale`` in a batch, and that real pairs are of that scale, or on the HR grid.

    Raises:
        ValueError: they are not.
    """
    found, lr = tuple(batch.gt.shape[-2:]), tuple(batch.lq.shape[-2:])
    wanted = (lr[0] * scale, lr[1] * scale)
    if found != wanted or (scale > 1 and bool((batch.scales != scale).any())):
        scales = ", ".join(f"{value:g}" for value in sorted(set(batch.scales.tolist())))
        raise ValueError(
            f"expected HR of {wanted[0]}x{wanted[1]} with LR of {lr[0]}x{lr[1]} at scale {scale}, got "
            f"{found[0]}x{found[1]} at scale {scales} from datasets.train; look at its gt_size and at scale"
        )


Patches = FixedScale | Views | RandomScales
"""At which scales a model wants its LR patches, and how it wants them made."""


class LRSource:
    """Brings batches to the device and gives those LR images that have none of their own.

    Args:
        degradation: what makes LR; None where every batch brings its own.
        patches: scales and sizes of what it makes.
        device: where the network trains.
        side_stream: make LR on a CUDA stream of its own, beside the step that still runs.
    """

    def __init__(
        self, degradation: Degradation | None, patches: Patches, device: torch.device, side_stream: bool = False
    ) -> None:
        self.degradation = None if degradation is None else degradation.to(device).eval().requires_grad_(False)
        self.patches, self.device = patches, device
        self._stream = torch.cuda.Stream(device) if side_stream and device.type == "cuda" else None

    @torch.no_grad()
    def take(self, data: Mapping[str, Tensor], seed: int) -> LRBatch:
        """The batch on the device, its randomness a function of ``seed``.

        Args:
            data: ``gt`` (B, 3, P, P), 8 bit or float in [0, 1]; perhaps ``lq`` (B, 3, L, L) likewise with ``scale``
                (B,); perhaps ``has_lq`` (B,), false where ``lq`` is a placeholder.

        Raises:
            ValueError: LR has to be made and there is no degradation, or HR is too small for it.
        """
        own = _has_lq(data)
        with self._beside_training(data) as moved:
            gt = self._to_device(data["gt"])
            if bool(own.all()):
                lq = self._to_device(data["lq"])
                scales = data["scale"].cpu().double() if "scale" in data else _round_trip_scales(gt, lq)
            else:
                generator = torch.Generator().manual_seed(_own_seed(seed))
                scales = self.patches.draw_scales(len(own), generator)
                lq = self._generated(gt, scales, own, generator)
                if bool(own.any()):
                    scales = torch.where(own, data["scale"].cpu().double(), scales)
                    lq = self._filled_in(self._to_device(data["lq"]), lq, own)
            moved += [gt, lq]
        return LRBatch(gt, lq, scales, own)

    def _generated(self, gt: Tensor, scales: Tensor, own: Tensor, generator: torch.Generator) -> Tensor:
        """LR patches of the samples that have none, in their order."""
        if self.degradation is None:
            raise ValueError(
                "expected a degradation: section, because datasets.train gives HR images without LR; add one, such as "
                "degradation: {type: Bicubic}"
            )
        # A seed that is drawn: from the seed of the scales a degradation might draw the numbers of the scales again.
        self.degradation.seed(int(torch.randint(2**62, (), generator=generator)))
        if bool(own.any()):
            lacking = (~own).nonzero()[:, 0]
            gt, scales = gt.index_select(0, lacking.to(self.device, non_blocking=True)), scales[lacking]
        return self.patches.degrade(self.degradation, gt, scales)

    def _filled_in(self, lq: Tensor, made: Tensor, own: Tensor) -> Tensor:
        """The batch's own LR patches with those that were made in the other places."""
        if lq.shape[1:] != made.shape[1:]:
            raise ValueError(
                f"expected LR patches of {made.shape[-2]}x{made.shape[-1]}, as the degradation makes them, got "
                f"{lq.shape[-2]}x{lq.shape[-1]} from datasets.train; give both the same lr_size or scale"
            )
        rows = (~own).nonzero()[:, 0].to(self.device, non_blocking=True)
        return lq.index_copy(0, rows, made.to(lq.dtype))

    def _to_device(self, images: Tensor) -> Tensor:
        moved = images.to(self.device, non_blocking=True)
        return moved if moved.is_floating_point() else moved.float() / 255

    @contextmanager
    def _beside_training(self, data: Mapping[str, Tensor]) -> Iterator[list[Tensor]]:
        """Work on the side stream; the tensors that are put into the list are handed over to the current one."""
        moved: list[Tensor] = []
        if self._stream is None:
            yield moved
            return
        current = torch.cuda.current_stream(self.device)
        if data["gt"].is_cuda:
            # BasicSR's CUDA prefetcher has its copies awaited by the current stream alone.
            self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            yield moved
        current.wait_stream(self._stream)
        for tensor in moved:
            tensor.record_stream(current)


class Stopwatch:
    """Sums the time of named parts of a step, LR images among them, over the last steps.

    The GPU is not made to wait: there the parts are timed by events, read when asked.
    """

    def __init__(self, device: torch.device, remembered: int = 200) -> None:
        self._cuda = device.type == "cuda"
        self._remembered = remembered
        self._times: dict[str, deque[Callable[[], float]]] = {}

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Time what happens inside the block, on the current stream."""
        kept = self._times.setdefault(part, deque(maxlen=self._remembered))
        if self._cuda:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            yield
            end.record()
            kept.append(lambda: _elapsed(start, end))
        else:
            begin = time.perf_counter()
            yield
            seconds = time.perf_counter() - begin
            kept.append(lambda: seconds)

    def share(self, part: str) -> float:
        """Part of the whole time, 0 to 1, that ``part`` took since this was last asked; forgets all times."""
        sums = {name: sum(read() for read in kept) for name, kept in self._times.items()}
        self._times.clear()
        total = sum(sums.values())
        return sums.get(part, 0.0) / total if total else 0.0


def _elapsed(start: torch.cuda.Event, end: torch.cuda.Event) -> float:
    end.synchronize()
    return start.elapsed_time(end) / 1000


def _has_lq(data: Mapping[str, Tensor]) -> Tensor:
    """(B,) on the CPU: which samples bring their own LR. BasicSR's CUDA prefetcher moves whatever is a tensor."""
    if "lq" not in data:
        return torch.zeros(len(data["gt"]), dtype=torch.bool)
    return data["has_lq"].cpu() if "has_lq" in data else torch.ones(len(data["gt"]), dtype=torch.bool)


def _own_seed(seed: int) -> int:
    """A seed for the draws here: from ``seed`` itself the step's global random state starts."""
    return int(np.random.SeedSequence((seed, _DOMAIN)).generate_state(1, np.uint64)[0])


def _round_trip_scales(gt: Tensor, lq: Tensor) -> Tensor:
    return torch.full((len(gt),), gt.shape[-1] / lq.shape[-1], dtype=torch.float64)
