"""Whether an LMDB's file is whole: its pages, before the library follows them.

LMDB maps its file into memory and believes what is written there; an offset that a bad disk or a cut-off copy has left
leads it past the end of the file, where the system ends the process. The file's layout is that of ``mdb.c``, data
version 1: https://www.symas.com/symas-lmdb-tech-info (pages of a header, offsets and nodes; two meta pages in front).
"""

from __future__ import annotations

import mmap
import os
import struct
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

_META_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF, _OVERFLOW, _META = 1, 2, 4, 8
_BIG_VALUE = 1
_TREE_FLAGS = 0x7FFF
_FREE_TREE_FLAGS = 0x08 | 0x4000
"""Whole numbers as keys; and that the file was made without a folder, which the library notes in the same place."""
_HEADER, _NODE = 16, 8
_NOWHERE = 2**64 - 1
_DEEPEST = 32
_LARGEST_MAP = 1 << 46


class _Tree(NamedTuple):
    depth: int
    root: int


def check_lmdb(folder: Path) -> None:
    """Follow every page of ``folder/data.mdb``, once as long as the file stays as it is.

    Raises:
        ValueError: a page, an entry or a value lies outside the file or in two places; files of other versions are
            left to the library.
        OSError: the file cannot be read.
    """
    file = folder / "data.mdb"
    found = file.stat()
    try:
        _check_file(str(file), found.st_size, found.st_mtime_ns)
    except (ValueError, struct.error, IndexError) as error:
        raise ValueError(
            f"{folder}: expected a whole LMDB, got a damaged one ({error}); copy or write it again"
        ) from None


@lru_cache(maxsize=256)
def _check_file(path: str, size: int, modified: int) -> None:
    if size == 0:
        return
    file = os.open(path, os.O_RDONLY)
    try:
        with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as data:
            _Pages(data, size).check()
    finally:
        os.close(file)


