"""A whole generator as one network, so that a stage can train all of it on images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp, hr_condition
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.archs.network_arguments import plain

Velocity = Callable[[Tensor, Tensor], Tensor]
Walk = Callable[[Velocity, Tensor, Tensor], Tensor]


class DegFlowGenerator(nn.Module):
    """RAE and velocity network, and the view that a walk along the path between them gives.

    Args:
        rae: keyword arguments of :class:`ResidualAutoencoder`.
        velocity: keyword arguments of :class:`NCSNpp`.
    """

    def __init__(self, *, rae: Mapping[str, Any], velocity: Mapping[str, Any]) -> None:
        super().__init__()
        self.rae, self.velocity = ResidualAutoencoder(**rae), NCSNpp(**velocity)
        self.spec = {"rae": plain(self.rae.spec), "velocity": plain(self.velocity.spec)}

    def forward(
        self, hr: Tensor, end: Tensor, walk: Walk, camera: Tensor | None = None, base: Tensor | None = None
    ) -> Tensor:
        """Decode the views (B, 3, H, W), about [-1, 1], that a walk from the latents of HR images leads to.

        Args:
            hr: (B, 3, H, W) in [-1, 1], sides in multiples of ``rae.multiple * velocity.multiple``.
            end: (B,) times in [0, 1].
            walk: (velocity, standardised latents (B, c, h, w) at t = 0, end) -> latents at ``end``. It gets the end
                from here, because a wrapper may have given this network a part of the batch.
            camera: (B, cameras) mixing weights, where the velocity network knows several.
            base: (B, 3, H, W) in [-1, 1], what the output of an anchored autoencoder is added to.
        """
        latent, features = self.rae.encode(hr)
        condition = None if self.velocity.condition is None else hr_condition(features)
        start = self.rae.standardise(latent)
        z = walk(lambda z, t: self.velocity(z, t, condition, camera=camera), start, end)
        return self.rae.decode(self.rae.unstandardise(z), features.on(base))
