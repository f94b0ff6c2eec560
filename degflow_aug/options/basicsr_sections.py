"""Check the standard sections of a BasicSR option file, which BasicSR reads without a word about unknown keys."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from degflow_aug.options import basicsr_keys
from degflow_aug.options.sections import check_known_keys


def check_basicsr_options(opt: Mapping[str, Any], extra: Mapping[str, Iterable[str]] | None = None) -> None:
    """Check every standard section of a BasicSR option file against the keys that BasicSR or this package reads.

    The sections ``degradation``, ``degflow``, ``network_*`` and the losses have owners who check them. Datasets of
    a type that is neither BasicSR's nor named in ``extra`` are not checked: their keys are not known here.

    Args:
        opt: the whole option mapping, before or after ``parse_options``.
        extra: further keys a section takes: ``{"train": ("clip_grad",), "datasets.MyDataset": ("knots",)}``; the
            top level is called ``options``.

    Raises:
        ValueError: an unknown key (with the nearest known one), a section that is not a mapping, or a float ``scale``.
    """
    more = {section: tuple(keys) for section, keys in (extra or {}).items()}
    check_known_keys(opt, (*basicsr_keys.TOP_LEVEL, *more.get("options", ())), "the options")
    for name, known in basicsr_keys.SECTIONS.items():
        check_known_keys(_section(opt, name), (*known, *more.get(name, ())), name)
    if not isinstance(opt.get("scale", 1), int):
        raise ValueError(
            f"expected an integer for scale, got {opt['scale']!r}; BasicSR's datasets crop with it, a range of scales "
            "belongs to degradation.scale_range"
        )
    _check_training(_section(opt, "train"))
    for name, metric in _section(_section(opt, "val", ""), "metrics", "val.").items():
        arguments = basicsr_keys.METRICS.get(str(metric.get("type"))) if isinstance(metric, Mapping) else None
        if arguments is not None:
            check_known_keys(metric, arguments, f"val.metrics.{name}")
    datasets = _section(opt, "datasets")
    for phase in datasets:
        _check_dataset(_section(datasets, phase, "datasets."), f"datasets.{phase}", more)


def _section(options: Mapping[str, Any], name: str, prefix: str = "") -> Mapping[str, Any]:
    """A section, or an empty one where it is absent or null."""
    section = options.get(name)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise ValueError(f"expected a mapping of options in {prefix}{name}, got a {type(section).__name__}")
    return section


def _check_training(train: Mapping[str, Any]) -> None:
    for name in train:
        if str(name).startswith("optim_"):
            optimizer = _section(train, name, "train.")
            known = _optimizer_keys(optimizer.get("type"))
            if known is not None:
                check_known_keys(optimizer, known, f"train.{name}")
    scheduler = _section(train, "scheduler", "train.")
    known_scheduler = basicsr_keys.SCHEDULERS.get(str(scheduler.get("type")))
    if known_scheduler is not None:
        check_known_keys(scheduler, known_scheduler, "train.scheduler")


def _optimizer_keys(optimizer_type: object) -> tuple[str, ...] | None:
    """The arguments of a ``torch.optim`` class; None for a class that torch does not have."""
    import torch

    optimizer = getattr(torch.optim, str(optimizer_type), None)
    return None if optimizer is None else ("type", *list(inspect.signature(optimizer).parameters)[1:])


def _check_dataset(dataset: Mapping[str, Any], where: str, more: Mapping[str, tuple[str, ...]]) -> None:
    dataset_type = str(dataset.get("type"))
    own = more.get(f"datasets.{dataset_type}")
    if own is None and dataset_type in basicsr_keys.DATASET_TYPES:
        own = basicsr_keys.DATASET
    if own is not None:
        check_known_keys(dataset, (*basicsr_keys.LOADER, *own), where)
