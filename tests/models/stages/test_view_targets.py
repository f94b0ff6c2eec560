"""Targets of image losses: views of the path as they are, pseudo-views as in the whole image, borders without a say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.pseudo_views import pseudo_views

pytest.importorskip("basicsr", reason="training needs BasicSR")

from degflow_aug.models.stages.paths import views_along_path
from degflow_aug.models.stages.view_targets import ViewTarget, draw_view_targets

KNOTS, SCALES, SIDE, MARGIN = (1.0, 2.0, 4.0), (1.0, 1.5, 2.0, 3.0, 4.0), 24, 12
COUNT = 400


@pytest.fixture(scope="module")
def kernel() -> FittedKernel:
    """Gaussians in 7 pixels, and HR's impulse."""
    squares = torch.arange(-3.0, 4).square()
    kernels = torch.stack([torch.exp(-(squares[:, None] + squares) / (2 * sigma**2)) for sigma in (1e-2, 0.8, 1.6)])
    kernels = kernels / kernels.sum((-2, -1), keepdim=True)
    return FittedKernel(torch.tensor(KNOTS), kernels[:, None].repeat(1, 3, 1, 1))


def whole_views() -> Tensor:
    """HR and its views at the knots, the same for all samples, (B, 3, 3, side, side) with room around the crop."""
    side = SIDE + 2 * MARGIN
    return torch.rand(1, 3, 3, side, side, generator=torch.Generator().manual_seed(2)).expand(COUNT, -1, -1, -1, -1)


def crop(images: Tensor) -> Tensor:
    return images[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def drawn(kernel: FittedKernel, share: float, available: Tensor | None = None) -> tuple[ViewTarget, Tensor]:
    every = crop(whole_views())
    there = torch.ones(COUNT, len(SCALES), dtype=torch.bool) if available is None else available.expand(COUNT, -1)
    path, _ = views_along_path(every[:, 0], every[:, 1:], there[:, [2, 4]], KNOTS, SCALES, kernel)
    torch.manual_seed(0)
    return draw_view_targets(path, there, torch.tensor(SCALES), KNOTS, kernel, share), path


def test_without_a_share_every_scale_of_the_path_is_drawn_as_it_is(kernel: FittedKernel) -> None:
    target, path = drawn(kernel, 0.0)
    assert target.known.all()
    assert set(target.scales.tolist()) == set(SCALES[1:])
    for sample in range(COUNT):
        assert torch.equal(target.views[sample], path[sample, SCALES.index(float(target.scales[sample]))])


def test_pseudo_views_are_those_of_the_whole_image_where_they_are_known(kernel: FittedKernel) -> None:
    target, _ = drawn(kernel, 1.0)
    every = whole_views()
    truth = crop(pseudo_views(kernel, every[:, 0], every, target.scales))
    off = (target.views - truth).abs().amax(1, keepdim=True)
    assert off[target.known].max() < 1e-5
    assert off[~target.known].max() > 1e-3
    inner = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inner[3:-3, 3:-3] = True
    assert (target.known == inner).all()
    # Uniform over the range of the knots, to Kolmogorov's 1e-4 point.
    ordered = ((target.scales - 1) / 3).sort().values
    assert (ordered - torch.arange(COUNT) / COUNT).abs().max() < 2.23 / COUNT**0.5


def test_shares_and_missing_knots(kernel: FittedKernel) -> None:
    target, _ = drawn(kernel, 0.3)
    anywhere = ~torch.isin(target.scales, torch.tensor(SCALES))
    assert float(anywhere.float().mean()) == pytest.approx(0.3, abs=0.08)
    assert torch.equal(anywhere, ~target.known.flatten(1).all(1))
    last_missing = torch.tensor([[True, True, True, False, False]])
    target, _ = drawn(kernel, 1.0, last_missing)
    assert target.scales.max() <= 2
    assert (target.scales[~target.known.flatten(1).all(1)] < 2).all()


def test_no_loss_comes_from_where_nothing_is_known(kernel: FittedKernel) -> None:
    target, _ = drawn(kernel, 1.0)
    generated = torch.full((COUNT, 3, SIDE, SIDE), 2.0, requires_grad=True)
    (generated - target.beside(generated)).abs().sum().backward()
    assert generated.grad is not None
    assert not generated.grad[(~target.known).expand_as(generated)].any()
    assert generated.grad[target.known.expand_as(generated)].abs().min() == 1


def test_pseudo_views_need_a_kernel() -> None:
    views, there = torch.zeros(1, 2, 3, 8, 8), torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="expected a fitted kernel"):
        draw_view_targets(views, there, torch.tensor([1.0, 2.0]), (1.0, 2.0), None, 0.5)


def test_the_distance_is_the_mean_over_known_pixels(kernel: FittedKernel) -> None:
    target, _ = drawn(kernel, 0.5)
    generated = torch.rand(target.views.shape, generator=torch.Generator().manual_seed(3)) * 2 - 1
    known = target.known.expand_as(generated)
    off = (generated - (target.views * 2 - 1)).abs()
    torch.testing.assert_close(target.distance(generated), off[known].mean())


def test_crops_smaller_than_the_kernel_are_refused(kernel: FittedKernel) -> None:
    small = torch.rand(2, len(SCALES), 3, 6, 6)
    there = torch.ones(2, len(SCALES), dtype=torch.bool)
    with pytest.raises(ValueError, match="crops of at least 7 pixels for pseudo-views, got 6"):
        draw_view_targets(small, there, torch.tensor(SCALES), KNOTS, kernel, 0.5)
