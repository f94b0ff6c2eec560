"""Images in LMDB folders as BasicSR keeps them: ``x.lmdb`` with data.mdb, lock.mdb and meta_info.txt.

Keys are image names without suffix, values the bytes of PNG files. An image in such a folder is named by the path
``x.lmdb/key``, so that scenes hold it like a file.
"""

from __future__ import annotations

import io
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from degflow_aug.files.image_decoder import ImageHeader, decode_image, open_header
from degflow_aug.files.image_tree import check_inside, say_other_size
from degflow_aug.files.notice import notice
from degflow_aug.files.plain_image import PNG_START
from degflow_aug.files.text_file import read_listed
from degflow_aug.files.writing import atomic_path, refuse_link, reserve_room

META_INFO = "meta_info.txt"
_PNG_COMPRESSION = 1
_HEADER_BYTES = 1 << 16
_FIRST_MAP_BYTES = 1 << 28
_LOCK_BYTES = 8192
_OPEN = threading.Lock()


def read_lmdb_image(path: Path) -> np.ndarray:
    """Read the image ``x.lmdb/key`` as RGB (H, W, 3) in uint8 or uint16.

    Raises:
        ValueError: there is no such LMDB or key, or the value is no image that can be read.
    """
    return decode_image(read_lmdb_value(path), str(path))


def read_lmdb_value(path: Path) -> bytes:
    """Read what ``x.lmdb/key`` holds.

    Raises:
        ValueError: there is no such LMDB or key.
    """
    with _value(path) as value:
        return bytes(value)


def read_lmdb_header(path: Path) -> ImageHeader:
    """Read size and depth of the image ``x.lmdb/key`` from the first and last bytes of its value."""
    with _value(path) as value:
        # Behind the pixels of a PNG there may be an orientation.
        ends = bytes(value[:_HEADER_BYTES]) + bytes(value[max(_HEADER_BYTES, len(value) - _HEADER_BYTES) :])
        try:
            return open_header(io.BytesIO(ends), str(path))
        except ValueError:  # formats that keep their header elsewhere
            return open_header(io.BytesIO(bytes(value)), str(path))


def lmdb_keys(folder: str | Path) -> list[str]:
    """Read the keys of an LMDB folder from its meta_info.txt; what that leaves out, or tells otherwise, is said.

    Raises:
        ValueError: the folder is not such an LMDB, it was not finished, or it lists an image twice.
    """
    folder = Path(folder)
    meta_info = folder / META_INFO
    if folder.suffix != ".lmdb" or not (folder / "data.mdb").is_file():
        raise ValueError(f"{folder}: expected an LMDB folder, x.lmdb with data.mdb in it, got none")
    if not meta_info.is_file():
        raise ValueError(f"{meta_info}: expected the list of keys, got none; finish the run that was writing it")
    listed = read_listed(meta_info)
    if not listed:
        raise ValueError(f"{meta_info}: expected lines 'name.png (height,width,channels) compression', got none")
    keys = {check_inside(name.rsplit(".", 1)[0], meta_info): shape for name, shape in listed.items()}
    with _reading(folder) as (environment, transaction):
        more = environment.stat()["entries"]
        for key, shape in keys.items():
            value = transaction.get(os.fsencode(key))
            more -= value is not None
            if value is not None and value[:8] == PNG_START:
                say_other_size(folder / key, shape, _png_shape(value, key))
    if more:
        notice(f"{folder}: left out {more} images that meta_info.txt does not list")
    return list(keys)


