"""``degflow preview``: show what a bundle makes of one image, as a page with a slider and as a sheet."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from degflow_aug.commands.shared.arguments import (
    DEFAULT_BUNDLE,
    add_generator_arguments,
    argument,
    count,
    parse_scales,
    positive_number,
    settle_bundle,
    up_to,
)
from degflow_aug.console.json_output import add_json_argument, print_json
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import note
from degflow_aug.files.writing import fitting_path
from degflow_aug.report.report_file import check_page

if TYPE_CHECKING:
    from degflow_aug.commands.preview.frames import Preview

MOST_FRAMES, FEWEST_FRAMES = 33, 5
DEFAULT_SIDE, SMALLEST_SIDE = 256, 32
DEFAULT_MEGABYTES = 5.0
DEFAULT_TILE = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("image", metavar="IMAGE", help="an HR image")
    parser.add_argument(
        "--bundle", help=f"a .safetensors file, or a shipped bundle by name (default: {DEFAULT_BUNDLE})"
    )
    parser.add_argument(
        "--real",
        action="append",
        default=[],
        type=argument(parse_real),
        metavar="SCALE=FILE",
        help="the real LR of IMAGE at a scale, aligned to it and of its size; give several for several scales",
    )
    parser.add_argument(
        "--out",
        metavar="FILE.html",
        help="the page; the sheet lies beside it as .png (default: IMAGE_preview.html here)",
    )
    parser.add_argument(
        "--side",
        type=up_to(2**16),
        default=DEFAULT_SIDE,
        metavar="PIXELS",
        help=f"side of the window of HR that is shown (default: {DEFAULT_SIDE})",
    )
    parser.add_argument(
        "--window", type=argument(parse_window), metavar="X,Y", help="its left and top (default: where most detail is)"
    )
    parser.add_argument(
        "--frames",
        type=up_to(1000),
        default=MOST_FRAMES,
        metavar="N",
        help=f"most scales, dense where the image changes; fewer where there is no room (default: {MOST_FRAMES})",
    )
    parser.add_argument(
        "--megabytes",
        type=positive_number,
        default=DEFAULT_MEGABYTES,
        metavar="MB",
        help=f"room for the page (default: {DEFAULT_MEGABYTES:g})",
    )
    parser.add_argument("--seed", type=count, default=0, help="of noise and of Real-ESRGAN's draw (default: 0)")
    add_generator_arguments(parser)
    add_json_argument(parser)
    parser.epilog = "The page needs no network and no other file: send it by mail, open it anywhere."


def parse_real(text: str) -> tuple[float, Path]:
    """``2.9=061L.png`` -> (2.9, its path).

    Raises:
        ValueError: not of that form, or a scale that is none.
    """
    scale, equals, path = text.partition("=")
    scales = parse_scales(scale) if equals and path else ()
    if len(scales) != 1 or ":" in scale:
        raise ValueError(f"expected a scale and a file, such as 2.9=lr.png, got '{text}'")
    return scales[0], Path(path)


def parse_window(text: str) -> tuple[int, int]:
    """``120,80`` -> (120, 80), the left and the top.

    Raises:
        ValueError: not two whole numbers.
    """
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isascii() and part.strip().isdigit() for part in parts):
        raise ValueError(f"expected the left and top of the window as two whole numbers, such as 120,80, got '{text}'")
    return int(parts[0]), int(parts[1])


def run(args: argparse.Namespace) -> int:
    """Write the page and the sheet; returns 0.

    Raises:
        ValueError, OSError: no image, bundle or real LR that can be shown, or no room for it.
    """
    settle_bundle(args)
    page = Path(args.out) if args.out else fitting_path(Path(f"{Path(args.image).stem}_preview.html"))
    check_page("--out", page, Path(args.image))
    if args.side < SMALLEST_SIDE:
        raise ValueError(f"expected --side of at least {SMALLEST_SIDE} pixels, got {args.side}")
    if args.frames < FEWEST_FRAMES:
        raise ValueError(f"expected --frames of at least {FEWEST_FRAMES}, got {args.frames}")
    if len({scale for scale, _ in args.real}) < len(args.real):
        raise ValueError("expected one --real for each scale, got two of the same")
    sheet = page.with_suffix(".png")
    _check_outputs(page, sheet, args)
    from degflow_aug.commands.preview.frames import prepare_preview

    preview = prepare_preview(args)
    content = _fitting_page(preview, args)
    from degflow_aug.commands.shared.contact_sheet import write_contact_sheet
    from degflow_aug.files.writing import atomic_path

    write_contact_sheet(sheet, preview.sheet_rows())
    with atomic_path(page) as partial:
        partial.write_bytes(content)
    if args.json:
        print_json({"page": page, "bytes": len(content), "sheet": sheet})
    else:
        say(f"{page}: {len(content) / 1e6:.1f} MB; the same as a picture: {sheet}")
    return 0


def _check_outputs(page: Path, sheet: Path, args: argparse.Namespace) -> None:
    """Refuse, before any work, a sheet that cannot be written or would take the place of what is shown.

    Raises:
        ValueError: such a sheet.
    """
    if sheet.resolve() in {Path(args.image).resolve(), *(path.resolve() for _, path in args.real)}:
        raise ValueError(f"expected --out apart from the images, got {page} with {sheet}, which is one; name another")
    if sheet.is_dir():
        raise ValueError(f"expected to write {sheet}, got a folder of that name; name another page with --out")


def _fitting_page(preview: Preview, args: argparse.Namespace) -> bytes:
    """Make the page with as many frames as its room allows."""
    frames, room = args.frames, args.megabytes * 1e6
    while True:
        content = preview.page(frames, command_again(args)).encode()
        if len(content) <= room:
            return content
        if frames == FEWEST_FRAMES:
            raise ValueError(
                f"expected a page of at most {args.megabytes:g} MB, got {len(content) / 1e6:.1f} with {frames} scales; "
                "lower --side or raise --megabytes"
            )
        # The room goes to frames but for the style, so this is a little too few rather than too many.
        fewer = int(frames * room / len(content))
        frames = max(min(fewer, frames - 1), FEWEST_FRAMES)
        note(f"{frames} scales, for a page below {args.megabytes:g} MB")


def command_again(args: argparse.Namespace) -> str:
    """Return the command line that makes the page again."""
    words = ["degflow", "preview", args.image, "--bundle", args.bundle]
    for scale, path in args.real:
        words += ["--real", f"{scale!r}={path}"]
    for name in ("out", "window", "camera", "solver", "steps", "tolerance"):
        value = getattr(args, name)
        if value is not None:
            words += [f"--{name}", ",".join(map(str, value)) if name == "window" else str(value)]
    for name, default in (
        ("side", DEFAULT_SIDE),
        ("frames", MOST_FRAMES),
        ("megabytes", DEFAULT_MEGABYTES),
        ("seed", 0),
        ("tile", DEFAULT_TILE),
    ):
        if getattr(args, name) != default:
            words += [f"--{name}", str(getattr(args, name))]
    return shlex.join(words)
