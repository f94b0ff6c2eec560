"""The camera as a pipeline fitted to pairs: blur of light, tone curve, sharpening."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel, ViewParameters
from degflow_aug.degradations.fitted.kernel_estimation import Pairs
from degflow_aug.degradations.fitted.kernel_interpolation import (
    NEGLIGIBLE,
    TAPS,
    bracket,
    fit_widening,
    interpolate_blur,
    kernel_side,
    sharpening_kernels,
)
from degflow_aug.degradations.fitted.pipeline_estimation import EXPONENTS, UNWATCHED, SearchWatch, estimate_pipeline
from degflow_aug.degradations.grid import without_autocast
from degflow_aug.degradations.noise.noisy_degradation import Noise

if TYPE_CHECKING:
    from typing_extensions import Self


class FittedPipeline(FittedKernel):
    """View = S_s * (K_s * HR^g)^(1 / g): what a camera does, as far as it is the same everywhere in an image.

    Optics and pixel area blur light and not display values, and cameras sharpen display values on their own grid. One
    linear kernel is a compromise between the two. Between knots K_s keeps its shape and widens, see
    :func:`interpolate_blur`, and the sharpening's taps, LR pixels apart at every scale, are interpolated linearly in s.

    Attributes:
        knots, kernels: as in :class:`FittedKernel`: the kernels of the best linear camera, from which it was fitted.
        blur: (K, 3, k, k) buffer, point-spread functions of light, of sum 1; the first is a unit impulse.
        exponent: () buffer, g.
        taps: (K, 3, t, t) buffer, sharpening on the LR grid, of sum 1; the first is a unit impulse.
        widening: () buffer, by which the blur grows with the scale.
        left: share of the error of linear kernels that was left after the fit; 1 where that is not known.
    """

    blur: Tensor
    exponent: Tensor
    taps: Tensor
    widening: Tensor
    left = 1.0
    fade = 2.0
    state_keys = ("knots", "kernels", "blur", "exponent", "taps", "widening")

    def __init__(
        self,
        knots: Tensor,
        kernels: Tensor,
        blur: Tensor,
        exponent: Tensor,
        taps: Tensor,
        widening: Tensor,
        *,
        residual: Noise | None = None,
        noise: float = 0.0,
    ) -> None:
        """Take what the attributes say; noise as in the base class.

        Raises:
            ValueError: shapes or values that cannot be.
        """
        super().__init__(knots, kernels, residual=residual, noise=noise)
        count = self.knots.numel()
        numbers = [value.item() for value in (exponent, widening) if value.numel() == 1 and value.is_floating_point()]
        known = len(numbers) == 2 and EXPONENTS[0] <= numbers[0] <= EXPONENTS[1] and numbers[1] > 0
        if blur.shape != kernels.shape or not known:
            raise ValueError(
                f"expected blur kernels of shape {tuple(kernels.shape)}, an exponent from {EXPONENTS[0]:.2f} to "
                f"{EXPONENTS[1]:g} and a widening above 0, got {tuple(blur.shape)}, {exponent.tolist()} and "
                f"{widening.tolist()}"
            )
        if taps.shape != (count, 3, TAPS, TAPS):
            raise ValueError(f"expected taps of shape ({count}, 3, {TAPS}, {TAPS}), got {tuple(taps.shape)}")
        for name, values in (("blur", blur), ("taps", taps)):
            sums, middle = values.float().sum((-2, -1)), values[0, :, values.shape[-2] // 2, values.shape[-1] // 2]
            if not (torch.cat([sums, middle.float()[None]]) - 1).abs().max() < 1e-3:
                raise ValueError(f"expected {name} of sum 1 with a unit impulse at knot 1, got other values")
        self.register_buffer("blur", blur.detach().float().clone())
        self.register_buffer("exponent", exponent.detach().float().reshape(()).clone())
        self.register_buffer("taps", taps.detach().float().clone())
        self.register_buffer("widening", widening.detach().float().reshape(()).clone())
        self.sharpening_side = kernel_side(self.scale_range[1])

    @property
    def side(self) -> int:
        """Side of the square of HR pixels that a pixel of a view depends on, but for next to nothing."""
        return self.blur.shape[-1] + self.sharpening_side - 1 - 2 * NEGLIGIBLE

    @classmethod
    def fit(
        cls,
        pairs: Pairs,
        size: int = 31,
        regularisation: float = 1e-3,
        *,
        robust: bool = True,
        watch: SearchWatch = UNWATCHED,
    ) -> Self:
        """Fit a pipeline to pairs: the kernels as :meth:`FittedKernel.fit`, then :func:`estimate_pipeline`.

        Its windows are aligned and weighed in any case. ``watch`` is told of every step of the search and keeps it.

        Raises:
            ValueError: no pairs, or pairs that cannot be fitted.
        """
        if isinstance(pairs, Iterator):
            pairs = list(pairs)
        start = FittedKernel.fit(pairs, size, regularisation, robust=robust)
        found = estimate_pipeline(pairs, start.knots.tolist(), start.kernels, watch=watch)
        widening = torch.tensor(fit_widening(start.knots, found.blur))
        fitted = cls(start.knots, start.kernels, found.blur, found.exponent, found.taps, widening)
        fitted.left = found.left
        return fitted

    def view_parameters(self, scales: Tensor) -> ViewParameters:
        """Blur, exponent and sharpening at scales (B,), clamped to the range of the knots."""
        knots, inside = self.knots.float(), scales.to(self.knots).float().clamp(*self.scale_range)
        low = bracket(knots, inside)
        weight = ((inside - knots[low]) / (knots[low + 1] - knots[low])).view(-1, 1, 1, 1)
        taps = (1 - weight) * self.taps[low] + weight * self.taps[low + 1]
        with without_autocast(knots.device):
            return ViewParameters(
                interpolate_blur(knots, self.blur.float(), inside, self.widening.float()),
                self.exponent.float().expand(len(inside)),
                sharpening_kernels(taps.float(), inside, self.sharpening_side),
            )
