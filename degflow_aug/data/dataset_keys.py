"""What the dataset sections of an option file have in common: which keys there are, and what kind of value each has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from degflow_aug.data.layouts import SPLIT_LAYOUTS
from degflow_aug.data.layouts.find import find_pair_scenes
from degflow_aug.data.layouts.guess import PATTERN_FILE, guess_layout
from degflow_aug.data.layouts.scene import Scene, view_scale
from degflow_aug.files.home_path import home_path
from degflow_aug.options.basicsr_keys import LOADER
from degflow_aug.options.nearest_name import nearest_name
from degflow_aug.options.yaml_file import load_yaml

DEFAULT_CACHE_MB = 2048
UNSCALED = {"mean": "images stay in [0, 1]", "std": "images stay in [0, 1]"}


def check_keys(opt: Mapping[str, Any], kind: str, own: Iterable[str], refused: Mapping[str, str] | None = None) -> None:
    """Refuse keys that neither the data set ``kind`` nor BasicSR's loader reads.

    Args:
        opt: a dataset section.
        kind: the class, for messages.
        own: keys of this data set.
        refused: keys that BasicSR's data sets have, and why this one does not; null counts as absent.

    Raises:
        ValueError: names the key, and the nearest one that there is.
    """
    refused = refused or {}
    known = {*own, *LOADER} - set(refused)
    for key, value in opt.items():
        if key in refused and value is not None:
            raise ValueError(f"expected no {key} for {kind}, got {value!r}: {refused[key]}")
        if key not in known and key not in refused:
            raise ValueError(f"expected options of {kind}, got '{key}'{nearest_name(key, known)}")


def required(opt: Mapping[str, Any], key: str, kind: str) -> Any:
    """Read the value of a key that the data set ``kind`` cannot do without."""
    if opt.get(key) is None:
        raise ValueError(f"expected {key} for {kind}, got none; add it to the dataset's section")
    return opt[key]


def path(opt: Mapping[str, Any], key: str, kind: str) -> Path:
    """Read a required file or folder."""
    value = required(opt, key, kind)
    if not isinstance(value, (str, os.PathLike)):
        raise ValueError(f"expected {key} of {kind} as a path, got {value!r}")
    return home_path(value)


def whole_number(opt: Mapping[str, Any], key: str, kind: str) -> int:
    """Read a required number of pixels."""
    value = required(opt, key, kind)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        raise ValueError(f"expected {key} of {kind} as a whole number, got {value!r}")
    return int(value)


def number(opt: Mapping[str, Any], key: str, default: float) -> float:
    """Read a finite number, or its default where the key is absent."""
    value = default if opt.get(key) is None else opt[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"expected {key} as a number, got {value!r}")
    return float(value)


def flag(opt: Mapping[str, Any], key: str, default: bool = True) -> bool:
    """Read true or false, or its default where the key is absent."""
    value = default if opt.get(key) is None else opt[key]
    if not isinstance(value, bool):
        raise ValueError(f"expected {key}: true or false, got {value!r}")
    return value


def is_training(opt: Mapping[str, Any]) -> bool:
    """Tell whether the section is of the train phase, and not of val or test.

    Raises:
        ValueError: another phase.
    """
    phase = opt.get("phase")
    if phase not in ("train", "val", "test"):
        raise ValueError(f"expected phase train, val or test, got {phase!r}")
    return bool(phase == "train")


def is_lmdb(opt: Mapping[str, Any]) -> bool:
    """Tell whether ``io_backend`` names LMDB, and not files.

    Raises:
        ValueError: another backend.
    """
    section = opt.get("io_backend") or {"type": "disk"}
    backend = section.get("type") if isinstance(section, Mapping) else section
    if backend not in ("disk", "lmdb"):
        raise ValueError(f"expected io_backend: type: disk or lmdb, got {backend!r}")
    return bool(backend == "lmdb")


def with_layout(opt: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Fill in the layout of a section of pairs, guessed where it names none, and the pattern that lies in its folder.

    Raises:
        ValueError: a layout that cannot be told; see :func:`guess_layout`.
    """
    root, layout, pattern = path(opt, "dataroot_gt", kind), opt.get("layout"), opt.get("pattern")
    if layout is None:
        layout = "folders" if opt.get("lq") is not None else "pattern" if pattern is not None else None
    if layout is None:
        layout, pattern = guess_layout(root)
    elif layout == "pattern" and pattern is None and (root / PATTERN_FILE).is_file():
        pattern = root / PATTERN_FILE
    return {**opt, "layout": layout, **({"pattern": pattern} if pattern is not None else {})}


