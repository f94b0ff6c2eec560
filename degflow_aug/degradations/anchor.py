"""The view of a linear camera, which the output of an anchored autoencoder is added to."""

from __future__ import annotations

from torch import Tensor, nn

from degflow_aug.degradations.camera_kernels import CameraKernels, StageKernel
from degflow_aug.degradations.convolution import convolve


class Anchor(nn.Module):
    """K_s * HR, K_s the fitted kernel at scale s: what is left for the networks is what a linear camera does not do.

    Args:
        kernel: the fitted kernel, or one a camera.
    """

    def __init__(self, kernel: StageKernel) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, hr: Tensor, scales: Tensor, weights: Tensor | None = None) -> Tensor:
        """Views (B, 3, H, W) of ``hr`` (B, 3, H, W), in any range of values, borders reflected, not clamped.

        Args:
            scales: (B,) on the device of ``hr``; beyond the last knot the kernel stays as it is there.
            weights: (B, cameras) of the cameras, where the kernel is of several: their kernels are mixed by them.
        """
        if isinstance(self.kernel, CameraKernels):
            assert weights is not None
            return convolve(hr, self.kernel.view_kernels(scales, weights))
        return convolve(hr, self.kernel.view_kernels(scales))
