"""What an image file tells beside its pixels, for one made of it: EXIF, and the profile of its colours."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from PIL import ExifTags, Image

from degflow_aug.files.colour_profile import is_in_srgb, used_profile
from degflow_aug.files.image_decoder import open_image
from degflow_aug.files.notice import notice

_KEPT = (270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 33432)
"""Of the image itself: description, maker and model, resolution, software, date, artist, host, copyright."""
_SIZE, _COLOUR_SPACE, _SRGB = (40963, 40962), 40961, 1


def png_tags(path: str | Path, size: tuple[int, int]) -> bytes:
    """Read what is true of an upright image of ``size`` (height, width) that is made of a file as it is read here.

    Orientation, thumbnail, and what tells how a TIFF is stored are left out. The profile is that of the pixels: where
    reading converts them to sRGB there is none.

    Returns:
        Chunks of a PNG file.

    Raises:
        ValueError: no image.
    """
    with open(path, "rb") as stream:
        image, _ = open_image(stream, str(path))
        in_srgb = is_in_srgb(image, str(path))
        profile = used_profile(image) if in_srgb else b""
        try:
            exif = _exif_of(image, size, in_srgb)
        except Exception as error:  # damaged bytes make decoders raise anything
            notice(f"{path}: its EXIF is damaged ({error}), and left out, as in all such files", "exif")
            exif = b""
    is_whole = profile[16:20] == b"RGB " and len(profile) == int.from_bytes(profile[:4], "big")
    named = _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)) if is_whole else b""
    return named + (_chunk(b"eXIf", exif) if exif else b"")


def _exif_of(image: Image.Image, size: tuple[int, int], in_srgb: bool) -> bytes:
    # The getexif of Pillow's PNG class would decode the pixels to look for a tag behind them.
    found = image.getexif() if image.format == "TIFF" else Image.Image.getexif(image)
    kept = Image.Exif()
    for tag in _KEPT:
        if tag in found:
            kept[tag] = found[tag]
    for section in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        values = dict(found.get_ifd(section))
        if section == ExifTags.IFD.Exif:
            values |= {tag: side for tag, side in zip(_SIZE, size, strict=True) if tag in values}
            values |= {_COLOUR_SPACE: _SRGB} if _COLOUR_SPACE in values and not in_srgb else {}
        if values:
            kept.get_ifd(section).update(values)
    buffer = kept.tobytes() if len(kept) or any(kept.get_ifd(each) for each in (34665, 34853)) else b""
    return buffer.removeprefix(b"Exif\0\0")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
