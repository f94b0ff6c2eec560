"""The residual noise of a generator, estimated from its LR images beside the real ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from degflow_aug.degradations.noise_covariance import (
    correlate,
    crop_lags,
    pool_lags,
    product_sums,
    solve,
    spread_lags,
)
from degflow_aug.degradations.noise_fields import PITCH, kernels_of, smooth_variance
from degflow_aug.degradations.noise_terms import derivatives, table_sums
from degflow_aug.degradations.residual_noise import TERMS, ResidualNoise

SMALLEST = 32
KERNEL, FIELD = 9, 11
FINE, NODES, HOLE = 8, 8, 4
TABLE = 9, 12
CONTRASTS = torch.tensor([0.5 / 255, 64 / 255])
LOUDEST, STEEPEST = 8.0, 20.0
Pair = tuple[Tensor, Tensor]


def estimate_noise(pairs: Mapping[float, Iterable[Pair]]) -> ResidualNoise:
    """Deviation by level and contrast, correlation, smooth fields and tails, at every scale of the pairs.

    Args:
        pairs: by scale, rendered and real LR images (1, 3, h, w) in [0, 1], of at least 32x32 pixels.

    Raises:
        ValueError: no pair at a scale, or images that are too small.
    """
    found = [_Estimate.of(list(pairs[scale]), scale).noise() for scale in sorted(pairs)]
    parts = [torch.cat([getattr(each, name) for each in found]) for name in ("deviations", "kernels", "fields", "tails")]
    return ResidualNoise(torch.tensor(sorted(pairs)), CONTRASTS, *parts)


@dataclass(frozen=True)
class _Estimate:
    """One scale: the images and their residuals."""

    scale: float
    images: list[Tensor]
    residuals: list[Tensor]

    @classmethod
    def of(cls, pairs: list[Pair], scale: float) -> _Estimate:
        if not pairs or min(min(lr.shape[-2:]) for lr, _ in pairs) < SMALLEST:
            raise ValueError(
                f"expected LR images of at least {SMALLEST}x{SMALLEST} pixels at x{scale:g} to learn noise from"
            )
        images = [lr.float().cpu() for lr, _ in pairs]
        residuals = [real.float().cpu() - lr for lr, (_, real) in zip(images, pairs, strict=True)]
        return cls(scale, images, residuals)

    def noise(self) -> ResidualNoise:
        """The noise of this scale: covariances, then the table again with the derivatives' part taken out, then tails.

        The table sees channels and terms together; it is scaled so that they have the share that was found.
        """
        squares = self._table([residual.square().mean(1, keepdim=True) for residual in self.residuals])
        unit = self._assemble(squares.sqrt(), torch.eye(3)[:, :, None, None], torch.zeros(TERMS, 3, 3, 1, 1))
        flat = self._assemble(squares.sqrt(), *self._filters(unit))
        expected = [flat.variance(image, self._scales()).mean(1, keepdim=True) for image in self.images]
        own = (flat.kernels.square().sum() + smooth_variance(flat.fields[:, 0]).sum()) / 3
        missing = (squares - self._table(expected)) / own.clamp(min=1e-3)
        deviations = (squares + missing).clamp(min=squares / 16).sqrt()
        whole = self._assemble(deviations, flat.kernels[0], flat.fields[0])
        return self._assemble(deviations, flat.kernels[0], flat.fields[0], self._tails(whole))

    def _scales(self) -> Tensor:
        return torch.tensor([self.scale])

    def _assemble(
        self, deviations: Tensor, kernels: Tensor, fields: Tensor, tails: Tensor | None = None
    ) -> ResidualNoise:
        tails = torch.zeros_like(fields[:1, :1, :1].flatten(0, 1)) if tails is None else tails
        parts = (part[None] for part in (deviations, kernels, fields, tails))
        return ResidualNoise(self._scales(), CONTRASTS, *parts)

    def _table(self, values: list[Tensor]) -> Tensor:
        """Mean (L, T) of maps (1, 1, h, w) around every level and contrast, a pixel shared between the nearest."""
        sums = torch.zeros(2, *TABLE, dtype=torch.float64)
        for image, value in zip(self.images, values, strict=True):
            sums += table_sums(image, torch.cat([torch.ones_like(value), value], 1), TABLE, CONTRASTS)
        weight, total = sums
        # What hardly occurs says little. There the mean over levels is as good as a thousandth of all pixels, and
        # where a contrast is rare at every level, the mean of all.
        prior = weight.sum() / 1000
        by_contrast = (total.sum(0) + prior * total.sum() / weight.sum()) / (weight.sum(0) + prior)
        return ((total + prior * by_contrast) / (weight + prior)).clamp(min=1e-12).float()

    def _filters(self, unit: ResidualNoise) -> tuple[Tensor, Tensor]:
        """Kernels (3, 3, k, k) and fields (4, 3, 3, m, m) beside the deviation of ``unit``."""
        normal, right = product_sums([self._maps(unit, index) for index in range(len(self.images))], PITCH * NODES)
        pooled = [pool_lags(sums, PITCH, NODES, HOLE) for sums in (normal, right)]
        smooth = solve(pooled[0], pooled[1])
        fields = torch.stack([kernels_of(each, FIELD) for each in smooth])
        normal, right = crop_lags(normal, FINE)[0], crop_lags(right, FINE)[0]
        near = spread_lags(smooth, PITCH, FINE)
        # What the smooth fields leave, whatever the term it comes from: the sum over all pixels is kept.
        rest = (right - (normal[:, None, None] * near).sum(0)) / normal[0].clamp(min=1e-6)
        return kernels_of(rest[..., : 2 * FINE, : 2 * FINE], KERNEL), fields

    def _maps(self, unit: ResidualNoise, index: int) -> tuple[Tensor, Tensor]:
        """Maps (4, h, w) and noise (3, h, w) in deviations; a few extreme pixels must not outweigh all others."""
        image, residual = self.images[index], self.residuals[index]
        spread = unit.variance(image, self._scales())[:, :1].sqrt()
        slopes = (derivatives(image) / spread).clamp(-STEEPEST, STEEPEST)
        maps = torch.cat([torch.ones_like(spread), slopes], 1)
        return maps[0], (residual / spread).clamp(-LOUDEST, LOUDEST)[0]

    def _tails(self, whole: ResidualNoise) -> Tensor:
        """Filter (1, 1, m, m) of the logarithm u of the scale.

        With z = exp(u) g, g Gaussian of correlation rho and u of covariance k, E[exp(2 u)] = 1,
        E[z^2(x) z^2(x + d)] = exp(4 k(d)) (1 + 2 rho(d)^2).
        """
        noise = [self._unit_noise(whole, index)[:, None] for index in range(len(self.images))]
        kinds = (torch.stack([torch.ones_like(z), z, z.square()]) for z in noise)
        sums = correlate(kinds, PITCH * NODES).sum((1, 2, 3))
        power = sums[1].max() / sums[0].max()
        count, first, second = pool_lags(sums, PITCH, NODES, HOLE)
        rho, peaks = (part / count.clamp(min=0.5) for part in (first / power, second / power.square()))
        return kernels_of(((peaks / (1 + 2 * rho.square())).clamp(min=1).log() / 4)[None, None], FIELD)

    def _unit_noise(self, whole: ResidualNoise, index: int) -> Tensor:
        """Noise (3, h, w) in the deviations that are expected of it, outliers clipped."""
        residual, image = self.residuals[index], self.images[index]
        return (residual / whole.variance(image, self._scales()).sqrt()).clamp(-LOUDEST, LOUDEST)[0]
