"""The ways in which scenes lie on disk: each layout finds image files and says which scene and scale they are of."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from degflow_aug.data.layouts.scene import FoundImage, Scene, check_aligned, gather_scenes, nearest, view_scale
from degflow_aug.files.image_file import IMAGE_SUFFIXES, is_image_name

_REALSR_FILE = re.compile(r"(?P<name>.*?(?P<id>[^_]+))_(?:HR|LR(?P<scale>\d+(?:\.\d+)?))", re.IGNORECASE)
_REALSR_SCALE = re.compile(r"[xX]?(\d+(?:\.\d+)?)")
_CITY100_FILE = re.compile(r"(?P<id>\d+)(?P<kind>[HL])", re.IGNORECASE)
_CITY100_SCALE = 2.9

__all__ = ["LAYOUTS", "Scene", "check_aligned", "find_scenes"]

LAYOUTS = ("realsr", "realsr_v3", "city100", "pattern")


def find_scenes(
    root: str | Path,
    layout: str,
    *,
    split: str = "Train",
    cameras: str | Sequence[str] | None = None,
    pattern: Mapping[str, Any] | None = None,
    scenes: str | Sequence[str] | None = None,
    drop_without_hr: bool = False,
) -> list[Scene]:
    """The scenes below ``root``, by camera and name.

    Layouts:
        ``realsr``: ``root/{camera}/{split}/{scale}/{Cam}_{id}_HR.png`` and ``_LR{scale}.png``; the HR image is the one
            in the folder of the lowest scale, where all of them are equal (RealSR version 2).
        ``realsr_v3``: the same tree, but each scale has HR images of its own, so that a scene has one view.
        ``city100``: ``001H.PNG`` and ``001L.PNG``, a view at scale 2.9, in ``root`` or in a folder a camera.
        ``pattern``: ``{"hr": "HR/{id}.png", "views": {2: "LR2/{id}.png"}}`` below ``root``; ``{camera}`` may be part.

    Args:
        root: folder of the data set.
        layout: one of those above.
        split: the RealSR folder, ``Train`` or ``Test``; the other layouts have none.
        cameras: those to take, all by default.
        pattern: the templates of the ``pattern`` layout.
        scenes: those to take: ids, names or ranges of ids, of one camera where its name is before them
            (``camera/001-018``), as ``"001-060,071"`` or in a list.
        drop_without_hr: leave out views that have no HR image instead of refusing them.

    Raises:
        ValueError: there is nothing where the layout expects it; the sentence names the file or folder.
    """
    finders: dict[str, Callable[[], Iterable[FoundImage]]] = {
        "realsr": lambda: _find_realsr(root, split, own_hr=False),
        "realsr_v3": lambda: _find_realsr(root, split, own_hr=True),
        "city100": lambda: _find_city100(root),
        "pattern": lambda: _find_pattern(root, pattern),
    }
    if str(layout) not in finders:
        raise ValueError(f"expected layout {', '.join(finders)}, got '{layout}'{nearest(layout, finders)}")
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: expected the folder of a data set, got {'a file' if root.exists() else 'nothing'}")
    return gather_scenes(finders[layout](), root, cameras=cameras, scenes=scenes, drop_without_hr=drop_without_hr)


def _find_realsr(root: str | Path, split: str, own_hr: bool) -> Iterator[FoundImage]:
    cameras = [(folder.name, child) for folder in _folders(root) for child in _folders(folder)]
    splits = [(camera, folder) for camera, folder in cameras if folder.name.lower() == split.lower()]
    if not splits:
        raise ValueError(f"{root}: expected folders {{camera}}/{split}/{{scale}}, got none{_hint(root, split)}")
    for camera, folder in splits:
        scales = [(float(match[1]), child) for child in _folders(folder) if (match := _scale_name(child))]
        if not scales:
            raise ValueError(f"{folder}: expected a folder a scale (2, 3, 4), got none")
        lowest = min(scale for scale, _ in scales)
        for scale, child in sorted(scales):
            yield from _find_realsr_scale(camera, child, scale, keep_hr=own_hr or scale == lowest, own_hr=own_hr)


def _hint(root: str | Path, split: str) -> str:
    if any(folder.name.lower() == split.lower() for folder in _folders(root)):
        return "; this is the folder of one camera, name the one that holds it"
    return ""


def _scale_name(folder: Path) -> re.Match[str] | None:
    return _REALSR_SCALE.fullmatch(folder.name)


def _find_realsr_scale(camera: str, folder: Path, scale: float, keep_hr: bool, own_hr: bool) -> Iterator[FoundImage]:
    found = 0
    for path in _images(folder):
        match = _REALSR_FILE.fullmatch(path.stem)
        if match is None:
            continue
        if match["scale"] and float(match["scale"]) != scale:
            raise ValueError(f"{path}: expected views at scale {scale:g} in this folder, got one at {match['scale']}")
        found += 1
        name = f"{match['name']}_x{scale:g}" if own_hr else match["name"]
        if match["scale"] or keep_hr:
            yield FoundImage(camera, match["id"], name, scale if match["scale"] else 1.0, path)
    if not found:
        raise ValueError(f"{folder}: expected {{Cam}}_{{id}}_HR.png and {{Cam}}_{{id}}_LR{scale:g}.png, got none")


def _find_city100(root: str | Path) -> Iterator[FoundImage]:
    found = 0
    for folder in [Path(root), *_folders(root)]:
        for path in _images(folder):
            if match := _CITY100_FILE.fullmatch(path.stem):
                found += 1
                scale = 1.0 if match["kind"].upper() == "H" else _CITY100_SCALE
                yield FoundImage(_folder_name(folder), match["id"], match["id"], scale, path)
        if found and folder == Path(root):
            return
    if not found:
        raise ValueError(f"{root}: expected 001H.PNG and 001L.PNG here or in a folder a camera, got none")


def _find_pattern(root: str | Path, pattern: Mapping[str, Any] | None) -> Iterator[FoundImage]:
    if not _is_pattern(pattern):
        raise ValueError(
            f'expected pattern: {{"hr": "...{{id}}...", "views": {{2: "...{{id}}..."}}}}, got {reprlib.repr(pattern)}'
        )
    views = [(view_scale(key), template) for key, template in pattern["views"].items()]
    claimed: set[Path] = set()
    # The longer template first: 001x2.png is the view of {id}x2.png, though {id}.png fits it as well.
    for scale, template in sorted([(1.0, pattern["hr"]), *views], key=lambda pair: -len(pair[1])):
        parts = [_template_part(part, template) for part in Path(template).parts]
        found = [(path, fields) for path, fields in _walk(Path(root), parts, {}) if path not in claimed]
        if not found:
            raise ValueError(f"{root}: expected files named {template}, got none")
        for path, fields in found:
            claimed.add(path)
            yield FoundImage(fields.get("camera", _folder_name(root)), fields["id"], fields["id"], scale, path)


def _is_pattern(pattern: object) -> TypeGuard[Mapping[str, Any]]:
    if not isinstance(pattern, Mapping) or set(pattern) != {"hr", "views"} or not isinstance(pattern["views"], Mapping):
        return False
    return bool(pattern["views"]) and all(isinstance(name, str) for name in (pattern["hr"], *pattern["views"].values()))


def _template_part(part: str, template: str) -> re.Pattern[str]:
    """One folder or file name of a template as an expression, in which a field that repeats must be the same."""
    fields = re.findall(r"\{(.*?)\}", template)
    if "id" not in fields or not set(fields) <= {"id", "camera"} or not template.lower().endswith(IMAGE_SUFFIXES):
        raise ValueError(f"expected a template with {{id}}, perhaps {{camera}}, and an image suffix, got '{template}'")
    expression = ""
    seen: set[str] = set()
    for piece in re.split(r"(\{(?:id|camera)\})", part):
        name = piece[1:-1]
        if piece not in ("{id}", "{camera}"):
            expression += re.escape(piece)
        elif name in seen:
            expression += f"(?P={name})"
        else:
            expression += f"(?P<{name}>.+)"
            seen.add(name)
    return re.compile(expression, re.IGNORECASE)


def _walk(folder: Path, parts: list[re.Pattern[str]], fields: dict[str, str]) -> Iterator[tuple[Path, dict[str, str]]]:
    """Files whose path below ``folder`` fits the parts, and what the fields stand for."""
    entries = _folders(folder) if len(parts) > 1 else _images(folder)
    for entry in entries:
        match = parts[0].fullmatch(entry.name)
        if match is None or any(fields.get(name, text) != text for name, text in match.groupdict().items()):
            continue
        inner = {**fields, **match.groupdict()}
        if len(parts) == 1:
            yield entry, inner
        else:
            yield from _walk(entry, parts[1:], inner)


def _folder_name(folder: str | Path) -> str:
    return os.path.basename(os.path.abspath(folder))


def _folders(folder: str | Path) -> list[Path]:
    return sorted(path for path in Path(folder).iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_image_name(path.name) and path.is_file())
