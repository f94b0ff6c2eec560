"""A folder of generated images that any number of processes fill, killed and continued at any time.

``manifest.json`` says what the set is made with; it is written first and never changes. ``files.jsonl`` has a line
for every image that is done, or could not be: its name, its file's size and time when it was read, and digests of what
was made of it. An image is done if such a line fits its file and all that was made of it, so no process has to ask
another.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from degflow_aug.data.generated_store import FileStore, FolderStore, LmdbStore, PairStore
from degflow_aug.data.official_store import OfficialStore
from degflow_aug.files.fingerprint import digest_of, is_as_written
from degflow_aug.files.image_tree import FORMAT, MANIFEST, TreeImage
from degflow_aug.files.notice import notice
from degflow_aug.files.writing import PARTIAL_SUFFIX, appended, atomic_path, hidden_name, refuse_link

RECORDS = "files.jsonl"
STORES: dict[str, type[FolderStore] | type[LmdbStore]] = {
    "folder": FolderStore, "pairs": PairStore, "official": OfficialStore, "files": FileStore, "lmdb": LmdbStore,
}  # fmt: skip

Record = dict[str, Any]


class GeneratedSet:
    """The set in folder ``root``: one image per scale for each of ``images``.

    Args:
        root: made if it is missing.
        settings: what the files depend on, plain values; ``format`` (one of ``STORES``) and ``scales`` among them.
        images: all images of the set, those of other processes too.

    Raises:
        ValueError: the folder holds a set of other settings, or files that this set would overwrite.
    """

    def __init__(self, root: str | Path, settings: Mapping[str, Any], images: Sequence[TreeImage]) -> None:
        self.root, self.images = Path(root), images
        store = STORES[settings["format"]]
        if self.root.exists() and not self.root.is_dir():
            raise ValueError(f"{self.root}: expected a folder to write to, got a file")
        store.check_names([image.name for image in images])
        # Looked at first: a process that has written files has written the manifest before.
        taken = [path for scale in settings["scales"] if (path := store.taken(self.root, scale)) is not None]
        self._agree_on_settings(json.loads(json.dumps(settings)), taken)
        self.store = store(self.root, settings["scales"])
        self._records = self._read_records()

    def begin(self, mine: Iterable[TreeImage], first_process: bool) -> list[TreeImage]:
        """List those of ``mine`` that are not done, and remove what killed processes left of them."""
        if first_process:
            self._remove_partial(self.root, {MANIFEST})
            self._say_left_over()
        pending = [image for image in mine if not self.is_done(image)]
        if again := [image.name for image in pending if self._was_done(image)]:
            notice(
                f"{self.root}: expected what was made of {again[0]}{f' and {len(again) - 1} more' * (len(again) > 1)} "
                "as it was written, got other files or none; makes it anew"
            )
        for folder, names in self.store.written_names([image.name for image in pending]).items():
            self._remove_partial(folder, names)
        return pending

    def _say_left_over(self) -> None:
        """Say what is there of images that the set no longer has."""
        names = {image.name for image in self.images}
        if gone := [name for name in self._records if name not in names and self.store.has_all(name)]:
            more = f" and {len(gone) - 1} more" * (len(gone) > 1)
            notice(f"{self.root}: keeps what was made of {gone[0]}{more}, which is not among the HR images any more")

    def is_done(self, image: TreeImage) -> bool:
        """Tell whether the image, as its file is now, has all its results."""
        if not self._was_done(image):
            return False
        found = self.store.contents(image.name)
        made = self._records[image.name].get("made", [None] * len(found))
        return isinstance(made, list) and len(made) == len(found) and all(map(is_as_written, found, made))

    def _was_done(self, image: TreeImage) -> bool:
        return {**self._records.get(image.name, {}), "made": None} == {**file_record(image), "made": None}

    def write(self, image: TreeImage, scale: float, pixels: np.ndarray, chunks: bytes = b"") -> None:
        """Write the result at one scale, (H, W, 3) in uint8 or uint16; threads may call it at once.

        Raises:
            OSError: it cannot be written.
        """
        self.store.write(image.name, scale, pixels, chunks)

    def write_hr(self, image: TreeImage, pixels: np.ndarray) -> None:
        """Write HR beside its results where the format has it; otherwise as :meth:`write`."""
        self.store.write_hr(image.name, pixels)

    def finish(self, image: TreeImage, record: Record) -> None:
        """Mark an image done whose results are all written; ``record`` is its file when it was read."""
        self.store.commit(image.name)
        self._append({**record, "made": [digest_of(written) for written in self.store.contents(image.name)]})

    def skip(self, image: TreeImage, record: Record, reason: str) -> None:
        """Note why nothing was made of an image."""
        self._append({**record, "error": reason})

    def __enter__(self) -> GeneratedSet:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close what the whole set shares; after an error it is left to be continued."""
        self.store.close(finished=kind is None)

    def outcome(self) -> tuple[list[str], int]:
        """List the images of the whole set that failed, and count those that have neither failed nor been done."""
        self._records = self._read_records()
        failed, waiting = [], 0
        for image in self.images:
            record = self._records.get(image.name, {})
            if "error" in record and {**record, "error": ""} == {**file_record(image), "error": ""}:
                failed.append(image.name)
            elif not (self._was_done(image) and self.store.has_all(image.name)):
                waiting += 1
        return failed, waiting

    def _agree_on_settings(self, settings: Record, taken: list[Path]) -> None:
        """Write the manifest, or compare it with the one that is there."""
        path = self.root / MANIFEST
        if not path.exists():
            if taken:
                raise ValueError(f"{taken[0]}: expected nothing there, got files of other origin; name another --out")
            self.root.mkdir(parents=True, exist_ok=True)
            try:
                text = json.dumps({"format": FORMAT, "settings": settings}, indent=2)
                with atomic_path(path) as partial:
                    partial.write_text(text + "\n", encoding="utf-8")
            except FileNotFoundError:
                # The first process has taken this one's partial file for one that was left behind.
                if not path.exists():
                    raise
        there = self._read_settings(path)
        for key in dict.fromkeys((*settings, *there)):
            if settings.get(key) != there.get(key):
                raise ValueError(
                    f"{path}: expected to continue with {key} {there.get(key)}, got {settings.get(key)}; repeat the "
                    "former command, or name another --out"
                )

    @staticmethod
    def _read_settings(path: Path) -> Record:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict) and content.get("format") == FORMAT and isinstance(content.get("settings"), dict):
            return content["settings"]
        raise ValueError(f"{path}: expected the manifest of a generated set, got another file; name another --out")

    def _read_records(self) -> dict[str, Record]:
        """The newest record of each name; a line that was cut off counts for nothing."""
        records: dict[str, Record] = {}
        path = self.root / RECORDS
        refuse_link(path)
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict) and isinstance(record.get("name"), str):
                records[record["name"]] = record
        return records

    def _append(self, record: Record) -> None:
        """Add a line in one write, which neither a kill nor another process divides."""
        if self._records.get(record["name"]) == record:
            return
        line = (json.dumps(record, sort_keys=True) + "\n").encode()
        with appended(self.root / RECORDS) as file:
            if file.seek(0, os.SEEK_END) and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
                line = b"\n" + line
            if file.write(line) < len(line):
                raise OSError(f"{self.root / RECORDS}: expected room for another line, got none; free some space")
        self._records[record["name"]] = record

    @staticmethod
    def _remove_partial(folder: Path, names: set[str]) -> None:
        """Remove partial files of ``names`` only: those of others may be in the making."""
        hidden = {hidden_name(name) for name in names}
        for file in folder.glob(f".*{PARTIAL_SUFFIX}"):
            if file.name.removesuffix(PARTIAL_SUFFIX).rpartition(".")[0] in hidden:
                file.unlink(missing_ok=True)


def file_record(image: TreeImage) -> Record:
    """Record an image's file as it is now: its name, and its size and time (none for a file that is not there)."""
    try:
        status = image.path.stat()
    except OSError:
        return {"name": image.name, "file": image.path.name}
    return {"name": image.name, "file": image.path.name, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
