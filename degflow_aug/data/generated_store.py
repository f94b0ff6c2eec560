"""Where generated images lie: PNG files in a folder per scale, or an LMDB per scale as BasicSR reads it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from degflow_aug.files.image_file import bytes_of, encode_image, is_image_name, write_image
from degflow_aug.files.lmdb_store import META_INFO, LmdbWriter

LONGEST_KEY = 500


class FolderStore:
    """``root/{scale}/{name}.png``, lossless; an HR image ``{name}_HR`` gives LR that is named without that."""

    def __init__(self, root: Path, scales: Sequence[float]) -> None:
        self.root, self.scales = root, scales

    @staticmethod
    def place(root: Path, scale: float) -> Path:
        """Return the folder of one scale."""
        return root / f"{scale:g}"

    @classmethod
    def taken(cls, root: Path, scale: float) -> Path | None:
        """Return what is there already of one scale."""
        place = cls.place(root, scale)
        return place if place.exists() else None

    @classmethod
    def check_names(cls, names: Sequence[str]) -> None:
        """Raise a ValueError that names the first whose results would have the name of another's."""
        stems = dict[str, str]()
        for name in names:
            if stems.setdefault(cls._stem(name), name) != name:
                raise ValueError(
                    f"expected one HR image a name, got '{stems[cls._stem(name)]}' and '{name}', whose results would "
                    "have the same name; rename one of them"
                )

    def hr_paths(self, name: str) -> list[Path]:
        """Where HR itself is written; nowhere here."""
        return []

    def written_names(self, names: Sequence[str]) -> dict[Path, set[str]]:
        """List the file names of the results of ``names``, by folder."""
        folders: dict[Path, set[str]] = defaultdict(set)
        for name in names:
            for path in self._paths(name):
                folders[path.parent].add(path.name)
        return folders

    def has_all(self, name: str) -> bool:
        """Tell whether the image is there at every scale."""
        return all(path.is_file() for path in self._paths(name))

    def contents(self, name: str) -> list[bytes | None]:
        """Read what is there of the image, by scale."""
        return [bytes_of(path) for path in self._paths(name)]

    def write(self, name: str, scale: float, pixels: np.ndarray, chunks: bytes = b"") -> None:
        """Write (H, W, 3) in uint8 or uint16, whole or not at all; threads may call it at once."""
        self._write(self._path(name, scale), pixels, chunks)

    def write_hr(self, name: str, pixels: np.ndarray) -> None:
        """Write HR, (H, W, 3) in uint8 or uint16, wherever it belongs."""
        for path in self.hr_paths(name):
            self._write(path, pixels)

    @staticmethod
    def _write(path: Path, pixels: np.ndarray, chunks: bytes = b"") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, pixels, chunks)

    def commit(self, name: str) -> None:
        """Do nothing: files are there as soon as they are written."""

    def close(self, *, finished: bool) -> None:
        """Do nothing."""

    def _paths(self, name: str) -> list[Path]:
        return [*(self._path(name, scale) for scale in self.scales), *self.hr_paths(name)]

    def _path(self, name: str, scale: float) -> Path:
        return self.place(self.root, scale) / f"{self._stem(name)}.png"

    @staticmethod
    def _stem(name: str) -> str:
        """The name of LR: readers of RealSR and of the official generator take ``*_HR`` for HR."""
        return re.sub(r"(?<=[^/])(_HR)+$", "", name)


class PairStore(FolderStore):
    """The same, and HR as PNG in ``root/HR``: trainers that pair files by name find both."""

    @classmethod
    def taken(cls, root: Path, scale: float) -> Path | None:
        """Return what is there already of one scale, or HR."""
        return root / "HR" if (root / "HR").exists() else super().taken(root, scale)

    def hr_paths(self, name: str) -> list[Path]:
        """One file, named as LR."""
        return [self.root / "HR" / f"{self._stem(name)}.png"]


class FileStore(FolderStore):
    """``root/{name}.png``, of one scale."""

    @staticmethod
    def place(root: Path, scale: float) -> Path:
        """Return the folder of the whole set."""
        return root

    @classmethod
    def taken(cls, root: Path, scale: float) -> Path | None:
        """Return an image that is there already."""
        return next((file for file in sorted(root.glob("*")) if is_image_name(file.name)), None)

    @staticmethod
    def _stem(name: str) -> str:
        return name


class LmdbStore:
    """``root/{scale}.lmdb`` with the names as keys; the images of one name are committed together."""

    def __init__(self, root: Path, scales: Sequence[float]) -> None:
        self.scales = scales
        self._folders = {scale: self.place(root, scale) for scale in scales}
        self._writers = {scale: LmdbWriter(folder) for scale, folder in self._folders.items()}
        self._encoded: dict[tuple[str, float], tuple[bytes, tuple[int, ...]]] = {}

    @staticmethod
    def place(root: Path, scale: float) -> Path:
        """Return the LMDB folder of one scale."""
        return root / f"{scale:g}.lmdb"

    @classmethod
    def taken(cls, root: Path, scale: float) -> Path | None:
        """Return the LMDB where it is there already."""
        place = cls.place(root, scale)
        return place if place.exists() else None

    @staticmethod
    def check_names(names: Sequence[str]) -> None:
        """Raise a ValueError that names the first that BasicSR could not look up as a key, before any work is done."""
        for name in names:
            if not name.isascii() or set(name) & set(". \n") or len(name) > LONGEST_KEY:
                raise ValueError(
                    f"expected names in ASCII without dots and blanks for --format lmdb, got '{name}'; rename it or "
                    "use --format folder"
                )

    def written_names(self, names: Sequence[str]) -> dict[Path, set[str]]:
        """List the one file that is written under a temporary name, by folder."""
        return {folder: {META_INFO} for folder in self._folders.values()}

    def has_all(self, name: str) -> bool:
        """Tell whether the key is there at every scale."""
        return all(name in writer for writer in self._writers.values())

    def contents(self, name: str) -> list[bytes | None]:
        """Read what is there of the image, by scale."""
        return [writer.get(name) for writer in self._writers.values()]

    def write(self, name: str, scale: float, pixels: np.ndarray, chunks: bytes = b"") -> None:
        """Encode (H, W, 3) in uint8, to be stored by :meth:`commit`; threads may call it at once."""
        self._encoded[name, scale] = encode_image(pixels), pixels.shape

    def write_hr(self, name: str, pixels: np.ndarray) -> None:
        """Do nothing: HR has no place here."""

    def commit(self, name: str) -> None:
        """Store what was encoded under ``name``, durably."""
        for scale, writer in self._writers.items():
            data, shape = self._encoded.pop((name, scale))
            writer.put(name, data, shape)
            writer.flush()

    def close(self, *, finished: bool) -> None:
        """Close the LMDBs; if ``finished``, with their lists of keys, without which they do not count as such."""
        for writer in self._writers.values():
            writer.__exit__(None if finished else InterruptedError)
