"""What the networks of the downstream benchmark are trained on: a line per kind of LR."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degflow_aug.bundles.spec import bundle_path
from degflow_aug.options.yaml_file import load_yaml

OPTION_FILES = Path(__file__).resolve().parents[2] / "basicsr_options"
BICUBIC, REALESRGAN, BSRGAN, TRUE_PAIRS = "bicubic", "Real-ESRGAN", "BSRGAN", "true pairs"
# The recipes of generators, and the option that names bundles of each.
BUNDLE_OPTIONS = {"ours": "--bundle", "paper": "--paper-bundle"}


@dataclass(frozen=True)
class Kind:
    """A kind of LR.

    Attributes:
        degradation: the section of the option file, without bundles; None where pairs bring their own LR.
        bundle: the recipe of the generator that it needs, out of ``BUNDLE_OPTIONS``; empty for none.
        on_request: only where ``--kinds`` names it, as not every bundle has what it takes.
    """

    degradation: Mapping[str, Any] | None
    bundle: str = ""
    on_request: bool = False


def _shipped(file: str) -> dict[str, Any]:
    """The degradation of one of the option files that ship with the package."""
    section: dict[str, Any] = load_yaml(OPTION_FILES / file)["degradation"]
    return section


KINDS: dict[str, Kind] = {
    BICUBIC: Kind(_shipped("liif_bicubic.yml")),
    REALESRGAN: Kind(_shipped("liif_realesrgan.yml")),
    BSRGAN: Kind({"type": "BSRGAN"}),
    "FittedKernel": Kind({"type": "FittedKernel"}, "ours"),
    "FittedPipeline": Kind({"type": "FittedPipeline"}, "ours", on_request=True),
    "DegFlow paper": Kind({"type": "DegFlow"}, "paper"),
    "DegFlow": Kind({"type": "DegFlow"}, "ours"),
    "DegFlow + noise": Kind({"type": "DegFlow", "noise": 1.0}, "ours"),
    "mixture": Kind(_shipped("liif_mixture.yml"), "ours"),
    TRUE_PAIRS: Kind(None),
}


def chosen_kinds(names: Sequence[str] | None, bundles: Mapping[str, Sequence[str]]) -> list[str]:
    """The kinds to compare, in the order of the table; without ``names`` all that have their bundle, but
    for those on request.

    Args:
        names: kinds that are asked for.
        bundles: paths or shipped names of generators by recipe; seed i takes number i modulo their number.

    Raises:
        ValueError: a kind that is not there, or one whose bundle is missing.
    """
    for name in names or ():
        if name not in KINDS:
            raise ValueError(f"expected --kinds out of {', '.join(KINDS)}, got {name!r}")
        recipe = KINDS[name].bundle
        if recipe and not bundles.get(recipe):
            raise ValueError(f"expected a generator for {name!r}, got none; name it with {BUNDLE_OPTIONS[recipe]}")
    return [
        name
        for name, kind in KINDS.items()
        if (name in names if names else not kind.on_request and (not kind.bundle or bool(bundles.get(kind.bundle))))
    ]


def degradation_section(name: str, seed: int, bundles: Mapping[str, Sequence[str]]) -> dict[str, Any] | None:
    """The section ``degradation:`` of a kind, with the bundle of this seed wherever a generator is named."""
    kind = KINDS[name]
    if kind.degradation is None:
        return None
    section = deepcopy(dict(kind.degradation))
    if kind.bundle:
        files = bundles[kind.bundle]
        file = str(bundle_path(files[seed % len(files)]).resolve())
        for part in section.get("parts", [section]):
            if part["type"] in ("DegFlow", "FittedKernel", "FittedPipeline"):
                part["bundle"] = file
    return section


def bundle_digests(section: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Each bundle that a section names, with the first 16 digits of the SHA-256 of what is in it."""
    for part in (section or {}).get("parts", [section or {}]):
        if "bundle" in part:
            yield part["bundle"], hashlib.sha256(Path(part["bundle"]).read_bytes()).hexdigest()[:16]
