"""What may not be seen after a fault: half a file under its name, a result that lacks something or is another one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import torch
from safetensors.torch import load_file

from degflow_aug.files.atomic_file import PARTIAL_SUFFIX
from degflow_aug.files.image_file import read_image
from degflow_aug.files.lmdb_store import read_lmdb_image
from degflow_aug.files.run_history import HISTORY, read_history


def unsound(folder: Path) -> str | None:
    """What is wrong below ``folder`` at a moment when a command may have been killed: a file at its final name that
    is not whole, or a partial one that is not hidden."""
    for path in visible_files(folder):
        try:
            if path.name.endswith(PARTIAL_SUFFIX):
                return f"{path.relative_to(folder)} is visible"
            (_reader(path) or Path.stat)(path)
        except Exception as error:
            return f"{path.relative_to(folder)} is not whole: {type(error).__name__} {error}"[:300]
    return None


def left_behind(folder: Path) -> str | None:
    """A hidden file that a command which ended well has not cleared away."""
    stray = [path for path in folder.rglob("*") if path.name.endswith((PARTIAL_SUFFIX, ".lock"))]
    return f"{stray[0].relative_to(folder)} is left behind" if stray else None


def visible_files(folder: Path) -> list[Path]:
    """All files below ``folder`` whose path has no hidden part."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def different(expected: Path, found: Path, pattern: str) -> str | None:
    """The first of the files of ``pattern`` that one of two folders lacks, or whose content is another one: tensors to
    the bit, records and LMDB keys each once, other files by their bytes."""
    names = [{path.relative_to(folder) for path in folder.glob(pattern)} for folder in (expected, found)]
    if names[0] != names[1]:
        lost, more = sorted(map(str, names[0] - names[1])), sorted(map(str, names[1] - names[0]))
        return f"lost {lost[:2]}, too many {more[:2]}"
    if not names[0]:
        return f"nothing of {pattern} was written"
    for name in sorted(names[0]):
        read = _reader(name) or Path.read_bytes
        if not equal(read(expected / name), read(found / name)):
            return f"{name} is another one than that of the undisturbed run"
    return None


def equal(first: Any, second: Any) -> bool:
    """Whether two nested values are the same, tensors to the bit."""
    if isinstance(first, torch.Tensor):
        return isinstance(second, torch.Tensor) and torch.equal(first, second)
    if isinstance(first, dict):
        return isinstance(second, dict) and first.keys() == second.keys() and all(map(equal, *_values(first, second)))
    return bool(first == second)


def _values(first: dict[Any, Any], second: dict[Any, Any]) -> tuple[list[Any], list[Any]]:
    return list(first.values()), [second[key] for key in first]


def _records(path: Path) -> list[Any]:
    """Lines of JSON, in the order of their names; two of one name are as much another content as none."""
    return sorted((json.loads(line) for line in path.read_text().splitlines()), key=lambda record: str(record["name"]))


def _history(path: Path) -> list[int]:
    """The iterations of a training's history, each of which may stand there once."""
    iterations = [point.iteration for point in read_history(path).points]
    if len(set(iterations)) < len(iterations):
        raise ValueError("an iteration stands there twice")
    return iterations


def _reader(path: Path) -> Callable[[Path], Any] | None:
    return _history if path.name == HISTORY else READERS.get(path.suffix)


def _lmdb_values(path: Path) -> dict[bytes, bytes]:
    """Every key of the LMDB with its bytes, each of them an image that can be read."""
    values = dict(_items(path.parent))
    for key in values:
        read_lmdb_image(path.parent / key.decode())
    return values


def _items(folder: Path) -> Iterator[tuple[bytes, bytes]]:
    with lmdb.open(str(folder), readonly=True, lock=False) as environment, environment.begin() as transaction:
        yield from transaction.cursor()


def _image(path: Path) -> list[Any]:
    image = read_image(path)
    return [image.shape, image.tobytes()]


def _tensors(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


READERS: dict[str, Callable[[Path], Any]] = {
    ".safetensors": load_file, ".pth": _tensors, ".state": _tensors, ".png": _image, ".jsonl": _records,
    ".json": lambda path: json.loads(path.read_text()), ".mdb": _lmdb_values,
}  # fmt: skip
