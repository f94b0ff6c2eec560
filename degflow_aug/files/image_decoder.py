"""Bytes of an image file to one kind of array, or a refusal in one sentence.

Pillow decodes: it alone of the installed libraries refuses cut-off files of every format (OpenCV fills the rest with
gray), reads sizes from headers, and knows palettes, transparency and EXIF orientation. It reduces 16-bit colour to
8 bits without a word, so OpenCV decodes those files, once Pillow has found them whole. HEIC files need pillow-heif.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import io
import logging
import threading
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import cv2
import numpy as np
from PIL import (
    BmpImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)

from degflow_aug.files.colour_profile import is_in_srgb, to_srgb, used_profile
from degflow_aug.files.jpeg_scans import check_alike, check_scans, jpeg_streams
from degflow_aug.files.plain_image import PNG_START, add_unread, check_plain, count_colours, only_pixels

# Pillow says what it minds in tags and EXIF, and goes on: what matters for pixels is refused here in a sentence.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())

PIXEL_LIMIT = 256_000_000
# A photograph takes a byte for 2 to 50 pixels; files that claim thousands are made to fill the memory.
PIXELS_A_BYTE = 1000
SMALL = 4_000_000

# Image.open would refuse large photographs at a limit that is global to the process, hence the openers themselves.
_OPENERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    PNG_START: PngImagePlugin.PngImageFile,
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"RIFF": WebPImagePlugin.WebPImageFile,
    b"II*\0": TiffImagePlugin.TiffImageFile,
    b"MM\0*": TiffImagePlugin.TiffImageFile,
    b"II+\0": TiffImagePlugin.TiffImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
}
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
HEIC_SUFFIXES = (".heic", ".heif", ".hif")
MORE_SUFFIXES = (
    *((".avif",) if features.check("avif") else ()),
    *(HEIC_SUFFIXES if importlib.util.find_spec("pillow_heif") else ()),
)
"""Of formats that only some installations can read."""
_ORIENTATION, _EXIF, _BITS_PER_SAMPLE = 274, 34665, 258
# Pillow's own function writes EXIF anew, and fails where that is damaged.
_TURNS = dict(zip(range(2, 9), map(Image.Transpose, (0, 3, 1, 5, 4, 6, 2)), strict=True))
_TURNED = (5, 6, 7, 8)
# Hashes of files with JPEG data that was whole: looking takes as long as decoding them.
_WHOLE: set[int] = set()
# OpenCV 4 and 5.
_QUIET, _set_log_level = threading.Lock(), getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel


class ImageHeader(NamedTuple):
    """Size of the upright image and bits per channel, known before the image is decoded."""

    height: int
    width: int
    bits: int


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Decode the bytes of an image file as upright RGB (H, W, 3), in uint8 or uint16 by its bits per channel.

    Gray files get three channels, palettes are expanded, and an alpha channel is dropped if it is opaque. Colours of
    other profiles are converted to sRGB.

    Args:
        data: the whole file.
        name: what errors call it.

    Raises:
        ValueError: the file is cut off, damaged, of another format, transparent, none that :func:`check_plain` takes,
            or has more than ``PIXEL_LIMIT`` pixels, or more than ``SMALL`` and ``PIXELS_A_BYTE`` for each of its bytes.
    """
    image, header = open_image(io.BytesIO(data), name)
    if header.bits == 16:
        return _decode_16_bits(image, data, name)
    profile = used_profile(image)
    unseen = [] if hash(data) in _WHOLE else jpeg_streams(image, data)
    filled = [check_scans(jpeg, header.height * header.width, name) for jpeg in unseen]
    colours = count_colours(image)
    _load(image, data, name)
    if image.mode == "P" and image.getextrema()[1] >= colours:
        raise ValueError(f"{name}: expected pixels of {colours} colours of its palette, got others; it is damaged")
    for jpeg, other in zip(unseen, filled, strict=True):
        check_alike(image if jpeg is data else jpeg, other, name)
    if unseen:
        _WHOLE.add(hash(data))
    if _may_be_transparent(image):
        _without_alpha(np.asarray(image.convert("RGBA")), name)
    turn = _TURNS.get(Image.Image.getexif(image).get(_ORIENTATION, 1))
    return np.array(to_srgb(image if turn is None else image.transpose(turn), profile))


def open_header(stream: BinaryIO, name: str) -> ImageHeader:
    """Read size and depth of an image file from its first bytes; refuse what these give away.

    Only where there may be transparent pixels, the image is decoded to see whether there are any.
    """
    image, header = open_image(stream, name)
    if _may_be_transparent(image):
        stream.seek(0)
        decode_image(stream.read(), name)
    return header


def exif_tags(stream: BinaryIO, name: str) -> dict[int, Any]:
    """Read the tags of an image file's EXIF section by number; empty where it has none.

    Raises:
        ValueError: what :func:`open_header` refuses, or an EXIF section that cannot be read.
    """
    image, _ = open_image(stream, name)
    try:
        # The getexif of Pillow's PNG class would decode the pixels to look for a tag behind them.
        found = image.getexif() if image.format == "TIFF" else Image.Image.getexif(image)
        return dict(found.get_ifd(_EXIF))
    except Exception as error:  # damaged bytes make decoders raise anything
        raise ValueError(f"{name}: expected EXIF that can be read, got damaged ({error})") from error


@functools.cache
def silence_libtiff() -> None:
    """Keep libtiff from printing to stderr, past Python, what Pillow raises as an error or does not mind.

    Pillow has no option for it. Where its libtiff does not show these functions, it goes on printing.
    """
    try:
        library = ctypes.CDLL(Image.core.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            set_handler = getattr(library, name)
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)
    except (OSError, AttributeError):
        return


