"""Options of the cost benchmark."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

PRESETS = ("official", "small", "tiny")
PARTS = ("methods", "scales", "sizes")
SMALLEST_PATCH = 80


def parse(description: str | None, arguments: list[str] | None = None) -> argparse.Namespace:
    """The options; ``--bundle`` as a mapping from presets to files."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    several: dict[str, Any] = {"nargs": "+"}
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--parts", choices=PARTS, default=PARTS, **several)
    parser.add_argument("--batches", type=int, **several, help="in the order of measurement (default: 1 8 16 64)")
    parser.add_argument("--patches", type=int, default=[256, 128], **several)
    parser.add_argument("--presets", choices=PRESETS, default=PRESETS, **several)
    growing = "presets of the parts scales and sizes (default: small on a CPU, all on a GPU)"
    parser.add_argument("--growing", choices=PRESETS, **several, help=growing)
    parser.add_argument("--methods", default=[], **several, help="parts of the names of those to measure")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of DegFlow's fixed-step rows")
    parser.add_argument("--compile", action="store_true", help="DegFlow's networks, all but RK45's")
    parser.add_argument("--bundle", action="append", default=[], metavar="PRESET=FILE", help="weights of a preset")
    parser.add_argument("--seconds", type=float, default=15.0, help="of repetitions for each size and part")
    parser.add_argument("--longest", type=float, default=20.0, help="seconds; methods with longer calls are skipped")
    parser.add_argument("--minutes", type=float, default=8.0, help="of everything; what is left then is skipped")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scales", type=int, default=[1, 4, 16, 31], **several, help="views from one HR image")
    parser.add_argument("--side", type=int, default=1024, help="of that image")
    parser.add_argument("--largest", type=int, default=4096, help="side of the largest image of the part sizes")
    parser.add_argument("--size-scales", type=int, default=1, help="views of each image of the part sizes")
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--cudnn-benchmark", action="store_true", help="let cuDNN try its algorithms, as BasicSR does")
    parser.add_argument("--out", type=Path, help="without suffix (default: below results/<device>)")
    args = parser.parse_args(arguments)
    # On a GPU what matters most comes first, in case that compiling takes all the time.
    args.batches = args.batches or ([1, 8, 16, 64] if args.device == "cpu" else [16, 8, 1, 64])
    args.growing = args.growing or (["small"] if args.device == "cpu" else list(args.presets))
    try:
        args.bundle = bundles(args.bundle)
        check_patches(args.patches)
    except ValueError as error:
        parser.error(str(error))
    return args


def bundles(named: list[str]) -> dict[str, Path]:
    """``PRESET=FILE`` as a mapping.

    Raises:
        ValueError: another form, or no such preset.
    """
    split = dict(each.partition("=")[::2] for each in named)
    for name, file in split.items():
        if name not in PRESETS or not file:
            raise ValueError(f"expected --bundle PRESET=FILE with a preset out of {', '.join(PRESETS)}, got {name}")
    return {name: Path(file) for name, file in split.items()}


def check_patches(sides: list[int]) -> None:
    """Raise a ValueError for patches that BasicSR's Real-ESRGAN cannot take.

    Its blur mirrors 10 pixels of a patch that it has shrunk to 0.15 of its size.
    """
    if min(sides) < SMALLEST_PATCH:
        raise ValueError(f"expected --patches of at least {SMALLEST_PATCH} pixels, got {min(sides)}")
