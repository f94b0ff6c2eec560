"""``degflow generate``: make the LR images of a folder of HR images at any scales, each from one encoding."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from degflow_aug.commands.shared.arguments import (
    DEFAULT_BUNDLE,
    add_generator_arguments,
    argument,
    build_generator,
    check_camera,
    one_of,
    parse_scales,
    pick_device,
    process_of_group,
    settle_bundle,
)
from degflow_aug.console.json_output import add_json_argument, print_json
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import note, track
from degflow_aug.files.writing import sole_writer

if TYPE_CHECKING:
    import numpy as np

    from degflow_aug.data.generated_set import GeneratedSet, Record
    from degflow_aug.degradations.base import Degradation
    from degflow_aug.files.image_tree import TreeImage

WRITERS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("hr", metavar="HR_DIR", help="folder of HR images, searched with all below it, or one image")
    parser.add_argument(
        "--bundle", help=f"a .safetensors file, or a shipped bundle by name (default: {DEFAULT_BUNDLE})"
    )
    parser.add_argument(
        "--scales",
        type=argument(parse_scales),
        help="2,3,4, or first:last:step such as 1.1:4:0.1 (default: those that the bundle was trained at)",
    )
    parser.add_argument(
        "--out", help="folder for OUT/{scale}/{name}.png, the manifest and the records (default: NAME_lr here)"
    )
    parser.add_argument(
        "--grid",
        type=one_of("lr", "hr"),
        metavar="lr|hr",
        help="lr: images of the camera's size; hr: views, which keep the size of HR (default: lr)",
    )
    parser.add_argument(
        "--format",
        type=one_of("folder", "lmdb"),
        default="folder",
        metavar="folder|lmdb",
        help="PNG files, or OUT/{scale}.lmdb as BasicSR reads it (default: folder)",
    )
    parser.add_argument(
        "--layout",
        type=one_of("own", "official"),
        default="own",
        metavar="own|official",
        help="official: OUT/{camera}/version0/{scale}/Canon_{number}_HR.png and _LR{scale}.png, both of HR's size, as "
        "DegFlow's own generator writes them (default: own)",
    )
    parser.add_argument(
        "--with-hr", action="store_true", help="write HR as OUT/HR/{name}.png too, to be paired with LR by name"
    )
    add_generator_arguments(parser)
    add_json_argument(parser)
    parser.epilog = (
        "Run again, it goes on where it was stopped. Under torchrun every process takes its share of the images.\n"
        "An image that cannot be read is skipped and reported, and makes the exit code 1."
    )


def run(args: argparse.Namespace) -> int:
    """Generate what is not there yet; returns 1 if an image of the set had to be skipped, else 0.

    Raises:
        ValueError, OSError: nothing can be generated, or not written.
    """
    from degflow_aug.data.generated_set import GeneratedSet
    from degflow_aug.data.official_store import names_digest, numbered, official_folder
    from degflow_aug.files.image_file import read_image
    from degflow_aug.files.image_tree import find_images

    rank, world = _process(args)
    _settle(args)
    source, out = Path(args.hr), Path(args.out)
    _check_folders(source, out, args)
    images = find_images(source, skip=out)
    mine = images[rank::world]
    if source.is_file():
        read_image(source)
    generator = build_generator(args.bundle, args)
    generator.check_scales(args.scales)
    check_camera(generator)
    settings = _settings(args, generator, source)
    if args.layout == "official":
        settings["images"] = names_digest(images)
        out, images = official_folder(out, getattr(generator, "camera", "")), numbered(images)
        mine = images[rank::world]
    generated = GeneratedSet(out, settings, images)
    with sole_writer(out, out / f".{rank}.lock"), generated:
        looked_at = track(mine, "look at what is there", "image", shown=rank == 0)
        pending = generated.begin(looked_at, first_process=rank == 0)
        _generate(generator, generated, pending, len(mine) - len(pending), args)
        failed, waiting = generated.outcome()
    skipped = [image.name for image in mine if image.name in failed]
    if skipped and args.layout == "official":
        note(f"{out}: {skipped[0]} is missing, where code that counts images ends; repair it or take it out")
    at = f"{len(args.scales)} scale{'s' * (len(args.scales) != 1)}"
    counts = {"images": len(mine) - len(skipped), "there_before": len(mine) - len(pending)}
    if args.json:
        print_json(
            {"out": out, "scales": args.scales, **counts, "skipped": skipped, "process": rank, "processes": world}
        )
    else:
        say(
            f"{out}: {counts['images']} images at {at} ({counts['there_before']} were there), "
            f"{len(skipped)} skipped" + (f" by process {rank} of {world}" if world > 1 else "")
        )
    # torchrun ends all processes as soon as one fails, so the one that finishes last speaks for all.
    return 1 if failed and not waiting else 0


def _settle(args: argparse.Namespace) -> None:
    """Fill in ``--bundle``, ``--scales`` and ``--out`` where they are not given."""
    from degflow_aug.bundles.bundle import read_spec

    settle_bundle(args)
    args.scales = args.scales or tuple(knot for knot in read_spec(args.bundle).knots if knot != 1)
    args.out = args.out or f"{Path(args.hr).resolve().stem}_lr"


def _process(args: argparse.Namespace) -> tuple[int, int]:
    """Return rank and number of processes, as torchrun sets them, for options that go together."""
    rank, world = process_of_group()
    if args.format == "lmdb":
        if world > 1:
            raise ValueError("expected one process for --format lmdb, got several; generate with --format folder")
        if args.layout == "official" or args.with_hr:
            option = "--layout official" if args.layout == "official" else "--with-hr"
            raise ValueError(f"expected --format folder with {option}, which are PNG files, got lmdb; leave one out")
    if args.layout == "official" and (args.grid == "lr" or args.with_hr):
        option = "--with-hr" if args.with_hr else "--grid lr"
        raise ValueError(f"expected no {option} with --layout official, whose LR and HR have one size; leave it out")
    args.grid = args.grid or "lr"
    return rank, world


def _check_folders(source: Path, out: Path, args: argparse.Namespace) -> None:
    """Refuse an --out whose files would lie among the HR images."""
    hr = (source.parent if source.is_file() else source).resolve()
    for part in (*(f"{scale:g}" for scale in args.scales), *(["HR"] if args.with_hr else [])):
        folder = (out / part).resolve()
        if hr == folder or folder in hr.parents or hr == out.resolve():
            raise ValueError(f"{out}: expected --out apart from the HR images in {source}, got one that mixes them")


def _settings(args: argparse.Namespace, generator: Degradation, source: Path) -> dict[str, Any]:
    """Return what the files depend on; a set is continued only with the same."""
    from degflow_aug.bundles.spec import bundle_path

    sampler: Any = getattr(generator, "sampler", None)
    return {
        "source": str((source.parent if source.is_file() else source).absolute()),
        "bundle": hashlib.sha256(bundle_path(args.bundle).read_bytes()).hexdigest(),
        "scales": list(args.scales),
        "grid": "hr" if args.layout == "official" else args.grid,
        "format": "official" if args.layout == "official" else "pairs" if args.with_hr else args.format,
        # A fitted kernel has neither.
        "solver": getattr(generator, "solver", None),
        "steps": getattr(generator, "steps", None),
        **({"tolerance": sampler.tolerance} if sampler is not None and sampler.name == "rk45" else {}),
        **({"camera": generator.camera} if getattr(generator, "cameras", ()) else {}),
    }


def _generate(
    generator: Degradation,
    generated: GeneratedSet,
    pending: Sequence[TreeImage],
    there: int,
    args: argparse.Namespace,
) -> None:
    """Render one image while the files of the one before are written; ``there`` images have been before."""
    from degflow_aug.data.generated_set import file_record
    from degflow_aug.data.official_store import cut_sides
    from degflow_aug.files.image_file import read_image

    with ThreadPoolExecutor(WRITERS) as pool:
        finish = _nothing
        for image in track(pending, "generate", "image", done=there, shown=process_of_group()[0] == 0):
            record = file_record(image)
            try:
                hr = read_image(image.path)
                if args.layout == "official":
                    hr = cut_sides(hr)
                results = _render(generator, hr, args)
            except ValueError as error:
                reason = " ".join(str(error).split())
                named = reason if str(image.path) in reason else f"{image.path}: {reason}"
                note(f"skipped {named}")
                generated.skip(image, record, reason)
                continue
            finish()
            _say_to_basicsr(image.path, hr.shape, args)
            writes = [
                pool.submit(generated.write, image, scale, pixels)
                for scale, pixels in zip(args.scales, results, strict=True)
            ]
            writes.append(pool.submit(generated.write_hr, image, hr))
            finish = partial(_finish, generated, image, record, writes)
        finish()


def _say_to_basicsr(path: Path, shape: Sequence[int], args: argparse.Namespace) -> None:
    """Say once of each kind what BasicSR's PairedImageDataset would not take for a pair."""
    from degflow_aug.files.notice import notice

    wants = []
    if args.layout == "official":
        return
    if args.with_hr:
        notice(f"{args.out}/HR: holds HR as PNG under the names of LR, by which BasicSR, neosr and traiNNer pair them")
    elif args.format == "folder" and path.suffix != ".png":
        wants.append(f"HR in .png as LR is, not {path.suffix}; --with-hr writes HR so")
    for scale in args.scales if args.grid == "lr" else ():
        if scale == round(scale) and any(side % scale for side in shape[:2]):
            wants.append(f"HR of whole multiples of {scale:g} pixels, which some here are not; cut HR first")
    for wanted in wants:
        notice(
            f"{args.out}: BasicSR's PairedImageDataset wants {wanted}, or read the pairs by AnyScalePairDataset, "
            "layout: folders"
        )


