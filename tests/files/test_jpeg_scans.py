"""A JPEG file goes over its pixels no more often than encoders let it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from degflow_aug.files import jpeg_scans
from degflow_aug.files.image_decoder import decode_image

RGB = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)


def _saved(image: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", **options)
    return stream.getvalue()


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


def test_a_film_behind_a_photograph_does_not_count() -> None:
    image = decode_image(_progressive(1, b"\xff\xda" * 1000), "a.jpg")
    np.testing.assert_array_equal(image, decode_image(_progressive(1), "a.jpg"))


def test_scans_of_a_thumbnail_do_not_count() -> None:
    exif = Image.Exif()
    exif[37510] = b"\xff\xda\0\0" * 500
    jpeg_scans.check_scans(_saved(RGB, progressive=True, exif=exif), RGB.size, "a.jpg")
