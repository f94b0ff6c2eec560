"""Whether a file has one of the two forms in which torch keeps tensors; no other form comes near its reader.

``torch.load`` also reads tar archives and programs (TorchScript), by ways of their own, some of which have run code.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import Path

UNKNOWN = "damaged, another kind of file, or holds code"
_ZIP = b"PK\x03\x04"
# The number with which torch's files without zip begin, as a pickle of protocols 2 to 5.
_LEGACY = re.compile(rb"\x80[\x02-\x05](?:\x95.{8})?\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\.", re.DOTALL)
_TAR_HEADER = 512
_OTHERS = {
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\0": "an xz archive",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"GGUF": "a GGUF file",
    b"\x80": "a pickle that torch has not written",
}


def other_form(path: Path) -> str | None:
    """Return what a file is, or might be, that is neither torch's zip nor its older form; None for these two.

    What is damaged, or of no known form, is said to be ``UNKNOWN``.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_TAR_HEADER)
    if start.startswith(_ZIP):
        return _other_zip(path)
    if _is_tar(start):
        return "a tar archive"
    if _LEGACY.match(start):
        return None
    if start[8:10] == b'{"':
        return "a safetensors file"
    known = (form for magic, form in _OTHERS.items() if start.startswith(magic))
    return next(known, UNKNOWN)


def _other_zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            files = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return UNKNOWN
    names = [name.partition("/")[2] for name in files]
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        return "a program (TorchScript)"
    if names.count("data.pkl") == 1:
        return None
    arrays = any(name.endswith(".npy") for name in files)
    return "an archive of NumPy arrays" if arrays else "a zip archive without torch's layout"


def _is_tar(start: bytes) -> bool:
    """Tell as ``tarfile`` does, by the checksum: old archives have no other mark."""
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
