"""Colours of other profiles are converted to sRGB; those of sRGB stay as they are, to the bit."""

from __future__ import annotations

import io
import logging
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.icc import ADOBE_RGB, DISPLAY_P3, SRGB, expected, profile, srgb_levels
from helpers.photographs import photograph
from PIL import Image, features

from degflow_aug.files import notice
from degflow_aug.files.image_decoder import decode_image, open_header
from degflow_aug.files.image_file import encode_image, image_size, read_image

RGB = photograph(0)


def _saved(image: np.ndarray, kind: str, icc: bytes, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, icc_profile=icc, **options)
    return stream.getvalue()


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG", "BMP"])
def test_other_colours_are_those_ofsrgb_levels(kind: str, primaries: tuple[tuple[float, float], ...]) -> None:
    options: dict[str, Any] = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    icc = profile(primaries)
    # Pillow writes none in BMP files.
    data = _bmp(b"DEBM", icc=icc) if kind == "BMP" else _saved(RGB, kind, icc, **options)
    image = decode_image(data, f"{kind} {primaries}")
    error = np.abs(image - expected(RGB, primaries))
    assert error.mean() < 2 if kind == "JPEG" else error.max() < 2


def test_turned_transparent_and_palette_images(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    data = _saved(np.dstack([RGB, np.full_like(RGB[..., 0], 255)]), "PNG", profile(ADOBE_RGB), exif=exif)
    assert np.abs(decode_image(data, "a") - expected(np.rot90(RGB, -1), ADOBE_RGB)).max() < 2
    palette = Image.fromarray(RGB).quantize(200)
    stream = io.BytesIO()
    palette.save(stream, "PNG", icc_profile=profile(ADOBE_RGB))
    wanted = expected(np.asarray(palette.convert("RGB")), ADOBE_RGB)
    assert np.abs(decode_image(stream.getvalue(), "b") - wanted).max() < 2


def test_pixels_in_srgb_stay_as_they_are() -> None:
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(decode_image(_saved(RGB, kind, SRGB), "a"), RGB)
        np.testing.assert_array_equal(decode_image(_saved(RGB[..., 0], kind, SRGB), "a")[..., 2], RGB[..., 0])


def test_gray() -> None:
    gray = RGB[..., 1]
    image = decode_image(_saved(gray, "PNG", profile(None, 1.8)), "gray of its own")
    wanted = 255 * srgb_levels((gray / 255.0) ** 1.8)
    assert np.abs(image[..., 0] - wanted).max() < 2
    in_rgb = decode_image(_saved(gray, "TIFF", profile(ADOBE_RGB, 1.8)), "gray in RGB")
    assert np.abs(in_rgb[..., 0] - wanted).max() < 2
    assert (image == image[..., :1]).all()


def test_it_is_said_once_per_profile(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(_saved(RGB, "PNG", profile(DISPLAY_P3, 2.1)))
        read_image(tmp_path / f"{number}.png")
    assert [record.message for record in caplog.records if str(tmp_path) in record.message] == [
        f"{tmp_path}/0.png: its colours are converted to sRGB by its profile (tried), as are those of all files with "
        "the same profile"
    ]


def test_a_profile_in_another_file_is_said_and_left(caplog: pytest.LogCaptureFixture) -> None:
    np.testing.assert_array_equal(decode_image(_bmp(b"KNIL", icc=b"p3.icc"), "linked.bmp"), RGB)
    assert "a profile that is damaged or lacks parts" in caplog.text


@pytest.mark.parametrize("icc", [b"nothing", profile(DISPLAY_P3, 2.3)[:200], profile(None, 2.3)])
def test_a_profile_that_does_not_fit_is_said_and_left(icc: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(decode_image(_saved(RGB, "PNG", icc), f"{len(icc)}.png"), RGB)
    assert f"{len(icc)}.png: its colour profile cannot be used" in caplog.text


def _chunk(kind: bytes, *values: int) -> bytes:
    content = struct.pack(f">{len(values)}I", *values)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


PNG = encode_image(RGB)


def _cicp(primaries: int, transfer: int) -> bytes:
    """A PNG with these code points."""
    return PNG[:33] + _chunk(b"cICP", primaries << 24 | transfer << 16 | 1) + PNG[33:]


def _avif(primaries: int, transfer: int) -> bytes:
    """An AVIF image with these code points."""
    data = _saved(RGB, "AVIF", b"")
    place = data.index(b"colrnclx") + 8
    return data[:place] + struct.pack(">HH", primaries, transfer) + data[place + 4 :]


def _adobe(kind: str) -> bytes:
    """EXIF whose index of interoperability says Adobe RGB, each section right behind the one before."""
    sections = [(34665, 4, 1, struct.pack("<I", 26)), (40965, 4, 1, struct.pack("<I", 44)), (1, 2, 4, b"R03\0")]
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8)
    exif += b"".join(struct.pack("<HHHI", 1, *entry[:3]) + entry[3] + bytes(4) for entry in sections)
    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, kind, exif=exif)
    return stream.getvalue()


def _bmp(space: bytes, gamma: float = 0, primaries: tuple[tuple[float, float], ...] = (), icc: bytes = b"") -> bytes:
    """A BMP image with a header of version 5."""
    pixels = RGB[::-1, :, ::-1]
    rows = np.pad(pixels.reshape(len(pixels), -1), ((0, 0), (0, -3 * RGB.shape[1] % 4))).tobytes()
    head = struct.pack("<IiiHHIIiiII16x4s", 124, RGB.shape[1], RGB.shape[0], 1, 24, 0, len(rows), 0, 0, 0, 0, space)
    # As much light of each as white takes, by which the end points are scaled.
    lights = [(x / y * part, part, (1 - x - y) / y * part) for (x, y), part in zip(primaries, WHITE, strict=False)]
    head += b"".join(struct.pack("<I", round(value * 2**30)) for light in lights for value in light).ljust(36, b"\0")
    head += struct.pack("<3I", *[round(gamma * 65536)] * 3) + struct.pack("<4I", 4, 124 + len(rows), len(icc), 0)
    return b"BM" + struct.pack("<IHHI", 138 + len(rows) + len(icc), 0, 0, 138) + head + rows + icc


def _tiff(**tags: Any) -> bytes:
    """A TIFF image whose tags tell colours."""
    numbers = {"white": 318, "primaries": 319, "transfer": 301}
    return _saved(RGB, "TIFF", b"", tiffinfo={numbers[name]: value for name, value in tags.items()})


WHITE = (0.2126, 0.7152, 0.0722)
SRGB_PRIMARIES = ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
LEVELS = [round(65535 * (level / 255) ** 1.8) for level in range(256)]
SAME_PRIMARIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
ADOBE_PRIMARIES = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)


