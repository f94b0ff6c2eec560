"""``degflow align --check``: what is wrong with photographs while they can still be taken again."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from degflow_aug.alignment.pair import Alignment, align_pair, common_crop
from degflow_aug.alignment.rendering import clipped_share
from degflow_aug.alignment.shot_groups import find_shot_groups
from degflow_aug.alignment.shots import Shot, ShotGroup, exif_of, read_shots
from degflow_aug.commands.align.table import ALIGNED, alignment_table, view_record
from degflow_aug.commands.align.view_scale import check_distinct, expected_scale, filed_scale
from degflow_aug.console.json_output import print_json
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import Progress
from degflow_aug.console.sentence import sentence
from degflow_aug.files.image_file import read_image

PIXELS = 2_000_000
"""HR photographs of more are checked at so many."""
GAINS = (0.7, 1.4)
"""Exposures that match well, as docs/capture.md says."""
LARGEST_COLOUR, LARGEST_ROTATION, LARGEST_CLIPPED, ENOUGH = 1.15, 1.0, 0.01, 10
_CURES = {
    "repeats itself": "add something that is not the same everywhere",
    "texture": "a scene with more texture, or a sharper focus",
    "finer than HR": "name the finest photograph HR",
    "something else": "something has moved, or stands in front: wait for it, or go further away",
    "residual": "the tripod has moved, the scene is deep, or the lens distorts: again, from further away",
    "measured, expected": "name the files by the measured scale, or give it by --scales, if all scenes have it",
}
_KEPT = {34855: "ISO", 33437: "aperture"}
_DIGITAL_ZOOM = 41988


def check_shots(args: argparse.Namespace) -> int:
    """Print the table of ``align`` for reduced photographs, and what to do better; returns 1 if a scene would fail.

    Raises:
        ValueError, OSError: no photographs.
    """
    groups = find_shot_groups(args.shots)
    records = []
    with Progress("scene") as progress:
        for done, group in enumerate(groups, 1):
            records.append(_checked(group, args))
            progress("check", done, len(groups), math.nan)
    good = sum(record["state"] == ALIGNED for record in records)
    if args.json:
        print_json({"scenes": records})
    else:
        lines = [
            f"{record['name']}/{view['file']}: {said}"
            for record in records
            for view in record["views"]
            for said in view["advice"]
        ]
        more = f"; {ENOUGH} are a start" if good < ENOUGH else ""
        lines.append(
            f"{args.shots}: {good} of {len(records)} scenes look right at {PIXELS / 1e6:g} megapixels, by whose pixels "
            f"shift and residual count{more}"
        )
        say(*alignment_table(records), *lines)
    return int(good < len(records))


def _checked(group: ShotGroup, args: argparse.Namespace) -> dict[str, Any]:
    """Make the record of a scene as if it were aligned, with advice per view."""
    record: dict[str, Any] = {"name": group.name, "state": ALIGNED, "views": []}
    try:
        shots = read_shots(group)
        hr, factor = _reduced(read_image(shots.hr))
        found: list[tuple[Shot, float | None, Alignment]] = []
        for shot in shots.views:
            lr, _ = _reduced(read_image(shot.path), factor)
            result = align_pair(hr, lr, scale=expected_scale(shot, args.scales), limit=args.residual)
            scale, reason = filed_scale(shot, result, args.scales, args.tolerance)
            view = view_record(shot, scale, result, result.reason or reason)
            if result.matrix is not None:
                crop = common_crop([result.matrix], hr.shape[:2], [lr.shape[:2]])
                view["clipped"] = clipped_share(lr, result.matrix, crop)
            record["views"].append({**view, "advice": [*advice_on(view), *of_exif(shots.hr, shot.path)]})
            found.append((shot, scale, result))
        if not any(view["reason"] for view in record["views"]):
            check_distinct(found)
    except ValueError as error:
        record |= {"state": "failed", "reason": sentence(error)}
    if any(view["reason"] for view in record["views"]):
        record["state"] = "failed"
    return record


def _reduced(image: np.ndarray, factor: float = 0.0) -> tuple[np.ndarray, float]:
    """Reduce a photograph by ``factor``, by default to ``PIXELS``; returns the factor too."""
    factor = factor or max(1.0, math.sqrt(image.shape[0] * image.shape[1] / PIXELS))
    if factor == 1:
        return image, factor
    return np.asarray(cv2.resize(image, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)), factor


def advice_on(view: Mapping[str, Any]) -> Iterator[str]:
    """Say what to do about a view of :func:`view_record`, by why it fails and by what was measured."""
    cure = next((cure for reason, cure in _CURES.items() if reason in view["reason"]), "")
    if cure:
        yield cure
    rotation, gains = view["rotation_degrees"], view["gains"]
    if rotation is not None and abs(rotation) > LARGEST_ROTATION:
        yield f"turned by {rotation:.1f} degrees: fix the head of the tripod, and touch the camera only to zoom"
    if gains and not GAINS[0] <= _middle(gains) <= GAINS[1]:
        yield f"LR has {_middle(gains):.1f} times the light of HR: lock the exposure"
    if gains and max(gains) > LARGEST_COLOUR * min(gains):
        yield "the colours differ: lock the white balance"
    if view.get("clipped", 0.0) > LARGEST_CLIPPED:
        yield f"{100 * view['clipped']:.0f} % of it is overexposed: expose less"


def _middle(gains: Sequence[float]) -> float:
    return sorted(gains)[1]


def of_exif(hr: Path, lr: Path) -> Iterator[str]:
    """Say what EXIF tells of two photographs that should differ in their focal length alone."""
    first, second = exif_of(hr), exif_of(lr)
    for tag, name in _KEPT.items():
        if tag in first and tag in second and first[tag] != second[tag]:
            yield f"{name} {second[tag]} beside {first[tag]} of HR: keep it"
    for path, tags in ((hr, first), (lr, second)):
        try:
            zoom = float(tags.get(_DIGITAL_ZOOM) or 0)
        except (TypeError, ValueError, ZeroDivisionError):
            continue
        if 1 < zoom < math.inf:
            yield f"{path.name} has digital zoom ({zoom:g}), which invents pixels: take a lens"
