"""Several degradations at once: every sample is degraded by one of them, drawn by weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.grid import join
from degflow_aug.draws import fresh_seed


class Mixture(Degradation):
    """Draws a part for every sample and degrades the samples of a part together.

    Parts are drawn on the CPU from a random stream of the mixture's own, so which part a sample gets depends neither
    on the device nor on what the parts draw. A sample is what its part alone makes of the samples it was drawn for;
    how many those are changes from batch to batch.

    Args:
        parts: (weight, degradation); a part is drawn with probability weight / sum of weights.

    Attributes:
        parts: the degradations.
        probabilities: (N,) of sum 1.
        scale_range: the scales that all parts were made for.

    Raises:
        ValueError: no part, weights that are negative, not finite or all 0, or parts without a common scale.
    """

    def __init__(self, parts: Sequence[tuple[float, Degradation]]) -> None:
        super().__init__()
        weights = [float(weight) for weight, _ in parts]
        if not all(0 <= weight < math.inf for weight in weights) or sum(weights) <= 0:
            raise ValueError(
                f"expected parts of a mixture with finite weights of at least 0, not all 0, got {weights}; "
                "give every part the share of samples it should get"
            )
        self.parts = nn.ModuleList(part for _, part in parts)
        self.probabilities = np.array(weights) / sum(weights)
        ranges = [part.scale_range for _, part in parts]
        self.scale_range = (max(low for low, _ in ranges), min(high for _, high in ranges))
        if self.scale_range[0] > self.scale_range[1]:
            raise ValueError(
                f"expected parts of a mixture with scales in common, got the ranges {[list(each) for each in ranges]}; "
                "widen a scale_range or leave a part out"
            )
        self._rng: np.random.Generator | None = None

    def seed(self, seed: int) -> None:
        """Restart the mixture's random stream and, from seeds derived from this one, that of every part."""
        super().seed(seed)
        # Whoever seeds the mixture may draw scales from the same seed, which must not tell the part.
        own, *others = np.random.SeedSequence(int(seed) % 2**63).spawn(1 + len(self.parts))
        self._rng = np.random.default_rng(own)
        for part, other in zip(self.parts, others, strict=True):
            part.seed(int(other.generate_state(1, np.uint64)[0] >> np.uint64(1)))  # type: ignore[operator]

    def draw(self, batch: int) -> Tensor:
        """Draw the part of each of the next ``batch`` samples: indices (B,) on the CPU."""
        rng = self._rng or np.random.default_rng(fresh_seed())
        return torch.from_numpy(rng.choice(len(self.parts), batch, p=self.probabilities))

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1]."""
        self.check(hr, scale)
        return self._mixed(len(hr), lambda part, rows: part(_rows(hr, rows), scale))

    @torch.no_grad()
    def render(self, hr: Tensor, scale: float) -> Tensor:
        """View of ``hr`` at ``scale`` as each sample's part renders it, (B, 3, H, W) in [0, 1]."""
        self.check(hr, scale)
        return self._mixed(len(hr), lambda part, rows: part.render(_rows(hr, rows), scale))

    @torch.no_grad()
    def lr_patches(self, hr: Tensor, scales: Tensor, lr_size: int) -> Tensor:
        """As :meth:`Degradation.lr_patches`; batched as far as the parts are."""
        self.check_patches(hr, scales, lr_size)
        return self._mixed(len(hr), lambda part, rows: part.lr_patches(_rows(hr, rows), _rows(scales, rows), lr_size))

    def _mixed(self, batch: int, degrade: Callable[[Degradation, Tensor], Tensor]) -> Tensor:
        """Results of ``degrade(part, indices of its samples)`` in the order of the samples."""
        drawn = self.draw(batch)
        results, order = [], []
        for index, part in enumerate(self.parts):
            rows = (drawn == index).nonzero()[:, 0]
            if len(rows):
                order.append(rows)
                results.append(degrade(part, rows))  # type: ignore[arg-type]
        if len(results) == 1:
            return results[0]
        return _rows(join(results), torch.cat(order).argsort())


def _rows(values: Tensor, rows: Tensor) -> Tensor:
    """The samples of ``values`` that indices on the CPU name, without waiting for the device."""
    return values.index_select(0, rows.to(values.device, non_blocking=True))
