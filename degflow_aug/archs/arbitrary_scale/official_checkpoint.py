"""LIIF, LTE, MetaSR and CiaoSR from checkpoints of their authors' code, with the sizes that their tensors have."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import ArbitraryScaleNetwork
from degflow_aug.archs.arbitrary_scale.ciaosr_arch import CiaoSR
from degflow_aug.archs.arbitrary_scale.liif_arch import LIIF
from degflow_aug.archs.arbitrary_scale.lte_arch import LTE
from degflow_aug.archs.arbitrary_scale.metasr_arch import MetaSR
from degflow_aug.archs.arbitrary_scale.official_keys import OfficialNetwork, find_official_network
from degflow_aug.archs.arbitrary_scale.rdn_arch import CONFIGURATIONS
from degflow_aug.archs.network_arguments import outline, plain
from degflow_aug.files.tensor_file import check_weights, load_tensors

State = Mapping[str, Tensor]
_NETWORKS: dict[str, type[ArbitraryScaleNetwork]] = {"LIIF": LIIF, "LTE": LTE, "MetaSR": MetaSR, "CiaoSR": CiaoSR}


def load_official(path: str | Path) -> ArbitraryScaleNetwork:
    """Load LIIF, LTE, MetaSR or CiaoSR from a checkpoint of its authors' code, whichever of their encoders it has.

    Sizes are those of the tensors. What these do not tell is read (the switches of LIIF, EDSR's ``res_scale``) or, of
    CiaoSR, what its authors have published: ``local_size`` 2 and a softmax scale of 1. At other scales than 2 their
    CiaoSR looks at a window that is a little wider or narrower than ours, see
    :class:`~degflow_aug.archs.arbitrary_scale.ciaosr_arch.CiaoSR`.

    Args:
        path: a file of their trainers. It is read without running code.

    Returns:
        The network on the CPU, float32, in evaluation mode.

    Raises:
        ValueError: no such file, one that is damaged or holds code, or another network; names the file.
    """
    content = load_tensors(path)
    official = find_official_network(content, path)
    if official is None:
        raise ValueError(f"expected a checkpoint of the code of LIIF, LTE, MetaSR or CiaoSR in {path}, got another")
    return build_official(official, path)


def build_official(official: OfficialNetwork, path: str | Path) -> ArbitraryScaleNetwork:
    """Build what :func:`find_official_network` has found in the file ``path``; see :func:`load_official`."""
    try:
        network = outline(_NETWORKS[official.kind], _arguments(official), "cpu")
        whole = {key for key, value in network.state_dict().items() if not value.is_floating_point()}
        check_weights(official.state, path, counts=whole)
        network.load_state_dict(
            {key: value if key in whole else value.float() for key, value in official.state.items()}
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        # What PyTorch says of tensors that do not fit has a headline of its own.
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines if not line.startswith("Error(s)")), type(error).__name__)
        missing = f"no {error.args[0]}" if isinstance(error, KeyError) else reason
        raise ValueError(f"expected an official {official.kind} with its tensors in {path}, got: {missing}") from None
    assert isinstance(network, ArbitraryScaleNetwork)
    return network.eval()


def _arguments(official: OfficialNetwork) -> dict[str, Any]:
    """Those of our constructor."""
    state = official.state
    if official.kind == "CiaoSR":
        return _of_ciaosr(state)
    arguments = plain(official.given)
    arguments["encoder_spec"] = _with_sizes(arguments.get("encoder_spec"), _encoder(state)["args"], "encoder_spec")
    if official.kind == "MetaSR":
        return {**arguments, "hidden_list": _hidden(state, "imnet")}
    arguments["imnet_spec"] = _with_sizes(
        arguments.get("imnet_spec"), {"hidden_list": _hidden(state, "imnet")}, "imnet_spec"
    )
    return {**arguments, "hidden_dim": len(state["coef.weight"])} if official.kind == "LTE" else arguments


def _with_sizes(spec: Any, sizes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A spec {name, args} with other sizes; those that the authors' code has by default are missing in files."""
    arguments = spec.get("args") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(arguments or {}, dict):
        raise ValueError(f"{name} is {spec!r}")
    return {**spec, "args": {**(arguments or {}), **sizes}}


def _of_ciaosr(state: State) -> dict[str, Any]:
    encoder, keys = _encoder(state), len(state[f"imnet_k.layers.{2 * len(_hidden(state, 'imnet_k'))}.weight"])
    width = next(encoder["args"][name] for name in ("G0", "n_feats", "embed_dim") if name in encoder["args"])
    scales = sorted(int(scale) for scale in _found(state, r"cs_attn\.down\.(\d+)\."))
    return {
        "encoder_spec": encoder,
        **{name: _hidden(state, name) for name in ("imnet_q", "imnet_k", "imnet_v")},
        "feat_unfold": keys == 9 * width,
        "non_local_attn": bool(scales),
        "multi_scale": scales or [2],
    }


def _hidden(state: State, name: str) -> list[int]:
    """The widths of an MLP's hidden layers."""
    layers = sorted(int(layer) for layer in _found(state, rf"{name}\.layers\.(\d+)\.weight"))
    return [len(state[f"{name}.layers.{layer}.weight"]) for layer in layers[:-1]]


def _encoder(state: State) -> dict[str, Any]:
    """The encoder whose tensors these are, as ``encoder_spec`` takes it."""
    state = {key.removeprefix("encoder."): value for key, value in state.items() if key.startswith("encoder.")}
    if "SFENet1.weight" in state:
        return {"name": "rdn", "args": _of_rdn(state)}
    if "network.conv_first.weight" in state:
        state = {key.removeprefix("network."): value for key, value in state.items()}
        return {"name": "swinir", "args": _of_swinir(state)}
    blocks = len(_found(state, r"body\.(\d+)\.conv1\.weight"))
    return {"name": "edsr-baseline", "args": {"n_resblocks": blocks, "n_feats": len(state["conv_first.weight"])}}


def _of_rdn(state: State) -> dict[str, Any]:
    blocks, layers = (len(_found(state, pattern)) for pattern in (r"RDBs\.(\d+)\.LFF", r"RDBs\.0\.convs\.(\d+)\."))
    sizes = blocks, layers, len(state["RDBs.0.convs.0.conv.0.weight"])
    names = [name for name, configuration in CONFIGURATIONS.items() if configuration == sizes]
    if not names:
        raise ValueError(f"{blocks} residual dense blocks of {layers} convolutions that add {sizes[2]} channels")
    channels, _, kernel, _ = state["SFENet1.weight"].shape
    return {"G0": channels, "RDNkSize": kernel, "RDNconfig": names[0]}


def _of_swinir(state: State) -> dict[str, Any]:
    channels = len(state["conv_first.weight"])
    groups = range(len(_found(state, r"layers\.(\d+)\.")))
    first = "layers.{}.residual_group.blocks.0."
    tables = [state[first.format(group) + "attn.relative_position_bias_table"] for group in groups]
    return {
        "embed_dim": channels,
        "depths": [len(_found(state, rf"layers\.{group}\.residual_group\.blocks\.(\d+)\.")) for group in groups],
        "num_heads": [table.shape[1] for table in tables],
        "window_size": (math.isqrt(len(tables[0])) + 1) // 2,
        "mlp_ratio": len(state[first.format(0) + "mlp.fc1.weight"]) / channels,
        "conv_before_upsample": "conv_before_upsample.0.weight" in state,
    }


def _found(keys: Iterable[str], pattern: str) -> set[str]:
    """What the group of a pattern stands for among the keys that begin with it."""
    return {match[1] for key in keys if (match := re.match(pattern, key))}
