"""LMDB folders as scenes."""

from __future__ import annotations

from pathlib import Path

from helpers import trees

from degflow_aug.data.layouts.lmdb import find_lmdb_images
from degflow_aug.files.image_file import encode_image
from degflow_aug.files.lmdb_store import LmdbWriter


def test_images_of_equal_keys_are_found_with_their_cameras(tmp_path: Path) -> None:
    hr, lr = tmp_path / "hr.lmdb", tmp_path / "lr.lmdb"
    for folder in (hr, lr):
        with LmdbWriter(folder) as writer:
            for key in ("Canon/a_001", "plain"):
                writer.put(key, encode_image(trees.coordinates(12, 16, 0)), (12, 16, 3))
    assert list(find_lmdb_images(hr, {2.5: lr})) == [
        ("Canon", "001", "Canon/a_001", 1.0, hr / "Canon/a_001"),
        ("hr", "plain", "plain", 1.0, hr / "plain"),
        ("Canon", "001", "Canon/a_001", 2.5, lr / "Canon/a_001"),
        ("hr", "plain", "plain", 2.5, lr / "plain"),
    ]
