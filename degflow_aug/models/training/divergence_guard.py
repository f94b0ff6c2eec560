"""Notices a loss that is no longer a number, or that has run away, before a good checkpoint is overwritten."""

from __future__ import annotations

import math

ADVICE = "lower train.optim_g.lr or set degflow.grad_clip, then resume from the last checkpoint"


class TrainingDiverged(ValueError):
    """Training cannot go on; the last checkpoint on disk is from before."""


class DivergenceGuard:
    """Follows the loss; raises where it is not finite, or stays far above the best level it has reached.

    Args:
        factor: how many times the best smoothed loss is far.
        patience: how many losses in a row must be far.
        smoothing: weight of the newest loss in the smoothed one.
    """

    def __init__(self, factor: float = 20.0, patience: int = 50, smoothing: float = 0.05) -> None:
        self.factor, self.patience, self.smoothing = factor, patience, smoothing
        self.smoothed = self.best = math.inf
        self.far = 0

    def check(self, loss: float, iteration: int) -> None:
        """Take the loss of an iteration.

        Raises:
            TrainingDiverged: it is not finite, or the losses have run away.
        """
        self.check_finite(loss, iteration)
        known = math.isfinite(self.smoothed)
        self.smoothed = self.smoothed + self.smoothing * (loss - self.smoothed) if known else loss
        self.best = min(self.best, self.smoothed)
        self.far = self.far + 1 if loss > self.factor * max(self.best, 1e-8) else 0
        if self.far >= self.patience:
            raise TrainingDiverged(
                f"expected a loss near its best of {self.best:.3g}, got {loss:.3g} at iteration {iteration} after "
                f"{self.far} losses more than {self.factor:g} times that; {ADVICE}"
            )

    def check_finite(self, loss: float, iteration: int) -> None:
        """Raise TrainingDiverged if the loss is not a number."""
        if not math.isfinite(loss):
            raise TrainingDiverged(f"expected a finite loss, got {loss} at iteration {iteration}; {ADVICE}")
