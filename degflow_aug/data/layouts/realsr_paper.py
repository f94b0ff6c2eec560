"""The scenes of RealSR version 2 that DegFlow's published code trains and validates on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from degflow_aug.data.layouts.realsr import camera_folders
from degflow_aug.data.layouts.scene import FoundImage, Place
from degflow_aug.files.image_file import images_in
from degflow_aug.files.image_tree import say_left_out
from degflow_aug.files.notice import notice

_SCALES = (2, 3, 4)


def find_realsr_paper(place: Place) -> Iterator[FoundImage]:
    """Find ``root/{camera}/{split}/2/{camera}_{number}_HR.png`` with views ``_LR{scale}.png`` in folders 2, 3 and 4.

    Other names, and scenes without one of the three views, are left out with a line; HR images beside the views at 3
    and 4 are not looked at.

    Raises:
        ValueError: no such scene.
    """
    count = 0
    for camera, folder in camera_folders(place.root, place.split):
        places = {scale: folder / str(scale) for scale in _SCALES}
        missing = [str(child) for child in places.values() if not child.is_dir()]
        if missing:
            notice(f"{folder.parent}: left out, which has views at 2, 3 and 4 to be taken; there is no {missing[0]}")
            continue
        taken, name = [], re.compile(rf"({re.escape(camera)}_([0-9]+))_HR\.png")
        for hr in images_in(places[2]):
            match = name.fullmatch(hr.name)
            if match is None:
                continue
            views = {scale: child / f"{match[1]}_LR{scale}.png" for scale, child in places.items()}
            if all(view.is_file() for view in views.values()):
                count += 1
                for scale, path in {1: hr, **views}.items():
                    taken.append(path)
                    yield FoundImage(camera, match[2], match[1], float(scale), path)
        say_left_out(places[2], taken)
    if not count:
        raise ValueError(
            f"{place.root}: expected scenes {{camera}}/{place.split}/2/{{camera}}_{{number}}_HR.png with views at 2, 3 "
            "and 4, as in version 2 of RealSR, got none"
        )
