"""A JPEG file goes over its pixels no more often than encoders let it, and holds the data of all of them."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from helpers.photographs import photograph
from PIL import Image

from degflow_aug.files import jpeg_scans, plain_image
from degflow_aug.files.image_decoder import decode_image

RGB = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
SMOOTH = photograph(0, 64, 80)


def _saved(image: np.ndarray, kind: str = "JPEG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, **options)
    return stream.getvalue()


def _pillow(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def _progressive(scans: int, behind: bytes = b"", between: bytes = b"") -> bytes:
    """A progressive JPEG whose last scan is there again and again."""
    data = _saved(RGB, progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + (between + data[last:-2]) * scans + data[-2:] + behind


@pytest.mark.parametrize("between", [b"", b"\xff\x01", b"\xff\xd3", b"\xff\xff\xff", b"\xff\0\7garbage\xff"])
def test_a_jpeg_that_goes_over_its_pixels_without_end_is_refused(between: bytes) -> None:
    with pytest.raises(ValueError, match=r"a\.jpg: expected a JPEG of at most 100 scans"):
        decode_image(_progressive(20_000, between=between), "a.jpg")
    assert decode_image(_progressive(50, between=between), "a.jpg").shape == RGB.shape


def test_a_marker_in_the_place_of_a_restart_hides_no_scans() -> None:
    # libjpeg goes on searching behind it, where it would refuse it elsewhere.
    with pytest.raises(ValueError, match="at most 100 scans"):
        jpeg_scans.check_scans(_progressive(200, between=b"\xff\x02"), RGB.size, "a.jpg")


def test_a_large_jpeg_may_have_fewer_scans() -> None:
    jpeg_scans.check_scans(_progressive(10), jpeg_scans.MOST_SCANNED // 20, "a.jpg")
    with pytest.raises(ValueError, match="at most 20 scans"):
        jpeg_scans.check_scans(_progressive(20), jpeg_scans.MOST_SCANNED // 20, "a.jpg")


@pytest.mark.parametrize("marker", [b"\xff\x01", b"\xff\xd0", b"\xff\xff\x02"])
def test_a_scan_of_nothing_but_markers_fills_no_memory(marker: bytes) -> None:
    data = _saved(RGB)
    made = data[:-2] + marker * 100_000 + data[-2:]
    assert len(jpeg_scans.check_scans(made, RGB.size, "a.jpg")) < len(made) + 1000


def test_a_film_behind_a_photograph_does_not_count() -> None:
    image = decode_image(_progressive(1, b"\xff\xda" * 1000), "a.jpg")
    np.testing.assert_array_equal(image, decode_image(_progressive(1), "a.jpg"))


def test_scans_of_a_thumbnail_do_not_count() -> None:
    exif = Image.Exif()
    exif[37510] = b"\xff\xda\0\0" * 500
    jpeg_scans.check_scans(_saved(RGB, progressive=True, exif=exif), RGB.size, "a.jpg")


OPTIONS: list[dict[str, Any]] = [
    {}, {"optimize": True, "subsampling": 0}, {"progressive": True}, {"restart_marker_blocks": 1},
    {"progressive": True, "restart_marker_rows": 1},
]  # fmt: skip
PLAIN, PROGRESSIVE, RESTARTED = (_saved(SMOOTH, **options) for options in (OPTIONS[0], OPTIONS[2], OPTIONS[3]))


def _places(jpeg: bytes, marker: bytes) -> list[int]:
    return [found.start() for found in re.finditer(b"\xff" + marker, jpeg)]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("left", [0, 0.3, 0.6, 0.9])
def test_data_that_ends_early_is_refused_whatever_stands_behind_it(options: dict[str, Any], left: float) -> None:
    for image in (SMOOTH, SMOOTH[..., 0], SMOOTH[:37, :45]):
        jpeg = _saved(image, **options)
        np.testing.assert_array_equal(decode_image(jpeg, "a")[..., 0], np.asarray(_pillow(jpeg))[..., 0])
        start = _places(jpeg, b"\xda")[-1] + 14
        cut = jpeg[: start + int(left * (len(jpeg) - 2 - start))].rstrip(b"\xff")
        for behind in (b"", jpeg):
            with pytest.raises(ValueError, match=r"a\.jpg: expected a whole image, got a JPEG"):
                decode_image(cut + b"\xff\xd9" + behind, "a.jpg")


@pytest.mark.parametrize("scan", range(10))
def test_no_scan_may_be_missing_or_empty(scan: int) -> None:
    start = _places(PROGRESSIVE, b"\xda")[scan]
    data = start + 2 + int.from_bytes(PROGRESSIVE[start + 2 : start + 4], "big")
    end = re.compile(b"\xff[\xc4\xd9\xda]").search(PROGRESSIVE, data)
    assert end is not None
    for kept, reason in ((start, "without some of its scans"), (data, "whose data ends early")):
        with pytest.raises(ValueError, match=f"a: expected a whole image, got a JPEG {reason}"):
            decode_image(PROGRESSIVE[:kept] + PROGRESSIVE[end.start() :], "a")


def test_no_component_may_be_missing() -> None:
    gray = _saved(SMOOTH[..., 0])
    start = gray.index(b"\xff\xc0")
    frame = b"\xff\xc0\0\x11" + gray[start + 4 : start + 9] + b"\3\1\x11\0\2\x11\0\3\x11\0"
    with pytest.raises(ValueError, match="a: expected a whole image, got a JPEG without some of its scans"):
        decode_image(gray[:start] + frame + gray[start + 13 :], "a")


@pytest.mark.parametrize("first", range(3))
@pytest.mark.parametrize("count", [1, 3, 8])
def test_restart_markers_are_all_there_in_order(first: int, count: int) -> None:
    places = _places(RESTARTED, b"[\xd0-\xd7]")
    before, lost, rest = RESTARTED[: places[first]], places[first + 1], RESTARTED[places[first + count] :]
    for behind in (rest, RESTARTED[lost : places[first + count]] + RESTARTED[places[first] : lost] + rest[2:]):
        with pytest.raises(
            ValueError, match="a: expected a whole image, got a JPEG without some of its restart markers"
        ):
            decode_image(before + behind, "a")


def test_parts_of_a_tiff_that_are_jpeg_are_whole_too() -> None:
    for options in ({278: 16}, {}):
        tiff = _saved(SMOOTH, "TIFF", compression="jpeg", tiffinfo=options)
        np.testing.assert_array_equal(decode_image(tiff, "a"), np.asarray(_pillow(tiff)))
        last = plain_image.stored_parts(Image.open(io.BytesIO(tiff)))[-1]
        end = sum(last) - 2
        with pytest.raises(ValueError, match="a: expected a whole image, got a JPEG whose data ends early"):
            decode_image(tiff[: end - 60] + b"\xff\xd9" + bytes(60) + tiff[end + 2 :], "a")