def found_pairs(opt: Mapping[str, Any], kind: str, training: bool) -> list[Scene]:
    """Find the scenes of a section of pairs that lie in files.

    Raises:
        ValueError: an LMDB, or what :func:`with_layout` and :func:`find_pair_scenes` refuse.
    """
    if is_lmdb(opt):
        raise ValueError(f"expected io_backend: {{type: disk}} for {kind}, got lmdb; name a folder of files")
    opt = with_layout(opt, kind)
    return find_pair_scenes(path(opt, "dataroot_gt", kind), opt["layout"], lq=opt.get("lq"), **selection(opt, training))


def check_training_only(opt: Mapping[str, Any], kind: str, names: Iterable[str], instead: str) -> None:
    """Raise a ValueError where a section that is not of training has one of these keys."""
    for name in names:
        if opt.get(name) is not None:
            raise ValueError(f"expected {name} of {kind} in the train phase only, got {opt[name]!r}; {instead}")


def selection(opt: Mapping[str, Any], training: bool) -> dict[str, Any]:
    """Read which scenes of a layout a section names, as arguments of the functions that find them.

    ``scales`` as a mapping says which scales the layout's labels stand for, or none of those that :func:`pair_scales`
    leaves out. ``pattern`` may be the file that holds the templates, such as ``pattern.yml`` of ``degflow align``.

    Raises:
        ValueError, OSError: that file cannot be read, or a split of a layout that has none.
    """
    if opt.get("split") is not None and opt.get("layout") is not None and opt["layout"] not in SPLIT_LAYOUTS:
        raise ValueError(
            f"expected split with the layouts {', '.join(SPLIT_LAYOUTS)}, got {opt['split']!r} with {opt['layout']!r}; "
            "name scenes instead"
        )
    split = opt.get("split") or ("Train" if training else "Test")
    pattern = opt.get("pattern")
    if isinstance(pattern, (str, os.PathLike)):
        pattern = load_yaml(home_path(pattern))
    scales = opt.get("scales")
    return {
        "split": split, "pattern": pattern, "true_scales": _named(scales) if isinstance(scales, Mapping) else None,
        **{key: opt.get(key) for key in ("cameras", "scenes")},
    }  # fmt: skip


def _named(scales: Mapping[Any, Any]) -> dict[Any, Any]:
    return {label: scale for label, scale in scales.items() if scale is not None}


def pair_scales(opt: Mapping[str, Any], scenes: Iterable[Scene]) -> Sequence[float] | None:
    """Read which scales of pairs a section takes: those of a list, or of a mapping all but labels that are null."""
    scales = opt.get("scales")
    if not isinstance(scales, Mapping):
        return scales
    left_out = {view_scale(label) for label in scales if label not in _named(scales)}
    return sorted({scale for scene in scenes for scale in scene.scales} - left_out) if left_out else None


def turns_and_cache(opt: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``use_hflip``, ``use_rot`` and ``cache_mb`` as arguments of data sets."""
    return {
        "flip": flag(opt, "use_hflip"),
        "rotate": flag(opt, "use_rot"),
        "cache_bytes": int(number(opt, "cache_mb", DEFAULT_CACHE_MB) * 2**20),
    }
