"""What the header of an image file shows to be no plain image: camera raw, several pages, other kinds of values.

Also what Pillow does not read of it, or only with the pixels: colours of code points, and metadata behind the pixels.
"""

from __future__ import annotations

import io
import itertools
import re
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from PIL import PngImagePlugin, TiffImagePlugin

from degflow_aug.files.colour_profile import bmp_colours, tiff_colours
from degflow_aug.files.notice import notice

PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
READABLE_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"}

_TIFF_WIDTH, _TIFF_HEIGHT, _KIND, _PHOTOMETRIC = 256, 257, 254, 262
_COLOUR_MAP, _SUB_IMAGES, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _DNG_VERSION = 320, 330, 338, 339, 50706
_STRIPS, _TILES, _ROWS, _PLANAR, _SAMPLES, _COMPRESSION, _BITS = (273, 279), (324, 325), 278, 284, 277, 259, 258
_MOSAIC, _LINEAR_RAW, _YCBCR = 32803, 34892, 6
_MOST_SUB_IMAGES, _MOST_TAGS, _BIG = 16, 1000, 43
# What OpenCV and Pillow are known to read alike: neither inverted nor CMYK, channels interleaved, values unsigned.
_SIXTEEN_BIT_TIFF = {_PHOTOMETRIC: {1, 2}, _PLANAR: {1}, _SAMPLE_FORMAT: {1}}

# Of a PNG, behind its pixels; walking all its chunks there takes a hundred times as long as reading its header.
_COLOURS = (b"cICP", b"iCCP", b"gAMA", b"cHRM")
_LATE_BYTES, _LATE_WORDS = 65536, (b"eXIf", b"Raw profile type exif\0", *_COLOURS)
_LATE = re.compile(rb"eXIf|cICP|iCCP|gAMA|cHRM|[zt][TE][EX]t(?=Raw profile type exif\0)")
_PIXEL_CHUNKS = (b"IHDR", b"IDAT")
_CODE_POINTS, _BOXES, _NCLX = re.compile(b"cICP"), 65536, re.compile(rb"(?s)colrnclx(..)(..)")
_DEPTH = re.compile(rb"(?s)pixi\0{4}[\1-\4](.)")


def add_unread(image: Any, stream: BinaryIO) -> None:
    """Add to ``image.info`` what Pillow has not read of a file that it has opened and not decoded.

    ``code_points`` are the primaries and the transfer of ITU-T H.273, of a PNG (cICP), AVIF or HEIC file (nclx).
    ``code_range`` is the rest of cICP, ``depth`` is in bits per channel of AVIF and HEIC. ``icc_profile``, ``gamma``
    and ``chromaticity`` are those of BMP and TIFF headers too.
    EXIF of PNG files is looked for in their last 64 KiB too; ``late_colours`` names a chunk there that does not count.
    XMP is taken out: Pillow would turn an image by it where EXIF says nothing, and OpenCV, by which BasicSR reads, does
    not.
    """
    for key in ("xmp", "XML:com.adobe.xmp"):
        image.info.pop(key, None)
    place = stream.tell()
    if image.format == "PNG":
        stream.seek(0)
        head = stream.read(place)
        for _, content in _chunks(head, _CODE_POINTS):
            image.info["code_points"], image.info["code_range"] = tuple(content[:2]), content[2:]
        most, clear = (1 << head[24]) - 1, image.info.get("transparency")
        if image.mode in ("1", "L") and isinstance(clear, int) and clear <= most:
            # Pillow compares this value of few bits with pixels of 8.
            image.info["transparency"] = clear * 255 // most
        stream.seek(max(place, stream.seek(0, io.SEEK_END) - _LATE_BYTES))
        tail = stream.read()
        # Finding words is ten times as fast as the expression.
        for kind, content in _chunks(tail, _LATE) if any(word in tail for word in _LATE_WORDS) else ():
            if kind in _COLOURS:
                image.info["late_colours"] = kind.decode()
                continue
            found = PngImagePlugin.PngStream(io.BytesIO(content))
            found.call(kind, 0, len(content))
            image.info.update(found.im_info)
    elif image.format in ("AVIF", "HEIF"):
        stream.seek(0)
        head = stream.read(_BOXES)
        if (colours := _NCLX.search(head)) is not None:
            image.info["code_points"] = tuple(int.from_bytes(point, "big") for point in colours.groups())
        image.info["depth"] = max((depth[1][0] for depth in _DEPTH.finditer(head)), default=8)
    elif image.format == "BMP":
        image.info.update(bmp_colours(stream))
    elif image.format == "TIFF":
        image.info.update(tiff_colours(image.tag_v2))
    stream.seek(place)


