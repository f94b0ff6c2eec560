"""Options that several benchmarks have."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.options.yaml_file import load_yaml


def add_bundle_and_pairs(parser: argparse.ArgumentParser, bundle: str) -> None:
    """Add ``--bundle``, which is ``bundle`` in words, and held-out pairs for :func:`held_out_scenes`."""
    parser.add_argument("--bundle", type=Path, required=True, help=bundle)
    parser.add_argument("--pairs", type=Path, required=True, help="folder of pairs that the generator has not seen")
    parser.add_argument("--layout", default="city100")
    parser.add_argument("--pattern", type=Path, help="pattern file of --layout pattern")
    parser.add_argument("--scenes", help="those to take, such as 061-070 or City100_iPhoneX/061-070 (default: all)")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``, ``--threads``, and ``--out``."""
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="without suffix (default: below results/<device>)")


def held_out_scenes(args: argparse.Namespace) -> list[Scene]:
    """Find the scenes of ``--pairs``.

    Raises:
        ValueError: there are none.
    """
    pattern = load_yaml(args.pattern) if args.pattern else None
    return find_scenes(args.pairs, args.layout, scenes=args.scenes, pattern=pattern)
