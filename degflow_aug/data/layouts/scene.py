"""Scenes: an HR image and its views, put together from the files that a layout found, selected and checked."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from degflow_aug.files.image_file import ImageHeader, read_header
from degflow_aug.options.nearest_name import nearest_name

INCOMPLETE = ("refuse", "drop", "keep")
_RANGE = re.compile(r"(\d+)-(\d+)")


@dataclass(frozen=True)
class Scene:
    """One scene of one camera: the HR image and its view at each scale above 1.

    Attributes:
        name: unique among the scenes of a camera.
        camera: the device that took it.
        hr: the HR image file.
        views: scale -> file of the view.
    """

    name: str
    camera: str
    hr: Path
    views: dict[float, Path] = field(hash=False)

    @property
    def scales(self) -> tuple[float, ...]:
        """Scales of the views, rising, without 1."""
        return tuple(sorted(self.views))


class Place(NamedTuple):
    """Where a layout looks for images.

    Attributes:
        root: folder of the data set.
        split: ``Train`` or ``Test``, for layouts that have both.
        pattern: templates of the layout ``pattern``.
        lq: LR folders by scale of the layout ``folders``.
    """

    root: Path
    split: str
    pattern: Mapping[str, Any] | None = None
    lq: Mapping[Any, str | Path] | None = None


class FoundImage(NamedTuple):
    """An image file and what its place says of it; scale 1 is the HR image."""

    camera: str
    id: str
    name: str
    scale: float
    path: Path


def gather_scenes(
    images: Iterable[FoundImage],
    root: Path,
    *,
    cameras: str | Sequence[str] | None = None,
    scenes: str | Sequence[str] | None = None,
    drop_without_hr: bool = False,
) -> list[Scene]:
    """Put the images of each scene together, and take those of ``cameras`` and ``scenes``.

    Raises:
        ValueError: two files for one image, a scene without an HR image, or nothing that was asked for.
    """
    groups: dict[tuple[str, str, str], dict[float, Path]] = {}
    for image in images:
        files = groups.setdefault(image[:3], {})
        if image.scale in files:
            raise ValueError(f"{image.path}: expected one file for this image, got {files[image.scale].name} as well")
        files[image.scale] = image.path
    if drop_without_hr:
        groups = {key: files for key, files in groups.items() if 1.0 in files}
    keys = sorted(_select(list(groups), root, cameras, scenes))
    return [_make_scene(camera, name, groups[camera, id_, name]) for camera, id_, name in keys]


def check_aligned(scene: Scene, header: Callable[[Path], ImageHeader] = read_header) -> tuple[int, int]:
    """Check the sizes of a scene by the headers of its files, and return its (height, width).

    A view has the size of its HR image, or that of the LR image, (round(H / s), round(W / s)).

    Raises:
        ValueError: a view of another size.
    """
    size = header(scene.hr)[:2]
    for scale, path in scene.views.items():
        lr_size = (round(size[0] / scale), round(size[1] / scale))
        got = header(path)[:2]
        if got not in (size, lr_size):
            raise ValueError(
                f"{path}: expected {size[0]}x{size[1]} pixels (height x width) as in {scene.hr}, or "
                f"{lr_size[0]}x{lr_size[1]} at scale {scale:g}, got {got[0]}x{got[1]}; align the pair"
            )
    return size


def take_complete(scenes: Sequence[Scene], knots: Sequence[float], incomplete: str) -> list[Scene]:
    """Take the scenes with a view at each knot above 1, or with any of them if incomplete ones are kept.

    Raises:
        ValueError: a scene without a view at some knot, where ``incomplete`` is ``refuse``; or none to take.
    """
    if incomplete not in INCOMPLETE:
        raise ValueError(f"expected incomplete: {', '.join(INCOMPLETE)}, got '{incomplete}'")
    taken = []
    for scene in scenes:
        lacking = [knot for knot in knots[1:] if knot not in scene.views]
        if lacking and incomplete == "refuse":
            raise ValueError(
                f"{scene.hr}: expected scene '{scene.name}' to have a view at scale {lacking[0]:g}, got views at "
                f"{_listed(scene.scales)}; leave the scene out, name fewer knots, or set incomplete: drop"
            )
        if not lacking or (incomplete == "keep" and len(lacking) < len(knots) - 1):
            taken.append(scene)
    if not taken:
        found = sorted({scale for scene in scenes for scale in scene.scales})
        where = f"{scenes[0].hr.parent}: " if scenes else ""
        raise ValueError(f"{where}expected scenes with views at {_listed(knots[1:])}, got views at {_listed(found)}")
    return taken


def view_scale(key: Any) -> float:
    """Read a scale from a key of an option, a number above 1 or its text.

    Raises:
        ValueError: it is none.
    """
    try:
        scale = float(key)
    except (TypeError, ValueError):
        scale = math.nan
    if not 1 < scale < math.inf:
        raise ValueError(f"expected views by scale above 1, {{2: ..., 4: ...}}, got the key {key!r}")
    return scale


def folder_name(folder: Path) -> str:
    """Return the name of a folder, also of ``.``: the camera where nothing else names it."""
    return os.path.basename(os.path.abspath(folder))


def folders(folder: Path) -> list[Path]:
    """List the folders in a folder, sorted by name, without hidden ones."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _listed(scales: Sequence[float]) -> str:
    return ", ".join(f"{scale:g}" for scale in scales) or "no scale"


