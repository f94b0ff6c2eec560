"""OMGSR: an LR latent is the generator's own state at a fixed middle time, and one step from there is the SR image.

Formulas after the official code; what its paper's first version had in their place is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from basicsr.utils import get_root_logger
from torch import Tensor

from degflow_aug.models.sr.lr_source import LRBatch
from degflow_aug.onestep.mid_timestep import match_sigma_step, match_step, measure_gaps
from degflow_aug.onestep.networks.backbones import UNetBackbone
from degflow_aug.onestep.networks.noise_levels import flux_sigmas, sigma_of_step
from degflow_aug.onestep.networks.onestep_network import NOISE
from degflow_aug.onestep.onestep_model import Losses, OneStepModel
from degflow_aug.onestep.options import OMGSROptions


class OMGSRModel(OneStepModel):
    """OMGSR-S on ``OneStepUNet`` and OMGSR-F on ``OneStepFlux``, with LoRA on the VAE's encoder and the backbone."""

    options: OMGSROptions
    option_type = OMGSROptions
    networks = ("OneStepUNet", "OneStepFlux")

    @classmethod
    def check(cls, opt: Mapping[str, Any]) -> None:
        """Also look whether there is an encoder to refine.

        Raises:
            ValueError: as :meth:`OneStepModel.check`, or no LoRA on the encoder, or a UNet that predicts velocities.
        """
        super().check(opt)
        section = opt["network_g"]
        if not section.get("encoder_rank"):
            raise ValueError("expected network_g.encoder_rank above 0 for OMGSRModel, which refines latents, got none")
        if section["type"] == "OneStepUNet" and (section.get("prediction") or NOISE) != NOISE:
            raise ValueError(f"expected network_g.prediction: {NOISE} for OMGSRModel, got {section['prediction']!r}")

    def settle_time(self) -> None:
        """The mid-timestep of the checkpoint, which was trained at it, or of the options, or matched on pairs."""
        step = self.options.mid_timestep
        if self.net_g.time is not None:
            self.say_kept("degflow.mid_timestep", None if step == "auto" else self._time_of(step))
            return
        if step == "auto":
            step = self._matched_step()
            get_root_logger().info(f"OMGSRModel: mid-timestep {step}, matched on {self.options.match_pairs} pairs")
        self.net_g.time = self._time_of(step)

    def _time_of(self, step: int | str) -> float:
        return float(step) if self.net_g.prediction == NOISE else sigma_of_step(int(step))

    def _matched_step(self) -> int:
        gaps = measure_gaps(self, self.options.match_pairs)
        if isinstance(self.net_g.backbone, UNetBackbone):
            return match_step(gaps, self.net_g.backbone.alpha_bars)
        return match_sigma_step(gaps, flux_sigmas())

    def loss_groups(self, batch: LRBatch) -> Iterator[Losses]:
        """Refinement of the encoder's latents, and the losses of the image that one step makes of them."""
        network = self.net_g
        lr, hr = self.enlarged(batch)
        hr_latents = network.latents.encode_original(hr)
        latents = network.latents.encode(lr)
        losses: Losses = {}
        if self.options.refinement_weight:
            signal, noise = network.noise_level()
            losses["l_ldr"] = self.options.refinement_weight * refinement_loss(latents, hr_latents, signal, noise)
        made = network.latents.decode(network.clean(latents, network.times(len(lr))))
        if network.prediction == NOISE:
            # As published, for the UNet alone; saturated pixels lose their gradient.
            made = made.clamp(-1, 1)
        yield losses | self.image_losses(made, hr)


def refinement_loss(lr: Tensor, hr: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
    """MSE(z_L, signal z_H + noise eps), eps drawn anew; only the encoder that made ``lr`` gets a gradient.

    Its optimum is signal z_H, the mean over eps, and no noise (our inference).

    Args:
        lr: z_L (B, C, h, w), of the encoder with LoRA.
        hr: z_H, of the original encoder.
        signal: sqrt(alpha bar), or 1 - sigma of a straight path.
        noise: sqrt(1 - alpha bar), or sigma.
    """
    state = signal * hr.detach() + noise * torch.randn_like(hr)
    return F.mse_loss(lr, state)
