"""Bundles by name: those that ship with the package, and the file that a training leaves. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parents[1] / "weights"
SHIPPED = ("city100-iphone", "city100-nikon", "city100", "simulator")
"""Bundles in the package, made by ``benchmarks/release/train_shipped.py``."""
LATEST = "generator_latest.safetensors"
"""The bundle that a stage writes beside its checkpoints."""


def bundle_path(path_or_name: str | Path) -> Path:
    """The file behind a path or behind the name of a bundle that ships with the package.

    Raises:
        ValueError: neither is there.
    """
    path = Path(path_or_name)
    shipped = WEIGHTS / f"{path_or_name}.safetensors"
    if path.is_file():
        return path
    if path.name == str(path_or_name) and shipped.is_file():
        return shipped
    names = ", ".join(shipped_names()) or "none"
    kind = "a folder" if path.is_dir() else "nothing there"
    raise ValueError(f"expected a bundle file or the name of a shipped one ({names}), got {path_or_name}: {kind}")


def shipped_names() -> list[str]:
    """Names of the bundles in the package, those of ``SHIPPED`` first and in its order."""
    there = sorted(file.stem for file in WEIGHTS.glob("*.safetensors"))
    return [name for name in SHIPPED if name in there] + [name for name in there if name not in SHIPPED]
