"""FlowSR: a straight flow from HR to LR latents, then consistency along it, so that one step of it is enough.

Known from abstract, figures and README; weights and schedules that are ours are named in the options.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from degflow_aug.models.sr.lr_source import LRBatch
from degflow_aug.models.training.checkpoint import find_checkpoint, read_trained_state
from degflow_aug.onestep.flowsr.caption_alignment import CaptionAlignment
from degflow_aug.onestep.flowsr.second_stage import Consistency
from degflow_aug.onestep.networks.noise_levels import per_sample
from degflow_aug.onestep.networks.onestep_network import VELOCITY
from degflow_aug.onestep.onestep_model import Losses, OneStepModel
from degflow_aug.onestep.options import FlowSROptions

LR_TIME = 1.0


class FlowSRModel(OneStepModel):
    """Stages 1 and 2 on ``OneStepUNet`` with ``prediction: velocity``; time 0 is HR, 1 is LR, and there is no noise.

    Attributes:
        consistency: what stage 2 needs beside the network.
    """

    options: FlowSROptions
    option_type = FlowSROptions
    networks = ("OneStepUNet",)
    enlargement = "bilinear"
    consistency: Consistency | None = None

    @classmethod
    def check(cls, opt: Mapping[str, Any]) -> None:
        """Also look at what the UNet predicts, what is trained, and for the teacher.

        Raises:
            ValueError: as :meth:`OneStepModel.check`, noise, LoRA in the encoder, a
                discriminator of images, or no such teacher.
        """
        super().check(opt)
        if opt["network_g"].get("prediction") != VELOCITY:
            raise ValueError(f"expected network_g.prediction: {VELOCITY} for FlowSRModel, got none")
        if opt["network_g"].get("encoder_rank"):
            raise ValueError(
                "expected no network_g.encoder_rank for FlowSRModel, whose encoder is fixed; use OMGSRModel"
            )
        if opt["train"].get("gan_opt"):
            raise ValueError("expected no train.gan_opt for FlowSRModel, whose discriminator is degflow.adversarial_*")
        section = opt.get("degflow") or {}
        if section.get("caption_model"):
            CaptionAlignment.check_arguments(section["caption_model"])
        teacher = section.get("teacher")
        if teacher:
            read_trained_state(find_checkpoint(teacher, "experiments", "degflow.teacher"))

    def settle_time(self) -> None:
        """LR stands at the end of the path."""
        self.net_g.time = LR_TIME

    def other_optimizers(self) -> list[torch.optim.Optimizer]:
        """That of the heads on latents, in stage 2."""
        if self.options.stage == 1:
            return []
        experiments = Path(self.opt["path"]["experiments_root"]).parent
        teacher = read_trained_state(find_checkpoint(self.options.teacher, experiments, "degflow.teacher"))["params"]
        self.consistency = Consistency(self, teacher)
        self.consistency.start(self.opt["path"].get("pretrain_network_g"))
        return self.consistency.optimizers()

    def loss_groups(self, batch: LRBatch) -> Iterator[Losses]:
        """|D(f(x_t, t)) - X_HR| in the image with t uniform in (0, 1], or the losses of stage 2."""
        lr, hr = self.enlarged(batch)
        with torch.no_grad():
            ends = (self.net_g.latents.encode(hr), self.net_g.latents.encode(lr))
        if self.consistency is not None:
            yield from self.consistency.loss_groups(hr, *ends)
            return
        times = 1 - torch.rand(len(lr), device=lr.device)
        made = self.net_g.clean(between(*ends, times), times)
        yield self.image_losses(self.net_g.latents.decode(made), hr)

    def train_adversary(self, current_iter: int) -> Losses:
        """The heads' step, in stage 2."""
        return {} if self.consistency is None else self.consistency.finish_step()

    def checkpoint(self) -> dict[str, Any]:
        """With what stage 2 goes on from."""
        return super().checkpoint() | ({} if self.consistency is None else self.consistency.state())


def between(hr: Tensor, lr: Tensor, times: Tensor) -> Tensor:
    """x_t = (1 - t) x_HR + t x_LR for times (B,)."""
    share = per_sample(times, hr)
    return (1 - share) * hr + share * lr
