"""LoRA on the parts that a one-step system trains: which layers, and how they are put in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

ENCODER = r"encoder\..*\.(conv1|conv2|conv_shortcut|conv|to_q|to_k|to_v|to_out\.0)|encoder\.(conv_in|conv_out)"
"""OMGSR: every convolution and attention layer of the VAE's encoder, and none of its decoder."""

UNET = ("conv1", "conv2", "conv_in", "conv_shortcut", "conv", "conv_out", "to_q", "to_k", "to_v", "to_out.0")
"""OMGSR-S."""

UNET_WITH_FEED_FORWARD = (*UNET, "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2")
"""FlowSR: with rank 32 it makes the published 982.0 million parameters of SD 2.1."""

FLUX = (
    "x_embedder", "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "attn.add_q_proj", "attn.add_k_proj",
    "attn.add_v_proj", "attn.to_add_out", "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2",
)  # fmt: skip
"""OMGSR-F; of FLUX's single blocks these are the queries, keys and values."""


def add_lora(module: Any, rank: int, targets: str | Sequence[str]) -> None:
    """Freeze ``module`` and put a LoRA of this rank beside its layers ``targets``, in float32.

    alpha = rank; A is drawn from a Gaussian by torch's random state and B is zero, so that nothing changes at first.

    Args:
        module: a model of diffusers.
        rank: of every layer.
        targets: ends of layers' names, or a regular expression for whole names.
    """
    from peft import LoraConfig

    module.requires_grad_(False)
    layers = targets if isinstance(targets, str) else list(targets)
    module.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=layers))
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def has_lora(module: Any) -> bool:
    """Whether :func:`add_lora` has been here."""
    return bool(getattr(module, "_hf_peft_config_loaded", False))


def fuse_lora(module: Any) -> None:
    """Add the LoRA to the weights that it stands beside, and take it away; what comes out is the same to rounding.

    In half precision it stays beside them: rounding would take away most of so small a change.
    """
    if has_lora(module) and module.dtype == torch.float32:
        module.fuse_lora()
        module.unload_lora()


def trained_names(network: nn.Module) -> tuple[str, ...]:
    """Names of the parameters that have a gradient."""
    return tuple(name for name, parameter in network.named_parameters() if parameter.requires_grad)
