"""Templates of names: ``{"hr": "HR/{id}.png", "views": {2: "LR2/{id}.png"}}``, in which ``{camera}`` may be part."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from degflow_aug.data.layouts.scene import FoundImage, Place, folder_name, folders, view_scale
from degflow_aug.data.layouts.scene_files import one_per_scale
from degflow_aug.files.alike import composed
from degflow_aug.files.image_file import IMAGE_SUFFIXES, images_in
from degflow_aug.files.image_tree import say_left_out


def find_pattern(place: Place) -> Iterator[FoundImage]:
    """Find the images that fit the templates of ``place.pattern``.

    Raises:
        ValueError: no pattern, one that is not understood, or a template that no file fits.
    """
    root, pattern = place.root, place.pattern
    if not _is_pattern(pattern):
        raise ValueError(
            f'expected pattern: {{"hr": "...{{id}}...", "views": {{2: "...{{id}}..."}}}}, got {reprlib.repr(pattern)}'
        )
    views = one_per_scale((view_scale(key), template) for key, template in pattern["views"].items())
    for scale, template in views.items():
        if template == pattern["hr"]:
            raise ValueError(
                f"expected a template of its own for views at scale {scale:g}, got that of HR, '{template}'"
            )
    claimed: set[Path] = set()
    # The longer template first: 001x2.png is the view of {id}x2.png, though {id}.png fits it as well.
    for scale, template in sorted([(1.0, pattern["hr"]), *views.items()], key=lambda pair: -len(pair[1])):
        parts = [_template_part(part, template) for part in Path(template).parts]
        found = [(path, fields) for path, fields in _walk(root, parts, {}) if path not in claimed]
        if not found:
            raise ValueError(f"{root}: expected files named {template}, got none")
        for path, fields in found:
            claimed.add(path)
            yield FoundImage(fields.get("camera", folder_name(root)), fields["id"], fields["id"], scale, path)
    for folder in sorted({path.parent for path in claimed}):
        say_left_out(folder, claimed)


def _is_pattern(pattern: object) -> TypeGuard[Mapping[str, Any]]:
    if not isinstance(pattern, Mapping) or set(pattern) != {"hr", "views"} or not isinstance(pattern["views"], Mapping):
        return False
    return bool(pattern["views"]) and all(isinstance(name, str) for name in (pattern["hr"], *pattern["views"].values()))


def _template_part(part: str, template: str) -> re.Pattern[str]:
    """One folder or file name of a template as an expression, in which a field that repeats must be the same."""
    part = composed(part)
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
    entries = folders(folder) if len(parts) > 1 else images_in(folder)
    for entry in entries:
        match = parts[0].fullmatch(composed(entry.name))
        if match is None or any(fields.get(name, text) != text for name, text in match.groupdict().items()):
            continue
        inner = {**fields, **match.groupdict()}
        if len(parts) == 1:
            yield entry, inner
        else:
            yield from _walk(entry, parts[1:], inner)
