"""The fitted pipeline: what it renders, whether it finds a pipeline that is known, and how it is kept."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from skimage import data
from torch import Tensor

from degflow_aug.data.tensors import to_tensor
from degflow_aug.degradations.convolution import convolve
from degflow_aug.degradations.fitted import pipeline_estimation
from degflow_aug.degradations.fitted import pipeline_windows as pair_windows
from degflow_aug.degradations.fitted.camera_kernels import CameraKernels, kernel_of, states_of
from degflow_aug.degradations.fitted.fitted_kernel import TOE, FittedKernel, from_light, to_light
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.degradations.fitted.kernel_interpolation import kernel_side, sharpening_kernels
from degflow_aug.degradations.fitted.pipeline_estimation import SearchWatch
from degflow_aug.degradations.fitted.pipeline_windows import draw_windows
from degflow_aug.degradations.fitted.pseudo_views import pseudo_views
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.degradations.simulator.camera import SimulatedCamera
from degflow_aug.metrics.fidelity import psnr_y

KNOTS = (1.0, 2.0, 4.0)


def pipeline(
    exponent: float = 2.2, gain: float = 0.3, width: float = 0.6, knots: tuple[float, ...] = KNOTS
) -> FittedPipeline:
    """Gaussians of sigma ``width`` sqrt(s^2 - 1), and a cross of taps that sharpens."""
    position = torch.arange(21, dtype=torch.float64) - 10
    blur = torch.zeros(len(knots), 3, 21, 21, dtype=torch.float64)
    blur[0, :, 10, 10] = 1
    for index, knot in enumerate(knots[1:], 1):
        row = torch.exp(-(position**2) / (2 * width**2 * (knot**2 - 1)))
        blur[index] = row[:, None] * row / row.sum() ** 2
    taps = torch.zeros(len(knots), 3, 7, 7)
    taps[:, :, 3, 3] = 1
    taps[1:, :, 3, 3] += gain
    for row, column in ((2, 3), (4, 3), (3, 2), (3, 4)):
        taps[1:, :, row, column] = -gain / 4
    return FittedPipeline(torch.tensor(knots), blur, blur, torch.tensor(exponent), taps, torch.tensor(0.5))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.2, 3.0])
def test_light_and_back(exponent: float) -> None:
    shown, power = torch.linspace(0, 1, 101, dtype=torch.float64), torch.tensor(exponent, dtype=torch.float64)
    light = to_light(shown, power)
    assert (light.diff() > 0).all()
    assert light[-1] == 1
    torch.testing.assert_close(from_light(light, power), shown)
    torch.testing.assert_close(from_light(torch.tensor(-1.0).double(), power), torch.tensor(-TOE / 2).double())


@pytest.mark.parametrize("scale", KNOTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_view_is_blurred_light_developed_and_sharpened(scale: float, dtype: torch.dtype) -> None:
    made, hr = pipeline(), torch.rand(2, 3, 48, 40, generator=torch.Generator().manual_seed(0), dtype=dtype)
    at = KNOTS.index(scale)
    light = ((hr + TOE) / (1 + TOE)) ** made.exponent
    shown = convolve(light, made.blur[at, None]) ** (1 / made.exponent) * (1 + TOE) - TOE
    sharp = sharpening_kernels(made.taps[at, None], torch.tensor([scale]), kernel_side(4.0))
    found = made.render(hr, scale)
    torch.testing.assert_close(found, convolve(shown, sharp).clamp(0, 1), rtol=0, atol=2e-5)
    assert found.dtype == dtype
    if scale == 1:
        torch.testing.assert_close(found, hr, rtol=0, atol=2e-5)


def test_without_tone_and_sharpening_it_is_the_kernel() -> None:
    made, hr = pipeline(exponent=1.0, gain=0.0), torch.rand(1, 3, 40, 48)
    kernel = FittedKernel(made.knots, made.kernels)
    for scale in KNOTS:
        torch.testing.assert_close(made.render(hr, scale), kernel.render(hr, scale), rtol=0, atol=2e-5)


@pytest.mark.parametrize("scale", [1.0, 1.7, 2.0, 3.1, 4.0])
@pytest.mark.parametrize("value", [0.0, 0.004, 0.5, 1.0])
def test_a_plain_grey_stays_what_it_is(scale: float, value: float) -> None:
    grey = torch.full((1, 3, 40, 40), value)
    torch.testing.assert_close(pipeline().render(grey, scale), grey, rtol=0, atol=1e-5)


def test_patches_are_cut_from_the_views_of_the_whole() -> None:
    made, hr, scales = pipeline(), torch.rand(3, 3, 64, 64), torch.tensor([1.0, 2.6, 4.0])
    patches = made.lr_patches(hr, scales, 16)
    for index, (scale, side) in enumerate(zip(scales.tolist(), (16, 42, 64), strict=True)):
        view = made.render(hr[index : index + 1], round(scale, 6))[..., :side, :side]
        torch.testing.assert_close(patches[index : index + 1], to_lr_grid(view, side / 16), rtol=0, atol=2e-5)


@pytest.fixture
def long_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_estimation, "ITERATIONS", 50)
    monkeypatch.setattr(pair_windows, "WINDOW", 112)


def photographs() -> list[Tensor]:
    """Parts of real photographs, (3, 128, 160)."""
    made = [getattr(data, name)()[64:192, 100:260] for name in ("coffee", "astronaut", "chelsea")]
    return [to_tensor(image.copy()) for image in made]


@pytest.mark.usefixtures("long_search")
def test_a_known_pipeline_is_found() -> None:
    truth, (*known, unseen) = pipeline(exponent=2.0, gain=0.4, knots=(1.0, 2.0)), photographs()
    found = FittedPipeline.fit((hr, {2.0: truth.render(hr[None], 2.0)[0]}) for hr in known)
    assert found.knots.tolist() == [1, 2]
    assert float(found.exponent) == pytest.approx(2.0, abs=0.35)
    view, linear = truth.render(unseen[None], 2.0), FittedKernel(found.knots, found.kernels)
    assert psnr_y(found.render(unseen[None], 2.0), view) > psnr_y(linear.render(unseen[None], 2.0), view) + 5


class Kept(SearchWatch):
    """Remembers a search as a file would, and breaks it off at a look."""

    def __init__(self, last_look: int = 1000) -> None:
        self.last_look, self.steps = last_look, []
        self.state: bytes | None = None

    def step(self, done: int, total: int) -> None:
        self.steps.append(done)
        if len(self.steps) == self.last_look:
            raise KeyboardInterrupt

    def recall(self) -> dict[str, Any] | None:
        return None if self.state is None else torch.load(io.BytesIO(self.state), weights_only=True)

    def keep(self, state: dict[str, Any]) -> None:
        file = io.BytesIO()
        torch.save(state, file)
        self.state = file.getvalue()


@pytest.mark.parametrize("last_look", [3, 14])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not(last_look: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_estimation, "ITERATIONS", 13)
    monkeypatch.setattr(pair_windows, "WINDOW", 64)
    truth, known = pipeline(exponent=2.0, gain=0.4, knots=(1.0, 2.0)), photographs()[:2]
    pairs = [(hr, {2.0: truth.render(hr[None], 2.0)[0]}) for hr in known]
    whole, kept = Kept(), Kept(last_look)
    expected = FittedPipeline.fit(pairs, watch=whole)
    assert whole.steps[-1] > 10
    with pytest.raises(KeyboardInterrupt):
        FittedPipeline.fit(pairs, watch=kept)
    kept.last_look, kept.steps = 1000, []
    found = FittedPipeline.fit(pairs, watch=kept)
    assert kept.steps[0] == (0 if last_look == 3 else 10)
    assert kept.steps[-1] == whole.steps[-1]
    for key, value in expected.state_dict().items():
        assert torch.equal(found.state_dict()[key], value), key
    assert found.left == expected.left

    kept.steps = []
    FittedPipeline.fit(pairs, watch=kept)
    assert kept.steps == []
    # Of other pairs it is another search.
    FittedPipeline.fit([(hr.flip(-1), {2.0: view[2.0].flip(-1)}) for hr, view in pairs], watch=kept)
    assert kept.steps[0] == 0


@pytest.mark.usefixtures("long_search")
def test_it_comes_nearer_to_a_camera_than_a_kernel() -> None:
    camera, (*known, unseen) = SimulatedCamera(), photographs()
    found = FittedPipeline.fit([(hr, {2.0: camera.render(hr[None], 2.0)[0]}) for hr in known])
    linear = FittedKernel(found.knots, found.kernels)
    for scale in (1.5, 2.0):
        truth = camera.without_noise().render(unseen[None], scale)
        own, others = (psnr_y(each.render(unseen[None], scale), truth) for each in (found, linear))
        assert own > others + 2


def test_pseudo_views_fade_what_is_left_between_knots() -> None:
    made, views = pipeline(), torch.rand(1, 3, 3, 64, 64)
    hr = views[:, 0]
    for index, knot in enumerate(KNOTS):
        found = pseudo_views(made, hr, views, torch.tensor([knot]))
        torch.testing.assert_close(found, views[:, index], rtol=0, atol=2e-5)
    low, scale, high = 3**0.5, 8**0.5, 15**0.5
    weight = (scale - low) / (high - low)
    at = {knot: made.views(hr, torch.tensor([knot])) for knot in (2.0, 3.0, 4.0)}
    expected = at[3.0] + (1 - weight) ** 2 * (views[:, 1] - at[2.0]) + weight**2 * (views[:, 2] - at[4.0])
    found = pseudo_views(made, hr, views, torch.tensor([3.0]))
    torch.testing.assert_close(found, expected.clamp(0, 1), rtol=0, atol=2e-5)


def test_cameras_are_mixed_by_their_parameters() -> None:
    one, other = pipeline(1.4, 0.1, 0.5), pipeline(2.4, 0.5, 0.7)
    cameras, hr = CameraKernels([one, other]), torch.rand(3, 3, 40, 40)
    scales = torch.tensor([1.5, 2.0, 3.7])
    apart = cameras.of(torch.tensor([1, 0, 1])).views(hr, scales)
    for row, made in enumerate((other, one, other)):
        rows = slice(row, row + 1)
        torch.testing.assert_close(apart[rows], made.views(hr[rows], scales[rows]), rtol=0, atol=2e-5)
    middle = pipeline()
    middle.exponent, middle.taps = (one.exponent + other.exponent) / 2, (one.taps + other.taps) / 2
    middle.blur = (one.blur + other.blur) / 2
    at_knot = torch.full((3,), 2.0)
    half = cameras.views(hr, at_knot, torch.full((3, 2), 0.5))
    torch.testing.assert_close(half, middle.views(hr, at_knot), rtol=0, atol=2e-5)


def test_state_goes_round() -> None:
    made, hr = pipeline(), torch.rand(1, 3, 40, 40)
    again = kernel_of([made.state_dict()])
    assert isinstance(again, FittedPipeline)
    assert torch.equal(again.render(hr, 2.7), made.render(hr, 2.7))
    several = kernel_of(states_of(CameraKernels([made, pipeline(1.2)])))
    assert isinstance(several, CameraKernels)
    assert all(isinstance(each, FittedPipeline) for each in several)
    linear = kernel_of([{key: made.state_dict()[key] for key in ("knots", "kernels")}])
    assert type(linear) is FittedKernel


def test_what_does_not_fit_is_refused() -> None:
    made = pipeline()
    parts = {key: made.state_dict()[key] for key in FittedPipeline.state_keys}
    for key, value, message in (
        ("blur", made.blur[:2], "expected blur kernels of shape"),
        ("exponent", torch.tensor(-1.0), "an exponent from 0.33 to 3"),
        ("exponent", torch.tensor(20.0), "an exponent from 0.33 to 3"),
        ("widening", torch.tensor(0.0), "a widening above 0"),
        ("taps", made.taps[:, :, :6, :6], r"expected taps of shape \(3, 3, 7, 7\)"),
        ("taps", made.taps[:2], r"expected taps of shape \(3, 3, 7, 7\)"),
        ("taps", 0 * made.taps, "expected taps of sum 1 with a unit impulse"),
        ("blur", made.blur.flip(0), "expected blur of sum 1 with a unit impulse"),
    ):
        with pytest.raises(ValueError, match=message):
            FittedPipeline.of_state({**parts, key: value})
    linear = FittedKernel(made.knots, made.kernels)
    with pytest.raises(ValueError, match="of one kind and size at the same knots"):
        CameraKernels([made, linear])


@pytest.mark.parametrize("lost", ["blur", "exponent", "taps", "widening"])
def test_a_pipeline_that_lost_a_part_is_no_kernel(lost: str) -> None:
    state = {key: value for key, value in pipeline().state_dict().items() if key != lost}
    with pytest.raises(ValueError, match=f"expected the state of a FittedPipeline, got one without {lost}"):
        kernel_of([state])


def test_knots_that_lie_close_are_told_apart() -> None:
    hr = torch.rand(3, 48, 48)
    found = draw_windows([(hr, {2.9: hr}), (hr, {2.90005: hr})], {2.9: box(), 2.90005: box()}, 0)
    assert [len(each.hr) for each in found.values()] == [4, 4]


def box() -> Tensor:
    return torch.full((3, 3, 3), 1 / 9)


@pytest.mark.usefixtures("long_search")
def test_what_is_left_tells_a_pipeline_from_a_linear_camera() -> None:
    truth, linear = pipeline(2.0, 0.4, knots=(1.0, 2.0)), pipeline(1.0, 0.0, knots=(1.0, 2.0))
    random = torch.Generator().manual_seed(0)
    for camera, expected in ((truth, 0.3), (linear, 0.9)):
        views = [(hr, camera.render(hr[None], 2.0)[0]) for hr in photographs()]
        pairs = [(hr, {2.0: view + 0.004 * torch.randn(view.shape, generator=random)}) for hr, view in views]
        left = FittedPipeline.fit(pairs).left
        assert left < expected if camera is truth else left > expected
