"""Whether BasicSR's PairedImageDataset takes the pairs of a section for what they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2

from degflow_aug.files.alike import look_alike
from degflow_aug.files.colour_profile import as_stored
from degflow_aug.files.home_path import at_home
from degflow_aug.files.image_decoder import ImageHeader
from degflow_aug.files.image_file import is_image_name, read_header
from degflow_aug.files.image_tree import say_left_out, say_other_size
from degflow_aug.files.lmdb_store import lmdb_keys, read_lmdb_header
from degflow_aug.files.notice import notice
from degflow_aug.files.text_file import read_lines, split_listed

Size = tuple[int, int]
_KEYS = ("dataroot_gt", "dataroot_lq")
_NORMALISING = ("PairedImageDataset", "RealESRGANPairedDataset", "SingleImageDataset")


def check_basicsr_pairs(section: Mapping[str, Any], scale: object, where: str) -> list[tuple[float, Size]]:
    """Look at names and headers of all pairs of a PairedImageDataset, which BasicSR would read one by one.

    For training HR has to be ``scale`` times LR. In validation BasicSR keeps the top left corner of HR that is larger,
    without a word; LR of floor(H / scale) or ceil(H / scale) is taken there.

    Args:
        section: of ``datasets``; of other types nothing is checked.
        scale: that of the option file.
        where: name of the section, which begins with ``datasets.train`` for training.

    Returns:
        Scale and (height, width) of the images of validation, where they are known.

    Raises:
        ValueError: no folders or images, HR as its own LR, an image without the other, a pair of another scale, or HR
            below ``gt_size``.
    """
    if section.get("type") != "PairedImageDataset":
        _say_profiles(section)
        return []
    training = where.startswith("datasets.train")
    _check_keys(section, scale, where, training)
    for key in _KEYS:
        if not isinstance(section.get(key), str):
            raise ValueError(f"expected {key} in {where}, a folder, got {section.get(key)!r}")
    hr_root, lr_root = (Path(at_home(section[key])) for key in _KEYS)
    if os.path.realpath(hr_root) == os.path.realpath(lr_root):
        raise ValueError(
            f"expected HR and LR in two places in {where}, got {hr_root} as both dataroot_gt and dataroot_lq"
        )
    for root in (hr_root, lr_root):
        if not root.is_dir():
            raise ValueError(f"{root}: expected the folder of images that {where} names, got none{look_alike(root)}")
    stored = hr_root.suffix == lr_root.suffix == ".lmdb"
    _check_backend(section, stored, where)
    pairs = _stored_pairs(hr_root, lr_root, where) if stored else _pairs(section, hr_root, lr_root, where)
    if not pairs:
        raise ValueError(f"{hr_root}: expected images in it (dataroot_gt in {where}), got none")
    frames = []
    for hr, lr in pairs:
        if os.path.realpath(hr) == os.path.realpath(lr):
            raise ValueError(f"{lr}: expected LR of its own in {where}, got a link to its HR image")
        if isinstance(scale, (int, float)) and scale >= 1 and (stored or (_is_read(hr) and _is_read(lr))):
            side = section.get("gt_size") if training else None
            with as_stored("PairedImageDataset"):
                size = _check_sizes(hr, lr, read_lmdb_header if stored else read_header, scale, side, where)
            frames.append((float(scale), size))
    return frames


def _say_profiles(section: Mapping[str, Any]) -> None:
    """Look at the headers of a SingleImageDataset, for the line that is said of colour profiles."""
    root = Path(at_home(str(section.get("dataroot_lq"))))
    if section.get("type") == "SingleImageDataset" and root.is_dir():
        for path in sorted(root.iterdir()):
            # What is no image, or a damaged one, BasicSR finds.
            with as_stored("SingleImageDataset"), suppress(ValueError):
                if is_image_name(path.name):
                    read_header(path)


def _check_keys(section: Mapping[str, Any], scale: object, where: str, training: bool) -> None:
    for key in ("io_backend", *(("gt_size", "use_hflip", "use_rot") if training else ())):
        # BasicSR takes a flip that is null for none.
        if key not in section or (section[key] is None and not key.startswith("use_")):
            raise ValueError(f"expected {key} in {where}, which PairedImageDataset reads, got none; add it")
    if scale is None:
        raise ValueError(f"expected scale at the top of the option file, which {where} reads, got none; add it")


def check_range(section: Mapping[str, Any], where: str) -> None:
    """Look whether a data set of BasicSR's leaves images in [0, 1], which all but FFHQDataset do without mean and std.

    Args:
        section, where: as for :func:`check_basicsr_pairs`.

    Raises:
        ValueError: images of a validation or a test are normalised, as are results and scores then.
    """
    for key in ("mean", "std"):
        if section.get("type") in _NORMALISING and section.get(key) is not None:
            if not where.startswith("datasets.train"):
                raise ValueError(
                    f"expected no {key} in {where}, whose scores would be of normalised images, got {section[key]}; "
                    "take it out"
                )
            notice(f"{where}.{key}: the network trains on normalised images, which no validation makes")


def check_ffhq(section: Mapping[str, Any], where: str) -> None:
    """Raise a ValueError where an FFHQDataset lacks a key, or one of the files that it takes for granted on disk."""
    if section.get("type") != "FFHQDataset":
        return
    for key in ("dataroot_gt", "io_backend", "mean", "std", "use_hflip"):
        if section.get(key) is None:
            raise ValueError(f"expected {key} in {where}, which FFHQDataset reads, got none; add it")
    root = Path(at_home(str(section["dataroot_gt"])))
    if section["io_backend"].get("type") == "disk":
        there = set(os.listdir(root)) if root.is_dir() else set()
        for name in (f"{number:08d}.png" for number in range(70_000)):
            if name not in there:
                raise ValueError(
                    f"{root / name}: expected all 70,000 images of FFHQ, which FFHQDataset in {where} draws from, got "
                    "none; take another data set for your own images, such as HRCropDataset"
                )


def _check_backend(section: Mapping[str, Any], stored: bool, where: str) -> None:
    backend = section["io_backend"]
    kind = backend.get("type") if isinstance(backend, Mapping) else backend
    if (kind == "lmdb") != stored:
        raise ValueError(
            f"expected io_backend: {{type: {'lmdb' if stored else 'disk'}}} in {where} for "
            f"{section['dataroot_gt']} and {section['dataroot_lq']}, got {kind!r}; lmdb is for two folders x.lmdb"
        )
    if stored and section.get("meta_info_file"):
        raise ValueError(f"expected no meta_info_file with LMDBs, which are read whole, in {where}; take it out")


def _stored_pairs(hr_root: Path, lr_root: Path, where: str) -> list[tuple[Path, Path]]:
    """The pairs of two LMDBs, by their keys."""
    hr, lr = (set(lmdb_keys(root)) for root in (hr_root, lr_root))
    for root, key in [*((lr_root, key) for key in sorted(hr - lr)), *((hr_root, key) for key in sorted(lr - hr))]:
        raise ValueError(f"{root}: expected the same keys in both LMDBs of {where}, got no '{key}' here")
    return [(hr_root / key, lr_root / key) for key in sorted(hr)]


def _pairs(section: Mapping[str, Any], hr_root: Path, lr_root: Path, where: str) -> list[tuple[Path, Path]]:
    """The pairs as BasicSR makes them: by a list of HR files, or of all files in the two folders."""
    listed, template = section.get("meta_info_file"), str(section.get("filename_tmpl", "{}"))
    names = _listed(Path(at_home(str(listed))), where) if listed else [(name, ()) for name in _files(hr_root)]
    left = set() if listed else set(_files(lr_root))
    pairs: list[tuple[Path, Path]] = []
    taken: dict[str, str] = {}
    for name, shape in names:
        stem, suffix = os.path.splitext(os.path.basename(name))
        lr_name = f"{_fill(template, stem, where)}{suffix}"
        if lr_name in taken:
            raise ValueError(
                f"{listed}: expected each image once in {where}, and LR of its own for it, got {lr_root / lr_name} for "
                f"'{taken[lr_name]}' and for '{name}'; take one line out"
            )
        taken[lr_name] = name
        for path, kind in ((hr_root / name, "HR"), (lr_root / lr_name, "LR")):
            if not path.is_file():
                other = f" of {hr_root / name}" if kind == "LR" else f", which {listed} lists"
                raise ValueError(
                    f"{path}: expected the {kind} image{other} in {where}, got none; PairedImageDataset pairs files by "
                    "name and suffix: add it, rename the two alike, or set filename_tmpl"
                )
        if shape and is_image_name(name):
            say_other_size(hr_root / name, shape, read_header(hr_root / name))
        left.discard(lr_name)
        pairs.append((hr_root / name, lr_root / lr_name))
    if not listed:
        for root, files in zip((hr_root, lr_root), zip(*pairs, strict=True), strict=False):
            say_left_out(root, files)
    if left:
        raise ValueError(
            f"{lr_root / min(left)}: expected an HR image for each file of dataroot_lq in {where}, got none in "
            f"{hr_root}; take the file out"
        )
    return pairs


def _listed(path: Path, where: str) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes in a list. BasicSR takes what is before the first space for a name, also in empty lines."""
    lines = read_lines(path)
    names = [line.split(" ")[0] for line in lines]
    try:
        with path.open(encoding="utf-8") as file:
            found = [line.strip().split(" ")[0] for line in file]
    except UnicodeDecodeError:
        found = []
    if names != found:
        raise ValueError(
            f"{path}: expected UTF-8 without a mark of byte order and without empty lines, as PairedImageDataset reads "
            f"meta_info_file in {where}, got others; save it so"
        )
    return [(name, split_listed(line)[1]) for name, line in zip(names, lines, strict=True)]


