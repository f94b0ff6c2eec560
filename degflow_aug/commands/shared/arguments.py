"""Options that several commands share, scales among them, and what they stand for; imports nothing heavy at once."""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from degflow_aug.console.progress import note
from degflow_aug.options.nearest_name import nearest_name

if TYPE_CHECKING:
    import torch

    from degflow_aug.degradations.base import Degradation
    from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
    from degflow_aug.degradations.generator.degflow import DegFlow

Value = TypeVar("Value")
MOST_SCALES = MOST_STEPS = 1000
DEFAULT_BUNDLE = "city100-iphone"
NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def command_line(arguments: Sequence[str]) -> str:
    """Return ``degflow`` with its arguments, as one would type it."""
    return shlex.join(["degflow", *arguments])


def started_as(args: argparse.Namespace) -> str:
    """Return the command line that these arguments come from; empty where nobody has kept it."""
    return str(getattr(args, "command_line", ""))


def argument(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """Make ``parse`` the type of an option: argparse passes on what its ValueError says."""

    def convert(text: str) -> Value:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def one_of(*names: str) -> Callable[[str], str]:
    """Return the type of an option that takes one of ``names``."""

    def check(text: str) -> str:
        if text not in names:
            raise ValueError(f"expected {', '.join(names)}, got '{text}'{nearest_name(text, names)}")
        return text

    return argument(check)


def whole_number(text: str) -> int:
    """Parse a whole number of at least 1; the type of an option."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got '{text}'")
    return int(text)


def count(text: str) -> int:
    """Parse a whole number of at least 0; the type of an option."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got '{text}'")
    return int(text)


def up_to(most: int, least: int = 1) -> Callable[[str], int]:
    """Return the type of an option that takes a whole number from ``least`` to ``most``."""

    def check(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"expected a whole number from {least} to {most}, got '{text}'")
        return int(text)

    return argument(check)


def positive_number(text: str) -> float:
    """Parse a number above 0 and below a million; the type of an option."""
    if not NUMBER.fullmatch(text) or not 0 < float(text) < 1e6:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and below a million, got '{text}'")
    return float(text)


def parse_scales(text: str) -> tuple[float, ...]:
    """Parse scales, rising, each once: ``2,3,4``, or ``1.1:4:0.1`` from the first to the last.

    Scales have six significant digits, which is what names of folders show.

    Raises:
        ValueError: not of that form, a scale below 1, a step of 0, or more than ``MOST_SCALES``.
    """
    scales: set[float] = set()
    for part in text.split(","):
        scales |= _scale_range(part, text) if ":" in part else {_scale(part, text)}
        if len(scales) > MOST_SCALES:
            raise ValueError(f"expected at most {MOST_SCALES} scales, got more in '{text}'; take a larger step")
    return tuple(sorted(scales))


def _scale_range(part: str, text: str) -> set[float]:
    """Parse ``first:last:step``, the last included where a step falls on it."""
    ends = part.split(":")
    if len(ends) != 3:
        raise ValueError(f"expected scales as first:last:step, such as 1.1:4:0.1, got '{text}'")
    first, last, step = _scale(ends[0], text), _scale(ends[1], text), _number(ends[2], text)
    if step <= 0:
        raise ValueError(f"expected a step above 0 between scales, got {ends[2].strip()} in '{text}'")
    if last < first:
        raise ValueError(f"expected scales that rise from the first to the last, got '{text}'; swap them")
    # The small term keeps rounding of 2.9 / 0.1 from dropping the last scale.
    steps = (last - first) / step + 1e-6
    if steps >= MOST_SCALES:
        raise ValueError(f"expected at most {MOST_SCALES} scales, got more in '{text}'; take a larger step")
    return {_six_digits(first + index * step) for index in range(math.floor(steps) + 1)}


def _scale(part: str, text: str) -> float:
    scale = _number(part, text)
    if scale < 1:
        raise ValueError(f"expected scales of at least 1, got {part.strip()} in '{text}'; 2 halves the image")
    return _six_digits(scale)


def _number(part: str, text: str) -> float:
    part = part.strip()
    value = float(part) if NUMBER.fullmatch(part) else math.nan
    if not math.isfinite(value):
        raise ValueError(f"expected scales such as 2,3,4 or 1.1:4:0.1, got {f'{part!r} in ' if part else ''}'{text}'")
    return value


def _six_digits(scale: float) -> float:
    return float(f"{scale:.6g}")