class _Pages:
    """The pages of one file, of which each may be used once."""

    def __init__(self, data: mmap.mmap, size: int) -> None:
        self.data, self.size = data, size
        self.used = bytearray()

    def check(self) -> None:
        """Walk both trees of the newest root; raises whatever damaged numbers lead to."""
        magic, version = struct.unpack_from("<II", self.data, _HEADER)
        if (magic, version) != (_META_MAGIC, _VERSION):
            # Another kind of file, or one of another version, is for the library to judge.
            return
        self.page_size = struct.unpack_from("<I", self.data, 40)[0]
        if self.page_size not in {2**power for power in range(8, 17)}:
            raise ValueError(f"pages of {self.page_size} bytes")
        free, main, last = max((self._meta(number) for number in (0, 1)), key=lambda meta: meta[0])[1:]
        self.count = min(last + 1, self.size // self.page_size)
        self.used = bytearray(self.count)
        self._walk(main, values_are_pages=False)
        self._walk(free, values_are_pages=True)

    def _meta(self, number: int) -> tuple[int, _Tree, _Tree, int]:
        """Transaction, the trees of free pages and of entries, and the last page, as meta page 0 or 1 says."""
        start = number * self.page_size
        flags = struct.unpack_from("<H", self.data, start + 10)[0]
        magic, version = struct.unpack_from("<II", self.data, start + _HEADER)
        map_size = struct.unpack_from("<Q", self.data, start + 32)[0]
        if not flags & _META or (magic, version) != (_META_MAGIC, _VERSION) or map_size > _LARGEST_MAP:
            raise ValueError(f"meta page {number}")
        trees = [_Tree(*struct.unpack_from("<H32xQ", self.data, start + offset + 6)) for offset in (40, 88)]
        free_flags, main_flags = (struct.unpack_from("<H", self.data, start + offset + 4)[0] for offset in (40, 88))
        if main_flags & _TREE_FLAGS or free_flags & _TREE_FLAGS & ~_FREE_TREE_FLAGS:
            raise ValueError(f"a tree of another kind in meta page {number}")
        last, transaction = struct.unpack_from("<QQ", self.data, start + 136)
        return transaction, trees[0], trees[1], last

    def _walk(self, tree: _Tree, *, values_are_pages: bool) -> None:
        if tree.root == _NOWHERE:
            return
        if not 0 < tree.depth <= _DEEPEST:
            raise ValueError(f"a tree of depth {tree.depth}")
        level = [tree.root]
        for depth in range(tree.depth, 0, -1):
            kind = _LEAF if depth == 1 else _BRANCH
            level = [child for page in level for child in self._entries(page, kind, values_are_pages)]

    def _entries(self, page: int, kind: int, values_are_pages: bool) -> list[int]:
        """Check a page of a tree; the pages below it, none below a leaf."""
        start = self._take(page, 1)
        number, flags, lower, upper = struct.unpack_from("<Q2xHHH", self.data, start)
        if number != page or flags & 0xF != kind or flags & 0x60:
            raise ValueError(f"page {page} of another kind")
        if not _HEADER <= lower <= upper <= self.page_size or lower % 2:
            raise ValueError(f"bounds of page {page}")
        children = []
        for node in struct.unpack_from(f"<{(lower - _HEADER) // 2}H", self.data, start + _HEADER):
            if not upper <= node <= self.page_size - _NODE:
                raise ValueError(f"an entry of page {page}")
            low, high, node_flags, key = struct.unpack_from("<HHHH", self.data, start + node)
            if kind == _BRANCH:
                children.append(low | high << 16 | node_flags << 32)
                inside = node + _NODE + key
            else:
                inside = self._leaf(start, node, low | high << 16, node_flags, key, values_are_pages)
            if inside > self.page_size:
                raise ValueError(f"an entry of page {page}")
        if not children and kind == _BRANCH:
            raise ValueError(f"page {page} without entries")
        return children

    def _leaf(self, start: int, node: int, size: int, flags: int, key: int, values_are_pages: bool) -> int:
        """Check the value of an entry; where it ends in its page."""
        if flags & ~_BIG_VALUE:
            # Further trees and several values to a key: nothing here writes them, and the library ends on false ones.
            raise ValueError("an entry of another kind")
        value = node + _NODE + key
        if not flags & _BIG_VALUE:
            if values_are_pages and value + size <= self.page_size:
                self._take_free(start + value, size)
            return value + size
        if value + 8 > self.page_size:
            raise ValueError("the place of a large value")
        page = struct.unpack_from("<Q", self.data, start + value)[0]
        first = self._take(page, 1)
        number, kind, pages = struct.unpack_from("<Q2xHI", self.data, first)
        if number != page or kind & 0xF != _OVERFLOW or pages * self.page_size < _HEADER + size:
            raise ValueError(f"a value in page {page}")
        if pages > 1:
            self._take(page + 1, pages - 1)
        if values_are_pages:
            self._take_free(first + _HEADER, size)
        return value + 8

    def _take_free(self, place: int, size: int) -> None:
        """The list of free pages behind an entry: how many, and which, which nothing else may use."""
        count = struct.unpack_from("<Q", self.data, place)[0] if size >= 8 else _NOWHERE
        if 8 * (count + 1) > size:
            raise ValueError("a list of free pages")
        for page in struct.unpack_from(f"<{count}Q", self.data, place + 8):
            # A free page at the end may never have been written.
            if page < 2 or (page < self.count and self.used[page]):
                raise ValueError(f"page {page}, which is said to be free")
            if page < self.count:
                self.used[page] = 1

    def _take(self, page: int, count: int) -> int:
        """Where pages begin that nothing else may use."""
        if page < 2 or page + count > self.count:
            raise ValueError(f"page {page} of {self.count}")
        if any(self.used[page : page + count]):
            raise ValueError(f"page {page}, which is used twice")
        self.used[page : page + count] = bytes([1]) * count
        return page * self.page_size
