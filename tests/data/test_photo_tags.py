"""EXIF and profile of a photograph in a PNG made of it: what stays true stays, whatever the format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.icc import ADOBE_RGB, SRGB, profile
from helpers.photographs import photograph
from PIL import Image

from degflow_aug.data.photo_tags import png_tags
from degflow_aug.files.image_file import read_image, write_image

EXIF, GPS = {33437: (18, 10), 36867: "2026:01:02 03:04:05", 37500: b"made\0so"}, {1: "N", 2: (52.0, 31.0, 1.5)}


def with_tags_of(path: Path, size: tuple[int, int] = (60, 80)) -> Image.Image:
    """A PNG with the tags of a file."""
    made = path.with_name("made.png")
    write_image(made, photograph(1, *size), png_tags(path, size))
    assert np.array_equal(read_image(made), photograph(1, *size))
    return Image.open(made)


def write(path: Path, icc: bytes = SRGB) -> Path:
    image = Image.fromarray(photograph(0, 30, 40))
    exif = image.getexif()
    exif.update({271: "Maker", 274: 8, 306: "2026:01:02 03:04:05"})
    exif.get_ifd(34665).update({**EXIF, 40962: 40, 40963: 30, 40961: 65535})
    exif.get_ifd(34853).update(GPS)
    image.save(path, exif=exif, icc_profile=icc)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_tags_stay_but_for_orientation_and_size(suffix: str, tmp_path: Path) -> None:
    with with_tags_of(write(tmp_path / f"photo{suffix}")) as made:
        exif = made.getexif()
        assert {key: exif[key] for key in exif if key < 34665} == {271: "Maker", 306: "2026:01:02 03:04:05"}
        assert dict(exif.get_ifd(34665)) == {**EXIF, 40962: 80, 40963: 60, 40961: 65535}
        assert dict(exif.get_ifd(34853)) == GPS
        assert made.info["icc_profile"] == SRGB


def test_of_a_tiff_only_what_is_not_about_its_storage(tmp_path: Path) -> None:
    with with_tags_of(write(tmp_path / "photo.tif")) as made:
        assert dict(made.getexif()) == {271: "Maker", 306: "2026:01:02 03:04:05"}


def test_colours_that_reading_converts_have_no_profile_any_more(tmp_path: Path) -> None:
    with with_tags_of(write(tmp_path / "photo.jpg", profile(ADOBE_RGB))) as made:
        assert "icc_profile" not in made.info
        assert made.getexif().get_ifd(34665)[40961] == 1


def test_what_is_damaged_is_left_out(tmp_path: Path) -> None:
    Image.fromarray(photograph(0)).save(
        tmp_path / "cut.png", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff", icc_profile=SRGB[:200]
    )
    with with_tags_of(tmp_path / "cut.png") as made:
        assert (dict(made.getexif()), "icc_profile" in made.info) == ({}, False)
