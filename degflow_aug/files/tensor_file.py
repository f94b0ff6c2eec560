"""Files of tensors: written whole or not at all, read without running code; those of torch hold plain values too."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from degflow_aug.files.home_path import home_path
from degflow_aug.files.tensor_form import UNKNOWN, other_form
from degflow_aug.files.writing import atomic_path

_ROOM = 1 << 20


def load_tensors(path: str | Path) -> Any:
    """Read a file of ``torch.save`` onto the CPU.

    torch's ``weights_only`` makes tensors and plain values only; before torch 2.6 there was a way round it.

    Raises:
        ValueError: no such file, a damaged one or one of another kind, one that holds code (it is not run), or one
            that takes more memory than there is.
    """
    path = home_path(path)
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file" if path.exists() else "nothing there"
        raise ValueError(f"expected a checkpoint, got {path}: {kind}")
    form = other_form(path)
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
        reason = "takes too much memory" if lack else f"is {UNKNOWN}; it was not run"
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
