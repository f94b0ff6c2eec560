"""``degflow options``: list the option files, which an installed package holds too, or print one."""

from __future__ import annotations

import argparse
from pathlib import Path

import degflow_aug
from degflow_aug.console.plain_text import say
from degflow_aug.options.nearest_name import nearest_name

PACKAGE = Path(degflow_aug.__file__).parent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="print this one, such as liif_degflow")
    parser.epilog = "degflow options liif_degflow > liif.yml && degflow train -opt liif.yml"


def run(args: argparse.Namespace) -> int:
    """Print the list, a line per file, or one file; returns 0.

    Raises:
        ValueError: no option file of that name.
    """
    files = option_files()
    if args.name is None:
        width = max(map(len, files), default=0)
        for name, file in files.items():
            say(f"{name:{width}}  {_first_line(file)}")
        return 0
    name = args.name.removesuffix(".yml")
    if name not in files:
        raise ValueError(f"expected one of {', '.join(files)}, got '{args.name}'{nearest_name(name, files)}")
    print(files[name].read_text(encoding="utf-8"), end="")
    return 0


def option_files() -> dict[str, Path]:
    """Find the option files by name: in the package, or next to it in a checkout."""
    folders = (PACKAGE / "basicsr_options", PACKAGE.parent / "basicsr_options")
    files = next((found for folder in folders if (found := sorted(folder.glob("*.yml")))), [])
    if not files:
        raise ValueError(f"expected option files in {folders[0]} or {folders[1]}, got none; install degflow_aug anew")
    return {file.stem: file for file in files}


def _first_line(file: Path) -> str:
    with file.open(encoding="utf-8") as lines:
        return lines.readline().removeprefix("#").strip()
