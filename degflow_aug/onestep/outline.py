"""A one-step network without its weights, to count what training it takes of the memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.onestep.memory import MemoryEstimate, count_weights, saved_bytes
from degflow_aug.onestep.networks.backbones import FluxBackbone, UNetBackbone
from degflow_aug.onestep.networks.latent_space import LatentSpace
from degflow_aug.onestep.networks.onestep_network import OneStepNetwork
from degflow_aug.onestep.networks.parts import Parts

META = torch.device("meta")


def estimate(network: OneStepNetwork, moment_bytes: int, samples: int, side: int) -> MemoryEstimate:
    """Estimate the memory of training a network.

    Args:
        network: with LoRA.
        moment_bytes: of the optimiser, per trained number.
        samples: whose activations are kept at once; 0 where they wait in the memory of the CPU.
        side: of their images, in pixels.
    """
    found = count_weights(network, moment_bytes)
    return replace(found, activations=samples * sample_activations(network, side)) if samples else found


def without_weights(network: OneStepNetwork) -> OneStepNetwork:
    """The same network on the device ``meta``, where shapes take no memory."""
    backbone = network.backbone
    with META:
        model = _empty(backbone.model)
        parts = Parts(
            LatentSpace(_empty(network.latents.vae)),
            UNetBackbone(model, backbone.alpha_bars.to(META), backbone.predicts)
            if isinstance(backbone, UNetBackbone)
            else FluxBackbone(model),
        )
        made = OneStepNetwork(
            parts,
            {key: value.to(META) for key, value in network.prompt.items()},
            prediction=network.prediction,
            rank=network.rank,
            encoder_rank=network.encoder_rank,
            gradient_checkpointing=network.gradient_checkpointing,
        )
    made.time = network.time
    return made


def _empty(model: Any) -> Any:
    made = type(model).from_config(dict(model.config)).to(model.dtype).eval()
    return made.requires_grad_(False)


def sample_activations(network: OneStepNetwork, side: int) -> int:
    """Bytes that autograd keeps for one image of ``side`` pixels through encoder, backbone and decoder.

    Attention is counted as a fused kernel keeps it, which is without its matrix.
    """
    made = without_weights(network)
    image = torch.zeros(1, 3, side, side, device=META)
    weights = [parameter.untyped_storage()._cdata for parameter in made.parameters()]

    def step() -> Tensor:
        return made(image)

    with _attention_without_its_matrix():
        return saved_bytes(step, set(weights))


@contextmanager
def _attention_without_its_matrix() -> Iterator[None]:
    """On ``meta`` torch takes the attention that keeps its matrix, and GPUs have kernels that do not."""
    known = F.scaled_dot_product_attention

    def attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
        return _Attention.apply(query, key, value)

    F.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        F.scaled_dot_product_attention = known


class _Attention(torch.autograd.Function):
    """Shapes of attention, and what a fused kernel keeps for the way back."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        output = query.new_empty(*query.shape[:-1], value.shape[-1])
        ctx.save_for_backward(query, key, value, output)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """Checkpointing computes again on the way back; on ``meta`` nothing is ever sent that way."""
        return ctx.saved_tensors[:3]
