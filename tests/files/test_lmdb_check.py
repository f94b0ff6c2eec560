"""The pages of LMDBs: all that the library writes is whole, and what it would follow out of the file is refused."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import lmdb
import pytest

from degflow_aug.files.lmdb_check import check_lmdb

PAGE = 4096


def written(folder: Path, entries: int, seed: int = 0, changes: int = 0) -> Path:
    """An LMDB of values of all sizes, some replaced and removed again."""
    rng = random.Random(seed)
    keys = [f"{index:05d}".encode() for index in range(entries)]
    with lmdb.open(str(folder), map_size=1 << 28) as environment:
        with environment.begin(write=True) as transaction:
            for key in keys:
                transaction.put(key, rng.randbytes(rng.choice((0, 10, 900, 3000, 20_000))))
        for key in rng.sample(keys, min(changes, entries)):
            with environment.begin(write=True) as transaction:
                if rng.random() < 0.5:
                    transaction.delete(key)
                else:
                    transaction.put(key, rng.randbytes(rng.choice((5, 2500, 50_000))))
    return folder


@pytest.mark.parametrize(("entries", "changes"), [(0, 0), (1, 0), (3, 3), (40, 30), (700, 200)])
def test_what_the_library_writes_is_whole(tmp_path: Path, entries: int, changes: int) -> None:
    check_lmdb(written(tmp_path / "a.lmdb", entries, entries, changes))


def root_of(data: bytes) -> int:
    """The root page of the entries, in the newer meta page."""
    newer = max((0, 1), key=lambda number: struct.unpack_from("<Q", data, number * PAGE + 144)[0])
    return struct.unpack_from("<Q", data, newer * PAGE + 128)[0]


def test_cut_off_files_are_refused_at_every_page(tmp_path: Path) -> None:
    folder = written(tmp_path / "a.lmdb", 40)
    data = (folder / "data.mdb").read_bytes()
    last = struct.unpack_from("<Q", data, PAGE + 136)[0]
    for pages in range(2, last):
        (folder / "data.mdb").write_bytes(data[: pages * PAGE])
        with pytest.raises(ValueError, match=r"a\.lmdb: expected a whole LMDB, got a damaged one"):
            check_lmdb(folder)


# Offsets into the root page and what is put there: a page number, its kind, its bounds, the place of its first entry.
DAMAGE = {
    "number": (0, 77),
    "kind": (10, 4),
    "lower": (12, 5000),
    "upper": (14, 0),
    "entry": (16, 65_535),
    "low entry": (16, 2),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("entries", [3, 700])
def test_a_damaged_root_is_refused(tmp_path: Path, kind: str, entries: int) -> None:
    folder = written(tmp_path / "a.lmdb", entries)
    data = bytearray((folder / "data.mdb").read_bytes())
    offset, value = DAMAGE[kind]
    struct.pack_into("<H", data, root_of(data) * PAGE + offset, value)
    (folder / "data.mdb").write_bytes(data)
    with pytest.raises(ValueError, match="expected a whole LMDB"):
        check_lmdb(folder)


def patched(folder: Path, changes: dict[int, int]) -> None:
    data = bytearray((folder / "data.mdb").read_bytes())
    for offset, value in changes.items():
        struct.pack_into("<H", data, offset, value)
    (folder / "data.mdb").write_bytes(data)


@pytest.mark.parametrize("flags", [2, 4, 8, 0x10, 0x24])
@pytest.mark.parametrize("tree", [40, 88])
def test_trees_of_another_kind_are_refused(tmp_path: Path, flags: int, tree: int) -> None:
    folder = written(tmp_path / "a.lmdb", 3)
    patched(folder, {meta * PAGE + tree + 4: flags for meta in (0, 1)})
    if (flags, tree) == (8, 40):
        check_lmdb(folder)
        return
    with pytest.raises(ValueError, match="a tree of another kind in meta page 0"):
        check_lmdb(folder)


@pytest.mark.parametrize("flags", [2, 4, 6])
def test_entries_of_another_kind_are_refused(tmp_path: Path, flags: int) -> None:
    folder = written(tmp_path / "a.lmdb", 3)
    data = (folder / "data.mdb").read_bytes()
    root = root_of(data) * PAGE
    first = root + struct.unpack_from("<H", data, root + 16)[0]
    patched(folder, {first + 4: struct.unpack_from("<H", data, first + 4)[0] | flags})
    with pytest.raises(ValueError, match="an entry of another kind"):
        check_lmdb(folder)


def test_a_file_made_without_a_folder_is_whole(tmp_path: Path) -> None:
    with (
        lmdb.open(str(tmp_path / "data.mdb"), subdir=False, map_size=1 << 24) as environment,
        environment.begin(write=True) as transaction,
    ):
        transaction.put(b"a", b"b")
    check_lmdb(tmp_path)


def test_pages_that_lead_back_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "a.lmdb", 700)
    data = bytearray((folder / "data.mdb").read_bytes())
    root = root_of(data)
    first = struct.unpack_from("<H", data, root * PAGE + 16)[0]
    struct.pack_into("<H", data, root * PAGE + first, root)
    (folder / "data.mdb").write_bytes(data)
    with pytest.raises(ValueError, match="expected a whole LMDB"):
        check_lmdb(folder)


def test_a_changed_file_is_looked_at_again(tmp_path: Path) -> None:
    folder = written(tmp_path / "a.lmdb", 40)
    check_lmdb(folder)
    (folder / "data.mdb").write_bytes((folder / "data.mdb").read_bytes()[: 5 * PAGE])
    with pytest.raises(ValueError, match="expected a whole LMDB"):
        check_lmdb(folder)
