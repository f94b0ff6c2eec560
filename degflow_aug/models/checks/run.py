"""Check names and numbers of an option file that BasicSR would use unchecked: the run's name, counts, periods."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

# File systems take 255 bytes; BasicSR's longest name is train_NAME_20260101_000000.log.
_LONGEST_NAME = 255 - 26


def check_name(opt: Mapping[str, Any]) -> None:
    """Raise a ValueError unless the run's ``name`` is that of one folder, and short enough for its log and archive."""
    if not isinstance(opt["name"], str) or not re.fullmatch(r"(?!\.+$)[^/\\\0]+", opt["name"]):
        raise ValueError(f"expected name to be the name of a folder, without slashes, got {opt['name']!r}")
    length = len(opt["name"].encode(errors="replace"))
    if length > _LONGEST_NAME:
        raise ValueError(f"expected a name of at most {_LONGEST_NAME} bytes, got one of {length}; shorten it")


def check_dataset_names(datasets: Mapping[str, Any]) -> None:
    """Look whether every dataset that is validated or tested on has a name of its own, under which results are filed.

    Raises:
        ValueError: the first without, or with that of another.
    """
    named: dict[str, str] = {}
    for phase, section in datasets.items():
        if phase == "train":
            continue
        name = section.get("name") if isinstance(section, Mapping) else None
        if not isinstance(name, str) or not re.fullmatch(r"(?!\.+$)[^/\\\0]+", name):
            raise ValueError(
                f"expected a name in datasets.{phase}, without slashes, got {name!r}; its results are filed under it"
            )
        if name in named:
            raise ValueError(f"expected a name of its own in datasets.{phase}, got {name!r}, as in {named[name]}")
        named[name] = f"datasets.{phase}"


def check_has_images_to_restore(datasets: Mapping[str, Any]) -> None:
    """Raise a ValueError for a set of HR images without LR where a model is validated or tested."""
    for phase, section in datasets.items():
        if phase != "train" and section.get("type") == "HRCropDataset":
            raise ValueError(
                f"expected LR images in datasets.{phase}, got HRCropDataset, which has HR images alone; take "
                "AnyScalePairDataset or PairedImageDataset"
            )


def check_phases(datasets: object, source: str) -> None:
    """Raise a ValueError unless there is ``datasets.train``, and all others are ``val`` or begin with ``val_``."""
    if not isinstance(datasets, Mapping) or not isinstance(datasets.get("train"), Mapping):
        raise ValueError(f"expected a section datasets.train in {source}, got none; training needs it")
    for phase, section in datasets.items():
        if phase != "train" and (not isinstance(section, Mapping) or str(phase).split("_")[0] != "val"):
            raise ValueError(f"expected datasets.train, datasets.val, datasets.val_2 and so on, got datasets.{phase}")


def check_loading(section: Mapping[str, Any]) -> None:
    """Raise a ValueError where the data loader of ``datasets.train`` would fail on a number."""
    for key, least in (("batch_size_per_gpu", 1), ("num_worker_per_gpu", 0)):
        check_count(section.get(key), least, f"datasets.train.{key}")
    ratio = section.get("dataset_enlarge_ratio", 1)
    if isinstance(ratio, bool) or not isinstance(ratio, (int, float)) or not 0 < ratio < math.inf:
        raise ValueError(f"expected a number above 0 in datasets.train.dataset_enlarge_ratio, got {ratio!r}")


def check_count(value: object, least: int, where: str) -> None:
    """Raise a ValueError unless ``value`` is a whole number of at least ``least``; 5e3 is one."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or value != int(value) or value < least:  # type: ignore[call-overload, operator]
        raise ValueError(f"expected a whole number of at least {least} in {where}, got {value!r}")


def check_adversary(opt: Mapping[str, Any], model: str = "", instead: str = "") -> None:
    """Look whether ``network_d``, ``train.gan_opt`` and ``train.optim_d`` are all there, or none of the first two.

    Args:
        opt: the options.
        model: the name of a model that cannot do without.
        instead: the one to advise in its place.

    Raises:
        ValueError: one without the others, or steps of the discriminator that cannot be counted or leave none to the
            network before ``train.total_iter``.
    """
    train = opt["train"]
    parts = {"network_d": opt.get("network_d"), "train.gan_opt": train.get("gan_opt")}
    if not any(parts.values()) and not model:
        return
    purpose, way_out = (
        (f"for {model}", f"use {instead}") if model else ("to train with a discriminator", "remove the others")
    )
    for name, section in {**parts, "train.optim_d": train.get("optim_d")}.items():
        if not section:
            raise ValueError(f"expected {name} {purpose}, got none; add it or {way_out}")
    check_count(train.get("net_d_iters", 1), 1, "train.net_d_iters")
    check_count(train.get("net_d_init_iters", 0), 0, "train.net_d_init_iters")
    every, start = int(train.get("net_d_iters", 1)), int(train.get("net_d_init_iters", 0))
    first = (start // every + 1) * every
    if first > train.get("total_iter", math.inf):
        raise ValueError(
            f"expected train.total_iter of at least {first}, where the network is first trained with net_d_iters "
            f"{every} and net_d_init_iters {start}, got {train['total_iter']}: it would never be; raise that"
        )
