"""The two-order degradation of Real-ESRGAN, at any scale, on any device, from a random stream of its own."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug import compat
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.grid import check_scale, lr_size, without_autocast
from degflow_aug.degradations.image_check import check_image
from degflow_aug.degradations.realesrgan.basicsr_filters import BasicSRFilters, blur, eight_bit
from degflow_aug.degradations.realesrgan.draw import RealESRGANDraw, draw
from degflow_aug.degradations.realesrgan.sensor_noise import add_noise
from degflow_aug.degradations.realesrgan.settings import RealESRGANSettings
from degflow_aug.draws import fresh_seed


class RealESRGAN(Degradation):
    """Blur, resize, noise and JPEG, twice, and a sinc filter, as BasicSR's ``RealESRGANModel`` synthesises LR.

    All parameters are drawn first, on the CPU, from the seed (``seed``); then ``degrade`` applies them. For the same
    draws the result is BasicSR's. With a seed neither reads nor changes the global random states. Resize factors,
    interpolation modes and kinds of noise are shared by a batch, as there; ``lr_patches`` draws them for every sample.
    """

    needs_values = True

    def __init__(self, settings: RealESRGANSettings | None = None) -> None:
        """Take the settings; none means those of BasicSR's training options, without sharpening.

        Raises:
            ValueError: BasicSR is not installed.
        """
        super().__init__()
        compat.require_basicsr("the Real-ESRGAN degradation")
        compat.apply()
        self.settings = settings or RealESRGANSettings()
        self._rng: np.random.Generator | None = None
        self._filters = BasicSRFilters()

    def seed(self, seed: int) -> None:
        """Restart the random stream; the same seed and calls give the same LR on one kind of device."""
        super().seed(seed)
        self._rng = np.random.default_rng(int(seed) % 2**63)

    def draw(self, batch: int) -> RealESRGANDraw:
        """Draw the parameters for the next ``batch`` samples."""
        return draw(self.settings, batch, self._rng or np.random.default_rng(fresh_seed()))

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1], 8 bit."""
        check_image(hr)
        check_scale(scale, *self.scale_range)
        return self.degrade(hr, scale, self.draw(hr.shape[0]))

    @torch.no_grad()
    def degrade(self, hr: Tensor, scale: float, parameters: RealESRGANDraw) -> Tensor:
        """Apply drawn parameters; shapes and ranges as in ``forward``."""
        scale = self.check(hr, scale)
        height, width = hr.shape[-2:]
        # BasicSR's filters view what they are given.
        image = hr.float().contiguous()
        with without_autocast(hr.device):
            if self.settings.usm:
                image = self._filters.sharpen(image)
            image = self._first_order(image, parameters)
            image = self._second_order(image, (height / scale, width / scale), parameters)
            return self._finish(image, lr_size(height, width, scale), parameters).to(hr.dtype)

    def _first_order(self, image: Tensor, parameters: RealESRGANDraw) -> Tensor:
        order = parameters.first
        if order.kernels is not None:
            image = blur(image, order.kernels)
        # A factor below 1 / size would leave nothing; interpolate rounds down.
        factor = max(order.resize, 1.001 / min(image.shape[-2:]))
        image = F.interpolate(image, scale_factor=factor, mode=order.mode)
        return self._filters.jpeg(add_noise(image, order), order.qualities)

    def _second_order(self, image: Tensor, size: tuple[float, float], parameters: RealESRGANDraw) -> Tensor:
        order = parameters.second
        if order.kernels is not None:
            image = blur(image, order.kernels)
        height, width = (max(1, int(side * order.resize)) for side in size)
        return add_noise(F.interpolate(image, size=(height, width), mode=order.mode), order)

    def _finish(self, image: Tensor, size: tuple[int, int], parameters: RealESRGANDraw) -> Tensor:
        """Resize to LR with the sinc filter, and JPEG, in the drawn order; then 8 bit."""
        if not parameters.jpeg_last:
            image = self._filters.jpeg(image, parameters.second.qualities)
        image = blur(F.interpolate(image, size=size, mode=parameters.final_mode), parameters.sinc_kernels)
        if parameters.jpeg_last:
            image = self._filters.jpeg(image, parameters.second.qualities)
        return eight_bit(image)
