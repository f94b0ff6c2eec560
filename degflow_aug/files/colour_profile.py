"""Colours of image files in sRGB: where a file's ICC profile says that they are others, they are converted."""

from __future__ import annotations

import functools
import io
import itertools
import math
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms

from degflow_aug.files.notice import notice

# Profiles of sRGB differ from each other by rounding; what a profile changes by no more stays as it is, to the bit.
_SAME = 2
_GRAYS = ("1", "L", "LA")
# Of sRGB, as PNG has them: white, red, green, blue.
_GAMMA, _PRIMARIES, _NEAR = 1 / 2.2, (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06), 0.02
# Of ITU-T H.273: BT.709 or not told, sRGB or not told, and light beyond white.
_SRGB_PRIMARIES, _SRGB_TRANSFERS, _HDR = (1, 2), (13, 2), {16: "PQ", 18: "HLG"}
# Matrix and range: RGB, or not told, and full.
_FULL_RANGE = (b"\0\1", b"\2\1")
_SRGB_POINTS, _POINTS_OF_PROFILE = (1, 13), re.compile(rb"(?s)cicp\0{4}.(.)")
_BMP_HEADER, _TIFF_COLOURS = 14, (318, 319, 301)
_COLOUR_SPACE, _UNCALIBRATED, _ADOBE = 40961, 65535, 2


_as_stored = ContextVar("as_stored", default="")


@contextmanager
def as_stored(by: str) -> Iterator[None]:
    """Headers are read for somebody who reads pixels as they are stored, such as a data set of BasicSR's.

    Args:
        by: who, for the line that is said of a profile then.
    """
    token = _as_stored.set(by)
    try:
        yield
    finally:
        _as_stored.reset(token)


def used_profile(image: Image.Image) -> bytes:
    """Return the ICC profile that counts for an image that is not decoded yet, empty where none does.

    In a PNG, code points of sRGB come before it. One behind the pixels, where no PNG has any, does not count, as in
    libpng; Pillow finds it as it decodes.
    """
    if image.format == "PNG" and image.info.get("code_points") == _SRGB_POINTS:
        return b""
    return bytes(image.info.get("icc_profile") or b"")


