"""A folder of aligned pairs, written scene by scene, that can be stopped and continued at any time.

``align.json`` has a record for each scene: what it was made of and with, what was measured, the files written. It is
written before a scene's files (state ``writing``) and after them, whole each time. ``pattern.yml`` describes the pairs
for ``--layout pattern``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from degflow_aug.files.fingerprint import digest_of, is_as_written
from degflow_aug.files.image_file import bytes_of, write_image
from degflow_aug.files.notice import notice
from degflow_aug.files.writing import atomic_path, fitting_name, remove_partial

REPORT, PATTERN_FILE = "align.json", "pattern.yml"
FORMAT = "degflow-align-1"
HR_FOLDER = "HR"
ALIGNED, FAILED, WRITING = "aligned", "failed", "writing"

Record = dict[str, Any]


class AlignedSet:
    """The set in folder ``root``, made if it is missing.

    Raises:
        ValueError: ``root`` is a file, or its report is not one.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if self.root.exists() and not self.root.is_dir():
            raise ValueError(f"{self.root}: expected a folder to write to, got a file")
        self.records = self._read()
        self.root.mkdir(parents=True, exist_ok=True)
        # Only where it writes itself: the folder may turn out to be another one.
        for folder in (self.root / HR_FOLDER, *self.root.glob("LR*")):
            remove_partial(folder)

    def finished(self, name: str, made_of: Record) -> Record | None:
        """Return the record of a scene that was made of the same photographs and whose files are there, else None.

        Raises:
            ValueError: the name belongs to a scene of another folder, or to files of other origin.
        """
        record = self.records.get(name)
        if record is None:
            strange = next(self.root.glob(f"*/{_escaped(fitting_name(name, '.png'))}"), None)
            if strange is not None:
                raise ValueError(f"{strange}: expected nothing there, got a file of other origin; name another --out")
            return None
        if record["made_of"].get("folder") != made_of["folder"]:
            raise ValueError(
                f"{self.root}: expected scene {name} of {record['made_of'].get('folder')}, got one of that name in "
                f"{made_of['folder']}; rename it"
            )
        # Records of earlier versions have no digests.
        files = [(file, record.get("digests", {}).get(file)) for file in record["written"]]
        there = all(is_as_written(bytes_of(self.root / file), digest) for file, digest in files)
        same = record["made_of"] == json.loads(json.dumps(made_of))
        if same and record["state"] == ALIGNED and not there:
            notice(f"{self.root}: expected {name} as it was written, got other files or none; makes it anew")
        return record if same and there and record["state"] != WRITING else None

    def fail(self, name: str, record: Record) -> Record:
        """Record a scene that is not used, and remove what was written of it before."""
        self._remove(name)
        return self._put(name, {**record, "state": FAILED, "written": []})

    def write(self, name: str, record: Record, hr: np.ndarray, views: Mapping[float, np.ndarray]) -> Record:
        """Write a scene's HR image and its views by scale, (H, W, 3) all of one size.

        Raises:
            OSError: they cannot be written.
        """
        self._remove(name)
        file_name = fitting_name(name, ".png")
        images = {f"{HR_FOLDER}/{file_name}": hr}
        images |= {f"LR{scale:g}/{file_name}": view for scale, view in views.items()}
        record = {**record, "state": WRITING, "written": list(images)}
        self._put(name, record)
        for file, image in images.items():
            (self.root / file).parent.mkdir(exist_ok=True)
            write_image(self.root / file, image)
        digests = {file: digest_of(bytes_of(self.root / file)) for file in images}
        return self._put(name, {**record, "state": ALIGNED, "digests": digests})

    def scales(self) -> list[float]:
        """List the scales of the views that are there, rising."""
        aligned = (record for record in self.records.values() if record["state"] == ALIGNED)
        return sorted({view["scale"] for record in aligned for view in record["views"]})

    def _remove(self, name: str) -> None:
        for file in self.records.get(name, {}).get("written", ()):
            (self.root / file).unlink(missing_ok=True)

    def _put(self, name: str, record: Record) -> Record:
        self.records[name] = json.loads(json.dumps(_finite(record)))
        content = {"format": FORMAT, "scenes": {key: self.records[key] for key in sorted(self.records)}}
        self._write_text(REPORT, json.dumps(content, indent=1) + "\n")
        views = "".join(f"  {scale:g}: LR{scale:g}/{{id}}.png\n" for scale in self.scales())
        if not views:
            (self.root / PATTERN_FILE).unlink(missing_ok=True)
        else:
            self._write_text(PATTERN_FILE, f"hr: {HR_FOLDER}/{{id}}.png\nviews:\n{views}")
        return self.records[name]

    def _write_text(self, name: str, text: str) -> None:
        with atomic_path(self.root / name) as partial:
            partial.write_text(text, encoding="utf-8")

    def _read(self) -> dict[str, Record]:
        path = self.root / REPORT
        if not path.exists():
            return {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] == FORMAT and all(map(_is_record, content["scenes"].values())):
                return dict(content["scenes"])
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            pass
        raise ValueError(f"{path}: expected the report of degflow align, got another file; name another --out")


def _is_record(record: Any) -> bool:
    """Whether what the set relies on is there; files lie below the set only."""
    return (
        record["state"] in (ALIGNED, FAILED, WRITING)
        and isinstance(record["made_of"], dict)
        and isinstance(record.get("digests", {}), dict)
        and all(isinstance(view["scale"], (int, float, type(None))) for view in record["views"])
        and all(Path(file).parts[1:] and not Path(file).is_absolute() and ".." not in Path(file).parts
                for file in record["written"])
    )  # fmt: skip


def _finite(value: Any) -> Any:
    """Replace NaN and infinity, which JSON lacks, by None."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
