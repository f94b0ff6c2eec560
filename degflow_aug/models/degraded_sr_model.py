"""BasicSR's SRModel and ESRGANModel with LR made on the fly: any stock network at its fixed integer scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from degflow_aug.models.checks.degradation import check_covers, check_has_lr, check_views
from degflow_aug.models.checks.images import check_enlarges, check_judges
from degflow_aug.models.checks.registered_types import is_arbitrary_scale
from degflow_aug.models.checks.run import check_adversary
from degflow_aug.models.inference.enlarger import enlarge_whole
from degflow_aug.models.sr.degraded_model import DegradedModel
from degflow_aug.models.sr.lr_source import FixedScale, LRBatch, Views, check_fixed_scale
from degflow_aug.models.sr.preview import Example, first_examples
from degflow_aug.models.sr.sr_losses import check_losses
from degflow_aug.options.model_keys import More
from degflow_aug.options.sections import read_options
from degflow_aug.options.super_resolution import SROptions


class DegradedSRModel(DegradedModel):
    """Trains ``network_g`` (EDSR, RRDBNet, SwinIR, ...) at the top-level ``scale``.

    At scale 1 LR lies on the HR grid, as RealSR's does on disk: a network of that size on both sides
    (:class:`~degflow_aug.archs.fixed_scale.unshuffled_arch.Unshuffled`) is trained on all ``degflow.scales``.
    """

    option_keys: ClassVar[More] = {
        **DegradedModel.option_keys,
        "options": (*DegradedModel.option_keys["options"], "scale"),
    }

    def __init__(self, opt: dict[str, Any]) -> None:
        options = self.read(opt)
        super().__init__(opt, options, Views(options.scales) if options.scales else FixedScale(float(opt["scale"])))

    @classmethod
    def read(cls, opt: Mapping[str, Any]) -> SROptions:
        """The section ``degflow``, in a file whose networks are those that this model trains.

        Raises:
            ValueError: they are not.
        """
        if is_arbitrary_scale(opt["network_g"]):
            kind = opt["network_g"]["type"]
            raise ValueError(f"expected a network of a fixed scale in network_g, got {kind}; use ArbitraryScaleSRModel")
        if opt.get("is_train", True):
            cls.check_gan(opt)
        return read_options(SROptions, opt.get("degflow") or {}, "degflow")

    @classmethod
    def check(cls, opt: Mapping[str, Any]) -> SROptions:
        """Read the options, and look for what would fail later: scale, patches, losses, the degradation's range.

        Raises:
            ValueError: the first mistake.
        """
        options = cls.read(opt)
        scale = opt.get("scale")
        if not isinstance(scale, int) or isinstance(scale, bool) or scale < 1:
            raise ValueError(f"expected scale as a whole number, what {cls.__name__} enlarges by, got {scale!r}")
        check_views(opt, options.scales)
        side = opt["datasets"]["train"].get("gt_size")
        if isinstance(side, int) and side % scale:
            raise ValueError(f"expected datasets.train.gt_size to be a multiple of scale {scale}, got {side}")
        check_enlarges(opt["network_g"], scale, side)
        check_judges(opt.get("network_d"), side)
        check_losses(opt["train"])
        check_has_lr(opt)
        check_covers(opt.get("degradation"), min(options.scales, default=scale), max(options.scales, default=scale))
        return options

    @classmethod
    def check_gan(cls, opt: Mapping[str, Any]) -> None:
        """Raise a ValueError where a discriminator is named that this model would not train."""
        if opt["train"].get("gan_opt") or opt.get("network_d"):
            raise ValueError("expected no train.gan_opt and network_d for DegradedSRModel; use DegradedESRGANModel")

    def check_batch(self, batch: LRBatch) -> None:
        """HR has to be LR times the network's scale, and the scale of real pairs the network's."""
        check_fixed_scale(batch, int(self.opt["scale"]))

    def ask(self, batch: LRBatch) -> tuple[tuple[Tensor, ...], Tensor]:
        """LR, and the HR patch."""
        return (batch.lq,), batch.gt

    def answer(self, network: nn.Module, arguments: tuple[Tensor, ...]) -> Tensor:
        """The network's image."""
        return network(*arguments)

    @torch.no_grad()
    def super_resolve(self, lq: Tensor, size: tuple[int, int]) -> Tensor:
        """(1, 3, h, w) enlarged by the network's scale, then brought to ``size`` by bicubic interpolation if need be.

        See :func:`enlarge_whole`.
        """
        return enlarge_whole(self.trained_network(), lq, size, int(self.opt["scale"]))

    def examples(self) -> list[Example]:
        """The first three samples of the batch."""
        return first_examples(self.batch.gt, self.batch.lq, self.super_resolve)


class DegradedESRGANModel(DegradedSRModel):
    """The same with a discriminator and a relativistic GAN loss, as BasicSR's ESRGANModel."""

    @classmethod
    def check_gan(cls, opt: Mapping[str, Any]) -> None:
        """Raise a ValueError where the discriminator or its loss is missing."""
        check_adversary(opt, "DegradedESRGANModel", instead="DegradedSRModel")