@pytest.mark.parametrize(("data", "said"), [
    (PNG[:33] + _chunk(b"gAMA", 100000) + PNG[33:], "of gamma 1"),
    (PNG[:33] + _chunk(b"cHRM", *ADOBE_PRIMARIES) + PNG[33:], "of other primaries"),
    (_cicp(12, 13), r"of primaries 12 and transfer 13 (ITU-T H.273)"),
    (_cicp(1, 8), r"of primaries 1 and transfer 8 (ITU-T H.273)"),
    (_adobe("JPEG"), "in Adobe RGB"), (_adobe("PNG"), "in Adobe RGB"), (_adobe("WEBP"), "in Adobe RGB"),
    (PNG[:33] + _chunk(b"gAMA", 45455) + _chunk(b"cHRM", *SAME_PRIMARIES) + PNG[33:], ""),
    (_cicp(1, 13), ""),
    (_bmp(bytes(4), 1), "of gamma 1"), (_bmp(bytes(4), 0, ADOBE_RGB), "of other primaries"),
    (_bmp(bytes(4), 2.2, SRGB_PRIMARIES), ""), (_bmp(bytes(4)), ""), (_bmp(b"BGRs", 1), ""),
    (_tiff(primaries=(0.64, 0.33, 0.21, 0.71, 0.15, 0.06), white=(0.3127, 0.329)), "of other primaries"),
    (_tiff(transfer=tuple(LEVELS)), "of gamma 1.8"),
    (_tiff(primaries=(0.64, 0.33, 0.3, 0.6, 0.15, 0.06), white=(0.3127, 0.329)), ""), (_tiff(white=(0.3, 0.3)), ""),
], ids=[
    "linear", "primaries", "code points", "linear code", "exif", "exif of png", "exif of webp", "same", "same code",
    "linear bmp", "bmp primaries", "same bmp", "bmp without", "srgb bmp", "tiff primaries", "tiff gamma", "same tiff",
    "tiff without",
])  # fmt: skip
def test_colours_told_without_a_profile_are_said(
    data: bytes, said: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_SAID", set())
    for name in ("a", "b"):
        open_header(io.BytesIO(data), f"{name}{said}")
    assert f"a{said}: its colours are {said} without a profile" in caplog.text or not said
    assert len(caplog.records) == bool(said)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
@pytest.mark.parametrize("make", [
    _cicp, pytest.param(_avif, marks=pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")),
])  # fmt: skip
def test_hdr_is_refused_by_the_header(make: Callable[[int, int], bytes], transfer: int, name: str) -> None:
    for read in (lambda data: open_header(io.BytesIO(data), "a"), lambda data: decode_image(data, "a")):
        with pytest.raises(ValueError, match=rf"a: expected .* sRGB can hold, got HDR \({name}\)"):
            read(make(9, transfer))


@pytest.mark.parametrize("content", [0, 0x0101, 0x0200], ids=["narrow", "YCbCr", "narrow, matrix not told"])
def test_png_of_narrow_range_is_refused_by_the_header(content: int) -> None:
    full = 0x010D0000
    for read in (lambda data: open_header(io.BytesIO(data), "a"), lambda data: decode_image(data, "a")):
        read(PNG[:33] + _chunk(b"cICP", full | 0x0201) + PNG[33:])
        with pytest.raises(ValueError, match="a: expected RGB of full range, got a cICP chunk that tells narrow range"):
            read(PNG[:33] + _chunk(b"cICP", full | content) + PNG[33:])


def _iccp(icc: bytes) -> bytes:
    """The chunk of a PNG that holds this profile."""
    png = _saved(RGB[:1, :1], "PNG", icc)
    start = png.index(b"iCCP") - 4
    return png[start : start + 12 + int.from_bytes(png[start : start + 4], "big")]


def _with_code_points(icc: bytes, transfer: int) -> bytes:
    """The same profile with code points, as ICC.1:2022 has them."""
    return icc + b"cicp\0\0\0\0" + bytes([9, transfer, 0, 1])


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
@pytest.mark.parametrize("make", [
    lambda transfer: (data := _cicp(9, transfer))[:33] + _iccp(SRGB) + data[33:],
    lambda transfer: (data := _cicp(9, transfer))[:49] + _iccp(profile(ADOBE_RGB)) + data[49:],
    lambda transfer: _saved(RGB, "PNG", _with_code_points(SRGB, transfer)),
    lambda transfer: _saved(RGB, "JPEG", _with_code_points(profile(DISPLAY_P3), transfer)),
], ids=["behind a profile", "before a profile", "in a profile", "in that of a JPEG"])  # fmt: skip
def test_hdr_is_refused_whatever_stands_beside(make: Callable[[int], bytes], transfer: int, name: str) -> None:
    for read in (lambda data: open_header(io.BytesIO(data), "a"), lambda data: decode_image(data, "a")):
        with pytest.raises(ValueError, match=rf"a: expected .* sRGB can hold, got HDR \({name}\)"):
            read(make(transfer))


def test_code_points_of_srgb_come_before_a_profile(caplog: pytest.LogCaptureFixture) -> None:
    data = _cicp(1, 13)
    np.testing.assert_array_equal(decode_image(data[:33] + _iccp(profile(ADOBE_RGB, 2.5)) + data[33:], "a"), RGB)
    assert not caplog.records
    other = _cicp(12, 13)
    converted = decode_image(other[:33] + _iccp(profile(DISPLAY_P3)) + other[33:], "a")
    assert np.abs(converted - expected(RGB, DISPLAY_P3)).max() < 2
    np.testing.assert_array_equal(decode_image(other[:33] + _iccp(SRGB) + other[33:], "b"), RGB)
    assert "b: its colours are of primaries 12 and transfer 13 (ITU-T H.273) beside a profile" in caplog.text


@pytest.mark.parametrize(("late", "said"), [
    (_iccp(profile(ADOBE_RGB)), "iCCP"), (_chunk(b"cICP", 9 << 24 | 16 << 16 | 1), "cICP"),
    (_chunk(b"gAMA", 100000), "gAMA"), (_chunk(b"cHRM", *ADOBE_PRIMARIES), "cHRM"), (_chunk(b"sRGB", 0), ""),
    (_iccp(profile(ADOBE_RGB)) + _chunk(b"tEXt", *[0x61620000] * 20000), ""),
], ids=["profile", "code points", "gamma", "primaries", "srgb", "far from the end"])  # fmt: skip
def test_colours_behind_the_pixels_of_a_png_do_not_count(
    late: bytes, said: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_SAID", set())
    data = PNG[:-12] + late + PNG[-12:]
    for _ in range(2):
        assert open_header(io.BytesIO(data), "a") == (*RGB.shape[:2], 8)
        np.testing.assert_array_equal(decode_image(data, "a"), RGB)
    assert caplog.messages == [
        f"a: left out what tells its colours ({said} behind the pixels), as in all such files"
    ] * bool(said)


def test_a_profile_in_parts_is_put_together_or_said_to_lack_some(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_SAID", set())
    icc, jpeg = profile(ADOBE_RGB), _saved(RGB, "JPEG", b"", quality=100, subsampling=0)
    parts = [b"ICC_PROFILE\0" + bytes([index + 1, 2]) + icc[index * 200 : 200 + index * 900] for index in range(2)]
    first, second = (b"\xff\xe2" + struct.pack(">H", 2 + len(part)) + part for part in parts)
    image = decode_image(jpeg[:2] + second + first + jpeg[2:], "whole")
    assert np.abs(image - expected(RGB, ADOBE_RGB)).mean() < 2
    np.testing.assert_array_equal(decode_image(jpeg[:2] + first + jpeg[2:], "part"), decode_image(jpeg, "plain"))
    assert caplog.messages[-1].startswith(
        "part: left out what tells its colours (a profile that is damaged or lacks parts)"
    )


def test_16_bits_in_other_colours_are_refused_by_the_header() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (8, 8, 3), dtype=np.uint16)
    png = encode_image(deep)

    def with_profile(icc: bytes) -> bytes:
        return png[:33] + _iccp(icc) + png[33:]

    for read in (lambda data: open_header(io.BytesIO(data), "a.png"), lambda data: decode_image(data, "a.png")):
        with pytest.raises(ValueError, match=r"a\.png: expected a 16-bit image with colours in sRGB"):
            read(with_profile(profile(ADOBE_RGB)))
    np.testing.assert_array_equal(decode_image(with_profile(SRGB), "a.png"), deep)


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
def test_avif_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_header(io.BytesIO(_avif(11, 13)), "tried.avif")
    assert "tried.avif: its colours are of primaries 11 and transfer 13" in caplog.text
    (tmp_path / "a.avif").write_bytes(_saved(RGB, "AVIF", profile(DISPLAY_P3), quality=100, subsampling="4:4:4"))
    assert np.abs(read_image(tmp_path / "a.avif") - expected(RGB, DISPLAY_P3)).mean() < 2


@pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")
@pytest.mark.parametrize("bits", [8, 10])
def test_more_bits_of_avif_are_said_to_be_read_as_8(
    bits: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_SAID", set())
    data = _avif(1, 13)
    place = data.index(b"pixi") + 8
    data = data[: place + 1] + bytes([bits] * data[place]) + data[place + 1 + data[place] :]
    flags = data.index(b"av1C") + 6
    data = data[:flags] + bytes([data[flags] | (0x40 if bits == 10 else 0)]) + data[flags + 1 :]
    assert open_header(io.BytesIO(data), "a") == (*RGB.shape[:2], 8)
    assert caplog.messages == [f"a: its {bits} bits per channel are read as 8, as in all such files"] * (bits > 8)


def test_heic_is_read(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    image = Image.fromarray(RGB)
    image.info["icc_profile"] = profile(DISPLAY_P3)
    heif.from_pillow(image).save(tmp_path / "a.heic", quality=-1, chroma=444)
    assert image_size(tmp_path / "a.heic") == RGB.shape[:2]
    assert np.abs(read_image(tmp_path / "a.heic") - expected(RGB, DISPLAY_P3)).mean() < 2


def test_heic_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for brand in (b"heic", b"mif1"):
        with pytest.raises(ValueError, match=r"a\.heic: expected pillow-heif to read .*; pip install pillow-heif"):
            decode_image(b"\0\0\0\x18ftyp" + brand + bytes(40), "a.heic")
