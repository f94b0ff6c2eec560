"""OMGSR: an LR latent is the generator's own state at a fixed middle time, and one step from there is the SR image.

Formulas after the official code; what its paper's first version had in their place is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from basicsr.utils import get_root_logger

from degflow_aug.models.sr.lr_source import LRBatch
from degflow_aug.onestep.mid_timestep import LatentGap, latent_gap, match_sigma_step, match_step
from degflow_aug.onestep.networks.backbones import UNetBackbone
from degflow_aug.onestep.networks.noise_levels import flux_sigmas, sigma_of_step
from degflow_aug.onestep.networks.onestep_network import NOISE
from degflow_aug.onestep.omgsr.latent_refinement import refinement_loss
from degflow_aug.onestep.onestep_model import Losses, OneStepModel
from degflow_aug.onestep.options import OMGSROptions
from degflow_aug.onestep.training_pairs import training_pairs


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
        if self.net_g.time is not None:
            return
        step = self.options.mid_timestep
        if step == "auto":
            step = self._matched_step()
            get_root_logger().info(f"OMGSRModel: mid-timestep {step}, matched on {self.options.match_pairs} pairs")
        self.net_g.time = float(step) if self.net_g.prediction == NOISE else sigma_of_step(int(step))

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


@torch.no_grad()
def measure_gaps(model: OneStepModel, count: int) -> LatentGap:
    """Between the latents of HR and LR in training pairs, both of the encoder as it was published."""
    encode = model.net_g.latents.encode_original
    pairs = [model.enlarged(batch) for batch in training_pairs(model, count)]
    gaps = [latent_gap(encode(hr), encode(lr)) for lr, hr in pairs]
    return LatentGap(torch.cat([gap.power for gap in gaps]), torch.cat([gap.gap for gap in gaps]))
