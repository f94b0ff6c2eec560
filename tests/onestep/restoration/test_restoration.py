"""Whole images through a network: any size, tiles without seams, and the same as the formula where one tile does."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from helpers.onestep_networks import tiny_network

pytest.importorskip("diffusers", reason="the extra onestep is not installed")
pytest.importorskip("peft", reason="the extra onestep is not installed")

from degflow_aug.degradations.grid import resize
from degflow_aug.onestep.restoration.restoration import Restorer
from degflow_aug.onestep.restoration.tiled_norms import norms_held_still
from degflow_aug.onestep.restoration.tiling import Tiling, map_tiles


def lr(height: int, width: int) -> torch.Tensor:
    """Waves in [0, 1]."""
    y, x = torch.meshgrid(torch.linspace(0, 3, height), torch.linspace(0, 4, width), indexing="ij")
    image = torch.stack((y.sin(), (x + y).cos(), (x * 2).sin())) / 2.5 + 0.5
    return image[None]


@pytest.mark.parametrize("kind", ["omgsr_s", "fluxsr"])
@pytest.mark.parametrize("size", [(64, 64), (63, 130), (17, 40)])
def test_any_size(kind: str, size: tuple[int, int], tiny_backbones: Path) -> None:
    made = Restorer(tiny_network(kind, tiny_backbones))(lr(16, 20), size)
    assert made.shape == (1, 3, *size)
    assert made.min() >= 0
    assert made.max() <= 1


def test_one_tile_is_the_network_itself(tiny_backbones: Path) -> None:
    network = tiny_network("omgsr_f", tiny_backbones)
    enlarged = resize(lr(16, 20), (64, 80)).clamp(0, 1)
    with torch.no_grad():
        expected = ((network(enlarged * 2 - 1) + 1) / 2).clamp(0, 1)
    assert torch.allclose(Restorer(network, "none")(lr(16, 20), (64, 80)), expected, atol=1e-6)


def step_at_borders(image: torch.Tensor, border: int) -> float:
    """By how many grey levels neighbours differ more across the borders of tiles than elsewhere, on average.

    Elsewhere is at other multiples of 8 pixels, where the cells of latents end too.
    """
    steps = 255 * image.diff(dim=-1).abs().mean(dim=(0, 1, 2))
    others = [steps[offset - 1 :: border].mean() for offset in range(8, border, 8)]
    return float(steps[border - 1 :: border].mean() - max(others))


@pytest.mark.parametrize("kind", ["omgsr_s", "fluxsr"])
@pytest.mark.parametrize("parts", [(8, 0), (0, 64), (8, 64)], ids=["backbone", "autoencoder", "both"])
def test_tiles_leave_no_seam(kind: str, parts: tuple[int, int], tiny_backbones: Path) -> None:
    """Where a tile begins or ends, every 32 pixels, the step grows by less than a grey level."""
    network = tiny_network(kind, tiny_backbones)
    size, (tile, autoencoder_tile) = (192, 384), parts
    whole = Restorer(network, "none", tile=0, autoencoder_tile=0)(lr(48, 96), size)
    tiled = Restorer(network, "none", tile=tile, autoencoder_tile=autoencoder_tile)(lr(48, 96), size)
    assert not torch.equal(tiled, whole)
    assert step_at_borders(tiled, 32) - max(0, step_at_borders(whole, 32)) < 1


@pytest.mark.parametrize("coder", ["encoder", "decoder"])
def test_tiles_with_pooled_norms_are_nearer_to_the_whole(coder: str, tiny_backbones: Path) -> None:
    space = tiny_network("omgsr_s", tiny_backbones, moved=False).latents
    image = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        function, tensor, side = (space.encode, image, 128)
        if coder == "decoder":
            function, tensor, side = space.decode, space.encode(image), 16
        whole = function(tensor)
        run = partial(map_tiles, function, tensor, Tiling(side, side // 2))
        free = run()
        with norms_held_still(getattr(space.vae, coder), run):
            held = run()
        assert torch.equal(function(tensor), whole)
    assert (held - whole).abs().mean() < 0.95 * (free - whole).abs().mean()


def test_pooled_norms_of_one_tile_change_nothing(tiny_backbones: Path) -> None:
    space = tiny_network("fluxsr", tiny_backbones).latents
    image = lr(64, 48) * 2 - 1
    with torch.no_grad():
        expected = space.encode(image)
        with norms_held_still(space.vae.encoder, lambda: space.encode(image)):
            assert torch.allclose(space.encode(image), expected, atol=1e-4)
