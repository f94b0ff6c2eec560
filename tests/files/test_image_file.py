"""Every kind of file is read as what it shows, or refused by name."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from degflow_aug.files import image_decoder
from degflow_aug.files.image_file import encode_image, image_size, images_in, read_header, read_image, write_image

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (24, 40, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (24, 40, 3), dtype=np.uint16)
OPAQUE = np.full((24, 40), 255, np.uint8)


def _three(gray: np.ndarray) -> np.ndarray:
    return np.dstack([gray] * 3)


def _bytes(image: np.ndarray | Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(stream, kind, **options)
    return stream.getvalue()


def _deep(image: np.ndarray, suffix: str) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


PALETTE = Image.fromarray(RGB).quantize(32)
SMOOTH = np.linspace(0, 255, 24 * 40 * 3).reshape(24, 40, 3).astype(np.uint8)
EXACT = {
    "rgb.png": (_bytes(RGB, "PNG"), RGB),
    "rgb.bmp": (_bytes(RGB, "BMP"), RGB),
    "rgb.tif": (_bytes(RGB, "TIFF"), RGB),
    "lzw.tif": (_bytes(RGB, "TIFF", compression="tiff_lzw"), RGB),
    "lossless.webp": (_bytes(RGB, "WEBP", lossless=True), RGB),
    "gray.png": (_bytes(RGB[..., 0], "PNG"), _three(RGB[..., 0])),
    "gray.tif": (_bytes(RGB[..., 0], "TIFF"), _three(RGB[..., 0])),
    "bilevel.png": (_bytes(RGB[..., 0] > 127, "PNG"), _three((RGB[..., 0] > 127).astype(np.uint8) * 255)),
    "palette.png": (_bytes(PALETTE, "PNG"), np.asarray(PALETTE.convert("RGB"))),
    "opaque.png": (_bytes(np.dstack([RGB, OPAQUE]), "PNG"), RGB),
    "opaque_gray.png": (_bytes(np.dstack([RGB[..., 0], OPAQUE]), "PNG"), _three(RGB[..., 0])),
    "deep.png": (_deep(DEEP[..., ::-1], ".png"), DEEP),
    "deep.tif": (_deep(DEEP[..., ::-1], ".tif"), DEEP),
    "deep_gray.png": (_deep(DEEP[..., 0], ".png"), _three(DEEP[..., 0])),
    "deep_gray.tif": (_deep(DEEP[..., 0], ".tif"), _three(DEEP[..., 0])),
    "deep_opaque.png": (_deep(np.dstack([DEEP[..., ::-1], OPAQUE.astype(np.uint16) * 257]), ".png"), DEEP),
    "big.tif": (_bytes(RGB, "TIFF", big_tiff=True), RGB),
    "deep_big.tif": (_bytes(DEEP[..., 0], "TIFF", big_tiff=True), _three(DEEP[..., 0])),
    "misnamed.jpg": (_bytes(RGB, "PNG"), RGB),
}
REFUSED = {
    "half.png": (_bytes(np.dstack([RGB, OPAQUE // 2]), "PNG"), "opaque"),
    "half_gray.png": (_bytes(np.dstack([RGB[..., 0], OPAQUE // 2]), "PNG"), "opaque"),
    "half.webp": (_bytes(np.dstack([RGB, OPAQUE // 2]), "WEBP"), "opaque"),
    "see_through_palette.png": (_bytes(PALETTE, "PNG", transparency=3), "opaque"),
    "deep_half.png": (_deep(np.dstack([DEEP, DEEP[..., 0]]), ".png"), "opaque"),
    "cmyk.jpg": (_bytes(Image.fromarray(RGB).convert("CMYK"), "JPEG"), "got CMYK"),
    "float.tif": (_bytes(RGB[..., 0].astype(np.float32), "TIFF"), "got F"),
    "integers.tif": (_bytes(RGB[..., 0].astype(np.int32), "TIFF"), "got I"),
    "moving.png": (_bytes(RGB, "PNG", save_all=True, append_images=[Image.fromarray(RGB[::-1])]), "several frames"),
    "moving.webp": (_bytes(RGB, "WEBP", save_all=True, append_images=[Image.fromarray(RGB[::-1])]), "several frames"),
    "pages.tif": (_bytes(RGB, "TIFF", save_all=True, append_images=[Image.fromarray(RGB[::-1])]), "several frames"),
    "gif.png": (_bytes(PALETTE, "GIF"), "another kind of file"),
    "big_endian.tif": (b"MM\0+" + bytes(60), "got a big-endian BigTIFF"),
    "text.png": (b"Not Found", "another kind of file"),
    "empty.png": (b"", "another kind of file"),
}
WHOLE = {
    "a.png": _bytes(RGB, "PNG"),
    "a.jpg": _bytes(RGB, "JPEG"),
    "progressive.jpg": _bytes(RGB, "JPEG", progressive=True),
    "a.webp": _bytes(RGB, "WEBP"),
    "lossless.webp": _bytes(RGB, "WEBP", lossless=True),
    "a.bmp": _bytes(RGB, "BMP"),
    "a.tif": _bytes(RGB, "TIFF"),
    "deep.png": _deep(DEEP, ".png"),
    "deep.tif": _deep(DEEP, ".tif"),
}


@pytest.mark.parametrize("name", EXACT)
def test_lossless_kinds_are_read_exactly(tmp_path: Path, name: str) -> None:
    data, expected = EXACT[name]
    (tmp_path / name).write_bytes(data)
    image = read_image(tmp_path / name)
    assert image.dtype == expected.dtype
    np.testing.assert_array_equal(image, expected)
    assert read_header(tmp_path / name) == (24, 40, 8 * image.dtype.itemsize)


@pytest.mark.parametrize("name", REFUSED)
def test_other_kinds_are_refused_by_name(tmp_path: Path, name: str) -> None:
    data, reason = REFUSED[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=reason) as caught:
        read_image(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("left", [0.9, 0.5, 0.1, 40, -5])
def test_truncated_files_are_refused(tmp_path: Path, name: str, left: float) -> None:
    data = WHOLE[name]
    size = int(len(data) * left) if 0 < left < 1 else int(left)
    (tmp_path / name).write_bytes(data[:size])
    with pytest.raises(ValueError, match=r"^[^\n]*expected a (whole )?[^\n]*$") as caught:
        read_image(tmp_path / name)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["rgb.png", "palette.png", "deep.png"])
def test_a_png_that_is_cut_or_changed_is_refused_or_has_its_pixels(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data, expected = EXACT[name]
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 32]) + data[place + 1 :]
        for damaged in (data[:place], changed):
            with contextlib.suppress(ValueError):
                np.testing.assert_array_equal(image_decoder.decode_image(damaged, name), expected)
    assert capfd.readouterr().err == ""


UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_exif_orientation_is_honoured(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / "turned"
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    path.write_bytes(_bytes(SMOOTH, kind, exif=_turned(orientation), **options))
    expected = UPRIGHT[orientation](SMOOTH)
    image = read_image(path)
    assert image_size(path) == image.shape[:2] == expected.shape[:2]
    assert np.abs(image.astype(int) - expected).max() <= (12 if kind == "JPEG" else 0)


def test_turned_16_bit_images_are_refused(tmp_path: Path) -> None:
    start = WHOLE["deep.png"].index(b"IDAT") - 4
    chunk = _chunk(b"eXIf", _turned(6).tobytes()[6:])
    (tmp_path / "turned.png").write_bytes(WHOLE["deep.png"][:start] + chunk + WHOLE["deep.png"][start:])
    for read in (image_size, read_image):
        with pytest.raises(ValueError, match=r"turned\.png.*upright"):
            read(tmp_path / "turned.png")


def test_large_photographs_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond Pillow's own limit there is a header; with more pixels than a file can hold, and beyond ours, nothing."""
    monkeypatch.setattr(image_decoder, "_load", lambda *_: pytest.fail("it was decoded"))
    phone = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 16000, 12500, 8, 2, 0, 0, 0))
    (tmp_path / "phone.png").write_bytes(phone + _chunk(b"IDAT", b""))
    for read in (read_image, image_size):
        with pytest.raises(
            ValueError, match=r"phone\.png: expected at most 1000 pixels a byte of the file, got 16000x12500"
        ):
            read(tmp_path / "phone.png")
    with (tmp_path / "phone.png").open("ab") as file:
        file.truncate(200_000)
    assert image_size(tmp_path / "phone.png") == (12500, 16000)
    write_image(tmp_path / "large.png", RGB)
    monkeypatch.setattr(image_decoder, "PIXEL_LIMIT", 24 * 40 - 1)
    for read in (read_image, image_size):
        with pytest.raises(ValueError, match=r"large\.png.*at most 959 pixels, got 40x24"):
            read(tmp_path / "large.png")


