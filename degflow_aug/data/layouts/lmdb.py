"""HR and view images in LMDB folders that share their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from degflow_aug.data.layouts.scene import FoundImage
from degflow_aug.files.home_path import home_path
from degflow_aug.files.lmdb_store import lmdb_keys


def find_lmdb_images(hr: str | Path, views: Mapping[float, str | Path]) -> Iterator[FoundImage]:
    """Find the images of HR and view LMDBs that share their keys.

    The camera is the first part of keys such as Canon/001, or the name of the HR LMDB.

    Raises:
        ValueError: one of the LMDBs is missing or empty.
    """
    hr = home_path(hr)
    for scale, folder in [(1.0, hr), *((scale, home_path(folder)) for scale, folder in views.items())]:
        for key in lmdb_keys(folder):
            camera, _, rest = key.rpartition("/")
            id_ = rest.rpartition("_")[2]
            yield FoundImage(camera.partition("/")[0] or hr.stem, id_, key, scale, folder / key)
