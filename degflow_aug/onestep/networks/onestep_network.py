"""The network of a one-step system: LR latents, one evaluation of the backbone, and the way back to an image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from degflow_aug.onestep.networks.backbones import UNetBackbone
from degflow_aug.onestep.networks.lora import ENCODER, add_lora, fuse_lora, trained_names
from degflow_aug.onestep.networks.noise_levels import one_step_along_velocity, one_step_from_noise, per_sample
from degflow_aug.onestep.networks.parts import Parts
from degflow_aug.onestep.networks.prompts import Prompt, check_prompt

NOISE, VELOCITY = "noise", "velocity"


class OneStepNetwork(nn.Module):
    """A VAE and a backbone, both frozen, with the LoRA that is trained.

    Args:
        parts: what :func:`load_parts` gives.
        prompt: the fixed prompt's embedding; None where a checkpoint brings it.
        prediction: noise, the UNet's own schedule with times as steps 0..999 (OMGSR-S); or velocity with times in
            [0, 1] (OMGSR-F, FluxSR, FlowSR).
        rank: of the backbone's LoRA; 0 for none.
        encoder_rank: of the LoRA of the VAE's encoder; 0 for none.
        gradient_checkpointing: compute activations twice and keep few.

    Attributes:
        time: at which LR latents are taken for the backbone's state; None until it is known.
        spec: arguments that make the same network, for checkpoints.
    """

    def __init__(
        self,
        parts: Parts,
        prompt: Prompt | None,
        *,
        prediction: str,
        rank: int,
        encoder_rank: int = 0,
        gradient_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if prediction not in (NOISE, VELOCITY):
            raise ValueError(f"expected prediction to be {NOISE} or {VELOCITY}, got {prediction!r}")
        if min(rank, encoder_rank) < 0:
            raise ValueError(f"expected LoRA ranks of at least 0, got {rank} and {encoder_rank}")
        self.latents, self.backbone = parts.latents, parts.backbone
        self.prediction, self.rank, self.encoder_rank = prediction, rank, encoder_rank
        self.gradient_checkpointing = gradient_checkpointing
        self.time: float | None = None
        self.spec: dict[str, Any] = {}
        if rank:
            self.backbone.add_lora(rank, feed_forward=prediction == VELOCITY)
        if encoder_rank:
            add_lora(self.latents.vae, encoder_rank, ENCODER)
        if gradient_checkpointing:
            self.backbone.model.enable_gradient_checkpointing()
            self.latents.vae.enable_gradient_checkpointing()
        self.trained_names = trained_names(self)
        self.prompt: Prompt = {}
        if prompt is not None:
            self.set_prompt(prompt)

    @property
    def multiple(self) -> int:
        """What both sides of an image have to be multiples of."""
        return self.latents.factor * self.backbone.multiple

    def set_prompt(self, prompt: Prompt) -> None:
        """Take a prompt's embedding.

        Raises:
            ValueError: widths of another backbone.
        """
        check_prompt(prompt, dict(self.backbone.model.config))
        device = next(self.parameters()).device
        self.prompt = {key: value.to(device) for key, value in prompt.items()}

    def predict(self, latents: Tensor, times: Tensor) -> Tensor:
        """What the backbone says of latents (B, C, h, w) at times (B,), in the system's own scale of time."""
        if self.prediction == VELOCITY and isinstance(self.backbone, UNetBackbone):
            # A velocity along the path from HR to LR, told to the network as the step that its time embedding knows.
            times = times * len(self.backbone.alpha_bars)
        return self.backbone(latents, times, self.prompt)

    def clean(self, latents: Tensor, times: Tensor) -> Tensor:
        """Clean latents by one evaluation at times (B,).

        The source of the formulas stands with them, in :mod:`degflow_aug.onestep.networks.noise_levels`.
        """
        return self.from_prediction(latents, self.predict(latents, times), times)

    def from_prediction(self, latents: Tensor, prediction: Tensor, times: Tensor) -> Tensor:
        """Clean latents from a prediction that has been made."""
        if self.prediction == VELOCITY:
            return one_step_along_velocity(latents, prediction, per_sample(times, latents))
        assert isinstance(self.backbone, UNetBackbone)
        alpha_bar = per_sample(self.backbone.alpha_bars[times.long()], latents)
        return one_step_from_noise(latents, prediction, alpha_bar, self.backbone.predicts)

    def times(self, count: int) -> Tensor:
        """(count,) times of LR latents.

        Raises:
            ValueError: the time is not known yet.
        """
        if self.time is None:
            raise ValueError("expected a time for LR latents, got none; name it in degflow, or load a checkpoint")
        device = next(self.parameters()).device
        return torch.full((count,), self.time, device=device)

    def noise_level(self) -> tuple[Tensor, Tensor]:
        """Shares of signal and noise at ``time``, on the device, so that nobody waits for them."""
        times = self.times(1)
        if self.prediction == VELOCITY:
            return 1 - times[0], times[0]
        assert isinstance(self.backbone, UNetBackbone)
        # An index without an axis would be read back.
        bar = self.backbone.alpha_bars[times.long()][0]
        return bar.sqrt(), (1 - bar).sqrt()

    def forward(self, images: Tensor) -> Tensor:
        """Enlarged LR (B, 3, H, W) in [-1, 1], sides of the multiple -> (B, 3, H, W), about [-1, 1]."""
        latents = self.latents.encode(images)
        return self.latents.decode(self.clean(latents, self.times(len(images))))

    def train(self, mode: bool = True) -> OneStepNetwork:
        """Stay in evaluation mode: nothing here drops out, and group norms have no two modes."""
        return super().train(False)

    def trained_state(self) -> dict[str, Tensor]:
        """What a checkpoint needs beside the published weights: LoRA and the prompt, on the CPU."""
        known = dict(self.named_parameters())
        state = {name: known[name].detach().cpu() for name in self.trained_names}
        return state | {f"prompt.{key}": value.detach().cpu() for key, value in self.prompt.items()}

    def load_trained_state(self, state: dict[str, Tensor]) -> None:
        """The way back of :meth:`trained_state`.

        Raises:
            ValueError: LoRA of other layers or another rank.
        """
        known = dict(self.named_parameters())
        weights = {key: value for key, value in state.items() if not key.startswith("prompt.")}
        shapes = {name: known[name].shape for name in self.trained_names}
        if {name: value.shape for name, value in weights.items()} != shapes:
            raise ValueError(
                f"expected {len(shapes)} matrices of LoRA of this network, got {len(weights)} of other names or ranks; "
                "name the backbone and the ranks of the checkpoint"
            )
        with torch.no_grad():
            for name, value in weights.items():
                known[name].copy_(value)
        prompt = {key.removeprefix("prompt."): value for key, value in state.items() if key.startswith("prompt.")}
        if prompt:
            self.set_prompt(prompt)

    def fuse(self) -> OneStepNetwork:
        """Put LoRA into weights of float32, for inference; nothing can be trained or saved after that."""
        fuse_lora(self.backbone.model)
        fuse_lora(self.latents.vae)
        self.trained_names = ()
        return self

    def _apply(self, fn: Any, recurse: bool = True) -> OneStepNetwork:
        """Takes the prompt along to devices; it is no buffer, because checkpoints bring it in any length."""
        super()._apply(fn, recurse)
        self.prompt = {key: fn(value) for key, value in self.prompt.items()}
        return self
