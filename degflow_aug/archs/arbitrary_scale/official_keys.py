"""Checkpoints as the code of the authors of LIIF (and its MetaSR), LTE and CiaoSR writes them, under our names.

LIIF and LTE write ``{model: {name, args, sd}, optimizer, epoch}``, where ``args`` leave out what their code has by
default. mmcv writes CiaoSR's as ``{meta, state_dict, ...}`` or ``state_dict`` alone, all keys behind ``generator.``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from degflow_aug.files.tensor_file import bare

Rules = tuple[tuple[str, str | None], ...]

_KINDS = {"liif": "LIIF", "lte": "LTE", "metasr": "MetaSR"}
_PREFIX = "generator."
# Masks belong to one size of image.
_MASKS = (r"\.attn_mask$", None)
# LIIF and LTE: EDSR's mean shifts are never applied; RDN has our names, and the rest is SwinIR's.
_LIIF: Rules = (
    (r"^encoder\.(sub|add)_mean\.", None),
    (r"^encoder\.head\.0\.", "encoder.conv_first."),
    (r"^encoder\.body\.(\d+)\.body\.0\.", r"encoder.body.\1.conv1."),
    (r"^encoder\.body\.(\d+)\.body\.2\.", r"encoder.body.\1.conv2."),
    (r"^encoder\.body\.\d+\.(?=weight$|bias$)", "encoder.conv_after_body."),
    _MASKS,
    (r"^encoder\.(?=(conv_|patch_embed\.|layers\.|norm\.))", "encoder.network."),
)
# CiaoSR: the encoder's parts stand beside the decoder's. escape_NaN is a constant.
_CIAOSR: Rules = (
    (r"^cs_attn\.escape_NaN$", None),
    (r"^cs_attn\.down\.", "cs_attn.down.2."),
    (r"^cs_attn\.downx(?=\d\.)", "cs_attn.down."),
    (r"^sfe(?=[12]\.)", "encoder.SFENet"),
    (r"^rdbs\.(\d+)\.layers\.(\d+)\.conv\.", r"encoder.RDBs.\1.convs.\2.conv.0."),
    (r"^rdbs\.(\d+)\.lff\.", r"encoder.RDBs.\1.LFF."),
    (r"^gff\.", "encoder.GFF."),
    _MASKS,
)
_CIAOSR_EDSR: Rules = ((r"^(?=(conv_|body\.))", "encoder."),)
_CIAOSR_SWINIR: Rules = ((r"^(?=(conv_|patch_embed\.|layers\.|norm\.))", "encoder.network."),)


class OfficialNetwork(NamedTuple):
    """What a checkpoint holds of a network.

    Attributes:
        kind: LIIF, LTE, MetaSR or CiaoSR.
        given: the arguments of its constructor there; none of CiaoSR's.
        state: its tensors under our names.
        part: where they lay in the file; empty if bare.
    """

    kind: str
    given: Mapping[str, Any]
    state: dict[str, Tensor]
    part: str


def find_official_network(content: object, path: str | Path) -> OfficialNetwork | None:
    """Find the network in what a checkpoint holds; None where it is not of these authors' code.

    Args:
        content: of the file.
        path: of the file, for messages.

    Raises:
        ValueError: one whose tensors are none, or there twice.
    """
    if not isinstance(content, Mapping):
        return None
    model = content.get("model")
    if isinstance(model, Mapping) and str(model.get("name")) in _KINDS:
        held, given = model.get("sd"), model.get("args")
        if not isinstance(held, Mapping) or not isinstance(given, Mapping):
            raise ValueError(f"expected a model with name, args and sd in {path}, got {', '.join(map(str, model))}")
        return OfficialNetwork(_KINDS[model["name"]], given, _renamed(_tensors(held, path), _LIIF, path), "sd")
    part = "state_dict" if isinstance(content.get("state_dict"), Mapping) else ""
    held = content["state_dict"] if part else content
    if not any(f"{_PREFIX}imnet_q." in str(key) for key in held):
        return None
    state = {key.removeprefix(_PREFIX): value for key, value in _tensors(held, path).items() if key.startswith(_PREFIX)}
    rules = _CIAOSR_SWINIR if "norm.weight" in state else _CIAOSR_EDSR
    return OfficialNetwork("CiaoSR", {}, _renamed(state, (*_CIAOSR, *rules), path), part)


def _tensors(held: Mapping[Any, Any], path: str | Path) -> dict[str, Tensor]:
    found = bare(held, path)
    for key, value in found.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"expected tensors by their names in {path}, got {type(value).__name__} as {key}")
    return found


def _renamed(state: Mapping[str, Tensor], rules: Rules, path: str | Path) -> dict[str, Tensor]:
    """Rename by the first rule that fits each key, and leave out what that names None."""
    found: dict[str, Tensor] = {}
    for key, value in state.items():
        rule = next((rule for rule in rules if re.search(rule[0], key)), ("", ""))
        if rule[1] is None:
            continue
        name = re.sub(rule[0], rule[1], key, count=1)
        if name in found:
            raise ValueError(f"expected one tensor for {name} in {path}, got several, {key} among them")
        found[name] = value
    return found
