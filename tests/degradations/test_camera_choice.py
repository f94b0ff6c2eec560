"""Names of cameras as people write them, weights, and draws."""

from __future__ import annotations

import math

import pytest
import torch

from degflow_aug.degradations.camera_choice import (
    CameraChoice,
    CameraLike,
    by_camera,
    camera_row,
    check_only_camera,
    find_camera,
)

CITY100 = ("City100_NikonD5500", "City100_iPhoneX")


@pytest.mark.parametrize(
    ("name", "names", "index"),
    [
        ("City100_iPhoneX", CITY100, 1),
        ("city100_iphonex", CITY100, 1),
        ("iPhoneX", CITY100, 1),
        ("nikond5500", CITY100, 0),
        ("pairs/City100_NikonD5500", CITY100, 0),
        ("City100_iPhoneX", ("iPhoneX", "Nikon"), 0),
        ("Canon", ("Canon", "Old Canon"), 0),
        ("cam\u00e9ra", ("b", "came\u0301ra"), 1),
        ("my came\u0301ra", ("cam\u00e9ra", "b"), 0),
    ],
)
def test_a_name_is_found(name: str, names: tuple[str, ...], index: int) -> None:
    assert find_camera(name, names) == index


@pytest.mark.parametrize(
    ("name", "names", "sentence"),
    [
        ("Pixel", CITY100, "expected a camera out of City100_NikonD5500, City100_iPhoneX, got 'Pixel'"),
        ("City100", CITY100, "got 'City100'"),
        ("X", CITY100, "got 'X'"),
        ("", CITY100, "got ''"),
        ("Canon", ("Old Canon", "New Canon"), "expected one out of Old Canon, New Canon"),
    ],
)
def test_other_names_are_refused(name: str, names: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        find_camera(name, names)


def test_weights_by_name_are_brought_to_a_sum_of_one() -> None:
    assert torch.allclose(camera_row({"iPhoneX": 3, "NikonD5500": 1}, CITY100), torch.tensor([0.25, 0.75]))
    assert camera_row({"iPhoneX": 2.0}, CITY100).tolist() == [0.0, 1.0]
    choice = CameraChoice(CITY100, {"iPhoneX": 0.75, "NikonD5500": 0.25})
    assert choice.weights(3).tolist() == [[0.25, 0.75]] * 3
    assert (choice.index, str(choice)) == (1, "0.25 City100_NikonD5500 + 0.75 City100_iPhoneX")


@pytest.mark.parametrize(
    ("camera", "sentence"),
    [
        ({"iPhoneX": -1, "NikonD5500": 2}, "at least 0 for cameras, got -1 for iPhoneX"),
        ({"iPhoneX": math.nan}, "finite weights"),
        ({"iPhoneX": "much"}, "got 'much'"),
        ({"iPhoneX": True}, "got True"),
        ({"iPhoneX": 0}, "not all 0"),
        ({}, "not all 0"),
        ({"Pixel": 1}, "expected a camera out of"),
    ],
)
def test_other_weights_are_refused(camera: CameraLike, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        CameraChoice(CITY100, camera)


def test_a_call_s_camera_takes_the_place_of_the_chosen_one() -> None:
    choice = CameraChoice(CITY100, "iPhoneX")
    assert choice.weights(2).tolist() == [[0, 1]] * 2
    assert choice.weights(2, "NikonD5500").tolist() == [[1, 0]] * 2
    weights = torch.tensor([[0.5, 0.5], [0.0, 1.0]])
    assert choice.weights(2, weights) is weights
    for wrong in (weights[:1], weights[:, :1], weights.long(), weights + 0.5, torch.tensor([[1.5, -0.5], [1, 0]])):
        with pytest.raises(ValueError, match=r"expected weights \(2, 2\) of the cameras"):
            choice.weights(2, wrong)
    with pytest.raises(ValueError, match="expected one of the cameras City100_NikonD5500, City100_iPhoneX"):
        CameraChoice(CITY100).weights(1)


def test_any_draws_each_camera_as_often_and_the_same_under_a_seed() -> None:
    choice = CameraChoice(CITY100, "any")
    choice.seed(5)
    first, second = choice.weights(2000), choice.weights(2000)
    assert set(map(tuple, first.tolist())) == {(0.0, 1.0), (1.0, 0.0)}
    # Four standard deviations of a fair coin.
    assert abs(float(first[:, 0].mean()) - 0.5) < 4 * 0.5 / 2000**0.5
    assert not torch.equal(first, second)
    choice.seed(5)
    assert torch.equal(choice.weights(2000), first)
    assert (choice.index, str(choice)) == (None, "any")


def test_only_its_own_name_is_taken_by_a_generator_of_one_camera() -> None:
    check_only_camera(None, "City100_iPhoneX")
    check_only_camera("iphoneX", "City100_iPhoneX")
    for camera in ("Nikon", {"iPhoneX": 1.0}, "any"):
        with pytest.raises(ValueError, match="knows City100_iPhoneX alone"):
            check_only_camera(camera, "City100_iPhoneX")
    with pytest.raises(ValueError, match="does not name its camera"):
        check_only_camera("Nikon", "")
    # Fitted to both as one, it is neither.
    with pytest.raises(ValueError, match="leave it out"):
        check_only_camera("iPhoneX", "City100_NikonD5500 + City100_iPhoneX")


def test_samples_of_a_camera_are_worked_on_together_and_put_back() -> None:
    images = torch.arange(5.0)
    called = []

    def apply(camera: int, rows: torch.Tensor) -> torch.Tensor:
        called.append(camera)
        return images[rows] + 100 * camera

    assert by_camera(torch.tensor([2, 0, 2, 1, 0]), apply).tolist() == [200, 1, 202, 103, 4]
    assert called == [0, 1, 2]
