"""``degflow options``: list the option files, which an installed package holds too, or print one."""

from __future__ import annotations

import argparse
from pathlib import Path

from degflow_aug.commands.shared.option_files import option_files, shipped_file
from degflow_aug.console.plain_text import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="print this one, such as liif_degflow")
    parser.epilog = (
        "degflow options liif_degflow > liif.yml && degflow train -opt liif.yml\n"
        "As it ships, by its name: degflow train -opt liif_degflow --force_yml degradation:bundle=camera.safetensors"
    )


def run(args: argparse.Namespace) -> int:
    """Print the list, a line per file, or one file; returns 0.

    Raises:
        ValueError: no option file of that name.
    """
    if args.name is None:
        files = option_files()
        width = max(map(len, files), default=0)
        for name, file in files.items():
            say(f"{name:{width}}  {_first_line(file)}")
        return 0
    print(shipped_file(args.name).read_text(encoding="utf-8"), end="")
    return 0


def _first_line(file: Path) -> str:
    with file.open(encoding="utf-8") as lines:
        return lines.readline().removeprefix("#").strip()