def check_plain(image: Any, bits: int, upright: bool, name: str) -> None:
    """Check what an image shows before it is decoded.

    Args:
        image: as Pillow has opened it.
        bits: per channel.
        upright: whether it is stored so.
        name: what errors call it.

    Raises:
        ValueError: several pages, strips, tiles or rows without their bytes, a camera raw, CMYK, floating point, signed
            or 32-bit values, or 16 bits of a kind that cannot be read exactly.
    """
    if getattr(image, "is_animated", False):
        raise ValueError(f"{name}: expected one image, got several frames or pages; save the one that is meant")
    tags = image.tag_v2 if image.format == "TIFF" else {}
    try:
        raw = bool(tags) and _is_raw(image)
        whole = _fills_rows(image) if image.format == "BMP" else not tags or raw or _has_all_parts(image)
        dark = max(_values(tags, _COLOUR_MAP, 256)) < 256
    except Exception as error:  # damaged bytes make decoders raise anything
        raise ValueError(f"{name}: expected a whole image, got one with damaged tags ({error})") from error
    if raw:
        raise ValueError(
            f"{name}: expected an image, got a camera raw or another file with a thumbnail in its place; develop it, "
            "or save the image as PNG"
        )
    if not whole:
        parts = "strips or tiles" if tags else "pixels, where a row ends early or is skipped; save it uncompressed"
        raise ValueError(f"{name}: expected a whole image, got a {image.format} without some of its {parts}")
    modes = {"I;16", "I;16B", "I;16L", "RGB", "RGBA", "RGBX"} if bits == 16 else READABLE_MODES
    if image.mode not in modes:
        raise ValueError(f"{name}: expected gray or RGB of 8 or 16 bits a channel, got {image.mode}; convert it to RGB")
    if not set(_values(tags, _SAMPLE_FORMAT)) <= {1}:
        raise ValueError(f"{name}: expected unsigned values, got signed or floating ones; convert it to RGB")
    if image.info.get("depth", 8) in (10, 12, 16):
        notice(f"{name}: its {image.info['depth']} bits per channel are read as 8, as in all such files", "depth")
    if dark:
        raise ValueError(f"{name}: expected a palette of 16-bit values, got one of 8 bits or black; convert it to RGB")
    if 0 in _values(tags, _EXTRA_SAMPLES):
        notice(f"{name}: left out channels beside colour and alpha, as in all such TIFF files", "channels")
    if bits != 16:
        return
    usual = all(set(_values(tags, tag)) <= values for tag, values in _SIXTEEN_BIT_TIFF.items())
    if not usual or not upright or "transparency" in image.info:
        raise ValueError(
            f"{name}: expected a 16-bit image that is upright, opaque, gray or RGB, unsigned and interleaved, "
            "got one that is not; save it so"
        )


def count_colours(image: Any) -> int:
    """Count those of a palette in the file; decoding fills it up with black."""
    mode, colours = image.palette.getdata() if image.palette is not None else ("RGB", b"")
    return len(colours) // len(mode.split(";")[0])


def stored_parts(image: Any) -> list[tuple[int, int]]:
    """List the places and sizes in bytes of the strips or tiles of a TIFF file; those not told are huge."""
    places, sizes = _TILES if _TILES[0] in image.tag_v2 else _STRIPS
    told = _values(image.tag_v2, sizes) if sizes in image.tag_v2 else itertools.repeat(sys.maxsize)
    return list(zip(_values(image.tag_v2, places, 0), told, strict=False))


def only_pixels(png: bytes) -> bytes:
    """Leave out of a PNG file profiles and palettes, of which libpng would complain on stderr, past Python."""
    kept, place = [PNG_START], len(PNG_START)
    while place + 8 <= len(png):
        end = place + 12 + int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] in _PIXEL_CHUNKS:
            kept.append(png[place:end])
        place = end
    return b"".join(kept) + PNG_END


