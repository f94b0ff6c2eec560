"""``degflow upscale``: enlarge images and folders of any size by a trained one-step system."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from degflow_aug.commands.shared.arguments import one_of, pick_device, positive_number
from degflow_aug.console.json_output import add_json_argument, print_json
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import note, track
from degflow_aug.files.writing import sole_writer

if TYPE_CHECKING:
    import numpy as np
    import torch

    from degflow_aug.onestep.onestep_checkpoint import TrainedSystem
    from degflow_aug.onestep.restoration.restoration import Restorer

LARGEST_SCALE = 16.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("source", metavar="IN", help="an image, or a folder searched with all below it")
    parser.add_argument("out", metavar="OUT", help="a folder for OUT/NAME.png; for one image also a .png file")
    parser.add_argument("--model", required=True, metavar="RUN_OR_LORA", help="a run, its folder, or a net_g_*.pth")
    parser.add_argument(
        "--scale", type=positive_number, metavar="S", help="any from 1 to 16 (default: that of training)"
    )
    parser.add_argument(
        "--tile",
        default="auto",
        metavar="PIXELS",
        help="side of overlapping tiles of the result; auto: of the system's own side; 0: none (default: auto)",
    )
    parser.add_argument(
        "--colour",
        type=one_of("adain", "wavelet", "none"),
        metavar="adain|wavelet|none",
        help="how colours are kept (default: as in training)",
    )
    parser.add_argument("--pretrained", default="", help="published weights, where they are elsewhere than in training")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto: a GPU where there is one)")
    add_json_argument(parser)
    parser.epilog = (
        "Run again, it goes on where it was stopped. An image that cannot be read is skipped and reported, and makes\n"
        "the exit code 1."
    )


def run(args: argparse.Namespace) -> int:
    """Enlarge what is not there yet; returns 1 if an image had to be skipped, else 0.

    Raises:
        ValueError, OSError: nothing can be made, or not written.
    """
    source, out = Path(args.source), Path(args.out)
    tile = _tile(args.tile)
    if args.scale is not None and not 1 <= args.scale <= LARGEST_SCALE:
        raise ValueError(f"expected --scale from 1 to {LARGEST_SCALE:g}, got {args.scale:g}")
    device = pick_device(args.device)
    single = out.suffix.lower() == ".png"
    _check_places(source, out, single)
    from degflow_aug.onestep.onestep_checkpoint import load_system

    system = load_system(args.model, pretrained=args.pretrained)
    scale = args.scale or system.scale
    restorer = _restorer(system, device, tile, args.colour)
    if single:
        return _one(restorer, source, out, scale, args)
    return _folder(restorer, system, source, out, scale, args)


def _tile(text: str) -> int | None:
    """Parse ``--tile``: None for auto, or pixels of the result."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit()) or not (int(text) == 0 or 64 <= int(text) <= 2**16):
        raise ValueError(f"expected --tile as auto, 0 or pixels from 64 on, got '{text}'")
    return int(text)


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


def _restorer(system: TrainedSystem, device: torch.device, tile: int | None, colour: str | None) -> Restorer:
    from degflow_aug.onestep.restoration.restoration import Restorer

    restorer = Restorer(system.network.to(device), colour or system.colour_fix, enlargement=system.enlargement)
    if tile is None:
        return restorer
    return replace(restorer, tile=tile // system.network.latents.factor, autoencoder_tile=tile)


def _one(restorer: Restorer, source: Path, out: Path, scale: float, args: argparse.Namespace) -> int:
    from degflow_aug.files.image_file import read_image, write_image

    image = read_image(source)
    _note_large_tiles(args.tile, image, scale)
    out.parent.mkdir(parents=True, exist_ok=True)
    with sole_writer(out):
        write_image(out, _upscale(restorer, image, scale))
    _say(args, out, scale, made=1, there=0, skipped=[])
    return 0


def _folder(
    restorer: Restorer, system: TrainedSystem, source: Path, out: Path, scale: float, args: argparse.Namespace
) -> int:
    from degflow_aug.data.generated_set import GeneratedSet, file_record
    from degflow_aug.files.image_file import read_image
    from degflow_aug.files.image_tree import find_images

    images = find_images(source, skip=out)
    generated = GeneratedSet(out, _settings(restorer, system, source, scale), images)
    skipped = []
    with sole_writer(out, out / ".0.lock"), generated:
        pending = generated.begin(track(images, "look at what is there", "image"), first_process=True)
        for image in track(pending, "upscale", "image", done=len(images) - len(pending)):
            record = file_record(image)
            try:
                made = _upscale(restorer, read_image(image.path), scale)
            except ValueError as error:
                reason = " ".join(str(error).split())
                note(f"skipped {reason if str(image.path) in reason else f'{image.path}: {reason}'}")
                generated.skip(image, record, reason)
                skipped.append(image.name)
                continue
            generated.write(image, scale, made)
            generated.finish(image, record)
    _say(args, out, scale, made=len(pending) - len(skipped), there=len(images) - len(pending), skipped=skipped)
    return 1 if skipped else 0


def _settings(restorer: Restorer, system: TrainedSystem, source: Path, scale: float) -> dict[str, Any]:
    """Return what the files depend on; a folder is continued only with the same."""
    return {
        "source": str((source.parent if source.is_file() else source).absolute()),
        "published": {key: system.network.spec.get(key) for key in ("pretrained", "vae", "dtype")},
        "model": hashlib.sha256(system.file.read_bytes()).hexdigest(),
        "scales": [scale],
        "format": "files",
        "colour": restorer.colour_fix,
        "tile": restorer.tile,
    }


def _upscale(restorer: Restorer, image: np.ndarray, scale: float) -> np.ndarray:
    """Enlarge (H, W, 3) to (round(H s), round(W s), 3) in uint8.

    Raises:
        ValueError: more memory needed than the GPU has.
    """
    import torch

    from degflow_aug.data.tensors import to_array, to_tensor

    device = next(restorer.network.parameters()).device
    size = (round(image.shape[0] * scale), round(image.shape[1] * scale))
    try:
        return to_array(restorer(to_tensor(image)[None].to(device), size)[0])
    except torch.cuda.OutOfMemoryError:
        raise ValueError(
            f"expected memory for {size[1]}x{size[0]} pixels on {device}, got too little; lower --tile, or use "
            "--device cpu"
        ) from None


def _note_large_tiles(tile: str, image: np.ndarray, scale: float) -> None:
    """Note where the tiles that were asked for are larger than the image."""
    largest = round(max(image.shape[:2]) * scale)
    if tile not in ("auto", "0") and int(tile) >= largest:
        note(f"the result of {largest} pixels is no larger than a tile of {tile}, and is made in one piece")


def _say(args: argparse.Namespace, out: Path, scale: float, made: int, there: int, skipped: list[str]) -> None:
    if args.json:
        print_json({"out": out, "scale": scale, "images": made, "there_before": there, "skipped": skipped})
    else:
        say(f"{out}: {made} images at x{scale:g} ({there} were there), {len(skipped)} skipped")
