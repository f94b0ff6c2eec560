"""What real LR holds that HR does not determine: misregistration, focus, sensor noise, whatever a flow averages.

With I the luma of an LR image and D its derivatives d/dx, d/dy and Laplacian, channel c of it becomes

    lr_c + a [ exp(u) (sigma n_c + tau m_c) + sum_j g_jc D_j - grain F_c ].

n is fine Gaussian noise, correlated over neighbours and channels. m, g and u are smooth Gaussian fields: m an offset, g
the displacement in LR pixels and the focus of every channel, u the logarithm of a scale, which gives the noise quiet
and loud places and heavy tails. F is what lr has that is finer than 3x3 pixels. In flat areas that is the noise of the
HR image, which no other photograph repeats: the new noise comes in its place. sigma, tau and grain are tables by level
I and local contrast: noise that a camera has left in flat areas is smooth, that at edges is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from degflow_aug.degradations.noise.noise_fields import (
    derivatives,
    finest,
    look_up,
    sample_fields,
    sample_smooth_fields,
    smooth_variance,
)

TERMS = 4
"""Smooth fields: the offset, then one a derivative."""
TABLES = 3
"""Deviation of the fine noise, deviation of the offset, grain."""
BUFFERS = ("scales", "contrasts", "tables", "kernels", "fields", "tails")


class SampledNoise(nn.Module):
    """Noise that subclasses sample for LR images, and that is added to them in float32."""

    @torch.no_grad()
    def forward(self, lr: Tensor, scales: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """LR images with noise.

        Args:
            lr: (B, 3, h, w) in [0, 1].
            scales: (B,), that of every image; read on the device of ``lr`` only.
            strength: factor on the noise; 1 is that of the real pairs.
            generator: on the device of ``lr``.

        Returns:
            (B, 3, h, w) in [0, 1].
        """
        wide = lr.float()
        noise = self.sample(wide, scales.to(wide, non_blocking=True), generator)
        return (wide + strength * noise).clamp(0, 1).to(lr.dtype)

    def sample(self, lr: Tensor, scales: Tensor, generator: torch.Generator) -> Tensor:
        """The noise alone, (B, 3, h, w), of LR images (B, 3, h, w) at scales (B,)."""
        raise NotImplementedError


class ResidualNoise(SampledNoise):
    """Noise for LR images, of the spread, tails and correlation that the residuals of a generator have.

    Args:
        scales: (K,) rising, the scales of the real pairs. Between them everything is interpolated, below the first
            the noise falls to 0 at scale 1, above the last it stays.
        contrasts: (2,) the lowest and the highest local contrast of the table, above 0.
        tables: (K, 3, L, T) sigma, tau and grain at levels from 0 to 1, and at contrasts in equal ratios from the
            lowest to the highest.
        kernels: (K, 3, 3, k, k) filters from white noise to n, k odd.
        fields: (K, 4, 3, 3, m, m) filters from white nodes to m and the three g, m odd.
        tails: (K, 1, 1, m, m) filter from white nodes to u but for its mean, which keeps the mean of exp(2 u) at 1.

    Raises:
        ValueError: tensors that do not belong together.
    """

    scales: Tensor
    contrasts: Tensor
    tables: Tensor
    kernels: Tensor
    fields: Tensor
    tails: Tensor

    def __init__(
        self,
        scales: Tensor,
        contrasts: Tensor,
        tables: Tensor,
        kernels: Tensor,
        fields: Tensor,
        tails: Tensor,
    ) -> None:
        super().__init__()
        count, side, nodes, table = len(scales), kernels.shape[-1], fields.shape[-1], tables.shape[2:]
        wanted = [
            (count, TABLES, *table),
            (count, 3, 3, side, side),
            (count, TERMS, 3, 3, nodes, nodes),
            (count, 1, 1, nodes, nodes),
        ]
        got = [tuple(tensor.shape) for tensor in (tables, kernels, fields, tails)]
        odd = side % 2 and nodes % 2
        if not count or len(table) != 2 or min(table) < 2 or contrasts.shape != (2,) or got != wanted or not odd:
            raise ValueError(f"expected tables, kernels, fields and tails of shapes {wanted} with odd sides, got {got}")
        tensors = (scales, contrasts, tables, kernels, fields, tails)
        for name, tensor in zip(BUFFERS, tensors, strict=True):
            self.register_buffer(name, tensor.float().clone(memory_format=torch.contiguous_format))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> ResidualNoise:
        """The noise whose ``state_dict`` this is.

        Raises:
            ValueError: it is the state of something else, or of an earlier form of this noise.
        """
        missing = [name for name in BUFFERS if name not in state]
        if missing:
            raise ValueError(
                f"expected the state of a residual noise, got none with {missing[0]!r}; run `degflow noise` again"
            )
        return cls(*(state[name] for name in BUFFERS))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ResidualNoise:
        """As a module does, but for buffers of five axes, which torch knows in no ``memory_format`` of four."""

        def applied(part: Tensor) -> Tensor:
            return fn(part.flatten(0, 1)).contiguous().unflatten(0, part.shape[:2]) if part.ndim == 5 else fn(part)

        return super()._apply(applied, recurse)

    def sample(self, lr: Tensor, scales: Tensor, generator: torch.Generator) -> Tensor:
        """The noise alone, (B, 3, h, w), of LR images (B, 3, h, w) at scales (B,)."""
        tables, kernels, fields, tails = self._at(scales)
        height, width = lr.shape[-2:]
        fine = sample_fields(kernels, height, width, generator)
        smooth = sample_smooth_fields(fields.flatten(0, 1), height, width, generator).unflatten(0, (-1, TERMS))
        scale = sample_smooth_fields(tails, height, width, generator)
        scale = (scale - smooth_variance(tails)[..., None, None]).exp()
        sigma, tau, grain = look_up(tables, lr, self.contrasts.float()).split(1, 1)
        noise = scale * (sigma * fine + tau * smooth[:, 0]) - grain * finest(lr)
        for term, slope in enumerate(derivatives(lr).split(1, 1), start=1):
            noise = noise + slope * smooth[:, term]
        return noise

    def variance(self, lr: Tensor, scales: Tensor) -> Tensor:
        """Expected square of what is random in noise of strength 1, (B, 3, h, w), before it is clamped."""
        tables, kernels, fields, _ = self._at(scales.to(lr))
        power = smooth_variance(fields.flatten(0, 1)).unflatten(0, (-1, TERMS))[..., None, None]
        fine = kernels.square().sum((2, 3, 4))[..., None, None]
        sigma, tau = look_up(tables[:, :2], lr, self.contrasts.float()).square().split(1, 1)
        return sigma * fine + tau * power[:, 0] + (derivatives(lr).square()[:, :, None] * power[:, 1:]).sum(1)

    def _at(self, scales: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Tables, kernels, fields and tails, each with B in place of K, at scales (B,).

        In float32 whatever the module was cast to, because the noise is drawn and applied in that.
        """
        marks, tables, kernels, fields, tails = (
            part.float() for part in (self.scales, self.tables, self.kernels, self.fields, self.tails)
        )
        known = torch.cat([torch.ones_like(marks[:1]), marks])
        upper = torch.bucketize(scales, known).clamp(1, len(known) - 1)
        low, high = known[upper - 1], known[upper]
        share = ((scales - low) / (high - low)).clamp(0, 1)

        def between(values: Tensor, first: Tensor) -> Tensor:
            padded = torch.cat([first, values])
            return torch.lerp(padded[upper - 1], padded[upper], share.view(-1, *[1] * (values.ndim - 1)))

        # Below the first real scale the noise is weaker, not of another kind.
        still = torch.cat([fields[:1, :1], torch.zeros_like(fields[:1, 1:])], 1)
        return (
            between(tables, torch.zeros_like(tables[:1])),
            between(kernels, kernels[:1]),
            between(fields, still),
            between(tails, tails[:1]),
        )
