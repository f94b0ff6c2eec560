"""The ``degflow:`` section of super-resolution models as dataclasses, read strictly like those of the stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated

from degflow_aug.options.sections import check_fields
from degflow_aug.options.values import Amount, Between, CountFrom0, Pixels, Scale, Side


@dataclass(frozen=True)
class SROptions:
    """What fixed-scale and arbitrary-scale models share.

    Attributes:
        amp: none, or bf16 for autocast of the network, its losses and the discriminator.
        accumulate: parts that a batch passes the network in, one after another, before the optimiser steps; the same
            gradient in less memory where losses are means over samples and no batch normalisation is used (the
            relativistic GAN loss compares with the means of a part).
        compile: pass the network through ``torch.compile``.
        grad_clip: largest gradient norm; 0 for no clipping.
        preview_freq: iterations between preview strips (HR, LR, SR); 0 for none.
        side_stream: on a GPU, make the next LR batch beside the step before it.
        scales: those that are drawn, one per sample and each as often. With a top-level scale of 1, LR is then on the
            HR grid; networks of arbitrary scale draw from scale_range where there are none.
    """

    amp: str = "none"
    accumulate: Side = 1
    compile: bool = False
    grad_clip: Amount = 0.0
    preview_freq: CountFrom0 = 0
    side_stream: bool = False
    scales: tuple[Scale, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        if self.amp not in ("none", "bf16"):
            raise ValueError(f"expected degflow.amp to be none or bf16, got {self.amp!r}")


@dataclass(frozen=True)
class ArbitraryScaleOptions(SROptions):
    """Arbitrary-scale models.

    Attributes:
        lr_size: side L of the LR patches, whatever their scale.
        scale_range: scales are drawn evenly from it, one per sample; by default as far as the degradation goes, at most
            to 4.
        queries: HR pixels asked for in every patch.
        window: instead, the side of an HR window whose pixels are all asked for, so that losses that look at images
            (perceptual, GAN) apply; 0 for scattered pixels.
        true_scales: of the degradation's scales, ``{2: 2.1, 4: 3.75}``: what it makes at 2 gets the size of 2.1, and
            the network is told 2.1; in between they are interpolated. Views in 255 levels without noise, as in files.
        preview_scales: scales of the preview strips; empty for both ends of the range and its middle.
        memory_mb: limit for the queries of one chunk in validation.
    """

    lr_size: Annotated[int, Between(1, 4096)] = 48
    scale_range: tuple[Scale, Scale] = (1.0, 4.0)
    queries: Annotated[int, Between(1, 2**24)] = 2304
    window: Pixels = 0
    true_scales: Mapping[float, Scale] = field(default_factory=dict)
    preview_scales: tuple[float, ...] = ()
    memory_mb: Annotated[float, Between(0, 2**20, open="low")] = 1024

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale_range[0] > self.scale_range[1]:
            raise ValueError(
                f"expected degflow.scale_range as [low, high] with 1 <= low <= high, got {list(self.scale_range)}"
            )
        smallest = round(self.lr_size * self.scale_range[0])
        if self.window > smallest:
            raise ValueError(
                f"expected degflow.window of at most {smallest}, the HR side at the lowest scale, got {self.window}; "
                "raise lr_size or lower window"
            )

        pairs = [(1.0, 1.0), *self.true_scales.items()]
        if not all(type(label) in (int, float) for label, _ in pairs) or not all(
            low[0] < high[0] and low[1] < high[1] for low, high in pairwise(pairs)
        ):
            raise ValueError(
                f"expected degflow.true_scales that rise with their labels, such as {{2: 2.1, 4: 3.75}}, got "
                f"{self.true_scales}"
            )

        low, high = self.scale_range
        for name in ("scales", "preview_scales"):
            for scale in getattr(self, name):
                if not low <= scale <= high:
                    raise ValueError(f"expected degflow.{name} inside scale_range, {low:g} to {high:g}, got {scale:g}")

    @property
    def gt_size(self) -> int:
        """Smallest HR crop that holds a patch at the highest scale."""
        return round(self.lr_size * max(self.scale_range[1], *self.true_scales.values(), 1))

    def shown_scales(self) -> tuple[float, ...]:
        """List the scales of the preview strips."""
        low, high = self.scale_range
        return self.preview_scales or tuple(dict.fromkeys((low, (low + high) / 2, high)))
