"""``torch.save`` files as tensors and plain values: no code in them is run, and no byte of them becomes a thousand."""

from __future__ import annotations

import _compat_pickle
import io
import math
import pickletools
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from degflow_aug.files.plain_values import check_plain

MOST_OFTEN = 8
"""How often tensors may share what is stored: weights and their average are the same at the start of a training."""
_SWELLING = {
    "builtins.bytearray",
    "_codecs.encode",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor",
}
"""What torch calls without running code, and what makes a few bytes of a file as many as it names; weights need none.

A number makes a bytearray, encoding as hexadecimals doubles each time, and conversions write out what is stretched.
"""
_LEGACY_PICKLES = 5
"""In front of the values of files before torch 1.6: a number, a version, the machine, the content, and its storages."""
_LARGEST_PICKLE = 1 << 28
_ZIP = b"PK\x03\x04"


def load_tensors(path: str | Path) -> Any:
    """Read a file of ``torch.save`` onto the CPU.

    Raises:
        OSError: the file cannot be read.
        ValueError: a damaged file or one of another kind, one that holds code (it is not run), compressed records,
            calls that fill the memory, tensors that are sparse, quantised or larger than what is stored of them, or
            values without end.
    """
    _check_archive(Path(path))
    _check_calls(Path(path))
    try:
        with warnings.catch_warnings():
            # Of pickle's protocols and of storages: nothing that whoever gave the file could act on.
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # what is damaged raises anything, MemoryError among it
        said = " ".join(str(error).split()) or type(error).__name__
        # What torch says of code is a page, and advises to run it.
        code = "weights_only" in said or "Weights only" in said
        raise ValueError("it is damaged or holds code, which was not run" if code else said) from None
    check_plain(content, str(path))
    if sum(_stored_bytes(content, set())) > MOST_OFTEN * Path(path).stat().st_size:
        raise ValueError("its tensors share what is stored of them too often")
    return content


def _check_archive(path: Path) -> None:
    """torch stores records as they are; compressed or shared ones are made to fill the memory."""
    with open(path, "rb") as file:
        if file.read(len(_ZIP)) != _ZIP:
            return
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except Exception as error:  # damaged directories raise anything
        raise ValueError(f"it is damaged ({error})") from None
    if any(record.compress_type != zipfile.ZIP_STORED for record in records):
        raise ValueError("it has compressed records, which torch does not write")
    if sum(record.file_size for record in records) > path.stat().st_size:
        raise ValueError("its records are larger than the file")


def _check_calls(path: Path) -> None:
    """What the pickles of a file call, before torch does; what is damaged is left to torch, which stops there too."""
    with open(path, "rb") as file:
        zipped = file.read(len(_ZIP)) == _ZIP
        file.seek(0)
        called = set(_zipped_names(path) if zipped else _legacy_names(file))
    if found := sorted(called & _SWELLING):
        raise ValueError(f"it calls {found[0]}, which weights do not need and which can fill the memory")


def _zipped_names(path: Path) -> Iterator[str]:
    # torch's own reader, so that no second directory of the archive shows it other values.
    try:
        reader = torch._C.PyTorchFileReader(str(path))
        size = reader.get_record_size("data.pkl")
        content = reader.get_record("data.pkl") if size <= _LARGEST_PICKLE else b""
    except RuntimeError:
        return
    if size > _LARGEST_PICKLE:
        raise ValueError(f"it describes its tensors in {size} bytes, of at most {_LARGEST_PICKLE}")
    yield from _names(io.BytesIO(content))


def _legacy_names(file: IO[bytes]) -> Iterator[str]:
    for _ in range(_LEGACY_PICKLES):
        yield from _names(file)


def _names(file: IO[bytes]) -> Iterator[str]:
    """Full names of the functions and classes in a pickle, as torch maps them; torch reads no ``STACK_GLOBAL``."""
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "GLOBAL":
                module, name = str(argument).split(" ", 1)
                module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
                yield f"{_compat_pickle.IMPORT_MAPPING.get(module, module)}.{name}"
    except (ValueError, OverflowError, MemoryError):  # cut off, or no pickle
        return


def _stored_bytes(value: Any, seen: set[int]) -> Iterator[int]:
    """Bytes of each tensor inside a value, checked to be stored."""
    if id(value) in seen:
        return
    if isinstance(value, Tensor):
        seen.add(id(value))
        yield _tensor_bytes(value)
    elif isinstance(value, (Mapping, list, tuple)):
        seen.add(id(value))
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _stored_bytes(item, seen)


def _tensor_bytes(tensor: Tensor) -> int:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested or tensor.device.type != "cpu":
        raise ValueError("it holds a tensor that is sparse, quantised, nested or without values")
    stored, needed = tensor.untyped_storage().nbytes(), math.prod(tensor.shape) * tensor.element_size()
    if needed > stored:
        raise ValueError(f"it holds a tensor of shape {tuple(tensor.shape)} of which only {stored} bytes are stored")
    return needed
