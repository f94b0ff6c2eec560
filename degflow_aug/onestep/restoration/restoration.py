"""An LR image of any size through a one-step network: enlarged, padded, tiled where it is large, colours fixed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from degflow_aug.degradations.convolution import pad_to_multiple
from degflow_aug.onestep.networks.backbones import UNetBackbone
from degflow_aug.onestep.networks.onestep_network import VELOCITY, OneStepNetwork
from degflow_aug.onestep.restoration.colour_fix import fix_colours
from degflow_aug.onestep.restoration.enlargement import enlarge
from degflow_aug.onestep.restoration.tiled_norms import norms_held_still
from degflow_aug.onestep.restoration.tiling import Map, Tiling, map_tiles

ENCODER_TILE = 1024
"""In pixels, OMGSR's; its decoder takes 224 cells."""


@dataclass(frozen=True)
class Restorer:
    """A trained network, and how whole images pass through it.

    Args:
        network: with its time known.
        colour_fix: adain, wavelet or none.
        tile: side of a tile of the backbone in latent cells; 0 for none, None for the backbone's own.
        autoencoder_tile: side of a tile of the VAE in pixels; 0 for none.
        enlargement: how LR comes to the size of HR: bicubic or bilinear.
    """

    network: OneStepNetwork
    colour_fix: str = "adain"
    tile: int | None = None
    autoencoder_tile: int = ENCODER_TILE
    enlargement: str = "bicubic"

    @torch.no_grad()
    def __call__(self, lr: Tensor, size: tuple[int, int]) -> Tensor:
        """LR (B, 3, h, w) in [0, 1] -> SR (B, 3, *size) in [0, 1]."""
        enlarged = enlarge(lr, size, self.enlargement)
        image = pad_to_multiple(enlarged * 2 - 1, self.network.multiple)
        made = self._pass(image)[..., : size[0], : size[1]]
        return fix_colours((made.float() + 1) / 2, enlarged, self.colour_fix).clamp(0, 1)

    def _pass(self, image: Tensor) -> Tensor:
        space = self.network.latents
        latents = self._tiled(space.encode, space.vae.encoder, image, self.autoencoder_tile, space.factor)
        times = self.network.times(len(latents))
        tiling = _own_tiling(self.network) if self.tile is None else _tiling(self.tile, self.network.backbone.multiple)
        predict = partial(self.network.predict, times=times)
        # Predictions are blended, and the step is taken once: tiles of images would be blended twice.
        prediction = predict(latents) if tiling is None else map_tiles(predict, latents, tiling)
        clean = self.network.from_prediction(latents, prediction, times)
        cells = self.autoencoder_tile // space.factor
        return self._tiled(space.decode, space.vae.decoder, clean, cells, 1)

    def _tiled(self, function: Map, part: torch.nn.Module, tensor: Tensor, side: int, multiple: int) -> Tensor:
        """An encoder or decoder over a large tensor, its group norms held still."""
        tiling = _tiling(side, multiple)
        if tiling is None or tiling.covers(tensor):
            return function(tensor)
        run = partial(map_tiles, function, tensor, tiling)
        with norms_held_still(part, run):
            return run()


def _own_tiling(network: OneStepNetwork) -> Tiling:
    """As published: half of a tile overlaps (OMGSR), or a third of FlowSR's larger ones."""
    side = network.backbone.tile
    if network.prediction == VELOCITY and isinstance(network.backbone, UNetBackbone):
        return Tiling(side * 3 // 2, side // 2)
    return Tiling(side, side // 2)


def _tiling(side: int, multiple: int) -> Tiling | None:
    """Tiles of about ``side``, both it and half of it a multiple."""
    if not side:
        return None
    whole = max(2 * multiple, side // (2 * multiple) * 2 * multiple)
    return Tiling(whole, whole // 2)
