"""DegFlow as a degradation: the LR image a learned camera would have taken, at any scale of its range."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.bundles.bundle import Bundle
from degflow_aug.degradations.camera_choice import CameraLike, check_only_camera
from degflow_aug.degradations.fitted.camera_kernels import FittedCamera, anchor_at, kernel_of
from degflow_aug.degradations.generator.execution import (
    EncodedHR,
    autocast,
    check_execution,
    check_tile,
    compile_networks,
    from_network,
    to_network,
)
from degflow_aug.degradations.generator.flow_path import FlowPath, sampler_for, sampler_settings
from degflow_aug.degradations.generator.several_cameras import SeveralCameras
from degflow_aug.degradations.grid import check_scale, resample_patches, to_lr_grid
from degflow_aug.degradations.image_check import check_image
from degflow_aug.degradations.noise.noisy_degradation import CameraNoise, Noise, noise_of
from degflow_aug.flow.time_map import TimeMap
from degflow_aug.options.values import convert


class DegFlow(SeveralCameras):
    """A trained RAE and velocity network behind the degradation interface.

    The HR image is encoded, its latent carried along the flow to t(s), and decoded with the HR image's features into
    the view at s; ``forward`` takes the view to the LR grid. The networks stay in evaluation mode whatever a parent
    module is set to. Under autocast the networks run in its precision; times and latents along the path stay float32.

    Args:
        rae: the autoencoder.
        velocity: the velocity network over its standardised latents.
        knots: scales at which real pairs were seen, 1 first.
        s_max: the scale at t = 1.
        solver: euler, midpoint, heun, rk4, or rk45, the official one, which is slow and steered by the CPU; jump for a
            one-step student; none for heun, or jump where that is due.
        steps: solver steps from the HR image to each scale; none for 2, or one jump; rk45 takes none.
        tolerance: of rk45, relative and absolute; none for the official 1e-5. Others take none.
        tile: images with more than ``tile``^2 pixels pass the autoencoder in tiles of that side, to the same result.
        extrapolate: allow scales beyond the last knot, where nothing was trained.
        camera: name of the device; of several ``cameras`` the one to be (see :class:`SeveralCameras`), None where calls
            name it.
        cameras: names of those that the velocity network tells apart, in the order of its embeddings.
        amp: bf16 for networks under autocast, none for the precision of the surroundings.
        compile: pass the networks through ``torch.compile``, in place, for a shape at a time, as in training; a name is
            that of its mode.
        residual: what real LR images hold beside what HR determines; that of each camera where there are several.
        kernel: the fitted camera at ``knots``, which an anchored autoencoder adds to; others do without.
        noise: its strength in LR images and patches, 1 for that of the real pairs; views have none.

    Raises:
        ValueError: unknown solver, precision or camera, no step, noise without its statistics, or too small a tile.
    """

    def __init__(
        self,
        rae: ResidualAutoencoder,
        velocity: NCSNpp,
        *,
        knots: Sequence[float] = (1.0, 2.0, 4.0),
        s_max: float = 4.0,
        solver: str | None = None,
        steps: int | None = None,
        tolerance: float | None = None,
        tile: int = 1024,
        extrapolate: bool = False,
        camera: CameraLike | None = "",
        cameras: Sequence[str] = (),
        amp: str = "none",
        compile: bool | str = False,
        residual: Noise | CameraNoise | None = None,
        noise: float = 0.0,
        kernel: FittedCamera | None = None,
    ) -> None:
        if len(cameras) != velocity.spec["cameras"]:
            raise ValueError(
                f"expected names of the {velocity.spec['cameras']} cameras of the velocity network, got {list(cameras)}"
            )
        super().__init__(cameras, camera, residual, noise)
        self.sampler = sampler_for(velocity, solver, steps, tolerance)
        check_execution(amp, compile)
        check_tile(tile, max(rae.encoder_margin, rae.decoder_margin))
        # On a CPU 1.2 times as fast, for the norms over channels; on tensor cores what convolutions take anyway.
        self.rae = rae.eval().to(memory_format=torch.channels_last)
        self.velocity = velocity.eval().to(memory_format=torch.channels_last)
        self.knots = tuple(knots)
        self.time_map = TimeMap(s_max)
        self.solver, self.steps, self.tile, self.amp = self.sampler.name, self.sampler.steps, tile, amp
        self.scale_range = (1.0, math.inf if convert(extrapolate, bool | None, "extrapolate") else self.knots[-1])
        self.anchor = anchor_at(kernel, knots) if rae.anchored else None
        # Compiled networks want one shape, so they decode whole patches.
        self.whole_patches = bool(compile)
        compile_networks((rae.encoder, rae.decoder, velocity), compile)

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        *,
        solver: str | None = None,
        steps: int | None = None,
        tolerance: float | None = None,
        tile: int = 1024,
        extrapolate: bool = False,
        amp: str = "none",
        compile: bool | str = False,
        noise: float = 0.0,
        camera: CameraLike | None = None,
    ) -> DegFlow:
        """The generator of a bundle, its weights frozen, by default with the bundle's own sampler.

        ``camera`` is for bundles that know several; to others it may be the name of the one they know.
        """
        spec = bundle.spec
        if not spec.cameras:
            check_only_camera(camera, spec.camera)
        generator = cls(
            bundle.rae,
            bundle.velocity,
            knots=spec.knots,
            s_max=spec.s_max,
            **sampler_settings(spec, solver, steps, tolerance),
            tile=tile,
            extrapolate=extrapolate,
            camera=camera if spec.cameras else spec.camera,
            cameras=spec.cameras,
            amp=amp,
            compile=compile,
            # Without noise its statistics are not needed, and those of an earlier form do no harm.
            residual=noise_of(bundle.noise) if noise else None,
            noise=noise,
            kernel=kernel_of(bundle.kernels) if bundle.rae.anchored else None,
        )
        generator.fitted, generator.taught = bundle.kernels, bundle.students
        return generator.requires_grad_(False)

    def train(self, mode: bool = True) -> DegFlow:
        """Leave the networks in evaluation mode: a generator does not drop out while another network trains."""
        super().train(mode)
        self.rae.eval()
        self.velocity.eval()
        return self

    @property
    def dtype(self) -> torch.dtype:
        """That of the networks."""
        return next(self.rae.parameters()).dtype

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float, camera: CameraLike | Tensor | None = None) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1].

        ``camera``, here and below, is for this call in place of the one chosen: a name, weights by name, or weights
        (B, cameras) of every sample.
        """
        check_image(hr)
        check_scale(scale, *self.scale_range)
        weights = self.camera_weights(hr, camera)
        lr = to_lr_grid(self.render(hr, scale, weights), float(scale))
        return self.with_noise(lr, torch.full(hr.shape[:1], float(scale)), weights)

    @torch.no_grad()
    def render(self, hr: Tensor, scale: float | Tensor, camera: CameraLike | Tensor | None = None) -> Tensor:
        """View of ``hr`` (B, 3, H, W) at one scale, or at one per sample (B,): (B, 3, H, W) in [0, 1].

        A tensor of scales on the CPU is checked without waiting for the device of ``hr``; one on an accelerator is
        trusted.

        Raises:
            ValueError: wrong shape, a scale outside ``scale_range``, or a camera that is not known or not chosen.
        """
        check_image(hr)
        if isinstance(scale, Tensor):
            scales = self.sample_scales(hr, scale if scale.ndim else scale.expand(hr.shape[0]))
        else:
            scales = torch.full(hr.shape[:1], self.check(hr, scale))
        times = self.time_map.time(scales.float()).to(hr.device, non_blocking=True)
        return self._views(hr, [times], self.camera_weights(hr, camera))[0]

    @torch.no_grad()
    def render_scales(
        self, hr: Tensor, scales: Sequence[float], camera: CameraLike | Tensor | None = None
    ) -> list[Tensor]:
        """Views of ``hr`` (B, 3, H, W) at several scales from one encoding, as ``render`` gives them but for rounding.

        The path is walked anew for each scale: a velocity network trained for a few equal steps from the HR image to
        every scale is at its best with those, and beside encoding and decoding its evaluations are cheap.
        """
        self.check_hr(hr)
        times = [self.time_map.time(scale) for scale in self.check_scales(scales)]
        ends = [torch.full(hr.shape[:1], time, device=hr.device) for time in times]
        return self._views(hr, ends, self.camera_weights(hr, camera))

    def views(self, hr: Tensor, scales: Tensor) -> Tensor:
        """As :meth:`Degradation.views`, in one batched pass."""
        return self.render(hr, scales)

    @torch.no_grad()
    def lr_patches(self, hr: Tensor, scales: Tensor, lr_size: int, camera: CameraLike | Tensor | None = None) -> Tensor:
        """As :meth:`Degradation.lr_patches`, in one batched pass with an integration time per sample.

        A view is that of the whole P x P image: the velocity network sees all of it. Only as much is decoded as the
        largest square of the batch needs, where its scales are on the CPU.
        """
        scales, sides = self.check_patches(hr, scales, lr_size)
        known = sides.device.type == "cpu" and not self.whole_patches
        needed = int(sides.max()) if known else None
        times = self.time_map.time(scales.float()).to(hr.device, non_blocking=True)
        weights = self.camera_weights(hr, camera)
        view = self._views(hr, [times], weights, needed)[0]
        return self.with_noise(resample_patches(view, sides, lr_size).clamp_(0, 1), scales, weights)

    @torch.no_grad()
    def reconstruct(self, hr: Tensor, view: Tensor, scale: float, camera: CameraLike | Tensor | None = None) -> Tensor:
        """The RAE's own ceiling: ``view`` (B, 3, H, W) in [0, 1] at ``scale``, encoded and decoded with the features of
        ``hr``.

        Raises:
            ValueError: wrong shapes, shapes that differ, or a scale outside ``scale_range``.
        """
        end = torch.full(hr.shape[:1], self.time_map.time(self.check(hr, scale)), device=hr.device)
        for image in (hr, view):
            self.check(image, 1.0)
        if view.shape != hr.shape:
            raise ValueError(f"expected a view of the HR image's shape {tuple(hr.shape)}, got {tuple(view.shape)}")
        weights = self.camera_weights(hr, camera) if self.anchor is not None else None
        with autocast(self.amp, hr.device, self.dtype):
            latent = self._encode(view, conditioned=False).latent
            encoded = self._encode(hr, conditioned=False)
            return from_network(encoded.decode([latent], None, self._bases(hr, [end], weights)), hr)[0]

    def _views(
        self, hr: Tensor, ends: Sequence[Tensor], weights: Tensor | None = None, side: int | None = None
    ) -> list[Tensor]:
        """Views at each of the end times (B,) from one encoding; ``side`` is that of :meth:`EncodedHR.decode`."""
        with autocast(self.amp, hr.device, self.dtype):
            encoded = self._encode(hr, conditioned=self.velocity.condition is not None)
            camera = None if weights is None else weights.to(hr.device, non_blocking=True)
            path = FlowPath(self.rae, self.velocity, encoded, solver=self.sampler, camera=camera)
            bases = self._bases(hr, ends, camera)
            return from_network(encoded.decode([path.latent(end) for end in ends], side, bases), hr)

    def _bases(self, hr: Tensor, ends: Sequence[Tensor], weights: Tensor | None) -> list[Tensor] | None:
        """The anchor's views at times (B,), as the image that is encoded; None without an anchor."""
        if self.anchor is None:
            return None
        return [self._padded(self.anchor(hr, self.time_map.scale(end), weights)) for end in ends]

    def _encode(self, image: Tensor, *, conditioned: bool) -> EncodedHR:
        return EncodedHR(self.rae, self._padded(image), tile=self.tile, conditioned=conditioned)

    def _padded(self, image: Tensor) -> Tensor:
        return to_network(image, self.dtype, self.rae.multiple * self.velocity.multiple)
