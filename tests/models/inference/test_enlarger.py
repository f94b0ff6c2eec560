"""Windows under a limit of memory: equal to the image in one piece for convolutions, without a seam for others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from helpers.photographs import photograph
from helpers.tiny_sr import EDSR, LIIF
from torch import Tensor, nn

pytest.importorskip("basicsr", reason="networks are BasicSR's")

import degflow_aug
from degflow_aug.data.tensors import to_tensor
from degflow_aug.models.inference.enlarger import Enlarger, enlarge_whole
from degflow_aug.models.inference.peak_memory import PeakMemory

RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "num_grow_ch": 4}
SWINIR = {
    "type": "SwinIR", "upscale": 4, "in_chans": 3, "img_size": 16, "window_size": 8, "img_range": 1.0, "depths": [2],
    "embed_dim": 8, "num_heads": [2], "mlp_ratio": 2, "upsampler": "nearest+conv", "resi_connection": "1conv",
}  # fmt: skip
ENCODER = {"name": "edsr-baseline", "args": {"n_resblocks": 1, "n_feats": 8}}
SWIN_ENCODER = {"name": "swinir", "args": {"embed_dim": 8, "depths": [2], "num_heads": [2]}}
IMNET = {"name": "mlp", "args": {"hidden_list": [16]}}
# Networks, their scale, and what they see.
LOCAL: dict[str, tuple[dict[str, Any], int | None, int]] = {
    "EDSR": (EDSR, 2, 6),
    "RRDBNet": (RRDB, 4, 19),
    "RRDBNet x2": ({**RRDB, "scale": 2}, 2, 38),
    "SwinIR": (SWINIR, 4, 24),
    "LIIF": (LIIF, None, 7),
    "LIIF, SwinIR": ({**LIIF, "encoder_spec": SWIN_ENCODER}, None, 32),
    "LTE": ({"type": "LTE", "encoder_spec": ENCODER, "imnet_spec": IMNET, "hidden_dim": 16}, None, 7),
    "MetaSR": ({"type": "MetaSR", "encoder_spec": ENCODER, "hidden_list": [16]}, None, 6),
    "CiaoSR": ({"type": "CiaoSR", "encoder_spec": ENCODER, "imnet_q": [16], "imnet_k": [16], "imnet_v": [16],
                "non_local_attn": False}, None, 7),
}  # fmt: skip
GLOBAL: dict[str, tuple[dict[str, Any], int | None]] = {
    "RCAN": ({"type": "RCAN", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_group": 1, "num_block": 1,
              "squeeze_factor": 4, "upscale": 2, "img_range": 1.0}, 2),
    "CiaoSR": ({**LOCAL["CiaoSR"][0], "non_local_attn": True}, None),
}  # fmt: skip


def network_of(section: dict[str, Any]) -> nn.Module:
    degflow_aug.register()
    from basicsr.archs import build_network

    torch.manual_seed(0)
    network = build_network(dict(section)).eval().requires_grad_(False)
    if section["type"] == "RRDBNet":
        # Colours of random weights are black.
        network.conv_last.bias.fill_(0.5)
    return network


def memory_for(network: nn.Module, scale: int | None, side: int) -> float:
    """So much that windows have this side."""
    free = Enlarger(network, scale, memory_mb=2**20)
    return free.memory_mb * ((side + 0.5) / free.side) ** 2


def size_of(lq: Tensor, scale: float) -> tuple[int, int]:
    return round(lq.shape[-2] * scale), round(lq.shape[-1] * scale)


@pytest.mark.parametrize("name", LOCAL)
def test_windows_equal_the_image_in_one_piece(name: str) -> None:
    section, scale, reach = LOCAL[name]
    network, side = network_of(section), max(32, 8 * math.ceil(reach / 2))
    enlarger = Enlarger(network, scale, memory_for(network, scale, side))
    height, width = side + 13, side + 5
    lq = to_tensor(photograph(0, height, width))[None]
    tiles = enlarger.tiles_for(height, width)
    assert tiles is not None
    assert (tiles.exact, tiles.margin) == (True, reach)
    for each in (scale,) if scale else (1.0, 2.7):
        size = size_of(lq, each)
        whole = enlarge_whole(network, lq, size, scale)[0]
        assert (enlarger(lq, size) - whole).abs().max() < 1e-5
        assert whole.std() > 1e-4


@pytest.mark.parametrize("name", GLOBAL)
def test_what_sees_all_is_blended_without_a_seam(name: str) -> None:
    """What two pixels beside each other differ by has no more to do with the border of a window than elsewhere."""
    section, scale = GLOBAL[name]
    network = network_of(section)
    enlarger = Enlarger(network, scale, memory_for(network, scale, 40))
    lq = to_tensor(photograph(0, 44, 80))[None]
    tiles = enlarger.tiles_for(44, 80)
    assert tiles is not None
    assert not tiles.exact
    size = size_of(lq, scale or 2.3)
    error = (enlarger(lq, size) - enlarge_whole(network, lq, size, scale)[0]).double().numpy()
    steps = np.abs(np.diff(error, axis=2)).max(axis=(0, 1))
    borders = [round(span.core[0] * size[1] / 80) for span in tiles.spans(80)[1:]]
    assert len(borders) > 0
    assert max(steps[border - 1] for border in borders) <= np.quantile(steps, 0.99) + 1e-6
    assert np.abs(error).max() < 0.02


@pytest.mark.parametrize("name", ["EDSR", "LIIF"])
def test_less_memory_than_the_limit_is_taken(name: str) -> None:
    section, scale, _ = LOCAL[name]
    network, lq = network_of(section), to_tensor(photograph(0, 149, 131))[None]
    limit = memory_for(network, scale, 64)
    size = size_of(lq, 2)
    with PeakMemory() as memory:
        Enlarger(network, scale, limit)(lq, size)
    result = 4 * 3 * size[0] * size[1]
    # Beside the result a window's part of it, its coordinates, and clamped copies.
    assert memory.peak < limit * 2**20 + 5 * result


def test_the_largest_part_is_one_piece_to_the_bit() -> None:
    section, scale, _ = LOCAL["LIIF"]
    network, lq = network_of(section), to_tensor(photograph(0, 30, 41))[None]
    whole = enlarge_whole(network, lq, (75, 103), None)
    assert Enlarger(network, scale).tiles_for(30, 41) is None
    assert torch.equal(Enlarger(network, scale)(lq, (75, 103)), whole[0])
    # Photographs longer than a window is wide, but no larger.
    enlarger = Enlarger(network, scale, memory_for(network, scale, 64))
    assert enlarger.tiles_for(32, 120) is None


def test_evaluation_leaves_the_mode_as_it_was() -> None:
    network = network_of(EDSR).train()
    enlarge_whole(network, torch.rand(1, 3, 8, 8), (16, 16), 2)
    assert network.training
