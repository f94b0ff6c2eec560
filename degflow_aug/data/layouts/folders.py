"""Folders of equal names: ``root`` holds HR images, the folders ``lq`` LR images, ``{2: folder, 2.9: folder}``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from degflow_aug.data.layouts.scene import FoundImage, Place, folder_name, view_scale
from degflow_aug.data.layouts.scene_files import one_per_scale
from degflow_aug.files.home_path import home_path
from degflow_aug.files.image_tree import find_images


def find_folders(place: Place) -> Iterator[FoundImage]:
    """Find HR images, and LR images of the same names in the folders of ``place.lq``.

    Raises:
        ValueError: no folders by scale, or two of one scale.
    """
    root, lq = place.root, place.lq
    if not isinstance(lq, Mapping) or not lq or not all(isinstance(value, (str, os.PathLike)) for value in lq.values()):
        raise ValueError(f"expected lq as folders by scale, {{2: folder, 2.9: folder}}, got {lq!r}")
    lr = one_per_scale((view_scale(key), home_path(value)) for key, value in lq.items())
    hr = {image.name for image in find_images(root)}
    for scale, folder in [(1.0, root), *lr.items()]:
        for image in find_images(folder):
            # `degflow generate` names LR of NAME_HR without that.
            name = f"{image.name}_HR" if image.name not in hr and f"{image.name}_HR" in hr else image.name
            yield FoundImage(folder_name(root), name.rpartition("/")[2], name, scale, image.path)
