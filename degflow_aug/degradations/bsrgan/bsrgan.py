"""The degradation of BSRGAN, at any scale, on any device, from a random stream of its own."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug import compat
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.bsrgan.bsrgan_settings import BSRGANSettings
from degflow_aug.degradations.bsrgan.raw_noise import add_sensor_noise
from degflow_aug.degradations.bsrgan.shuffled_steps import JPEG, Blur, GaussianNoise, Resize, Step, draw_steps
from degflow_aug.degradations.grid import check_scale, lr_size, without_autocast
from degflow_aug.degradations.image_check import check_image
from degflow_aug.degradations.realesrgan.basicsr_filters import BasicSRFilters, blur, eight_bit
from degflow_aug.draws import fresh_seed


class BSRGAN(Degradation):
    """Two blurs, a downsampling, Gaussian, JPEG and sensor noise in random order, then JPEG (Zhang et al., ICCV 2021).

    All parameters are drawn first, on the CPU, from the seed (``seed``); then ``degrade`` applies them. With a seed
    neither reads nor changes the global random states. The steps and their order are shared by a batch;
    ``lr_patches`` draws them for every sample, as the paper does. Bilinear and bicubic are without antialiasing.
    """

    needs_values = True

    def __init__(self, settings: BSRGANSettings | None = None) -> None:
        """Take the settings; none means those of the paper.

        Raises:
            ValueError: BasicSR, whose Gaussians and JPEG these are, is not installed.
        """
        super().__init__()
        compat.require_basicsr("the BSRGAN degradation")
        compat.apply()
        self.settings = settings or BSRGANSettings()
        self._rng: np.random.Generator | None = None
        self._filters = BasicSRFilters()

    def seed(self, seed: int) -> None:
        """Restart the random stream; the same seed and calls give the same LR on one kind of device."""
        super().seed(seed)
        self._rng = np.random.default_rng(int(seed) % 2**63)

    def draw(self, batch: int, scale: float) -> tuple[Step, ...]:
        """Draw the steps for the next ``batch`` samples at ``scale``."""
        return draw_steps(self.settings, scale, batch, self._rng or np.random.default_rng(fresh_seed()))

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1], 8 bit."""
        check_image(hr)
        scale = check_scale(scale, *self.scale_range)
        return self.degrade(hr, scale, self.draw(hr.shape[0], scale))

    @torch.no_grad()
    def degrade(self, hr: Tensor, scale: float, steps: tuple[Step, ...]) -> Tensor:
        """Apply drawn steps; shapes and ranges as in ``forward``."""
        self.check(hr, scale)
        height, width = hr.shape[-2:]
        image = hr.float().contiguous()
        with without_autocast(hr.device):
            for step in steps:
                image = self._applied(step, image, (height, width)).clamp(0, 1)
        return eight_bit(image).to(hr.dtype)

    def _applied(self, step: Step, image: Tensor, hr_size: tuple[int, int]) -> Tensor:
        if isinstance(step, Blur):
            return blur(image, step.kernels)
        if isinstance(step, Resize):
            return F.interpolate(image, size=lr_size(*hr_size, step.divisor), mode=step.mode)
        if isinstance(step, GaussianNoise):
            generator = torch.Generator(device=image.device).manual_seed(step.seed)
            normal = torch.randn(image.shape, dtype=image.dtype, device=image.device, generator=generator)
            return image + torch.bmm(step.mixing.to(image, non_blocking=True), normal.flatten(2)).view_as(image)
        if isinstance(step, JPEG):
            return self._filters.jpeg(image, step.qualities)
        return add_sensor_noise(image, step)
