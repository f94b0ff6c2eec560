"""City100: ``001H.PNG`` and ``001L.PNG``, a view at scale 2.9, in ``root`` or in a folder per camera."""

from __future__ import annotations

import re
from collections.abc import Iterator

from degflow_aug.data.layouts.scene import FoundImage, Place, folder_name, folders
from degflow_aug.files.image_file import images_in

_FILE = re.compile(r"(?P<id>\d+)(?P<kind>[HL])", re.IGNORECASE)
_VIEW_SCALE = 2.9


def find_city100(place: Place) -> Iterator[FoundImage]:
    """Find the images of City100, in ``root`` or in a folder per camera."""
    root = place.root
    found = 0
    for folder in [root, *folders(root)]:
        for path in images_in(folder):
            if match := _FILE.fullmatch(path.stem):
                found += 1
                scale = 1.0 if match["kind"].upper() == "H" else _VIEW_SCALE
                yield FoundImage(folder_name(folder), match["id"], match["id"], scale, path)
        if found and folder == root:
            return
    if not found:
        raise ValueError(f"{root}: expected 001H.PNG and 001L.PNG here or in a folder per camera, got none")
