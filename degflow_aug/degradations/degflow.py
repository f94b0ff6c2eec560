"""DegFlow as a degradation: the LR image a learned camera would have taken, at any scale of its range."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from degflow_aug.archs.ncsnpp_arch import NCSNpp
from degflow_aug.archs.rae_arch import ResidualAutoencoder
from degflow_aug.bundle import Bundle
from degflow_aug.degradations.base import Degradation, patch_sides
from degflow_aug.degradations.grid import check_scale, resize, to_lr_grid
from degflow_aug.degradations.padding import pad_to_multiple
from degflow_aug.degradations.tiled_autoencoder import EncodedHR, check_tile
from degflow_aug.flow.solver import Velocity, integrate, solver_step
from degflow_aug.flow.time_map import TimeMap


class DegFlow(Degradation):
    """A trained RAE and velocity network behind the degradation interface.

    The HR image is encoded, its latent carried along the flow to t(s), and decoded with the HR image's features into
    the view at s; ``forward`` takes the view to the LR grid.

    Args:
        rae: the autoencoder.
        velocity: the velocity network over its standardised latents.
        knots: scales at which real pairs were seen, 1 first.
        s_max: the scale at t = 1.
        solver: euler, midpoint, heun or rk4.
        steps: solver steps from the HR image to each scale.
        tile: images with more than ``tile``^2 pixels pass the autoencoder in tiles of that side, to the same result.
        extrapolate: allow scales beyond the last knot, where nothing was trained.
        camera: name of the device.

    Raises:
        ValueError: unknown solver, no step, or a tile smaller than its margins.
    """

    def __init__(
        self,
        rae: ResidualAutoencoder,
        velocity: NCSNpp,
        *,
        knots: Sequence[float] = (1.0, 2.0, 4.0),
        s_max: float = 4.0,
        solver: str = "heun",
        steps: int = 2,
        tile: int = 1024,
        extrapolate: bool = False,
        camera: str = "",
    ) -> None:
        super().__init__()
        solver_step(solver)
        if steps < 1:
            raise ValueError(f"expected at least one solver step, got {steps}")
        check_tile(tile, rae.encoder_margin)
        self.rae, self.velocity = rae.eval(), velocity.eval()
        self.knots, self.camera = tuple(knots), camera
        self.time_map = TimeMap(s_max)
        self.solver, self.steps, self.tile = solver, steps, tile
        self.scale_range = (1.0, math.inf if extrapolate else self.knots[-1])
        self.kernels: dict[str, Tensor] = {}

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        *,
        solver: str | None = None,
        steps: int | None = None,
        tile: int = 1024,
        extrapolate: bool = False,
    ) -> DegFlow:
        """The generator of a bundle; ``solver`` and ``steps`` default to the bundle's own."""
        spec = bundle.spec
        generator = cls(
            bundle.rae,
            bundle.velocity,
            knots=spec.knots,
            s_max=spec.s_max,
            solver=solver or spec.solver,
            steps=spec.steps if steps is None else steps,
            tile=tile,
            extrapolate=extrapolate,
            camera=spec.camera,
        )
        generator.kernels = dict(bundle.kernels)
        return generator

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1]."""
        return to_lr_grid(self.render(hr, scale), float(scale))

    @torch.no_grad()
    def render(self, hr: Tensor, scale: float | Tensor) -> Tensor:
        """View of ``hr`` (B, 3, H, W) at one scale, or at one a sample (B,): (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: wrong shape, or a scale outside ``scale_range``.
        """
        if isinstance(scale, Tensor) and scale.ndim:
            if scale.shape != hr.shape[:1]:
                raise ValueError(f"expected one scale a sample, shape ({hr.shape[0]},), got {tuple(scale.shape)}")
            checked = [self.check(hr, value) for value in scale.tolist()]
            scales = torch.tensor(checked, dtype=torch.float32, device=hr.device)
        else:
            scales = torch.full(hr.shape[:1], self.check(hr, float(scale)), device=hr.device)
        encoded = self._encode(hr)
        start = self.rae.standardise(encoded.latent)
        latent = integrate(self._field(encoded), start, self.time_map.time(scales), self.steps, self.solver)
        return self._finish(encoded.decode([self.rae.unstandardise(latent)]), hr)[0]

    @torch.no_grad()
    def render_scales(self, hr: Tensor, scales: Sequence[float]) -> list[Tensor]:
        """Views of ``hr`` (B, 3, H, W) at several scales from one encoding, each what ``render`` gives.

        The path is walked anew for each scale: a velocity network trained for a few equal steps from the HR image to
        every scale is at its best with those, and beside encoding and decoding its evaluations are cheap.
        """
        times = [self.time_map.time(self.check(hr, scale)) for scale in scales]
        encoded = self._encode(hr)
        start = self.rae.standardise(encoded.latent)
        ends = [torch.full(hr.shape[:1], time, device=hr.device) for time in times]
        latents = [integrate(self._field(encoded), start, end, self.steps, self.solver) for end in ends]
        return self._finish(encoded.decode([self.rae.unstandardise(latent) for latent in latents]), hr)

    @torch.no_grad()
    def lr_patches(self, hr: Tensor, scales: Tensor, lr_size: int) -> Tensor:
        """As :meth:`Degradation.lr_patches`, in one batched pass with an integration time per sample."""
        sides = patch_sides(hr, scales, lr_size)
        views = self.render(hr, scales)
        patches = [resize(views[i : i + 1, :, :side, :side], (lr_size, lr_size)) for i, side in enumerate(sides)]
        return torch.cat(patches).clamp(0, 1)

    @torch.no_grad()
    def reconstruct(self, hr: Tensor, view: Tensor) -> Tensor:
        """The RAE's own ceiling: ``view`` (B, 3, H, W) in [0, 1] encoded and decoded with the features of ``hr``.

        Raises:
            ValueError: wrong shapes, or shapes that differ.
        """
        for image in (hr, view):
            self.check(image, 1.0)
        if view.shape != hr.shape:
            raise ValueError(f"expected a view of the HR image's shape {tuple(hr.shape)}, got {tuple(view.shape)}")
        encoded = self._encode(hr)
        latent = EncodedHR(self.rae, self._input(view), tile=self.tile, conditioned=False).latent
        return self._finish(encoded.decode([latent]), hr)[0]

    def check_scales(self, scales: Sequence[float]) -> None:
        """Raise a ValueError that names the first scale outside ``scale_range``."""
        for scale in scales:
            check_scale(scale, *self.scale_range)

    def _input(self, image: Tensor) -> Tensor:
        dtype = next(self.rae.parameters()).dtype
        return pad_to_multiple(image.to(dtype) * 2 - 1, 8 * self.velocity.multiple)

    def _encode(self, hr: Tensor) -> EncodedHR:
        return EncodedHR(self.rae, self._input(hr), tile=self.tile, conditioned=self.velocity.condition is not None)

    def _field(self, encoded: EncodedHR) -> Velocity:
        return lambda z, t: self.velocity(z, t, encoded.condition)

    @staticmethod
    def _finish(views: list[Tensor], hr: Tensor) -> list[Tensor]:
        height, width = hr.shape[-2:]
        return [((view[:, :, :height, :width] + 1) / 2).clamp(0, 1).to(hr.dtype) for view in views]
