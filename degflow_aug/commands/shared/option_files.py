"""The option files that ship, and the file that ``-opt`` names."""

from __future__ import annotations

from pathlib import Path

import degflow_aug
from degflow_aug.options.nearest_name import nearest_name

PACKAGE = Path(degflow_aug.__file__).parent


def option_files() -> dict[str, Path]:
    """Find the option files by name: in the package, or next to it in a checkout."""
    folders = (PACKAGE / "basicsr_options", PACKAGE.parent / "basicsr_options")
    files = next((found for folder in folders if (found := sorted(folder.glob("*.yml")))), [])
    if not files:
        raise ValueError(f"expected option files in {folders[0]} or {folders[1]}, got none; install degflow_aug anew")
    return {file.stem: file for file in files}


def shipped_file(name: str) -> Path:
    """Find an option file by its name, with or without ``.yml``.

    Raises:
        ValueError: none of that name.
    """
    files = option_files()
    stem = name.removesuffix(".yml")
    if stem not in files:
        raise ValueError(f"expected one of {', '.join(files)}, got '{name}'{nearest_name(stem, files)}")
    return files[stem]


def named_file(name: str) -> str:
    """Return the path of the option file that ``-opt`` names: a file, ``name.yml`` here, or one that ships.

    A path, or a name that ends in ``.yml``, stays as it is, whether or not there is anything.

    Raises:
        ValueError: no file of that name, neither here nor among those that ship.
    """
    if Path(name).is_file() or Path(name).name != name or Path(name).suffix:
        return name
    here = Path(f"{name}.yml")
    return str(here if here.is_file() else shipped_file(name))
