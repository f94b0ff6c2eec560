"""City100: ``001H.PNG`` and ``001L.PNG``, a view at scale 2.9, in ``root`` or in a folder per camera."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from degflow_aug.data.layouts.scene import FoundImage, Place, folder_name, folders
from degflow_aug.files.image_file import images_in
from degflow_aug.files.image_tree import say_left_out

_FILE = re.compile(r"(?P<id>\d+)(?P<kind>[HL])", re.IGNORECASE)
_VIEW_SCALE = 2.9


def find_city100(place: Place) -> Iterator[FoundImage]:
    """Find the images of City100, in ``root`` or in a folder per camera."""
    root = place.root
    taken: list[Path] = []
    for folder in [root, *folders(root)]:
        for path in images_in(folder):
            if match := _FILE.fullmatch(path.stem):
                taken.append(path)
                scale = 1.0 if match["kind"].upper() == "H" else _VIEW_SCALE
                yield FoundImage(folder_name(folder), match["id"], match["id"], scale, path)
        if taken and folder == root:
            break
    if not taken:
        raise ValueError(f"{root}: expected 001H.PNG and 001L.PNG here or in a folder per camera, got none")
    for folder in sorted({root, *(path.parent for path in taken)}):
        say_left_out(folder, taken)
