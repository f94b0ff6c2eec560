"""Image files in and out."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from degflow_aug.files.alike import look_alike
from degflow_aug.files.image_decoder import ImageHeader, decode_image, open_header
from degflow_aug.files.writing import atomic_path

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
LOSSLESS_SUFFIXES = (".png", ".tif", ".tiff")
_PNG_HEADER = 33
"""Bytes of a PNG's signature and first chunk."""


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file as upright RGB, (H, W, 3) in uint8 or uint16.

    Raises:
        ValueError: there is no such file, or :func:`decode_image` refuses it.
    """
    with _open_file(path) as stream:
        return decode_image(stream.read(), str(path))


def read_header(path: str | Path) -> ImageHeader:
    """Read size and depth of an image file from its header.

    Raises:
        ValueError: there is no such file, or its header shows that :func:`read_image` would refuse it.
    """
    with _open_file(path) as stream:
        return open_header(stream, str(path))


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of the upright image, from the header of its file."""
    return read_header(path)[:2]


def encode_image(image: np.ndarray, suffix: str = ".png") -> bytes:
    """Encode RGB (H, W, 3) in uint8 or uint16 without loss, in the format of a suffix.

    Raises:
        ValueError: another kind of array, or a suffix that is not PNG or TIFF.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype not in (np.uint8, np.uint16) or 0 in image.shape:
        raise ValueError(f"expected RGB (H, W, 3) in uint8 or uint16, got {image.dtype} {image.shape}")
    if suffix.lower() not in LOSSLESS_SUFFIXES:
        raise ValueError(
            f"expected a lossless format ({', '.join(LOSSLESS_SUFFIXES)}), got '{suffix}'; "
            "another one would add its own degradation"
        )
    done, data = cv2.imencode(suffix.lower(), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"expected an image that OpenCV can write as {suffix}, got {image.dtype} {image.shape}")
    return data.tobytes()


def write_image(path: str | Path, image: np.ndarray, chunks: bytes = b"") -> None:
    """Write RGB (H, W, 3) in uint8 or uint16 to a PNG or TIFF file, whole or not at all; a PNG with these chunks.

    Raises:
        ValueError: what :func:`encode_image` refuses.
        OSError: the folder cannot be written to.
    """
    path = Path(path)
    data = encode_image(image, path.suffix)
    with atomic_path(path) as partial:
        partial.write_bytes(data[:_PNG_HEADER] + chunks + data[_PNG_HEADER:])


def bytes_of(path: Path) -> bytes | None:
    """Read a file that may be missing."""
    return path.read_bytes() if path.is_file() else None


def images_in(folder: Path) -> list[Path]:
    """List the image files in a folder that is there, sorted by name; there may be none."""
    return sorted(path for path in folder.iterdir() if is_image_name(path.name) and path.is_file())


def is_image_name(name: str) -> bool:
    """Tell whether a file of this name would be read as an image (``._001.png`` of macOS would not)."""
    return not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES)


def _open_file(path: str | Path) -> BinaryIO:
    try:
        # A pipe would be waited for, and a device read without end.
        if not stat.S_ISREG(mode := os.stat(path).st_mode) and not stat.S_ISDIR(mode):
            raise ValueError(f"{path}: expected an image file, got a pipe, socket or device; copy it to a file")
        return open(path, "rb")
    except OSError as error:
        raise ValueError(
            f"{path}: expected an image file, got none ({error.strerror or error}{look_alike(path)})"
        ) from error
