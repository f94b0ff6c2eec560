"""Networks of arbitrary scale in the forms in which their authors' code writes checkpoints."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# Our names for the parts of encoders, and theirs.
LIIF_PARTS = {
    "edsr-baseline": {
        "conv_first": "head.0", "body.0.conv1": "body.0.body.0", "body.0.conv2": "body.0.body.2",
        "body.1.conv1": "body.1.body.0", "body.1.conv2": "body.1.body.2", "conv_after_body": "body.2",
    },
}  # fmt: skip
CIAOSR_PARTS = {"SFENet": "sfe", "RDBs": "rdbs", "convs": "layers", "conv.0": "conv", "LFF": "lff", "GFF": "gff"}


def liif_form(network: Any, **given: Any) -> dict[str, Any]:
    """As LIIF's and LTE's trainers save LIIF, LTE and MetaSR, with nothing in ``args`` but what has no default."""
    encoder = network.spec["encoder_spec"]["name"]
    args = {"encoder_spec": {"name": encoder, "args": {"no_upsampling": True}}, **given}
    if "imnet_spec" in network.spec:
        args["imnet_spec"] = {"name": "mlp", "args": {"out_dim": 3, "hidden_list": []}}
    state: dict[str, Tensor] = {}
    for key, value in network.state_dict().items():
        part, _, leaf = key.removeprefix("encoder.").removeprefix("network.").rpartition(".")
        inside = key.startswith("encoder.")
        state[f"encoder.{LIIF_PARTS.get(encoder, {}).get(part, part)}.{leaf}" if inside else key] = value
    if encoder == "edsr-baseline":
        state |= {f"encoder.{name}.weight": torch.eye(3)[..., None, None] for name in ("sub_mean", "add_mean")}
    model = {"name": type(network).__name__.lower(), "args": args, "sd": with_masks(network, state, "encoder.")}
    return {"model": model, "optimizer": {"name": "adam", "args": {"lr": 1e-4}, "sd": {}}, "epoch": 1000}


def ciaosr_form(network: nn.Module) -> dict[str, Any]:
    """As mmcv saves CiaoSR."""
    state = {"cs_attn.escape_NaN": torch.tensor([1e-4])}
    for key, value in network.state_dict().items():
        name = (
            key.removeprefix("encoder.")
            .removeprefix("network.")
            .replace("down.2.", "down.")
            .replace("down.3.", "downx3.")
        )
        if "RDBs" in key or "FF" in key or "SFE" in key:
            for ours, theirs in CIAOSR_PARTS.items():
                name = name.replace(ours, theirs)
        state[name] = value
    state = {f"generator.{key}": value for key, value in with_masks(network, state, "").items()}
    return {"meta": {"epoch": 1, "config": "model = dict(type='CiaoSR')"}, "state_dict": state}


def with_masks(network: nn.Module, state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The state, with a mask of every second block of SwinIR for images of their training."""
    blocks = [name.partition("network.")[2] for name, _ in network.named_modules() if name.endswith("blocks.1")]
    return {**state, **{f"{prefix}{name}.attn_mask": torch.zeros(36, 16, 16) for name in blocks}}
