"""Arbitrary-scale networks (LIIF, LTE, MetaSR, CiaoSR) trained on LR made on the fly, at a random scale per sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from degflow_aug.archs.arbitrary_scale.queries import scattered_queries, window_queries
from degflow_aug.degradations.base import patch_sides
from degflow_aug.degradations.build import scale_range_of
from degflow_aug.models.checks.degradation import check_covers, check_drawn, check_has_lr, check_no_noise
from degflow_aug.models.checks.images import check_judges
from degflow_aug.models.checks.registered_types import is_arbitrary_scale
from degflow_aug.models.checks.run import check_adversary
from degflow_aug.models.inference.enlarger import enlarge_whole
from degflow_aug.models.sr.degraded_model import DegradedModel
from degflow_aug.models.sr.lr_source import LRBatch, RandomScales
from degflow_aug.models.sr.preview import Example
from degflow_aug.models.sr.sr_losses import check_losses
from degflow_aug.options.sections import read_options
from degflow_aug.options.super_resolution import ArbitraryScaleOptions


class ArbitraryScaleSRModel(DegradedModel):
    """LR patches of one size, their scales drawn from ``degflow.scale_range``, and HR pixels asked for in each."""

    options: ArbitraryScaleOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        options = self.read(opt)
        points = ((1.0, 1.0), *options.true_scales.items()) if options.true_scales else ()
        self.patches = RandomScales(options.scale_range, options.lr_size, options.scales, points)
        super().__init__(opt, options, self.patches)

    @classmethod
    def read(cls, opt: Mapping[str, Any]) -> ArbitraryScaleOptions:
        """The section ``degflow``, which goes with the kind of network and, in training, with its losses.

        Raises:
            ValueError: it does not.
        """
        options = read_options(ArbitraryScaleOptions, _with_scale_range(opt), "degflow")
        _check_network(opt)
        if opt.get("is_train", True):
            _check_window(opt["train"], options)
        return options

    @classmethod
    def check(cls, opt: Mapping[str, Any]) -> ArbitraryScaleOptions:
        """Read the options, and look for what would fail later: losses, sizes of patches, the degradation's range.

        Raises:
            ValueError: the first mistake.
        """
        options = cls.read(opt)
        check_adversary(opt)
        check_judges(opt.get("network_d"), options.window)
        check_losses(opt["train"])
        train = opt["datasets"]["train"]
        side = train.get("gt_size")
        if isinstance(side, int) and side < options.gt_size:
            raise ValueError(
                f"expected datasets.train.gt_size of at least {options.gt_size}, lr_size {options.lr_size} times the "
                f"highest scale {options.scale_range[1]:g}, got {side}; raise it or lower lr_size"
            )
        if train.get("lr_size") not in (None, options.lr_size):
            raise ValueError(
                f"expected datasets.train.lr_size to be degflow.lr_size {options.lr_size}, got {train['lr_size']}"
            )
        check_has_lr(opt)
        check_drawn(opt, options.scales)
        if options.true_scales:
            check_no_noise(opt, "degflow.true_scales")
        check_covers(opt.get("degradation"), *options.scale_range)
        return options

    def check_batch(self, batch: LRBatch) -> None:
        """Every square that an LR patch covers has to lie in its HR patch, and to hold a window."""
        sides = patch_sides(batch.scales, batch.lq.shape[-1])
        if int(sides.max()) > min(batch.gt.shape[-2:]) or int(sides.min()) < max(1, self.options.window):
            raise ValueError(
                f"expected LR patches that cover {max(1, self.options.window)} (degflow.window) to "
                f"{min(batch.gt.shape[-2:])} (gt_size) HR pixels a side, got {int(sides.min())} to {int(sides.max())} "
                f"from LR of {batch.lq.shape[-1]} at scales {float(batch.scales.min()):g} to "
                f"{float(batch.scales.max()):g}; look at gt_size, lr_size and window"
            )

    def ask(self, batch: LRBatch) -> tuple[tuple[Tensor, ...], Tensor]:
        """LR, coordinates and cells; colours (B, Q, 3), or an image (B, 3, window, window)."""
        sides = patch_sides(batch.scales, batch.lq.shape[-1]).float().to(batch.gt.device, non_blocking=True)
        if not self.options.window:
            queries = scattered_queries(batch.gt, sides, self.options.queries)
            return (batch.lq, queries.coord, queries.cell), queries.colours
        queries = window_queries(batch.gt, sides, self.options.window)
        return (batch.lq, queries.coord, queries.cell), self._as_images(queries.colours)

    def answer(self, network: nn.Module, arguments: tuple[Tensor, ...]) -> Tensor:
        """The network's colours, as images where windows are asked for."""
        colours = network(*arguments)
        return self._as_images(colours) if self.options.window else colours

    def _as_images(self, colours: Tensor) -> Tensor:
        return colours.transpose(1, 2).unflatten(2, (self.options.window, self.options.window))

    @torch.no_grad()
    def super_resolve(self, lq: Tensor, size: tuple[int, int]) -> Tensor:
        """The image (1, 3, *size) that the network sees in ``lq`` (1, 3, h, w), in [0, 1]."""
        return enlarge_whole(self.trained_network(), lq, size, None, self.options.memory_mb)

    def examples(self) -> list[Example]:
        """A sample without LR of its own at every preview scale; if all have, the first three as they are."""
        gt, lq, scales, own = self.batch
        degradation = self.source.degradation
        if degradation is not None and not bool(own.all()):
            shown, hr = self.options.shown_scales(), gt[int(own.int().argmin()), None]
            # Doubles, as gt_size was computed.
            scales = self.patches.true(torch.tensor(shown, dtype=torch.float64))
            patches = [self.patches.degrade(degradation, hr, scale[None]) for scale in scales]
            return [self._example(hr, patch, scale) for patch, scale in zip(patches, scales.tolist(), strict=True)]
        return [self._example(gt[i, None], lq[i, None], float(scales[i])) for i in range(min(3, len(gt)))]

    def _example(self, gt: Tensor, lq: Tensor, scale: float) -> Example:
        side = round(lq.shape[-1] * scale)
        return Example(gt[..., :side, :side], lq, self.super_resolve(lq, (side, side)))


def _with_scale_range(opt: Mapping[str, Any]) -> Mapping[str, Any]:
    """The section ``degflow``, with the range of its scales, or of a training degradation, where it names none."""
    section = opt.get("degflow") or {}
    named = section.get("scales")
    if isinstance(named, list) and named and all(isinstance(each, (int, float)) for each in named):
        section = {"scale_range": [min(named), max(named)], **section}
    if not opt.get("is_train", True) or not opt.get("degradation") or "scale_range" in section:
        return section
    low, high = scale_range_of(opt["degradation"])
    first, last = ArbitraryScaleOptions.scale_range
    return {**section, "scale_range": [max(low, first), min(high, last)]}


def _check_network(opt: Mapping[str, Any]) -> None:
    if not is_arbitrary_scale(opt["network_g"]):
        raise ValueError(
            f"expected network_g to be an arbitrary-scale network (LIIF, LTE, MetaSR, CiaoSR), got "
            f"{opt['network_g'].get('type')}; DegradedSRModel trains networks of a fixed scale"
        )


def _check_window(train: Mapping[str, Any], options: ArbitraryScaleOptions) -> None:
    named = [key for key in ("perceptual_opt", "ldl_opt", "gan_opt") if train.get(key)]
    if named and not options.window:
        raise ValueError(
            f"expected degflow.window above 0 with train.{named[0]}, got 0: that loss looks at images, not at "
            "scattered pixels"
        )
