"""A simulated phone: what a sensor with one colour per pixel and its processing make of a scene, at any scale."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.convolution import convolve
from degflow_aug.degradations.grid import lr_size
from degflow_aug.degradations.lanczos import sample
from degflow_aug.degradations.simulator.content_noise import content_noise
from degflow_aug.degradations.simulator.optics import point_spread
from degflow_aug.degradations.simulator.phone_processing import (
    add_contrast,
    demosaic,
    denoise,
    map_tones,
    mosaic,
    sharpen,
    through_jpeg,
    to_display,
    to_light,
)
from degflow_aug.degradations.simulator.phone_settings import PhoneSettings, random_settings


class SimulatedPhone(Degradation):
    """Photographs HR with a phone from further away, and processes it as phones do.

    HR is the scene: sRGB, turned into light of the sensor by the inverse colour matrix. Then come lens and pixel area,
    a Bayer mosaic on the LR grid, noise that grows with light, demosaicing along edges, denoising, the colour matrix,
    local tone mapping, sRGB, contrast, cored and limited sharpening, 8 bit, and a JPEG file: not the form that
    :class:`FittedPipeline` gives a camera. LR pixel i lies at s i + (s - 1) / 2 on the HR grid.

    With a seed (``seed``) the noise of an image depends only on its 8-bit content, the scale and that seed, on every
    device and in every batch; without one it is another in every call. The processing runs on the CPU.
    """

    needs_values = True

    def __init__(self, settings: PhoneSettings | None = None) -> None:
        """Take the constants of the phone; none means the default one."""
        super().__init__()
        self.settings = settings or PhoneSettings()
        self._to_srgb = np.array(self.settings.colour_matrix, np.float64)
        red, blue = self.settings.white_balance
        self._gains = np.array([red, 1.0, blue], np.float32)

    @classmethod
    def random(cls, seed: int) -> SimulatedPhone:
        """A plausible phone; the same one for the same seed."""
        return cls(random_settings(seed))

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1], 8 bit.

        At scale 1 it is HR itself in 8 bit.
        """
        scale = self.check(hr, scale)
        scene = hr.detach().float().cpu().clamp(0, 1)
        if scale == 1:
            return ((scene * 255).round() / 255).to(hr)
        light = self._sensor_light(scene, scale)
        noise = content_noise(scene, light, scale, self._seed)
        seen, drawn = (values.permute(0, 2, 3, 1).numpy() for values in (light, noise))
        pixels = torch.from_numpy(
            np.stack([self._process(*pair, scale) for pair in zip(seen, drawn, strict=True)])
        ).permute(0, 3, 1, 2)
        return (pixels.float() / 255).contiguous().to(hr)

    @torch.no_grad()
    def render(self, hr: Tensor, scale: float) -> Tensor:
        """View of ``hr`` at ``scale``: its LR image by Lanczos interpolation on the HR grid, (B, 3, H, W) in [0, 1]."""
        lr = self(hr, scale)
        if scale == 1:
            return lr
        offset = (1 - scale) / 2 / scale
        return sample(lr.float(), (hr.shape[-2], hr.shape[-1]), 1 / scale, (offset, offset)).clamp(0, 1).to(hr)

    def _sensor_light(self, scene: Tensor, scale: float) -> Tensor:
        """Light on the sensor's pixels, as if each had all three colours: (B, 3, h, w), G of full scale 1."""
        shown = to_light(scene.permute(0, 2, 3, 1).numpy())
        seen = np.maximum(shown @ np.linalg.inv(self._to_srgb).T.astype(np.float32), 0) / self._gains
        light = torch.from_numpy(seen).permute(0, 3, 1, 2) * self.settings.exposure
        light = convolve(light, point_spread(self.settings, scale)[None].to(light))
        offset = (scale - 1) / 2
        return sample(light, lr_size(scene.shape[-2], scene.shape[-1], scale), scale, (offset, offset)).clamp_min(0)

    def _process(self, light: np.ndarray, noise: np.ndarray, scale: float) -> np.ndarray:
        """The photograph (h, w, 3) in uint8 of light and standard normal noise (h, w, 3)."""
        own = self.settings
        values = mosaic(light + np.sqrt(own.shot_noise * light + own.read_noise) * noise)
        values = np.rint(values.clip(0, 1) * own.sensor_levels) / own.sensor_levels
        height, width = values.shape
        gains = mosaic(np.broadcast_to(self._gains, (height, width, 3)))
        colours = demosaic((values * gains).clip(0, 1))
        colours = to_light(denoise(to_display(colours), own.luma_denoising, own.chroma_denoising, own.denoising_reach))
        shown = (colours @ self._to_srgb.T.astype(np.float32)).clip(0, 1)
        shown = map_tones(shown, own.tone_mapping, max(1, round(own.tone_reach / scale)))
        display = add_contrast(to_display(shown), own.contrast)
        display = sharpen(
            display, own.sharpening, own.sharpening_sigma, own.sharpening_core, own.sharpening_limit
        ).clip(0, 1)
        return through_jpeg(np.rint(display * 255).astype(np.uint8), own.jpeg_quality, own.jpeg_subsampling)
