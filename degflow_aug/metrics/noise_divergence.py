"""How far the noise of generated LR is from that of real LR: divergence of the histograms of residuals.

Everything takes sequences of residuals (B, 3, h, w) in the unit of [0, 1] images, of any sizes, on a CPU or an
accelerator, and reads them once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

GRAY = 1 / 255
WIDEST = 64
PSEUDO_COUNT = 0.5


def kl_divergence(p: Tensor, q: Tensor, pseudo_count: float = PSEUDO_COUNT) -> float:
    """Kullback-Leibler divergence sum_i p_i ln(p_i / q_i) of two histograms of counts (n,), in nats.

    ``pseudo_count`` is added to every bin of both before they are normalised (1/2: the Krichevsky-Trofimov
    estimator), so that a bin which one of them lacks has a finite share.
    """
    shares = [(counts.double() + pseudo_count) / (counts.sum() + pseudo_count * counts.numel()) for counts in (p, q)]
    return float((shares[0] * (shares[0].log() - shares[1].log())).sum())


def histogram(values: Tensor, width: float = 0.5) -> Tensor:
    """Counts of the values in bins of ``width`` gray levels, one centred on 0, up to 64 gray levels either way.

    What is beyond counts in the outermost bins.
    """
    half = round(WIDEST / width)
    index = (values.double() / (width * GRAY)).round().clamp(-half, half).long() + half
    return torch.bincount(index.flatten(), minlength=2 * half + 1)


def residual_kld(real: Sequence[Tensor], generated: Sequence[Tensor]) -> float:
    """KL divergence, in nats, of the residuals of real LR from those of generated LR, all pixels and channels pooled.

    Residuals are those to the same deterministic LR images; see :func:`histogram` and :func:`kl_divergence`.
    """
    return kl_divergence(pooled(real, histogram), pooled(generated, histogram))


def pooled(images: Sequence[Tensor], statistic: Callable[[Tensor], Tensor]) -> Tensor:
    """Sum of a statistic over the images, on the CPU."""
    if not len(images):
        raise ValueError("expected at least one image to compare, got none")
    return torch.stack([statistic(image).cpu() for image in images]).sum(0)
