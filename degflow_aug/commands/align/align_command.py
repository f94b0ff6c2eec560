"""``degflow align``: photographs of scenes at several focal lengths become pairs on one grid."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from degflow_aug.commands.align.table import alignment_table, summary, view_record
from degflow_aug.commands.align.view_scale import check_distinct, expected_scale, filed_scale
from degflow_aug.commands.shared.arguments import argument, parse_scales, positive_number, started_as
from degflow_aug.console.json_output import add_json_argument, print_json
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import note
from degflow_aug.console.sentence import sentence
from degflow_aug.files.writing import sole_writer
from degflow_aug.report.report_file import NONE, add_report_argument, check_report, exit_code, failures_noted

if TYPE_CHECKING:
    import numpy as np

    from degflow_aug.alignment.aligned_set import AlignedSet, Record
    from degflow_aug.alignment.pair import Alignment
    from degflow_aug.alignment.shots import Shot, ShotGroup, Shots

# A record of another version is made again.
VERSION = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "shots", metavar="SHOTS", help="folder with a folder of photographs per scene, or with all photographs"
    )
    parser.add_argument("--out", help="folder for HR/, LR2/, ..., pattern.yml and align.json")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, and say in a moment what to photograph again, and how"
    )
    parser.add_argument(
        "--scales",
        type=argument(parse_scales),
        metavar="2,4",
        help="scales of the views; each takes the nearest (default: from names or focal lengths, to one decimal)",
    )
    parser.add_argument(
        "--tolerance",
        type=positive_number,
        default=5.0,
        metavar="PERCENT",
        help="by how much the measured scale may differ from that (default: 5)",
    )
    parser.add_argument(
        "--residual",
        type=positive_number,
        default=0.3,
        metavar="PIXELS",
        help="HR pixels that what is left of the displacement must stay below (default: 0.3)",
    )
    add_report_argument(parser, "align.html in --out")
    add_json_argument(parser)
    parser.epilog = (
        "The HR photograph is named HR (or scene_HR), else it is the one of the longest focal length in EXIF; the\n"
        "others are named x2, x4, ..., or their focal lengths tell. Without folders, scenes are told by what names\n"
        "begin with (scene_HR, scene_x2), or a focal length that comes again begins the next one. A scene of which a\n"
        "photograph cannot be aligned is reported, not written, and makes the exit code 1. Run again, it does what is\n"
        "new or changed."
    )


def run(args: argparse.Namespace) -> int:
    """Align what is not aligned yet; returns 1 if a scene failed, else 0.

    Raises:
        ValueError, OSError: nothing can be aligned, or not written.
    """
    from degflow_aug.alignment.aligned_set import FAILED, AlignedSet
    from degflow_aug.alignment.shot_groups import find_shot_groups
    from degflow_aug.console.progress import Progress

    if args.scales and min(args.scales) <= 1:
        raise ValueError(f"expected --scales above 1, got {min(args.scales):g}; the HR photograph is scale 1")
    if bool(args.out) == args.check or (args.check and args.report):
        got = "none of them" if not (args.out or args.check) else f"--check and {'--out' if args.out else '--report'}"
        raise ValueError(f"expected --out to write pairs, or --check, which writes nothing, got {got}")
    if args.check:
        from degflow_aug.commands.align.advice import check_shots

        return check_shots(args)
    shots, out = Path(args.shots).resolve(), Path(args.out).resolve()
    if out == shots or shots in out.parents or out in shots.parents:
        raise ValueError(f"{args.out}: expected --out apart from the photographs in {args.shots}; name another folder")
    groups = find_shot_groups(args.shots)
    records: list[Record] = []
    check_report(args, args.shots)
    with sole_writer(args.out), Progress() as progress:
        aligned = AlignedSet(args.out)
        before = dict(aligned.records)
        for done, group in enumerate(groups, 1):
            records.append(_scene(group, aligned, args))
            progress("align", done, len(groups), math.nan)
    _say_left(aligned, shots, [group.name for group in groups], args)
    page = _page(args, records, changed=aligned.records != before)
    if args.json:
        print_json({"out": args.out, "scales": aligned.scales(), "scenes": records, "report": page})
    else:
        say(*alignment_table(records), *summary(records, args.out, aligned.scales()))
    return max(int(any(record["state"] == FAILED for record in records)), exit_code(args, page))


def _page(args: argparse.Namespace, records: Sequence[Record], changed: bool) -> Path | None:
    """Write the page where the set has ``changed`` or it is missing; None without pairs, or where none is wanted."""
    if args.report == NONE or not any(record["written"] for record in records):
        return None
    page = Path(args.report) if args.report else Path(args.out) / "align.html"
    if not changed and page.is_file():
        return page
    with failures_noted("no page was written"):
        from degflow_aug.commands.align.blink import write_blink_page

        write_blink_page(page, Path(args.out), records, alignment_table(records), started_as(args))
        return page
    return None


def _say_left(aligned: AlignedSet, shots: Path, names: Sequence[str], args: argparse.Namespace) -> None:
    """Note the scenes that stay in the set although their photographs are gone."""
    made_of = {name: Path(record["made_of"].get("folder", "")) for name, record in aligned.records.items()}
    left = [
        name
        for name, folder in made_of.items()
        if aligned.records[name]["written"] and shots in (folder, folder.parent) and name not in names
    ]
    if left:
        note(f"{args.out} still has {', '.join(left)}, no longer in {args.shots}; delete their files to drop them")


def _scene(group: ShotGroup, aligned: AlignedSet, args: argparse.Namespace) -> Record:
    """Align the scene of ``group`` unless it has been done, and return its record."""
    from degflow_aug.alignment.shots import read_shots

    made_of = _made_of(group, args)
    known = aligned.finished(group.name, made_of)
    if known is not None:
        return known
    record: Record = {"name": group.name, "made_of": made_of, "hr": None, "crop": None, "views": []}
    try:
        shots = read_shots(group)
        record["hr"] = shots.hr.name
        return _align(shots, record, aligned, args)
    except ValueError as error:
        return aligned.fail(group.name, {**record, "reason": sentence(error)})


def _made_of(group: ShotGroup, args: argparse.Namespace) -> Record:
    """Return what the files of a scene depend on: all files of a folder of its own, as names may change there."""
    of_its_own = group.folder.name == group.name
    paths = sorted(path for path in group.folder.iterdir() if path.is_file()) if of_its_own else group.paths
    files = {path.name: path.stat() for path in paths}
    return {
        "version": VERSION,
        "folder": str(group.folder.resolve()),
        "files": {name: [status.st_size, status.st_mtime_ns] for name, status in files.items()},
        "scales": args.scales and list(args.scales),
        "tolerance": args.tolerance,
        "residual": args.residual,
    }


def _align(shots: Shots, record: Record, aligned: AlignedSet, args: argparse.Namespace) -> Record:
    """Align every view of a scene to its HR photograph and write them, or record why not.

    Raises:
        ValueError: a photograph cannot be read, or two of them are views of one scale.
    """
    from degflow_aug.alignment.pair import align_pair, common_crop
    from degflow_aug.alignment.rendering import clipped_share, render_view
    from degflow_aug.files.image_file import image_size, read_image

    hr = read_image(shots.hr)
    found: list[tuple[Shot, float | None, Alignment]] = []
    for shot in shots.views:
        result = align_pair(hr, read_image(shot.path), scale=expected_scale(shot, args.scales), limit=args.residual)
        scale, reason = filed_scale(shot, result, args.scales, args.tolerance)
        record["views"].append(view_record(shot, scale, result, result.reason or reason))
        found.append((shot, scale, result))
    if any(view["reason"] for view in record["views"]):
        return aligned.fail(shots.name, record)
    check_distinct(found)
    matrices = [result.matrix for _, _, result in found if result.matrix is not None]
    crop = common_crop(matrices, hr.shape[:2], [image_size(shot.path) for shot, _, _ in found])
    views: dict[float, np.ndarray] = {}
    for view, (shot, scale, result) in zip(record["views"], found, strict=True):
        lr = read_image(shot.path)
        assert scale is not None
        assert result.matrix is not None
        assert result.gains is not None
        views[scale] = render_view(lr, result.matrix, crop, result.gains)
        view["clipped"] = clipped_share(lr, result.matrix, crop)
    record["crop"] = list(crop)
    return aligned.write(shots.name, record, hr[crop.top : crop.bottom, crop.left : crop.right], views)