class LmdbWriter:
    """Writes encoded images to an LMDB folder in batches; a run that was interrupted goes on where it stopped.

    Images are committed in batches, and what is committed survives. ``close`` writes meta_info.txt, without which
    neither BasicSR nor this package takes the folder for finished. One process writes a folder at a time.

    Args:
        path: the folder, ending in .lmdb; made if it is missing.
        batch: images per commit.

    Raises:
        ValueError: the name does not end in .lmdb, or is not a folder's.
    """

    def __init__(self, path: str | Path, *, batch: int = 32) -> None:
        self.path = Path(path)
        if self.path.suffix != ".lmdb" or self.path.is_file():
            raise ValueError(f"{path}: expected a folder named x.lmdb, as BasicSR reads no other; rename it")
        self.batch = batch
        self._pending: dict[bytes, bytes] = {}
        self.path.mkdir(parents=True, exist_ok=True)
        for name in ("data.mdb", "lock.mdb"):
            refuse_link(self.path / name)
        _clear_stillborn(self.path)
        reserve_room(self.path / "lock.mdb", _LOCK_BYTES)
        try:
            # Grown when full: a map of a terabyte, as BasicSR makes it, is a file of that size on some file systems.
            self._environment = _open_environment(self.path, map_size=_FIRST_MAP_BYTES)
        except OSError:
            _clear_stillborn(self.path)
            raise

    def put(self, key: str, png_bytes: bytes, shape: tuple[int, ...]) -> None:
        """Store the bytes of a PNG file of shape (H, W, 3); a key that is there already is replaced.

        Raises:
            ValueError: a key that BasicSR could not look up, or bytes that are not a PNG of this shape.
        """
        if not key.isascii() or not key or set(key) & set(". \n") or len(key) > 500:
            raise ValueError(f"expected an LMDB key in ASCII without dots and blanks, as BasicSR reads, got '{key}'")
        got = _png_shape(png_bytes, f"{self.path}/{key}")
        if got != tuple(shape):
            raise ValueError(f"{self.path}/{key}: expected PNG bytes of shape {tuple(shape)}, got {got}")
        self._pending[key.encode("ascii")] = bytes(png_bytes)
        if len(self._pending) >= self.batch:
            self.flush()

    def flush(self) -> None:
        """Commit what was put so far.

        Raises:
            OSError: it cannot be written, as on a full disk; what was committed before is kept.
        """
        import lmdb

        while self._pending:
            try:
                with self._environment.begin(write=True) as transaction:
                    for key, value in self._pending.items():
                        transaction.put(key, value)
                self._pending.clear()
            except lmdb.MapFullError:
                self._environment.set_mapsize(2 * self._environment.info()["map_size"])
            except lmdb.Error as error:
                # Closing the folder would try to write them once more.
                self._pending.clear()
                raise OSError(f"{self.path}: expected to write to this LMDB, got: {error}; free some space") from error

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def get(self, key: str) -> bytes | None:
        """Return the bytes under a key, None where there are none."""
        name = key.encode("utf-8")
        with _in_our_words(self.path), self._environment.begin() as transaction:
            return self._pending.get(name, transaction.get(name))

    def close(self) -> None:
        """Commit the rest and write meta_info.txt over all that the folder holds, whole or not at all."""
        self.flush()
        with _in_our_words(self.path), self._environment.begin(buffers=True) as transaction:
            lines = [_meta_line(bytes(key), value, self.path) for key, value in transaction.cursor()]
        self._environment.close()
        with atomic_path(self.path / META_INFO) as partial:
            partial.write_text("".join(lines), encoding="utf-8")

    def __enter__(self) -> LmdbWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close; after an error only commit, so that an unfinished folder does not look finished."""
        if kind is None:
            self.close()
        else:
            self.flush()
            self._environment.close()


@contextmanager
def _reading(folder: Path) -> Iterator[tuple[Any, Any]]:
    """Give the environment and a transaction.

    The environment is opened for one read: it may neither cross a fork nor be open twice in a process, and opening
    takes a hundredth of the time of decoding.
    """
    with (
        _OPEN,
        _in_our_words(folder),
        _open_environment(folder, readonly=True, lock=False, readahead=False) as environment,
        environment.begin(buffers=True) as transaction,
    ):
        yield environment, transaction


@contextmanager
def _value(path: Path) -> Iterator[memoryview]:
    """Give the value of ``x.lmdb/key``."""
    folder = next((parent for parent in path.parents if parent.suffix == ".lmdb"), None)
    if folder is None or not (folder / "data.mdb").is_file():
        raise ValueError(f"{path}: expected x.lmdb/key in an LMDB folder, got no such folder")
    key = path.relative_to(folder).as_posix()
    with _reading(folder) as (_, transaction):
        value = transaction.get(key.encode("utf-8"))
        if value is None:
            raise ValueError(f"{folder}: expected an image with key '{key}', got none; write the LMDB again")
        yield value


def _open_environment(folder: Path, **options: Any) -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise ValueError(f"{folder}: expected the package lmdb to read it, got none; pip install lmdb") from error
    with _in_our_words(folder):
        environment = lmdb.open(str(folder), **options)
    # The library maps the file, and the system ends a process that reads beyond the end of what it has mapped.
    size, expected = (folder / "data.mdb").stat().st_size, _size_by_header(environment)
    if size < expected:
        environment.close()
        raise ValueError(
            f"{folder}: expected a whole LMDB of {expected} bytes, got {size}; copy or write it again, or compact it "
            "with mdb_copy -c where its last pages are free"
        )
    return environment


def _size_by_header(environment: Any) -> int:
    return int((environment.info()["last_pgno"] + 1) * environment.stat()["psize"])


def _clear_stillborn(folder: Path) -> None:
    """Remove what a full disk has left of an LMDB in the making: fewer than the two pages that all of them begin with.

    The library takes such a file for a damaged one, and would not go on when there is room again.
    """
    file = folder / "data.mdb"
    if not (folder / META_INFO).exists() and file.is_file() and file.stat().st_size < 2 * mmap.PAGESIZE:
        for name in ("data.mdb", "lock.mdb"):
            (folder / name).unlink(missing_ok=True)


@contextmanager
def _in_our_words(folder: Path) -> Iterator[None]:
    """Raise what LMDB says of a damaged folder as a ValueError, of a full disk as an OSError."""
    import lmdb

    try:
        yield
    except lmdb.DiskError as error:
        raise OSError(f"{folder}: expected to write to this LMDB, got: {error}; free some space") from error
    except lmdb.Error as error:
        raise ValueError(f"{folder}: expected an LMDB that can be opened and read, got: {error}") from error


def _png_shape(data: bytes | memoryview, name: str) -> tuple[int, int, int]:
    """(H, W, C) from the first chunk of a PNG file."""
    start = bytes(data[:26])
    if len(start) < 26 or start[:8] != PNG_START:
        raise ValueError(f"{name}: expected the bytes of a PNG file, got others")
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(start[25], 0)
    return int.from_bytes(start[20:24], "big"), int.from_bytes(start[16:20], "big"), channels


def _meta_line(key: bytes, value: memoryview, folder: Path) -> str:
    name = key.decode("ascii")
    height, width, channels = _png_shape(value, f"{folder}/{name}")
    return f"{name}.png ({height},{width},{channels}) {_PNG_COMPRESSION}\n"
