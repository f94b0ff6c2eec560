"""The ratio of chroma to luma at edges against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from degflow_aug.metrics.edge_chroma import edge_chroma


def step(height: int = 12, width: int = 42, at: int = 21) -> Tensor:
    """Dark on the left and bright on the right, (1, 3, h, w): the gradient is in columns ``at`` - 1 and ``at``."""
    image = torch.full((1, 3, height, width), 0.2)
    image[..., at:] = 0.8
    return image


def ramps() -> Tensor:
    """Flat, but for a slope in a fifth of the columns that have neighbours, 17 to 24 of 1 to 40."""
    values = torch.cat([torch.zeros(17), torch.arange(8) / 10, torch.full((17,), 0.75)])
    return values.expand(1, 3, 12, 42)


def coloured(colour: tuple[float, float, float]) -> Tensor:
    return torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 12, 42)


@pytest.mark.parametrize(
    ("colour", "ratio"),
    [
        ((0.1, 0.1, 0.1), 0.0),
        ((0.1, 0.0, 0.0), math.hypot(0.299 / 1.772, 0.701 / 1.402) / 0.299),
        ((0.0, 0.0, -0.2), math.hypot(0.886 / 1.772, 0.114 / 1.402) / 0.114),
    ],
)
def test_one_colour_has_the_ratio_of_its_components(colour: tuple[float, float, float], ratio: float) -> None:
    assert edge_chroma([coloured(colour)], [step()]) == pytest.approx(ratio, abs=1e-6)


def test_noise_away_from_edges_counts_for_nothing() -> None:
    residual = coloured((0.3, 0.0, 0.0)).clone()
    residual[..., 16:26] = 0.1
    assert edge_chroma([residual], [ramps()]) == pytest.approx(0, abs=1e-6)
    assert edge_chroma([residual.mT], [ramps().mT]) == pytest.approx(0, abs=1e-6)
    assert edge_chroma([residual.flip(3)], [step(at=8)]) > 1


def test_energies_are_summed_over_images() -> None:
    gray, red = coloured((0.2, 0.2, 0.2)), coloured((0.1, 0.0, 0.0))
    chroma, luma = (0.01 * (0.299 / 1.772) ** 2 + 0.01 * 0.25, 0.04 + 0.01 * 0.299**2)
    assert edge_chroma([gray, red], [step(), step()]) == pytest.approx(math.sqrt(chroma / luma))
    assert edge_chroma([torch.cat([gray, red])], [step().repeat(2, 1, 1, 1)]) == pytest.approx(math.sqrt(chroma / luma))


def test_nothing_to_compare() -> None:
    assert math.isnan(edge_chroma([torch.zeros(1, 3, 12, 42)], [step()]))
    with pytest.raises(ValueError, match="expected at least one image to compare, got none"):
        edge_chroma([], [])
    with pytest.raises(ValueError, match=r"at least 3x3 pixels, got \(1, 3, 5, 5\) and \(1, 3, 5, 4\)"):
        edge_chroma([torch.zeros(1, 3, 5, 5)], [torch.zeros(1, 3, 5, 4)])