def bundle_output(name: str) -> Path:
    """Return the path of a bundle to write.

    Raises:
        ValueError: another name than of a bundle, or a folder.
    """
    out = Path(name)
    if out.suffix != ".safetensors" or out.is_dir():
        raise ValueError(
            f"expected --out to name a .safetensors file, got {'the folder ' if out.is_dir() else ''}{name}; "
            "such as camera.safetensors"
        )
    return out


def settle_bundle(args: argparse.Namespace) -> None:
    """Take the default for ``--bundle``, and say so."""
    if args.bundle is None:
        args.bundle = DEFAULT_BUNDLE
        if process_of_group()[0] == 0:
            note(f"takes the bundle {DEFAULT_BUNDLE}; --bundle names another camera")


def add_generator_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that run a generator; :func:`build_generator` reads them."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto: a GPU where there is one)")
    parser.add_argument(
        "--solver", metavar="NAME", help="euler, midpoint, heun, rk4, rk45; jump for a student (default: the bundle's)"
    )
    parser.add_argument(
        "--camera", metavar="NAME", help="for a bundle that knows several cameras: the one whose LR images to make"
    )
    parser.add_argument("--steps", type=up_to(MOST_STEPS), metavar="N", help="solver steps (default: the bundle's)")
    parser.add_argument("--tolerance", type=positive_number, metavar="T", help="of rk45 (default: the bundle's, 1e-5)")
    parser.add_argument(
        "--tile",
        type=whole_number,
        default=1024,
        metavar="PIXELS",
        help="larger images are worked on in tiles of this side, to the same result (default: 1024)",
    )


def build_generator(bundle: str, args: argparse.Namespace, noise: float = 0.0) -> DegFlow | FittedKernel:
    """Build the generator of a bundle by the options of :func:`add_generator_arguments`, on its device.

    Raises:
        ValueError: no bundle, or an option or noise that does not fit it; a bundle that knows several cameras is not
            asked for one here.
    """
    device = pick_device(args.device)
    from degflow_aug.bundles.bundle import load_any_bundle
    from degflow_aug.degradations.build import generator_of

    camera = named_camera(args.camera)
    sampler = {"solver": args.solver, "steps": args.steps, "tolerance": args.tolerance}
    generator = generator_of(load_any_bundle(bundle), **sampler, tile=args.tile, camera=camera, noise=noise)
    return generator.to(device)


def named_camera(name: str | None) -> str | None:
    """Return the camera of ``--camera``, which must be one: files must not depend on the order of images.

    Raises:
        ValueError: any, which is another one for every image.
    """
    if name == "any":
        raise ValueError("expected --camera to name one camera, got any; leave drawing to training")
    return name


def check_camera(generator: Degradation) -> None:
    """Refuse a generator of several cameras of which none is chosen.

    Raises:
        ValueError: such a generator, with the names of its cameras.
    """
    from degflow_aug.degradations.generator.several_cameras import cameras_to_name

    known = ", ".join(cameras_to_name(generator))
    if known:
        raise ValueError(f"expected --camera with one of the cameras of the bundle ({known}), got none")


def pick_device(name: str) -> torch.device:
    """Return the device that ``--device`` names; ``auto`` gives every local rank of torchrun its own GPU.

    Raises:
        ValueError: no such device here.
    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device(f"cuda:{process_number('LOCAL_RANK', 0) % gpus}" if gpus else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ValueError(f"expected --device auto, cpu or one of {gpus} GPUs (cuda:N), got '{name}'") from None
    return device


def process_number(name: str, default: int) -> int:
    """Read a number that torchrun puts into the environment, such as RANK; what is empty is not set.

    Raises:
        ValueError: it is none.
    """
    text = os.environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"expected a whole number in the environment's {name}, got '{text}'; torchrun sets it")
    return int(text)


def process_of_group() -> tuple[int, int]:
    """Return the number of this process, and how many torchrun has started together: 0 and 1 where it works alone.

    RANK says nothing without WORLD_SIZE above 1: shells and batch systems leave it behind.

    Raises:
        ValueError: one is no number, or RANK is not below WORLD_SIZE.
    """
    world = process_number("WORLD_SIZE", 1)
    if world < 2 or not os.environ.get("RANK"):
        return 0, 1
    rank = process_number("RANK", 0)
    if rank >= world:
        raise ValueError(f"expected RANK below WORLD_SIZE, got {rank} and {world} in the environment; use torchrun")
    return rank, world