@pytest.mark.parametrize("compression", [None, "tiff_deflate"])
def test_pillows_limit_for_the_process_is_not_that_of_a_tiff(
    compression: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    data = _bytes(RGB, "TIFF", compression=compression)
    assert image_decoder.open_header(io.BytesIO(data), "a") == (24, 40, 8)
    np.testing.assert_array_equal(image_decoder.decode_image(data, "a"), RGB)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.png"):
        for read in (read_image, image_size):
            with pytest.raises(ValueError, match="expected an image file") as caught:
                read(path)
            assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".tif", ".tiff"])
@pytest.mark.parametrize("image", [RGB, DEEP, RGB[::2, ::-1], RGB[:1, :1]])
def test_what_is_written_is_read(tmp_path: Path, suffix: str, image: np.ndarray) -> None:
    path = tmp_path / f"image{suffix}"
    write_image(path, image[::-1])
    write_image(path, image)
    np.testing.assert_array_equal(read_image(path), image)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("image", [RGB[..., 0], RGB[..., :2], RGB.astype(np.float32), RGB[:0]])
def test_other_arrays_are_not_written(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected RGB"):
        encode_image(image)


def test_lossy_formats_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"lossless.*'\.jpg'"):
        write_image(tmp_path / "image.jpg", RGB)
    assert not list(tmp_path.iterdir())


def test_images_of_a_folder_are_listed_in_order(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpeg", "c.webp", "notes.txt", "._a.jpeg", "d.png.7-7.partial"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in images_in(tmp_path)] == ["a.jpeg", "b.PNG", "c.webp"]


def test_what_libtiff_minds_does_not_reach_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(_bytes(RGB, "TIFF", compression="tiff_deflate"))
    data[300:340] = bytes(40)
    (tmp_path / "damaged.tif").write_bytes(data)
    with pytest.raises(ValueError, match=r"damaged\.tif: expected a whole image"):
        read_image(tmp_path / "damaged.tif")
    assert capfd.readouterr().err == ""


def test_what_libpng_minds_does_not_reach_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    """A profile that libpng calls incorrect is common in photographs."""
    data, expected = EXACT["deep.png"]
    described = data[:33] + _chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(200))) + data[33:]
    assert cv2.imdecode(np.frombuffer(described, np.uint8), -1) is not None
    assert "iCCP" in capfd.readouterr().err
    np.testing.assert_array_equal(image_decoder.decode_image(described, "described.png"), expected)
    assert "libpng" not in capfd.readouterr().err
