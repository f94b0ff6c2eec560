"""Windows for a pipeline: enough of them, aligned, and without what shows something else."""

from __future__ import annotations

import pytest
import torch
from helpers.photographs import photograph
from torch import Tensor

from degflow_aug.data.tensors import to_tensor
from degflow_aug.degradations.convolution import convolve
from degflow_aug.degradations.fitted import pipeline_windows as pair_windows
from degflow_aug.degradations.fitted.pipeline_windows import Windows, draw_windows

SIDE = 128


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_windows, "WINDOW", SIDE)


def box() -> Tensor:
    kernel = torch.zeros(3, 31, 31)
    kernel[:, 14:17, 14:17] = 1 / 9
    return kernel


def moved(image: Tensor, down: float, right: float) -> Tensor:
    """The image shifted by a part of a pixel, periodically."""
    rows = torch.fft.fftfreq(image.shape[-2])[:, None] * down
    columns = torch.fft.rfftfreq(image.shape[-1]) * right
    turn = torch.exp(-2j * torch.pi * (rows + columns))
    return torch.fft.irfft2(torch.fft.rfft2(image) * turn, s=image.shape[-2:])


def pairs(count: int = 8, side: int = 224) -> list[tuple[Tensor, Tensor]]:
    found = [to_tensor(photograph(number, side, side)) for number in range(count)]
    return [(hr, convolve(hr[None], box()[None])[0]) for hr in found]


def test_there_are_enough_of_every_scale_and_the_same_every_time() -> None:
    both = [(hr, {2.0: view, 4.0: view}) for hr, view in pairs()]
    first, second = (draw_windows(both, {2.0: box(), 4.0: box()}, 3) for _ in range(2))
    assert list(first) == [2.0, 4.0]
    for scale, found in first.items():
        assert found.hr.shape == found.views.shape == (14, 3, SIDE, SIDE)
        assert found.weights.shape == (14,)
        assert torch.equal(found.views, second[scale].views)


def test_small_pairs_give_small_windows() -> None:
    mixed = [(hr, {2.0: view}) for hr, view in (*pairs(2), *pairs(2, 75))]
    assert draw_windows(mixed, {2.0: box()}, 0)[2.0].hr.shape[-2:] == (74, 74)


def test_shifts_that_differ_from_the_others_are_taken_out() -> None:
    made, shift = pairs(), (0.6, -0.5)
    views = [moved(view, *shift) if index == 2 else view for index, (_, view) in enumerate(made)]
    found = draw_windows([(hr, {2.0: view}) for (hr, _), view in zip(made, views, strict=True)], {2.0: box()}, 0)[2.0]
    inner = (..., slice(40, -40), slice(40, -40))
    left = (found.views - convolve(found.hr, box()[None]))[inner].square().mean((1, 2, 3)).sqrt()
    assert left.max() < 0.25 * float((views[2] - made[2][1]).square().mean().sqrt())


def test_what_shows_something_else_counts_for_nothing() -> None:
    random = torch.Generator().manual_seed(1)
    made = [(hr, view + 0.01 * torch.randn(view.shape, generator=random)) for hr, view in pairs()]
    wrong = made[5][0]
    made[5] = (wrong, made[6][1].flip(-1))
    found = draw_windows([(hr, {2.0: view}) for hr, view in made], {2.0: box()}, 0)[2.0]
    corners = wrong.unfold(1, 8, 1).unfold(2, 8, 1)[0]
    of_wrong = [bool((corners == hr[0, :8, :8]).all(-1).all(-1).any()) for hr in found.hr]
    assert any(of_wrong)
    for bad, weight in zip(of_wrong, found.weights.tolist(), strict=True):
        assert weight < 0.05 if bad else weight > 0.3


@pytest.mark.parametrize("count", [3, 9, 10, 14])
def test_some_are_held_out_where_there_are_enough(count: int) -> None:
    images = torch.arange(float(count))[:, None, None, None].expand(-1, 3, 8, 8)
    windows = Windows(images, images, torch.ones(count))
    held_out, others = windows.split(5)
    if count < 10:
        assert held_out is others is windows
        return
    numbers = [part.hr[:, 0, 0, 0].tolist() for part in (held_out, others)]
    assert numbers[0] == list(range(4, count, 5))
    assert sorted(numbers[0] + numbers[1]) == list(range(count))