def _nothing() -> None:
    """Do nothing."""


def _finish(generated: GeneratedSet, image: TreeImage, record: Record, writes: Sequence[Future[None]]) -> None:
    for write in writes:
        write.result()
    generated.finish(image, record)


def _render(generator: Degradation, hr: np.ndarray, args: argparse.Namespace) -> list[np.ndarray]:
    """Render HR (H, W, 3) in uint8 or uint16 to (H, W, 3) in uint8 at each of ``args.scales``.

    Raises:
        ValueError: an image too small, or more memory needed than the GPU has.
    """
    import torch

    from degflow_aug.data.tensors import to_array, to_tensor
    from degflow_aug.degradations.grid import to_lr_grid

    scales, device = args.scales, pick_device(args.device)
    try:
        views = generator.render_scales(to_tensor(hr)[None].to(device), scales)
    except torch.cuda.OutOfMemoryError:
        raise ValueError(
            f"expected memory for {len(scales)} views of {hr.shape[1]}x{hr.shape[0]} pixels on {device}, "
            "got too little; lower --tile, or use --device cpu"
        ) from None
    if args.grid == "lr" and args.layout != "official":
        views = [to_lr_grid(view, scale) for view, scale in zip(views, scales, strict=True)]
    return [to_array(view[0]) for view in views]
