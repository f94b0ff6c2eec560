"""``degflow upscale``: enlarge images and folders of any size by a trained network."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from degflow_aug.commands.shared.arguments import argument, one_of, pick_device, positive_number, started_as
from degflow_aug.commands.upscale.upscalers import LARGEST_SCALE, find_upscaler
from degflow_aug.console.json_output import add_json_argument, print_json
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import note, track
from degflow_aug.files.writing import sole_writer
from degflow_aug.report.report_file import check_page

if TYPE_CHECKING:
    import numpy as np

    from degflow_aug.commands.upscale.upscalers import Upscaler
    from degflow_aug.files.image_tree import TreeImage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("source", metavar="IN", help="an image, or a folder searched with all below it")
    parser.add_argument("out", metavar="OUT", help="a folder for OUT/NAME.png; for one image also a .png file")
    parser.add_argument("--model", required=True, metavar="RUN_OR_FILE", help="a run, its folder, or a file of weights")
    parser.add_argument(
        "--scale",
        type=positive_number,
        metavar="S",
        help="any from 1 to 16, such as 2.7; networks of a fixed scale have their own",
    )
    parser.add_argument(
        "--size",
        type=argument(parse_size),
        metavar="WxH",
        help="instead of a scale: the largest result that fits into so many pixels, such as 4000x3000",
    )
    parser.add_argument(
        "--memory-mb",
        type=positive_number,
        metavar="MB",
        help="about what a network may take beside weights and result; larger images go in tiles (default: 2048)",
    )
    parser.add_argument(
        "--compare", metavar="FILE.html", help="also a page with a divider between bicubic and the network"
    )
    parser.add_argument(
        "--tile",
        metavar="PIXELS",
        help="for one-step systems: side of overlapping tiles of the result; auto: of the system's own side; 0: none "
        "(default: auto)",
    )
    parser.add_argument(
        "--colour",
        type=one_of("adain", "wavelet", "none"),
        metavar="adain|wavelet|none",
        help="for one-step systems: how colours are kept (default: as in training)",
    )
    parser.add_argument(
        "--pretrained", help="for one-step systems: published weights, where they are elsewhere than in training"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto: a GPU where there is one)")
    add_json_argument(parser)
    parser.epilog = (
        "Of a run the best network is taken, or the newest where none is best. 16-bit images stay so; EXIF and\n"
        "ICC profiles are kept. Run again, it goes on where it was stopped. An image that cannot be read is skipped\n"
        "and reported, and makes the exit code 1."
    )


def parse_size(text: str) -> tuple[int, int]:
    """``4000x3000``, width first, -> (3000, 4000).

    Raises:
        ValueError: not of that form.
    """
    sides = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", text.lower())
    if sides is None:
        raise ValueError(f"expected width and height such as 4000x3000, got '{text}'")
    return int(sides[2]), int(sides[1])


def run(args: argparse.Namespace) -> int:
    """Enlarge what is not there yet; returns 1 if an image had to be skipped, else 0.

    Raises:
        ValueError, OSError: nothing can be made, or not written.
    """
    source, out = Path(args.source), Path(args.out)
    if args.scale is not None and not 1 <= args.scale <= LARGEST_SCALE:
        raise ValueError(f"expected --scale from 1 to {LARGEST_SCALE:g}, got {args.scale:g}")
    if args.scale is not None and args.size is not None:
        raise ValueError("expected --scale or --size, got both; leave one out")
    device = pick_device(args.device)
    single = out.suffix.lower() == ".png"
    _check_places(source, out, single)
    if args.compare:
        check_page("--compare", Path(args.compare), source)
    from degflow_aug.files.image_tree import find_images

    images = find_images(source, skip=None if single else out)
    upscaler = find_upscaler(args, device, shown=len(images) == 1)
    _check_sizes(upscaler, images)
    counts = _one(upscaler, images[0], out) if single else _folder(upscaler, images, source, out)
    if args.compare:
        from degflow_aug.commands.upscale.beside_bicubic import write_comparison

        made = {each.path: out if single else out / f"{each.name}.png" for each in images}
        there = {path: result for path, result in made.items() if result.is_file()}
        write_comparison(Path(args.compare), there, upscaler.name, started_as(args))
    _say(args, upscaler, **counts)
    return 1 if counts["skipped"] else 0


def _check_places(source: Path, out: Path, single: bool) -> None:
    from degflow_aug.files.image_file import is_image_name

    if not single and is_image_name(out.name):
        raise ValueError(f"expected OUT as a folder or a .png file, got {out}; other formats lose what was made")
    if single and out.is_dir():
        raise ValueError(f"expected OUT as a file of that name, got the folder {out}; name another")
    if single and not source.is_file():
        raise ValueError(f"expected an image as IN for a file as OUT, got {source}; name a folder as OUT")
    origin = (source.parent if source.is_file() else source).resolve()
    if (not single and origin == out.resolve()) or (single and source.resolve() == out.resolve()):
        raise ValueError(f"{out}: expected OUT apart from the images in {origin}, got the same place")


def _check_sizes(upscaler: Upscaler, images: list[TreeImage]) -> None:
    """Refuse a ``--size`` that does not fit an image; those that cannot be read are skipped later."""
    from degflow_aug.files.image_file import image_size

    for image in images if upscaler.box else ():
        try:
            size = image_size(image.path)
        except ValueError:
            continue
        upscaler.size_of(*size, image.path)


def _one(upscaler: Upscaler, image: TreeImage, out: Path) -> dict[str, Any]:
    from degflow_aug.data.photo_tags import png_tags
    from degflow_aug.files.image_file import read_image, write_image

    pixels = read_image(image.path)
    size = upscaler.size_of(pixels.shape[0], pixels.shape[1], image.path)
    out.parent.mkdir(parents=True, exist_ok=True)
    with sole_writer(out):
        _say_model(upscaler)
        write_image(out, _upscale(upscaler, pixels, size), png_tags(image.path, size))
    return {"made": 1, "there": 0, "skipped": []}


def _say_model(upscaler: Upscaler) -> None:
    if upscaler.said:
        note(upscaler.said)


def _folder(upscaler: Upscaler, images: list[TreeImage], source: Path, out: Path) -> dict[str, Any]:
    from degflow_aug.data.generated_set import GeneratedSet, file_record
    from degflow_aug.data.photo_tags import png_tags
    from degflow_aug.files.image_file import read_image

    origin = str((source.parent if source.is_file() else source).absolute())
    scale = upscaler.scale or 0.0
    generated = GeneratedSet(out, {"source": origin, "format": "files", **upscaler.settings}, images)
    skipped = []
    with sole_writer(out, out / ".0.lock"), generated:
        _say_model(upscaler)
        pending = generated.begin(track(images, "look at what is there", "image"), first_process=True)
        for image in track(pending, "upscale", "image", done=len(images) - len(pending)):
            record = file_record(image)
            try:
                pixels = read_image(image.path)
                size = upscaler.size_of(pixels.shape[0], pixels.shape[1], image.path)
                made, chunks = _upscale(upscaler, pixels, size), png_tags(image.path, size)
            except ValueError as error:
                reason = " ".join(str(error).split())
                note(f"skipped {reason if str(image.path) in reason else f'{image.path}: {reason}'}")
                generated.skip(image, record, reason)
                skipped.append(image.name)
                continue
            generated.write(image, scale, made, chunks)
            generated.finish(image, record)
    return {"made": len(pending) - len(skipped), "there": len(images) - len(pending), "skipped": skipped}


def _upscale(upscaler: Upscaler, image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge (H, W, 3) in uint8 or uint16 to (*size, 3) of the same type.

    Raises:
        ValueError: more memory needed than the GPU has, or an image that the network does not take.
    """
    import torch

    from degflow_aug.console.sentence import is_want_of_memory, sentence
    from degflow_aug.data.tensors import to_array, to_tensor

    try:
        return to_array(upscaler.enlarge(to_tensor(image)[None].to(upscaler.device), size), image.dtype)
    except torch.cuda.OutOfMemoryError:
        raise ValueError(
            f"expected memory for {size[1]}x{size[0]} pixels on {upscaler.device}, got too little; lower --memory-mb "
            "(--tile of one-step systems), or use --device cpu"
        ) from None
    except RuntimeError as error:
        if is_want_of_memory(error):
            raise
        got = f"{image.shape[1]}x{image.shape[0]}, of which it says: {sentence(error)}"
        raise ValueError(f"expected an image that {upscaler.name} takes, got one of {got}") from error


def _say(args: argparse.Namespace, upscaler: Upscaler, made: int, there: int, skipped: list[str]) -> None:
    if args.json:
        facts = {"out": args.out, "scale": upscaler.scale, "images": made, "there_before": there, "skipped": skipped}
        print_json({**facts, **({"compare": args.compare} if args.compare else {})})
    else:
        height, width = upscaler.box or (0, 0)
        asked = f"in {width}x{height}" if upscaler.scale is None else f"at x{upscaler.scale:g}"
        say(f"{args.out}: {made} images {asked} ({there} were there), {len(skipped)} skipped")
