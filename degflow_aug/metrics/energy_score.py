"""The energy score of random images: how far two draws are from the real image, and from one another.

    S = (|u(x) - u(y)| + |u(x') - u(y)|) / 2 - |u(x) - u(x')| / 2

of two independent draws x and x' and the real image y is a proper scoring rule: its expectation is least where draws
have the distribution of the real image. Gneiting and Raftery, "Strictly Proper Scoring Rules, Prediction, and
Estimation", JASA 102, 2007, eq. 22; of one feature it is the continuous ranked probability score.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE, STRIDE = 6, 3
FEATURES = 3 * SIDE**2
GROUPS = (FEATURES, 6, 1)
"""Of how many features distances are: all together say how they go together, a few what each of them looks like."""
FLOOR, SMOOTHING = 0.004, 1e-3
_THINNED = 7
_YCC = torch.tensor([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]])


def energy_score(first: Tensor, second: Tensor, real: Tensor, group: int, smoothing: float = SMOOTHING) -> Tensor:
    """The score of two draws, mean over everything, by distances over ``group`` features each; lower is better.

    Args:
        first, second, real: (B, D, n); the D features are taken in groups in their order, which ``group`` divides.
        smoothing: |v| is sqrt(v^2 + smoothing), which has a gradient at 0.

    Returns:
        A scalar, per square root of ``group``.
    """

    def distance(one: Tensor, other: Tensor) -> Tensor:
        squares = (one - other).square().unflatten(1, (-1, group)).sum(2)
        return (squares + smoothing).sqrt().mean()

    score = distance(first, real) + distance(second, real) - distance(first, second)
    return score / (2 * group**0.5)


class ResidualScore:
    """Energy score of what LR images have beside the deterministic ones, by features of its patches.

    Features are patches of 6x6 in Y'CbCr of BT.601, every third pixel, along the eigenvectors v_i of their covariance
    over real residuals, each in units of its deviation: u_i = v_i^T p / sqrt(e_i + 0.004), e_i in gray levels squared.

    Args:
        residuals: real ones, (3, h, w) each, in the unit of [0, 1] images; read once.
    """

    def __init__(self, residuals: Iterable[Tensor]) -> None:
        covariance, count = torch.zeros(FEATURES, FEATURES, dtype=torch.float64), 0
        for residual in residuals:
            patches = F.unfold(_to_ycc(residual[None].float().cpu()), SIDE, stride=2)[0, :, ::_THINNED].double()
            covariance += patches @ patches.T
            count += patches.shape[1]
        values, vectors = torch.linalg.eigh(covariance / max(count, 1))
        scaled = vectors / (values.clamp(min=0) + FLOOR).sqrt()
        self.filters = scaled.T.float().view(FEATURES, 3, SIDE, SIDE)

    def __call__(self, first: Tensor, second: Tensor, real: Tensor) -> Tensor:
        """The sum of the scores over ``GROUPS`` of residuals (B, 3, h, w), of two draws and of the real LR."""
        one, other, true = (self._features(residual) for residual in (first, second, real))
        return torch.stack([energy_score(one, other, true, group) for group in GROUPS]).sum()

    def _features(self, residual: Tensor) -> Tensor:
        return F.conv2d(_to_ycc(residual), self.filters.to(residual), stride=STRIDE).flatten(2)


def _to_ycc(residual: Tensor) -> Tensor:
    """Y', Cb and Cr of (B, 3, h, w), in gray levels."""
    return 255 * torch.einsum("ij,bjhw->bihw", _YCC.to(residual), residual)
