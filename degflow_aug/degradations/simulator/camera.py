"""A simulated camera whose band-limited truth is known at any scale, for tests, demonstrations and benchmarks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.convolution import convolve
from degflow_aug.degradations.grid import lr_size
from degflow_aug.degradations.lanczos import sample
from degflow_aug.degradations.simulator.content_noise import content_noise
from degflow_aug.degradations.simulator.optics import CameraOptics, point_spread


class SimulatedCamera(Degradation):
    """Photographs HR from further away: optics and pixel area in linear light, noise, sharpening, 8 bit.

    The spot is wide enough for the LR grid to sample it without aliasing, so a view hardly depends on where the grid
    falls, and there is one truth at every scale. LR pixel i lies at s i + (s - 1) / 2 on the HR grid.

    With a seed (``seed``) the noise of an image depends only on its 8-bit content, the scale and that seed, on every
    device and in every batch; without one it is another in every call.
    """

    needs_values = True

    def __init__(self, optics: CameraOptics | None = None) -> None:
        """Take the constants of the optics; none means the default camera."""
        super().__init__()
        self.optics = optics or CameraOptics()

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1], 8 bit."""
        scale = self.check(hr, scale)
        wide = hr if hr.dtype == torch.float64 else hr.float()
        if scale == 1:
            return self._quantised(wide).to(hr.dtype)
        gain = min(scale - 1, 1.0)
        spread = point_spread(self.optics, scale)[None].to(wide, non_blocking=True)
        light = convolve(wide.clamp(0, 1) ** self.optics.gamma, spread)
        light = sample(light, lr_size(hr.shape[-2], hr.shape[-1], scale), scale, self._offsets(scale)).clamp(0, 1)
        if self.optics.shot_noise or self.optics.read_noise:
            variance = gain * (self.optics.shot_noise * light + self.optics.read_noise)
            light = (light + variance.sqrt() * content_noise(wide, light, scale, self._seed)).clamp(0, 1)
        return self._quantised(self._sharpened(light ** (1 / self.optics.gamma), gain)).to(hr.dtype)

    @torch.no_grad()
    def render(self, hr: Tensor, scale: float) -> Tensor:
        """View of ``hr`` at ``scale``: its LR image by Lanczos interpolation on the HR grid, (B, 3, H, W) in [0, 1]."""
        lr = self(hr, scale)
        if scale == 1:
            return lr
        x, y = (-offset / scale for offset in reversed(self._offsets(scale)))
        wide = lr if lr.dtype == torch.float64 else lr.float()
        return sample(wide, (hr.shape[-2], hr.shape[-1]), 1 / scale, (y, x)).clamp(0, 1).to(hr.dtype)

    def without_noise(self) -> SimulatedCamera:
        """The same camera in ideal light."""
        return SimulatedCamera(replace(self.optics, shot_noise=0.0, read_noise=0.0))

    def _offsets(self, scale: float) -> tuple[float, float]:
        """Row and column of the first LR pixel on the HR grid."""
        x, y = self.optics.phase
        return scale * y + (scale - 1) / 2, scale * x + (scale - 1) / 2

    def _quantised(self, image: Tensor) -> Tensor:
        return ((image.clamp(0, 1) * self.optics.levels).round() / self.optics.levels).contiguous()

    def _sharpened(self, image: Tensor, gain: float) -> Tensor:
        """Unsharp masking: x + a g (x - blur(x))."""
        sigma = self.optics.sharpening_sigma
        reach = int(np.ceil(4 * sigma))
        position = torch.arange(-reach, reach + 1, dtype=torch.float64)
        profile = torch.exp(-((position / sigma) ** 2) / 2)
        kernel = (profile[:, None] * profile / profile.sum() ** 2).to(image, non_blocking=True)
        return image + self.optics.sharpening * gain * (image - convolve(image, kernel[None, None]))
