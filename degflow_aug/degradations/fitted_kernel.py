"""The camera as a linear kernel, fitted to pairs: a cheap degradation, a baseline, and the source of pseudo-views."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from degflow_aug.bundle import Bundle, KernelBundle
from degflow_aug.degradations.camera_choice import check_only_camera, find_camera
from degflow_aug.degradations.camera_state import camera_part
from degflow_aug.degradations.convolution import convolve
from degflow_aug.degradations.grid import check_scale, to_lr_grid
from degflow_aug.degradations.kernel_estimation import Pairs, estimate_kernels
from degflow_aug.degradations.kernel_interpolation import bracket, interpolate_kernels, residual_weight
from degflow_aug.degradations.noisy import NoisyDegradation
from degflow_aug.degradations.patch_resampling import resample_patches
from degflow_aug.degradations.residual_noise import ResidualNoise


class PseudoViewKernels(Protocol):
    """What :func:`pseudo_views` needs to know: the same kernel for all samples, or another one for each.

    Attributes:
        knots: (K,).
        scale_range: the first and the last of them.
        side: k, of the kernels in pixels.
    """

    @property
    def knots(self) -> Tensor: ...
    @property
    def scale_range(self) -> tuple[float, float]: ...
    @property
    def side(self) -> int: ...

    def pseudo_view_kernels(self, scales: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...
    def view_kernels(self, scales: Tensor) -> Tensor: ...


class FittedKernel(NoisyDegradation):
    """A camera's blur as one kernel a knot and channel, interpolated in scale between the knots.

    Attributes:
        knots: (K,) buffer, the scales of the kernels; the first is 1, HR itself.
        kernels: (K, 3, k, k) buffer, point-spread functions of sum 1; the first is a unit impulse.
    """

    knots: Tensor
    kernels: Tensor

    def __init__(
        self, knots: Tensor, kernels: Tensor, *, residual: ResidualNoise | None = None, noise: float = 0.0
    ) -> None:
        """Take the knots (K,) and their kernels (K, 3, k, k), k odd, scale 1 included; noise as in the base class.

        Raises:
            ValueError: shapes that do not match, knots that do not ascend from 1, or noise without its statistics.
        """
        super().__init__(residual, noise)
        values = [round(value, 6) for value in knots.flatten().tolist()]
        if len(values) < 2 or values[0] != 1 or sorted(set(values)) != values:
            raise ValueError(f"expected at least two knots that ascend from 1, got {values}; HR is the first knot")
        side = kernels.shape[-1]
        if kernels.shape != (len(values), 3, side, side) or side % 2 == 0:
            raise ValueError(
                f"expected kernels of shape ({len(values)}, 3, k, k) with k odd, got {tuple(kernels.shape)}; "
                "give one kernel a knot and channel"
            )
        if not torch.allclose(kernels[0].detach().float().cpu(), _impulse(side), atol=1e-6):
            raise ValueError("expected a unit impulse as the kernel of knot 1, got another; HR is its own view there")
        self.register_buffer("knots", torch.tensor(values, dtype=torch.float32, device=kernels.device))
        self.register_buffer("kernels", kernels.detach().float().clone())
        self.scale_range = (1.0, values[-1])

    @property
    def side(self) -> int:
        """Side k of the kernels in pixels."""
        return self.kernels.shape[-1]

    @classmethod
    def fit(cls, pairs: Pairs, size: int = 31, regularisation: float = 1e-3, *, robust: bool = True) -> FittedKernel:
        """Fit one kernel a scale and channel to pairs.

        Args:
            pairs: HR images (3, H, W) in [0, 1], each with its views (3, H, W) by scale; 32 pixels a side at least.
                Read several times where ``robust``, and then an iterator is read into memory.
            size: odd side of the kernels in pixels.
            regularisation: power added to every frequency, relative to the mean power of HR.
            robust: take the shifts of windows out and weigh them, see :func:`estimate_kernels`. On City100's real pairs
                both are as strong an opponent (Y-PSNR of held-out scenes, iPhone 33.77 against 33.76 dB plainly, Nikon
                39.12 against 39.12), and on registered views of the simulator too; where views are shifted by up to
                a pixel, pseudo-views of the robust kernel come nearer to the truth. So it serves for everything.

        Raises:
            ValueError: no pairs, or pairs that cannot be fitted.
        """
        fitted = estimate_kernels(pairs, size, regularisation, robust=robust)
        kernels = [kernel.cpu() for kernel in fitted.values()]
        return cls(torch.tensor([1.0, *fitted], dtype=torch.float64), torch.stack([_impulse(size), *kernels]))

    @classmethod
    def from_bundle(
        cls, bundle: Bundle | KernelBundle, *, noise: float = 0.0, camera: str | None = None
    ) -> FittedKernel:
        """The fitted kernel of a bundle, that of ``camera`` where it knows several.

        The noise of a bundle with networks is what their LR lacks, which is less than what a kernel's does: it is not
        taken for the kernel's.

        Raises:
            ValueError: a bundle without kernels, or without noise of theirs where noise is asked for, or a camera that
                it does not know.
        """
        kernels, cameras = bundle.kernels, bundle.spec.cameras
        if cameras:
            kernels = camera_part(kernels, find_camera(camera or "", cameras))
        else:
            check_only_camera(camera, bundle.spec.camera)
        if not kernels.keys() >= {"knots", "kernels"}:
            raise ValueError("expected a bundle with fitted kernels, got one without; degflow fit puts them in")
        alone = isinstance(bundle, KernelBundle)
        if noise and not alone:
            raise ValueError(
                "expected a bundle of a fitted kernel alone for its noise, got one with networks and the noise of "
                "theirs; make one with degflow fit --preset kernel"
            )
        residual = ResidualNoise.from_state(bundle.noise) if noise and bundle.noise else None
        return cls(kernels["knots"], kernels["kernels"], residual=residual, noise=noise)

    def kernel_at(self, scale: float) -> Tensor:
        """Kernel (3, k, k) of sum 1 at a scale between the first and the last knot."""
        return self._kernels(self._scales(scale))[0]

    def pseudo_view_kernel(self, scale: float) -> tuple[Tensor, float, float, int, int]:
        """What makes a pseudo-view at ``scale`` out of HR and the views at the knots a <= s <= b on either side.

        pseudo(s) = w_a view_a + w_b view_b + kernel * HR, kernel = K_s - w_a K_a - w_b K_b, w_a = 1 - w_b, and w_b by
        :func:`residual_weight`.

        Returns:
            kernel (3, k, k), w_a, w_b, index of a, index of b.
        """
        kernels, weight, low = self.pseudo_view_kernels(self._scales(scale))
        share, index = float(weight), int(low)
        return kernels[0], 1 - share, share, index, index + 1

    @torch.no_grad()
    def render(self, hr: Tensor, scale: float) -> Tensor:
        """View of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1], borders reflected."""
        kernel = self.kernel_at(self.check(hr, scale))
        return convolve(hr, kernel[None].to(hr.device)).clamp(0, 1)

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1]."""
        lr = to_lr_grid(self.render(hr, scale), float(scale))
        return self.with_noise(lr, torch.full(hr.shape[:1], float(scale)))

    @torch.no_grad()
    def lr_patches(self, hr: Tensor, scales: Tensor, lr_size: int) -> Tensor:
        """As :meth:`Degradation.lr_patches`, blurred in one pass and before the squares are cut: no border shows."""
        sides = self.patch_sides(hr, scales, lr_size)
        inside = self.sample_scales(hr, scales).to(self.knots, non_blocking=True).clamp(*self.scale_range)
        views = convolve(hr, self._kernels(inside).to(hr.device)).clamp(0, 1)
        return self.with_noise(resample_patches(views, sides, lr_size).clamp(0, 1), scales)

    def _scales(self, scale: float) -> Tensor:
        """A scale inside the range, as (1,) beside the knots."""
        return self.knots.new_tensor([check_scale(scale, *self.scale_range)])

    def _kernels(self, scales: Tensor) -> Tensor:
        return interpolate_kernels(self.knots.float(), self.kernels.float(), scales.float())

    def view_kernels(self, scales: Tensor) -> Tensor:
        """Kernels (B, 3, k, k) of sum 1 at scales (B,), clamped to the range of the knots."""
        return self._kernels(scales.to(self.knots).clamp(*self.scale_range))

    def pseudo_view_kernels(self, scales: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Kernels (B, 3, k, k), weights of the upper knot (B,) and indices of the lower knot (B,)."""
        knots, kernels = self.knots.float(), self.kernels.float()
        low = bracket(knots, scales)
        weight = residual_weight(knots[low], knots[low + 1], scales)
        share = weight.view(-1, 1, 1, 1)
        known = (1 - share) * kernels[low] + share * kernels[low + 1]
        return interpolate_kernels(knots, kernels, scales) - known, weight, low


@torch.no_grad()
def pseudo_views(fitted: PseudoViewKernels, hr: Tensor, views: Tensor, scales: Tensor) -> Tensor:
    """Views at scales where no pairs exist: the kernel at that scale plus what it leaves unexplained at the knots.

    pseudo(s) = K_s * HR + w_a (view_a - K_a * HR) + w_b (view_b - K_b * HR), the same at a knot as its own view.
    One batched pass on the tensors' device, without waiting for it.

    Args:
        fitted: kernels on the same device, those of one camera or of each sample's.
        hr: (B, 3, H, W) in [0, 1].
        views: (B, K, 3, H, W) in [0, 1] at ``fitted.knots``, HR first.
        scales: (B,), clamped to the range of the knots.

    Returns:
        (B, 3, H, W) in [0, 1].

    Raises:
        ValueError: shapes that do not match.
    """
    expected = (hr.shape[0], fitted.knots.numel(), *hr.shape[1:])
    if views.shape != expected or scales.shape != hr.shape[:1]:
        raise ValueError(
            f"expected views of shape {tuple(expected)} and one scale a sample, got {tuple(views.shape)} and "
            f"{tuple(scales.shape)}; views hold one image a knot, HR first"
        )
    inside = scales.to(fitted.knots.device, torch.float32).clamp(*fitted.scale_range)
    kernels, weight, low = fitted.pseudo_view_kernels(inside)
    rows = torch.arange(hr.shape[0], device=views.device)
    share = weight.view(-1, 1, 1, 1).to(views)
    known = (1 - share) * views[rows, low] + share * views[rows, low + 1]
    return (known + convolve(hr, kernels)).clamp(0, 1)


def kernel_views(fitted: PseudoViewKernels, hr: Tensor, scales: Tensor) -> Tensor:
    """What the linear camera makes of ``hr`` (B, 3, H, W), in any range of values, at scales (B,): not clamped."""
    return convolve(hr, fitted.view_kernels(scales))


def _impulse(size: int) -> Tensor:
    """The kernel (3, size, size) that changes nothing."""
    impulse = torch.zeros(3, size, size)
    impulse[:, size // 2, size // 2] = 1
    return impulse
