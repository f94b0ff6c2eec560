"""Windows equal the whole frame resized, and both equal Pillow's filter; all positions of a square are drawn alike."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from degflow_aug.data.tensors import draw_turn, resize_frame, resize_window, round_to, to_8_bits, to_array, to_tensor
from degflow_aug.files.image_file import read_image


def _noise(height: int, width: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, 3), dtype, endpoint=True)


def _pillow(image: np.ndarray, size: tuple[int, int], box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """Pillow's bicubic filter in float32, channel by channel."""
    planes = [Image.fromarray(image[..., channel].astype(np.float32)) for channel in range(3)]
    resized = [np.asarray(plane.resize(size[::-1], Image.Resampling.BICUBIC, box=box)) for plane in planes]
    return np.stack(resized, axis=2).clip(0, np.iinfo(image.dtype).max)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(20, 30), (29, 41), (60, 90), (80, 33)])
def test_frames_are_resized_as_pillow_does(dtype: type, size: tuple[int, int]) -> None:
    image = _noise(60, 90, dtype)
    tolerance = np.iinfo(dtype).max * 2e-6
    np.testing.assert_allclose(resize_frame(image, size), _pillow(image, size), atol=tolerance)
    np.testing.assert_allclose(resize_window(image, (0, 0), (60, 90), size), _pillow(image, size), atol=tolerance)


@pytest.mark.parametrize(("start", "sides", "size"), [
    ((0, 0), (29, 29), (10, 10)), ((31, 61), (29, 29), (10, 10)), ((12, 17), (24, 31), (16, 9)),
    ((5, 6), (7, 8), (7, 8)), ((20, 20), (10, 12), (15, 20)), ((0, 0), (60, 1), (9, 1)),
])  # fmt: skip
def test_windows_see_what_lies_around_them(
    start: tuple[int, int], sides: tuple[int, int], size: tuple[int, int]
) -> None:
    image = _noise(60, 90)
    (top, left), (height, width) = start, sides
    expected = _pillow(image, size, (left, top, left + width, top + height))
    np.testing.assert_allclose(resize_window(image, start, sides, size), expected, atol=1e-3)


@pytest.mark.parametrize(("scale", "side"), [(2.9, 29), (1.5, 12), (4, 16), (2, 2)])
def test_windows_on_the_lr_grid_are_parts_of_the_frame(scale: float, side: int) -> None:
    image = _noise(5 * side, 7 * side)
    length = round(side / scale)
    whole = resize_frame(image, (5 * length, 7 * length))
    for row in range(5):
        for column in range(7):
            patch = resize_window(image, (row * side, column * side), (side, side), (length, length))
            expected = whole[row * length : (row + 1) * length, column * length : (column + 1) * length]
            np.testing.assert_allclose(patch, expected, atol=2e-3)


def test_windows_of_a_real_view_are_parts_of_its_frame(city100: Path) -> None:
    view = read_image(city100 / "City100_NikonD5500" / "001L.PNG")
    whole = resize_frame(view, (round(view.shape[0] / 2.9), round(view.shape[1] / 2.9)))
    for row, column in ((0, 0), (3, 5), (10, 18)):
        patch = resize_window(view, (29 * row, 29 * column), (58, 58), (20, 20))
        np.testing.assert_allclose(patch, whole[10 * row :, 10 * column :][:20, :20], atol=2e-3)


def test_16_bits_are_rounded_to_the_nearest_of_8() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(to_8_bits(values), np.rint(values / 257))
    same = np.zeros((2, 2, 3), np.uint8)
    assert to_8_bits(same) is same
    rounded = round_to(np.array([[0.4, 0.6], [254.6, 255]], np.float32).T, np.uint8)
    assert rounded.dtype == np.uint8
    assert rounded.flags.c_contiguous
    assert rounded.tolist() == [[0, 255], [1, 255]]


@pytest.mark.parametrize(
    ("flip", "rotate", "count"), [(False, False, 1), (True, False, 2), (False, True, 4), (True, True, 8)]
)
def test_turns_are_drawn_equally_often(flip: bool, rotate: bool, count: int) -> None:
    patch = np.arange(27).reshape(3, 3, 3)
    positions = [np.rot90(image, turn).tobytes() for image in (patch, patch[:, ::-1]) for turn in range(4)]
    rng = np.random.default_rng(0)
    found: Counter[int] = Counter()
    for _ in range(100 * count):
        turn = draw_turn(rng, flip=flip, rotate=rotate)
        np.testing.assert_array_equal(turn(patch), turn(patch + 27) - 27)
        found[positions.index(turn(patch).tobytes())] += 1
    assert len(found) == count
    assert min(found.values()) > 60


def test_as_many_numbers_are_drawn_whatever_the_flags() -> None:
    rests = set()
    for flags in ((False, False), (True, True)):
        rng = np.random.default_rng(1)
        draw_turn(rng, flip=flags[0], rotate=flags[1])
        rests.add(rng.random())
    assert len(rests) == 1


def test_tensors_hold_the_same_values_as_arrays() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)
    for image, peak in ((rgb, 255), (rng.integers(0, 65536, rgb.shape, dtype=np.uint16), 65535)):
        tensor = to_tensor(image)
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous()
        np.testing.assert_array_equal(tensor.numpy(), (image / np.float32(peak)).transpose(2, 0, 1))
    np.testing.assert_array_equal(to_array(to_tensor(rgb)), rgb)


def test_arrays_are_rounded_and_clipped() -> None:
    values = torch.tensor([-0.2, 0.49 / 255, 0.51 / 255, 254.6 / 255, 1.3, 0.5])
    assert to_array(values.expand(3, 1, 6))[0, :, 0].tolist() == [0, 0, 1, 255, 255, 128]
    assert to_array(torch.full((3, 2, 2), 0.5, dtype=torch.float16)).dtype == np.uint8
    with pytest.raises(ValueError, match=r"\(3, H, W\)"):
        to_array(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match="NaN"):
        to_array(torch.full((3, 2, 2), float("nan")))
