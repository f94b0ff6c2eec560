"""Scenes: an HR image and its views, put together from the files that a layout found, selected and checked."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from degflow_aug.data.layouts.scene_files import check_own_files
from degflow_aug.files.alike import composed
from degflow_aug.options.nearest_name import nearest_name

INCOMPLETE = ("refuse", "drop", "keep")
_RANGE = re.compile(r"(\d+)-(\d+)")
# Leading zeros of a number that stands alone or after a word, 001 and IMG001; not of 1.05, a hash or 001x2.
_ZEROS = re.compile(r"((?:^|_|[^\w.,])[^\W\d_]*)0+(?=[0-9]+(?:$|_|[^\w.,]|[.,](?!\d)))")
_Key = tuple[str, str, str]


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
    alone: str = "refuse",
) -> list[Scene]:
    """Put the images of each scene together by name, and take those of ``cameras`` and ``scenes``.

    Names that differ in how they write a counter (1 and 001) or an accent (NFC and NFD) are one where only so an HR
    image and LR images go together.

    Args:
        images: what a layout has found.
        root: what errors call the data set.
        cameras, scenes: those to take, see :func:`~degflow_aug.data.layouts.find.find_scenes`.
        alone: what becomes of an HR image without LR images and of LR images without their HR image: ``refuse`` them,
            ``drop`` both, or ``keep`` HR images.

    Raises:
        ValueError: two files for one image, one file for two, an image alone, or nothing that was asked for.
    """
    groups: dict[_Key, dict[float, Path]] = {}
    for image in images:
        files = groups.setdefault(image[:3], {})
        if image.scale in files:
            raise ValueError(f"{image.path}: expected one file for this image, got {files[image.scale].name} as well")
        files[image.scale] = image.path
    groups = _with_names_as_numbers(groups)
    if alone == "drop":
        groups = {key: files for key, files in groups.items() if 1.0 in files and len(files) > 1}
    keys = sorted(_select(list(groups), root, cameras, scenes))
    _check_none_alone({key: groups[key] for key in keys}, keep_hr=alone == "keep")
    for key in keys:
        check_own_files(key[2], groups[key])
    return [
        Scene(name, camera, files[1.0], {scale: files[scale] for scale in sorted(files) if scale != 1})
        for (camera, _, name), files in ((key, groups[key]) for key in keys)
    ]


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


def _with_names_as_numbers(groups: dict[_Key, dict[float, Path]]) -> dict[_Key, dict[float, Path]]:
    """Join LR images to the one HR image whose name says the same, where none has the name to the letter."""
    alike: dict[tuple[str, str], list[_Key]] = {}
    for key in groups:
        alike.setdefault((composed(key[0]), _said_by(key[2])), []).append(key)
    joined = {}
    for keys in alike.values():
        with_hr = [key for key in keys if 1.0 in groups[key]]
        scales = [scale for key in keys for scale in groups[key]]
        if len(with_hr) == 1 and len(scales) == len(set(scales)):
            joined[with_hr[0]] = {scale: path for key in keys for scale, path in groups[key].items()}
        else:
            joined.update({key: groups[key] for key in keys})
    return joined


def _said_by(name: str) -> str:
    """A name with its accents in one form and its counters without leading zeros."""
    return _ZEROS.sub(r"\1", composed(name))


def _check_none_alone(groups: Mapping[_Key, Mapping[float, Path]], keep_hr: bool) -> None:
    """Raise a ValueError that names the first image without its HR image, or else the first HR image without LR."""
    hr_alone = [(key, files[1.0]) for key, files in groups.items() if set(files) == {1.0} and not keep_hr]
    lr_alone = [(key, files[min(files)]) for key, files in groups.items() if 1.0 not in files]
    if not hr_alone and not lr_alone:
        return
    (key, path), *_ = lr_alone or hr_alone
    expected, got = ("the HR image", "the view") if lr_alone else ("LR images", "the HR image")
    other = f" ({hr_alone[0][1]} is alone as well)" if lr_alone and hr_alone else ""
    alike = [group for group in groups if group != key and composed(group[2]) == composed(key[2])]
    form = "; another one looks the same, with accents in another Unicode form (NFC or NFD)" if alike else ""
    raise ValueError(
        f"{path}: expected {expected} of scene '{key[2]}' to go with it, got {got} alone{other}{form}; add what is "
        "missing, give both one name, or leave the scene out"
    )


def _select(
    keys: list[_Key],
    root: Path,
    cameras: str | Sequence[str] | None,
    scenes: str | Sequence[str] | None,
) -> set[_Key]:
    """The (camera, id, name) that were asked for."""
    chosen = set(keys)
    known = sorted({camera for camera, _, _ in keys})
    if cameras is not None:
        wanted = [composed(camera) for camera in ([cameras] if isinstance(cameras, str) else cameras)]
        for camera in wanted:
            if camera not in map(composed, known):
                raise ValueError(
                    f"{root}: expected cameras among {', '.join(known)}, got '{camera}'{nearest_name(camera, known)}"
                )
        chosen = {key for key in keys if composed(key[0]) in wanted}
    if scenes is None:
        return chosen
    selected: set[_Key] = set()
    for wish in _wishes(scenes):
        matching = {key for key in chosen if _wished(composed(wish), *map(composed, key))}
        if not matching:
            raise ValueError(
                f"{root}: expected scenes to select by '{wish}', got none{nearest_name(wish, _names(chosen))}"
            )
        selected |= matching
    return selected


def _wished(wish: str, camera: str, id_: str, name: str) -> bool:
    """Whether a wish is for a scene; of a camera are wished all (``iPhone/001-060``: that range of it)."""
    return wish == f"{camera}/{name}" or _matches(wish.removeprefix(f"{camera}/"), id_, name)


def _names(keys: Iterable[_Key]) -> list[str]:
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
