"""The view of a fitted camera, which the output of an anchored autoencoder is added to."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from degflow_aug.degradations.fitted.camera_kernels import CameraKernels, FittedCamera
from degflow_aug.degradations.grid import at_least_float32, without_autocast


class Anchor(nn.Module):
    """V_s(HR) of a fitted kernel or pipeline: left for the networks is what is not the same everywhere in an image.

    Args:
        kernel: the fitted kernel or pipeline, or one per camera.
    """

    def __init__(self, kernel: FittedCamera) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, hr: Tensor, scales: Tensor, weights: Tensor | None = None) -> Tensor:
        """Views (B, 3, H, W) of ``hr`` (B, 3, H, W) in [0, 1], in float32 at least, borders reflected, not clamped.

        Args:
            scales: (B,) on the device of ``hr``; beyond the last knot the camera stays as it is there.
            weights: (B, cameras) of the cameras, where the kernel is of several, by which they are mixed.
        """
        with without_autocast(hr.device):
            if isinstance(self.kernel, CameraKernels):
                assert weights is not None
                return self.kernel.views(at_least_float32(hr), scales, weights)
            return self.kernel.views(at_least_float32(hr), scales)


def anchor_at(kernel: FittedCamera | None, knots: Sequence[float]) -> Anchor:
    """The anchor of an autoencoder that is trained on one.

    Raises:
        ValueError: no kernel, or one at other knots.
    """
    if kernel is None:
        raise ValueError("expected the fitted kernel of an anchored autoencoder, got none; give it as kernel")
    if [round(knot, 4) for knot in kernel.knots.tolist()] != [round(float(knot), 4) for knot in knots]:
        raise ValueError(f"expected a kernel at the knots {list(knots)}, got one at {kernel.knots.tolist()}")
    return Anchor(kernel)
