"""Files of tensors: written whole or not at all, read without running code; those of torch hold plain values too."""

from __future__ import annotations

import os
import re
import tarfile
import warnings
import zipfile
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from degflow_aug.files.home_path import home_path
from degflow_aug.files.writing import atomic_path

_ROOM = 1 << 20
_SAFETENSORS = "a safetensors file"
_WRAPPERS = ("module.", "_orig_mod.")
_AVERAGED = "n_averaged"
_UNKNOWN = "damaged, another kind of file, or holds code"
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


def load_tensors(path: str | Path) -> Any:
    """Read a file of ``torch.save``, or a safetensors file, onto the CPU.

    torch's ``weights_only`` makes tensors and plain values only; before torch 2.6 there was a way round it.

    Raises:
        ValueError: no such file, a damaged one or one of another kind, one that holds code (it is not run), or one
            that takes more memory than there is.
    """
    path = home_path(path)
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file" if path.exists() else "nothing there"
        raise ValueError(f"expected a checkpoint, got {path}: {kind}")
    form = _other_form(path)
    if form == _SAFETENSORS:
        return _weights_of(path)
    if form is not None:
        raise ValueError(f"expected a checkpoint of plain tensors, got {path}, which is {form}; it was not run")
    try:
        with warnings.catch_warnings():
            # Of pickle's protocols and of storages: nothing that whoever gave the file could act on.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what is damaged raises anything, MemoryError among it
        lack = isinstance(error, MemoryError) or "not enough memory" in str(error)
        # What torch says of code is a page, and advises to run it.
        reason = "takes too much memory" if lack else f"is {_UNKNOWN}; it was not run"
        raise ValueError(f"expected a checkpoint of plain tensors, got {path}, which {reason}") from None


@contextmanager
def text_name(path: Path) -> Iterator[str]:
    """Give a name by which a file can be opened that is text, as safetensors asks for, inside the block.

    Raises:
        OSError: the name of the file is no text, and it cannot be read.
    """
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        with path.open("rb") as file:
            yield f"/dev/fd/{file.fileno()}"
    else:
        yield os.fspath(path)


def load_safetensors(path: str | Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a safetensors file, whatever its name.

    Raises:
        SafetensorError, OSError: no such file, or another kind of file.
    """
    with text_name(Path(path)) as name:
        return load_file(name)


def _weights_of(path: Path) -> dict[str, Tensor]:
    try:
        return load_safetensors(path)
    except (SafetensorError, OSError, ValueError, KeyError):
        raise ValueError(f"expected a checkpoint of plain tensors, got {path}, which is {_UNKNOWN}") from None


def bare(state: Mapping[Any, Any], where: str | Path = "a checkpoint") -> dict[str, Any]:
    """The entries of a state without what ``torch.compile``, ``DataParallel`` and averages of weights add to it.

    Args:
        state: values by name.
        where: their file, for the message.

    Raises:
        ValueError: two entries of one name, such as ``0.weight`` and ``module.0.weight``.
    """
    found: dict[str, Any] = {}
    for key, value in state.items():
        plain = _bare_key(str(key))
        if plain in found:
            raise ValueError(
                f"expected one {plain} in {where}, got several: by itself, or behind module. or _orig_mod.; keep one"
            )
        # How many weights torch's AveragedModel has averaged.
        if plain.rpartition(".")[2] != _AVERAGED:
            found[plain] = value
    return found


def _bare_key(key: str) -> str:
    while key.startswith(_WRAPPERS):
        key = key.partition(".")[2]
    return key.replace("._orig_mod.", ".")


def check_weights(state: Mapping[str, Tensor], where: str | Path, *, counts: Container[str] = ()) -> None:
    """Look whether tensors can be the weights of a network: real numbers, and finite.

    Args:
        state: tensors by name.
        where: their file, for the message.
        counts: names that may hold whole numbers, such as the batches that a normalisation has seen.

    Raises:
        ValueError: names the first that cannot.
    """
    for key, value in state.items():
        kind = str(value.dtype).removeprefix("torch.")
        odd = value.layout is not torch.strided or value.is_meta or value.is_complex() or value.is_quantized
        if odd or not (key in counts or value.is_floating_point()):
            kind = "complex numbers" if value.is_complex() else f"a tensor of {kind}"
            raise ValueError(f"expected real numbers as {key} in {where}, got {kind}")
        # What a file repeats without holding it would take any memory.
        held = value[tuple(slice(None) if step else slice(0, 1) for step in value.stride())]
        if value.is_floating_point() and not bool(torch.isfinite(held.float()).all()):
            raise ValueError(f"expected finite numbers as {key} in {where}, got NaN or infinity")


def write_checkpoint(path: str | Path, content: dict[str, Any]) -> None:
    """``torch.save`` under a temporary name, then rename. ``content``: tensors and plain types only.

    Raises:
        OSError: it cannot be written, as on a full disk.
    """
    with atomic_path(path) as partial:
        try:
            # Not to a file of Python's: what a signal raises in its write ends the process in torch.save.
            torch.save(content, partial)
        except RuntimeError:
            _look_for_room(partial)
            raise


def _look_for_room(partial: Path) -> None:
    """Raise what the system says where nothing more can be written; torch.save complains of a wrong length instead."""
    with open(partial, "ab") as file:
        file.write(bytes(_ROOM))


def _other_form(path: Path) -> str | None:
    """Return what a file is, or might be, that is neither torch's zip nor its older form; None for these two.

    ``torch.load`` also reads tar archives and programs (TorchScript), by ways of their own that have run code.
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
        return _SAFETENSORS
    known = (form for magic, form in _OTHERS.items() if start.startswith(magic))
    return next(known, _UNKNOWN)


def _other_zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            files = archive.namelist()
            packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return _UNKNOWN
    names = [name.partition("/")[2] for name in files]
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        return "a program (TorchScript)"
    if names.count("data.pkl") == 1:
        # torch packs nothing; what is packed may be any size.
        return "an archive whose parts are compressed, which torch does not write" if packed else None
    arrays = any(name.endswith(".npy") for name in files)
    return "an archive of NumPy arrays" if arrays else "a zip archive without torch's layout"


def _is_tar(start: bytes) -> bool:
    """Tell as ``tarfile`` does, by the checksum: old archives have no other mark."""
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
