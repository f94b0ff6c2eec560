"""FluxSR: FLUX learns the flow from LR to HR from its own flow from noise to HR, offline and without its teacher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from basicsr.utils import get_root_logger
from torch import Tensor

from degflow_aug.models.sr.lr_source import LRBatch
from degflow_aug.onestep.fluxsr.attention_diversification_loss import AttentionDiversificationLoss
from degflow_aug.onestep.fluxsr.distillation import distillation_loss, draw_times, path_from_lr
from degflow_aug.onestep.fluxsr.token_features import token_features
from degflow_aug.onestep.mid_timestep import match_lr_time, measure_gaps
from degflow_aug.onestep.networks.backbones import FluxBackbone
from degflow_aug.onestep.onestep_model import Losses, OneStepModel
from degflow_aug.onestep.options import FluxSROptions


class FluxSRModel(OneStepModel):
    """Algorithm 1 on ``OneStepFlux``, with LoRA on the transformer.

    A batch may bring ``eps`` and ``z0`` (B, 16, P / 8, P / 8), the noise that FLUX made the image from and the image's
    latents (:class:`NoiseImageDataset`); without them noise is drawn and HR is encoded, which changes z_t alone.
    """

    options: FluxSROptions
    option_type = FluxSROptions
    networks = ("OneStepFlux",)

    @classmethod
    def check(cls, opt: Mapping[str, Any]) -> None:
        """Also refuse LoRA on the encoder, through which LR latents pass unchanged.

        Raises:
            ValueError: as :meth:`OneStepModel.check`, or LoRA there.
        """
        super().check(opt)
        if opt["network_g"].get("encoder_rank"):
            raise ValueError(
                "expected no network_g.encoder_rank for FluxSRModel, whose encoder is fixed; use OMGSRModel"
            )

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        self.trajectory: tuple[Tensor, Tensor] | None = None
        self.diversification = AttentionDiversificationLoss(self.options.diversification_weight)

    def settle_time(self) -> None:
        """T_L of the checkpoint, which was trained at it, or of the options, or matched on pairs."""
        time = self.options.lr_time
        if self.net_g.time is not None:
            self.say_kept("degflow.lr_time", None if time == "auto" else float(time))
            return
        if time == "auto":
            time = match_lr_time(measure_gaps(self, self.options.match_pairs))
            get_root_logger().info(f"FluxSRModel: T_L {time:.4f}, matched on {self.options.match_pairs} pairs")
        self.net_g.time = float(time)

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch, and the noise and latents that it may bring.

        Raises:
            ValueError: as :meth:`DegradedModel.feed_data`, or latents of another size than the images.
        """
        super().feed_data(data)
        self.trajectory = None
        if "eps" in data:
            space, gt = self.net_g.latents, self.batch.gt
            wanted = (len(gt), space.channels, gt.shape[-2] // space.factor, gt.shape[-1] // space.factor)
            noise, latents = (data[key].to(self.device).float() for key in ("eps", "z0"))
            if noise.shape != wanted or latents.shape != wanted:
                raise ValueError(
                    f"expected eps and z0 of {wanted} for these images, got {tuple(noise.shape)} and "
                    f"{tuple(latents.shape)}; make them with the VAE of network_g"
                )
            self.trajectory = (noise, latents)

    def weighted_parts(self) -> Iterator[tuple[LRBatch, float]]:
        """Parts of the batch, and of its trajectory alongside."""
        whole = self.trajectory
        chunks = None if whole is None else [tensor.chunk(self.options.accumulate) for tensor in whole]
        for number, part in enumerate(super().weighted_parts()):
            if chunks is not None:
                self.trajectory = (chunks[0][number], chunks[1][number])
            yield part
        self.trajectory = whole

    def loss_groups(self, batch: LRBatch) -> Iterator[Losses]:
        """Distillation on the way from LR to noise, then the image of one step from T_L with its attention."""
        network, lr_time = self.net_g, self.net_g.time
        assert lr_time is not None
        lr, hr = self.enlarged(batch)
        with torch.no_grad():
            latents = network.latents.encode(lr)
            noise, hr_latents = self.trajectory or (torch.randn_like(latents), network.latents.encode(hr))
        if self.options.distillation_weight:
            times = draw_times(len(lr), lr_time, lr.device)
            velocity = network.predict(path_from_lr(latents, noise, times, lr_time), times)
            loss = distillation_loss(velocity, latents, hr_latents, noise, lr_time)
            yield {"l_ftd": self.options.distillation_weight * loss}
        assert isinstance(network.backbone, FluxBackbone)
        with token_features(network.backbone) as features:
            clean = network.clean(latents, network.times(len(lr)))
        losses = self.image_losses(network.latents.decode(clean), hr)
        if self.options.diversification_weight:
            losses["l_adl"] = self.diversification(features)
        yield losses