def _make_scene(camera: str, name: str, files: dict[float, Path]) -> Scene:
    views = {scale: files[scale] for scale in sorted(files) if scale != 1}
    if 1.0 not in files:
        raise ValueError(
            f"{next(iter(views.values()))}: expected the HR image of scene '{name}' to go with it, got the view alone; "
            "add the HR image or leave the scene out"
        )
    return Scene(name, camera, files[1.0], views)


def _select(
    keys: list[tuple[str, str, str]],
    root: Path,
    cameras: str | Sequence[str] | None,
    scenes: str | Sequence[str] | None,
) -> set[tuple[str, str, str]]:
    """The (camera, id, name) that were asked for."""
    chosen = set(keys)
    known = sorted({camera for camera, _, _ in keys})
    if cameras is not None:
        wanted = [cameras] if isinstance(cameras, str) else list(cameras)
        for camera in wanted:
            if camera not in known:
                raise ValueError(
                    f"{root}: expected cameras among {', '.join(known)}, got '{camera}'{nearest_name(camera, known)}"
                )
        chosen = {key for key in keys if key[0] in wanted}
    if scenes is None:
        return chosen
    selected: set[tuple[str, str, str]] = set()
    for wish in _wishes(scenes):
        matching = {key for key in chosen if wish == f"{key[0]}/{key[2]}" or _matches(_of(wish, key[0]), *key[1:])}
        if not matching:
            raise ValueError(
                f"{root}: expected scenes to select by '{wish}', got none{nearest_name(wish, _names(chosen))}"
            )
        selected |= matching
    return selected


def _of(wish: str, camera: str) -> str:
    """What is wished of a camera: of ``iPhone/001-060`` the range, of others all."""
    return wish.removeprefix(f"{camera}/")


def _names(keys: Iterable[tuple[str, str, str]]) -> list[str]:
    return [part for key in keys for part in key[1:]]


def _wishes(scenes: str | Sequence[str]) -> list[str]:
    parts = scenes.split(",") if isinstance(scenes, str) else scenes
    if not isinstance(parts, (list, tuple)) or not parts or not all(isinstance(part, str) and part for part in parts):
        raise ValueError(
            f'expected scenes as text, "001-060,071" or a list of such, got {scenes!r}; quote it, YAML reads 071 as 57'
        )
    return [part.strip() for part in parts]


def _matches(wish: str, id_: str, name: str) -> bool:
    if wish in (id_, name):
        return True
    if not id_.isdecimal():
        return False
    span = _RANGE.fullmatch(wish)
    if span:
        return int(span[1]) <= int(id_) <= int(span[2])
    return wish.isdecimal() and int(wish) == int(id_)