def open_image(stream: BinaryIO, name: str) -> tuple[Any, ImageHeader]:
    """Open with Pillow, not yet decoded, and read the header."""
    start = stream.read(32)
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    silence_libtiff()
    opener = _opener(start, name)
    try:
        image = opener(stream)
        add_unread(image, stream)
        tags = image.tag_v2 if image.format == "TIFF" else {}
        # The getexif of Pillow's PNG class would decode the pixels to look for a tag behind them.
        orientation = Image.Image.getexif(image).get(_ORIENTATION, 1)
        width, height = (int(tags[256]), int(tags[257])) if tags else image.size
        bits = _bits(image, start)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name}: expected a smaller image, got one that Pillow refuses ({error})") from error
    except Exception as error:  # damaged bytes make decoders raise anything
        raise ValueError(f"{name}: expected a whole image, got a damaged or unknown file ({error})") from error
    if width * height > PIXEL_LIMIT:
        raise ValueError(f"{name}: expected at most {PIXEL_LIMIT} pixels, got {width}x{height}; cut it into parts")
    if width * height > max(SMALL, PIXELS_A_BYTE * size):
        raise ValueError(
            f"{name}: expected at most {PIXELS_A_BYTE} pixels a byte of the file, got {width}x{height} in {size} "
            "bytes; no photograph is so small, so it is damaged or made to fill the memory"
        )
    check_plain(image, bits, orientation not in _TURNS, name)
    if not is_in_srgb(image, name) and bits == 16:
        raise ValueError(
            f"{name}: expected a 16-bit image with colours in sRGB, got another profile; convert it to sRGB"
        )
    if orientation in _TURNED:
        width, height = height, width
    return image, ImageHeader(height, width, bits)


def _opener(start: bytes, name: str) -> Callable[[BinaryIO], Any]:
    """Return what opens a file that begins so."""
    for magic, opener in _OPENERS.items():
        if start.startswith(magic):
            return opener
    brand = start[8:12] if start[4:8] == b"ftyp" else b""
    if brand in _AVIF_BRANDS and features.check("avif"):
        from PIL import AvifImagePlugin

        return AvifImagePlugin.AvifImageFile
    if brand in _HEIC_BRANDS:
        try:
            from pillow_heif import HeifImageFile
        except ImportError as error:
            raise ValueError(
                f"{name}: expected pillow-heif to read this HEIC image, got none; pip install pillow-heif"
            ) from error
        return HeifImageFile
    found = "a big-endian BigTIFF" if start.startswith(b"MM\0+") else "another kind of file"
    raise ValueError(f"{name}: expected a PNG, JPEG, WebP, TIFF, BMP, HEIC or AVIF image, got {found}")


def _may_be_transparent(image: Any) -> bool:
    return "A" in image.mode or "transparency" in image.info


def _bits(image: Any, start: bytes) -> int:
    """16 if any channel of the file has that many bits, else 8, to which fewer are expanded."""
    if image.format == "PNG":
        return 16 if start[24] == 16 else 8
    depths = image.tag_v2.get(_BITS_PER_SAMPLE, (1,)) if image.format == "TIFF" else (8,)
    return 16 if max(depths) == 16 else 8


def _load(image: Any, data: bytes, name: str) -> None:
    """Decode all pixels, which shows what is cut off unless somebody has set Pillow's ``LOAD_TRUNCATED_IMAGES``."""
    try:
        if image.format == "PNG":
            # The checksums of pixels, which loading leaves out, and of which libpng would complain on stderr.
            PngImagePlugin.PngImageFile(io.BytesIO(data)).verify()
            _load_png(image, data)
        if hasattr(image, "_tile_size"):
            # Else a TIFF's load would refuse large photographs at the limit that is global to the process.
            image.im = Image.core.new(image.mode, image._tile_size)
        image.load()
    except Exception as error:  # damaged bytes make decoders raise anything
        raise ValueError(f"{name}: expected a whole image, got one that is cut off or damaged ({error})") from error


def _load_png(image: Any, data: bytes) -> None:
    """Decode a PNG file over one colour, and over another if the last row has it: where rows are missing, both stay."""
    # That of interlaced data is an odd one.
    row = image.height - 1 - (image.height % 2 if image.info.get("interlace") and image.height > 1 else 0)
    for colour in (1, 0):
        shown = image if colour else PngImagePlugin.PngImageFile(io.BytesIO(data))
        shown.im = Image.new(shown.mode, shown.size, colour).im
        shown.load()
        last = shown.crop((0, row, shown.width, row + 1))
        if last.tobytes() != Image.new(last.mode, last.size, colour).tobytes():
            return
    raise OSError("its last rows are missing")


def _decode_16_bits(image: Any, data: bytes, name: str) -> np.ndarray:
    _load(image, data, name)
    encoded = only_pixels(data) if image.format == "PNG" else data
    with _QUIET:  # OpenCV would write of damaged tags to stderr, past Python
        level = _set_log_level(0)
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
        _set_log_level(level)
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError(
            f"{name}: expected 16-bit gray or RGB, got one that is damaged or that OpenCV cannot decode; save it as a "
            "16-bit PNG"
        )
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=2)
    if pixels.shape[2] == 4 and "A" in image.mode:
        return _without_alpha(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA), name)
    return cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2RGB)


def _without_alpha(rgba: np.ndarray, name: str) -> np.ndarray:
    if rgba[..., 3].min() < np.iinfo(rgba.dtype).max:
        raise ValueError(f"{name}: expected an opaque image, got transparent pixels; put it on a background first")
    return np.ascontiguousarray(rgba[..., :3])
