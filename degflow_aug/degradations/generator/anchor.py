"""The view of a fitted camera, which the output of an anchored autoencoder is added to."""

from __future__ import annotations

from torch import Tensor, nn

from degflow_aug.degradations.fitted.camera_kernels import CameraKernels, FittedCamera


class Anchor(nn.Module):
    """V_s(HR) of a fitted kernel or pipeline: left for the networks is what is not the same everywhere in an image.

    Args:
        kernel: the fitted kernel or pipeline, or one a camera.
    """

    def __init__(self, kernel: FittedCamera) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, hr: Tensor, scales: Tensor, weights: Tensor | None = None) -> Tensor:
        """Views (B, 3, H, W) of ``hr`` (B, 3, H, W) in [0, 1], borders reflected, not clamped.

        Args:
            scales: (B,) on the device of ``hr``; beyond the last knot the camera stays as it is there.
            weights: (B, cameras) of the cameras, where the kernel is of several, by which they are mixed.
        """
        if isinstance(self.kernel, CameraKernels):
            assert weights is not None
            return self.kernel.views(hr, scales, weights)
        return self.kernel.views(hr, scales)