def _fill(template: str, stem: str, where: str) -> str:
    try:
        name = template.format(stem)
    except (LookupError, ValueError, AttributeError):
        name = ""
    if stem not in name:
        raise ValueError(f"expected a name with {{}} in {where}.filename_tmpl, such as {{}}x4, got '{template}'")
    return name


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())


def _is_read(path: Path) -> bool:
    """Whether the size can be told; BasicSR reads all that OpenCV does.

    Raises:
        ValueError: that is no image, which BasicSR would take for one.
    """
    if not is_image_name(path.name) and not cv2.haveImageReader(str(path)):
        raise ValueError(f"{path}: expected images alone, as PairedImageDataset reads every file; take it out")
    return is_image_name(path.name)


def _check_sizes(
    hr: Path, lr: Path, header: Callable[[Path], ImageHeader], scale: float, side: object, where: str
) -> Size:
    large, small = header(hr)[:2], header(lr)[:2]
    if isinstance(side, int) and side % scale:
        raise ValueError(
            f"expected gt_size in {where} as a multiple of scale {scale:g}, got {side}; change one of them"
        )
    if isinstance(side, int) and min(large) < side:
        raise ValueError(
            f"expected HR of at least {side}x{side} pixels (gt_size) in {where}, got {hr} of {large[0]}x{large[1]}; "
            "take it out, or make gt_size smaller"
        )
    # Validation takes the pixels that are no multiple of the scale, on either side.
    spare = 0 if where.startswith("datasets.train") else scale
    if any(side != part * scale and abs(side - part * scale) >= spare for side, part in zip(large, small, strict=True)):
        raise ValueError(
            f"expected pairs of scale {scale:g} (scale at the top of the option file) in {where}, got {hr} of "
            f"{large[0]}x{large[1]} pixels (height x width) and LR {lr} of {small[0]}x{small[1]}; set scale, make LR "
            "of that HR, or take AnyScalePairDataset with layout: folders"
        )
    return int(small[0] * scale), int(small[1] * scale)
