"""Stage 2 of FlowSR: the student agrees with its own average after a step of the teacher, and with HR."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from degflow_aug.models.training.checkpoint import read_trained_state
from degflow_aug.onestep.flowsr.caption_alignment import CaptionAlignment
from degflow_aug.onestep.flowsr.fast_slow import draw_fast_slow
from degflow_aug.onestep.flowsr.latent_discriminator import LatentHeads, discriminator_hinge, generator_hinge
from degflow_aug.onestep.networks.backbones import UNetBackbone
from degflow_aug.onestep.networks.heads import heads_state, load_heads
from degflow_aug.onestep.networks.noise_levels import per_sample
from degflow_aug.onestep.networks.onestep_network import OneStepNetwork
from degflow_aug.onestep.options import FlowSROptions

Weights = dict[str, Tensor]


class Student(Protocol):
    """What stage 2 needs of the model that it trains."""

    @property
    def net_g(self) -> OneStepNetwork: ...
    @property
    def options(self) -> FlowSROptions: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def iteration(self) -> int: ...
    def image_losses(self, made: Tensor, hr: Tensor) -> dict[str, Tensor]: ...
    def autocast(self) -> torch.autocast: ...
    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None: ...


class Consistency:
    """Teacher, target, discriminator and captions beside the student, ``model.net_g``.

    Teacher and target are LoRA weights alone; the network runs with them by ``functional_call``, so that no adapter is
    switched between a forward pass and its way back.

    Args:
        model: the student, in stage 2.
        teacher: trained state of stage 1.
    """

    def __init__(self, model: Student, teacher: Weights) -> None:
        self.model, self.options = model, model.options
        network = model.net_g
        assert isinstance(network.backbone, UNetBackbone)
        self.backbone = network.backbone
        known = network.state_dict()
        self.teacher = {key: value.to(model.device) for key, value in teacher.items() if key in network.trained_names}
        if {key: value.shape for key, value in self.teacher.items()} != {
            key: known[key].shape for key in network.trained_names
        }:
            raise ValueError(
                f"expected degflow.teacher with the LoRA of network_g (rank {network.rank}), got another in "
                f"{self.options.teacher}; give both stages the same network_g"
            )
        self.heads: LatentHeads | None = None
        if self.options.adversarial_weight:
            self.heads = LatentHeads(self.backbone.encoder_channels()).to(model.device)
            self.optimizer = torch.optim.AdamW(self.heads.parameters(), lr=self.options.adversarial_lr)
        self.captions = None
        if self.options.caption_model and self.options.caption_weight:
            self.captions = CaptionAlignment(self.options.caption_model).to(model.device)
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def start(self, checkpoint: str | None) -> None:
        """Student and target start as the teacher, or go on as a checkpoint of stage 2 left them."""
        network = self.model.net_g
        content = read_trained_state(checkpoint) if checkpoint else {}
        if "target" not in content:
            network.load_trained_state({key: value.cpu() for key, value in self.teacher.items()})
            self.target = {key: value.clone() for key, value in self.teacher.items()}
            return
        self.target = {key: value.to(self.model.device) for key, value in content["target"].items()}
        if self.heads is not None and "heads" in content:
            load_heads(self.heads, content["heads"])

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """That of the heads, where there are any."""
        return [] if self.heads is None else [self.optimizer]

    def state(self) -> dict[str, Any]:
        """What a resume needs beside the student."""
        state: dict[str, Any] = {"target": {key: value.detach().cpu() for key, value in self.target.items()}}
        if self.heads is not None:
            state["heads"] = heads_state(self.heads)
        return state

    def loss_groups(self, hr: Tensor, hr_latents: Tensor, lr_latents: Tensor) -> Iterator[dict[str, Tensor]]:
        """Two groups: the student's end from t', and its end from where the teacher's step leads.

        With d the image losses of the options, y_A = D(f(x_t', t')), y_B = D(f(x_t, t)) and y^- the target's D(f(x_t,
        t)), they are d(y_A, y^-) + d(y_A, X_HR) and hr_weight d(y_B, X_HR), x_t = x_t' - (t' - t) v_teacher(x_t', t').
        """
        model, space = self.model, self.model.net_g.latents
        earlier, later = (
            times.to(hr, non_blocking=True)
            for times in draw_fast_slow(len(hr), fast=self.options.fast_steps, slow=self.options.slow_steps)
        )
        share = per_sample(later, hr)
        start = (1 - share) * hr_latents + share * lr_latents
        with torch.no_grad():
            velocity = self._run(self.teacher, "predict", start, later)
            moved = start - per_sample(later - earlier, hr) * velocity
            target = space.decode(self._run(self.target, "clean", moved, earlier))
        for name, at, times in (("a", start, later), ("b", moved, earlier)):
            end = model.net_g.clean(at, times)
            made = space.decode(end)
            weight = self.options.hr_weight if name == "b" else 1.0
            losses = {f"{key}_{name}": weight * loss for key, loss in model.image_losses(made, hr).items()}
            if name == "a":
                losses |= {f"{key}_consistency": loss for key, loss in model.image_losses(made, target).items()}
            yield losses | self._judged(end, hr_latents, made, name)

    def _judged(self, end: Tensor, true: Tensor, made: Tensor, name: str) -> dict[str, Tensor]:
        """What discriminator and captions say of an end."""
        losses = {}
        if self.heads is not None:
            times = torch.zeros(len(end), device=end.device)
            if self.model.iteration + 1 >= self.options.adversarial_start:
                self.heads.requires_grad_(False)
                loss = generator_hinge(self.heads(self._features(end, times)))
                self.heads.requires_grad_(True)
                losses[f"l_adv_{name}"] = self.options.adversarial_weight * loss
            self.seen.append((end.detach(), true, times))
        if self.captions is not None:
            losses[f"l_iqa_{name}"] = self.options.caption_weight * self.captions(((made + 1) / 2).clamp(0, 1))
        return losses

    def finish_step(self) -> dict[str, Tensor]:
        """After the student's step: that of the heads, and the target's average."""
        logs = {} if self.heads is None else self._train_heads(self.heads)
        self.seen = []
        known = dict(self.model.net_g.named_parameters())
        for key, average in self.target.items():
            average.lerp_(known[key].detach().to(average), 1 - self.options.target_decay)
        return logs

    def _train_heads(self, heads: LatentHeads) -> dict[str, Tensor]:
        self.optimizer.zero_grad(set_to_none=True)
        losses = []
        for fake, true, times in self.seen:
            with self.model.autocast():
                with torch.no_grad():
                    seen = [self._features(latents, times) for latents in (true, fake)]
                loss = discriminator_hinge(heads(seen[0]), heads(seen[1])) / len(self.seen)
            loss.backward()
            losses.append(loss.detach())
        self.model.average_gradients(heads.parameters())
        self.optimizer.step()
        return {"l_d": torch.stack(losses).sum()}

    def _features(self, latents: Tensor, times: Tensor) -> list[Tensor]:
        return self._run(self.teacher, "features", latents, times)

    def _run(self, weights: Weights, what: str, latents: Tensor, times: Tensor) -> Any:
        """A method of the network with other LoRA weights, which get no gradient."""
        return functional_call(_Call(self.model.net_g, what), _prefixed(weights), (latents, times))


class _Call(nn.Module):
    """A method of a network as a module's ``forward``, which is what ``functional_call`` runs."""

    def __init__(self, network: nn.Module, what: str) -> None:
        super().__init__()
        self.network, self.what = network, what

    def forward(self, latents: Tensor, times: Tensor) -> Any:
        """Predict, clean or features."""
        network: Any = self.network
        if self.what == "features":
            return network.backbone.encoder_features(latents, times, network.prompt)
        return getattr(network, self.what)(latents, times)


def _prefixed(weights: Weights) -> Weights:
    return {f"network.{key}": value for key, value in weights.items()}