def _chunks(part: bytes, names: re.Pattern[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (name, content) of the chunks that are whole in a part of a PNG file, and not pixels that look like one."""
    for found in names.finditer(part):
        start = found.start()
        end = found.end() + int.from_bytes(part[max(start - 4, 0) : start], "big")
        if zlib.crc32(part[start:end]) == int.from_bytes(part[end : end + 4], "big"):
            yield found[0], part[found.end() : end]


def _is_raw(image: Any) -> bool:
    """Tell whether a TIFF's first image is not the one that it is about: a thumbnail, or the values of a sensor."""
    tags = image.tag_v2
    first = [int(value) for value in _values(tags, _KIND, 0)]
    if _DNG_VERSION in tags or first[0] & 1 or tags.get(_PHOTOMETRIC) in (_MOSAIC, _LINEAR_RAW):
        return True
    area = int(tags[_TIFF_WIDTH]) * int(tags[_TIFF_HEIGHT])
    places = _values(tags, _SUB_IMAGES, 0) if _SUB_IMAGES in tags else _wide_places(image)
    return any(_area(image, int(place)) > area for place in places[:_MOST_SUB_IMAGES] if place)


def _has_all_parts(image: Any) -> bool:
    """Tell whether a TIFF has as many strips or tiles as its size takes, none without its bytes."""
    tags = image.tag_v2
    width, height, samples = int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT]), int(tags.get(_SAMPLES, 1))
    tiled, layers = _TILES[0] in tags, samples if tags.get(_PLANAR) == 2 else 1
    across, down = (tags[322], tags[323]) if tiled else (width, min(tags.get(_ROWS, height), height))
    of_layer = -(-width // across) * -(-height // down)
    row = 0  # bytes, where they are known
    if tags.get(_COMPRESSION, 1) == 1 and tags.get(_PHOTOMETRIC) != _YCBCR:
        row = -(-across * _values(tags, _BITS)[0] * samples // layers // 8)
    parts = stored_parts(image)[: of_layer * layers]
    end = image.fp.seek(0, io.SEEK_END)
    for index, (place, size) in enumerate(parts):
        needed = row * (down if tiled else min(down, height - index % of_layer * down))
        if not place or size < max(needed, 1) or place + (needed or size) > end:
            return False
    return len(parts) == of_layer * layers


def _fills_rows(image: Any) -> bool:
    """Tell whether the runs of a compressed BMP fill each row, and skip no pixel, which Pillow would take for black."""
    kind, _, place, arguments = image.tile[0]
    if kind != "bmp_rle":
        return True
    image.fp.seek(0)
    data, x = image.fp.read(), 0
    while place + 1 < len(data):
        count, value = data[place : place + 2]
        place += 2
        if count or value > 2:
            x += count or value
            if not count:  # pixels one by one, of 4 bits or 8, up to an even place
                place += (value + 1) // 2 if arguments[1] else value
                place += place % 2
        elif value == 1:
            break
        elif value == 2 or x < image.width:
            return False
        else:
            x = 0
    return True


def _wide_places(image: Any) -> tuple[int, ...]:
    """Where further images are that a BigTIFF tells by the type IFD8, whose tags Pillow leaves out."""
    image.fp.seek(0)
    if image.fp.read(4)[2] != _BIG:
        return ()
    image.fp.seek(image.tag_v2.offset)
    entries = image.fp.read(20 * min(*struct.unpack("<Q", image.fp.read(8)), _MOST_TAGS))
    for tag, kind, count, value in struct.iter_unpack("<HHQQ", entries):
        if (tag, kind) == (_SUB_IMAGES, 18):
            image.fp.seek(value)
            more = image.fp.read(8 * min(count, _MOST_SUB_IMAGES)) if count > 1 else struct.pack("<Q", value)
            return struct.unpack(f"<{len(more) // 8}Q", more)
    return ()


def _area(image: Any, place: int) -> int:
    """Count the pixels of a further image of a TIFF file, 0 where there is none."""
    image.fp.seek(0)
    start = image.fp.read(16)
    tags = TiffImagePlugin.ImageFileDirectory_v2(start if start[2] == _BIG else start[:8])
    image.fp.seek(place)
    tags.load(image.fp)
    return int(tags.get(_TIFF_WIDTH, 0)) * int(tags.get(_TIFF_HEIGHT, 0))


def _values(tags: Any, tag: int, default: int = 1) -> tuple[Any, ...]:
    value = tags.get(tag, default)
    return value if isinstance(value, tuple) else (value,)