def is_in_srgb(image: Image.Image, name: str) -> bool:
    """Tell whether the colours of an image, which is not decoded yet, are meant in sRGB; say so where they are not.

    Args:
        image: as Pillow has opened it.
        name: what the line calls it. It is said once per profile.

    Raises:
        ValueError: a PQ or HLG transfer, or a PNG of narrow range.
    """
    profile = used_profile(image)
    points = image.info.get("code_points", (2, 2))
    in_profile = _POINTS_OF_PROFILE.search(profile)
    for transfer in (points[1], in_profile[1][0] if in_profile else 2):
        if transfer in _HDR:
            got = f"HDR ({_HDR[transfer]})"
            raise ValueError(f"{name}: expected an image that levels of sRGB can hold, got {got}; convert it to sRGB")
    if image.info.get("code_range", _FULL_RANGE[0]) not in _FULL_RANGE:
        raise ValueError(
            f"{name}: expected RGB of full range, got a cICP chunk that tells narrow range or YCbCr; convert it to sRGB"
        )
    left_out = image.info.get("late_colours", "")
    if left_out or image.info.get("icc_profile", b"") is None:
        why = f"{left_out} behind the pixels" if left_out else "a profile that is damaged or lacks parts"
        notice(f"{name}: left out what tells its colours ({why}), as in all such files", why)
    conversion = _conversion(profile, _is_gray(image)) if profile else None
    if conversion is not None:
        conversion.say(name)
        if conversion.transform is not None:
            return False
    told = _told_beside(image, points, bool(profile))
    if told:
        place = "beside" if profile else "without"
        notice(f"{name}: its colours are {told} {place} a profile, and taken for sRGB, as in all such files", told)
    return True


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert a decoded image without transparency to RGB in sRGB, by :func:`used_profile` where that differs."""
    conversion = _conversion(profile, _is_gray(image)) if profile else None
    if conversion is None or conversion.transform is None:
        return image.convert("RGB")
    # Without a profile of its own, by which Pillow might be led to do it again.
    converted = ImageCms.applyTransform(image.convert(conversion.mode), conversion.transform)
    assert converted is not None
    return converted


def _told_beside(image: Image.Image, points: tuple[int, int], has_profile: bool) -> str:
    """What but a profile says that colours are not in sRGB: code points, gamma and primaries of a PNG file, or EXIF."""
    primaries, transfer = points
    if primaries not in _SRGB_PRIMARIES or transfer not in _SRGB_TRANSFERS:
        return f"of primaries {primaries} and transfer {transfer} (ITU-T H.273)"
    if has_profile:
        return ""
    told = "srgb" in image.info or "code_points" in image.info
    gamma, chromaticity = image.info.get("gamma"), image.info.get("chromaticity")
    if not told and gamma and abs(gamma - _GAMMA) > _NEAR:
        return f"of gamma {1 / gamma:.3g}"
    if not told and chromaticity and np.abs(np.subtract(chromaticity, _PRIMARIES)).max() > _NEAR:
        return "of other primaries"
    try:
        # The getexif of Pillow's PNG class would decode the pixels.
        exif = image.getexif() if image.format == "TIFF" else Image.Image.getexif(image)
        index = exif.get_ifd(ExifTags.IFD.Interop).get(1)
        space = exif.get_ifd(ExifTags.IFD.Exif).get(_COLOUR_SPACE)
    except Exception:  # damaged bytes make decoders raise anything
        return ""
    if str(index).startswith("R03") or space == _ADOBE:
        return "in Adobe RGB"
    return "not in sRGB by their EXIF" if space == _UNCALIBRATED else ""


def bmp_colours(stream: BinaryIO) -> dict[str, Any]:
    """What a BMP header of version 4 or 5 says, in Pillow's words: a profile, or gamma and chromaticity.

    The profile is None where it is in another file.
    """
    stream.seek(_BMP_HEADER)
    header = stream.read(124)
    length, kind = int.from_bytes(header[:4], "little"), header[56:60]
    if length >= 124 and kind == b"DEBM":
        start, size = struct.unpack_from("<II", header, 112)
        stream.seek(_BMP_HEADER + start)
        return {"icc_profile": stream.read(size) or None}
    if length >= 124 and kind == b"KNIL":
        return {"icc_profile": None}
    if length < 108 or kind != bytes(4):
        return {}
    red, green, blue = (struct.unpack_from("<3I", header, 60 + 12 * index) for index in range(3))
    white = tuple(map(sum, zip(red, green, blue, strict=True)))
    points = [part / sum(light) for light in (white, red, green, blue) if sum(light) for part in light[:2]]
    gammas = [gamma / 65536 for gamma in struct.unpack_from("<3I", header, 96) if gamma]
    return {
        **({"chromaticity": tuple(points)} if len(points) == 8 else {}),
        **({"gamma": len(gammas) / sum(gammas)} if gammas else {}),
    }


def tiff_colours(tags: Any) -> dict[str, Any]:
    """What the tags of a TIFF say of white point, primaries and transfer function, in Pillow's words for PNG."""
    told = (tags.get(tag) for tag in _TIFF_COLOURS)
    white, primaries, light = (value if isinstance(value, tuple) else () for value in told)
    levels = len(light) // 3 if len(light) % 3 == 0 else len(light)
    middle = light[levels // 2] / 65535 if levels > 2 else 0
    return {
        **({"chromaticity": (*white, *primaries)} if (len(white), len(primaries)) == (2, 6) else {}),
        **({"gamma": math.log(levels // 2 / (levels - 1)) / math.log(middle)} if 0 < middle < 1 else {}),
    }


class _Conversion:
    """What a profile asks for: ``transform`` from ``mode`` to RGB in sRGB, or None where nothing is to be changed."""

    def __init__(self, profile: bytes, is_gray: bool) -> None:
        self.transform: Any = None
        self.mode = "RGB"
        self._said = ""
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            self.mode = "L" if is_gray and source.profile.xcolor_space.strip() == "GRAY" else "RGB"
            transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), self.mode, "RGB")
            described = " ".join(ImageCms.getProfileDescription(source).split())
            if not _changes_nothing(transform, self.mode):
                self.transform = transform
                self._said = f"its colours are converted to sRGB by its profile ({described})"
        except (ImageCms.PyCMSError, ImportError, ValueError, TypeError, OSError) as error:
            self._said = f"its colour profile cannot be used ({error}), and its colours are taken for sRGB"

    def say(self, name: str) -> None:
        """Say it, the first time."""
        reader = _as_stored.get()
        if reader and self.transform is not None:
            notice(
                f"{name}: {reader} reads its colours as they are stored, whatever its profile says, as those of all "
                "such files; convert them to sRGB", reader
            )  # fmt: skip
        elif self._said:
            notice(f"{name}: {self._said}, as are those of all files with the same profile")
            self._said = ""


@functools.lru_cache(maxsize=256)
def _conversion(profile: bytes, is_gray: bool) -> _Conversion:
    return _Conversion(profile, is_gray)


def _changes_nothing(transform: Any, mode: str) -> bool:
    """Look at all grays, and at colours throughout the cube."""
    grays = np.arange(256, dtype=np.uint8)[None]
    colours = np.array(list(itertools.product(range(0, 256, 15), repeat=3)), np.uint8)[None]
    tried = Image.fromarray(grays if mode == "L" else np.concatenate([np.stack([grays] * 3, 2), colours], 1))
    found = np.asarray(ImageCms.applyTransform(tried, transform)).astype(int)
    return bool(np.abs(found - np.asarray(tried.convert("RGB"))).max() <= _SAME)


def _is_gray(image: Image.Image) -> bool:
    return image.mode in _GRAYS or image.mode.startswith("I;16")
