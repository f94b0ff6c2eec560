"""Check the standard sections of a BasicSR option file, which BasicSR reads without a word about keys and types."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from degflow_aug.options import basicsr_keys
from degflow_aug.options.model_keys import More, check_dataset_values, check_keys_read
from degflow_aug.options.sections import check_known_keys
from degflow_aug.options.values import check_numbers, convert, settle, shown


def check_basicsr_options(opt: dict[str, Any], extra: More | None = None, *, strict: bool = True) -> None:
    """Check every standard section of a BasicSR option file: its keys, their types and bounds.

    The sections ``degradation``, ``degflow``, ``network_*`` and the losses have owners who check them. Datasets of
    a type that is neither BasicSR's nor named in ``extra`` are not checked: their keys are not known here.

    Args:
        opt: the whole option mapping, before ``parse_options``; whole numbers written as others, such as 5e3, become
            whole ones.
        extra: the keys that a section takes beside those of every model of this package: ``{"train": ("pixel_opt",),
            "datasets.MyDataset": ("knots",)}``; the top level is called ``options``.
        strict: refuse keys that the model does not read; otherwise types alone are checked.

    Raises:
        ValueError: an unknown key (with the nearest known one), a value of another type or out of bounds.
    """
    more = {section: tuple(keys) for section, keys in (extra or {}).items()}
    if isinstance(opt.get("scale"), float) and not opt["scale"].is_integer():
        raise ValueError(
            f"expected an integer for scale, got {opt['scale']!r}; BasicSR's datasets crop with it, a range of scales "
            "belongs to degradation.scale_range"
        )
    for key in opt:
        if not isinstance(key, str):
            raise ValueError(f"expected names as keys of the options, got {shown(key)}")
    tables = {"": basicsr_keys.TOP_LEVEL, **basicsr_keys.SECTIONS}
    for name, table in tables.items():
        settle(opt if not name else _section(opt, name), table, name)
    if strict:
        check_keys_read(opt, more)
        _check_scale(opt, more)
    _check_wandb(_section(opt, "logger"), strict)
    _check_training(_section(opt, "train"), strict)
    _check_metrics(_section(_section(opt, "val"), "metrics", "val."), strict)
    datasets = _section(opt, "datasets")
    for phase in datasets:
        dataset = _section(datasets, phase, "datasets.")
        _check_dataset(dataset, f"datasets.{phase}", strict)
        if strict:
            check_dataset_values(opt, str(phase), dataset)


def _check_scale(opt: Mapping[str, Any], more: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse the scale of one who trains at others, unless a data set goes by it."""
    types = {str(dataset.get("type")) for dataset in _section(opt, "datasets").values() if isinstance(dataset, dict)}
    unread = "scale" not in more.get("options", ()) and types <= basicsr_keys.OWN_DATASET_TYPES
    if unread and opt.get("scale", 1) != 1:
        raise ValueError(
            f"expected scale: 1 for {opt.get('model_type')}, whose scales are in degflow and in its data sets, got "
            f"{opt['scale']}"
        )


def _section(options: Mapping[str, Any], name: str, prefix: str = "") -> dict[str, Any]:
    """A section, or an empty one where it is absent or null."""
    section = options.get(name)
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise ValueError(f"expected a mapping of options in {prefix}{name}, got a {type(section).__name__}")
    return section


def _check_wandb(logger: Mapping[str, Any], strict: bool) -> None:
    wandb = _section(logger, "wandb", "logger.")
    if strict:
        check_known_keys(wandb, basicsr_keys.WANDB, "logger.wandb")
    settle(wandb, basicsr_keys.WANDB, "logger.wandb")
    if wandb.get("resume_id") is not None and wandb.get("project") is None:
        raise ValueError("expected logger.wandb.project with its resume_id, got none; name the project of that run")
    if wandb.get("project") is not None and not logger.get("use_tb_logger"):
        raise ValueError("expected logger.use_tb_logger: true with logger.wandb, which reads what TensorBoard is told")


def _check_training(train: Mapping[str, Any], strict: bool) -> None:
    for name in train:
        if str(name).startswith("optim_"):
            optimizer = _section(train, name, "train.")
            known = _optimizer_keys(optimizer.get("type"))
            if known is not None and strict:
                check_known_keys(optimizer, known, f"train.{name}")
            settle(optimizer, basicsr_keys.OPTIMIZER, f"train.{name}")
            check_numbers(optimizer, f"train.{name}")
            _check_flags(optimizer, f"train.{name}")
    if "scheduler" in train:
        _check_scheduler(_section(train, "scheduler", "train."))


def _check_flags(optimizer: Mapping[str, Any], where: str) -> None:
    """Refuse what torch refuses in the first step of a training that keeps no graph of its steps."""
    import torch

    if optimizer.get("differentiable"):
        raise ValueError(f"expected no {where}.differentiable, got true; no training here needs it, take it out")
    if optimizer.get("foreach") and optimizer.get("fused"):
        raise ValueError(f"expected {where}.foreach or {where}.fused, got both; take one out")
    if optimizer.get("capturable") and not torch.cuda.is_available():
        raise ValueError(f"expected no {where}.capturable without a GPU, got true; take it out")


def _check_scheduler(scheduler: dict[str, Any]) -> None:
    where = "train.scheduler"
    convert(scheduler.get("type", ""), str, f"{where}.type")
    table = basicsr_keys.SCHEDULERS.get(str(scheduler.get("type")), {})
    if table:
        check_known_keys(scheduler, table, where)
        settle(scheduler, table, where)
        needed = "periods" if "periods" in table else "milestones"
        if needed not in scheduler:
            raise ValueError(f"expected {needed} in {where}, got none; add it")


def _optimizer_keys(optimizer_type: object) -> tuple[str, ...] | None:
    """The arguments of a ``torch.optim`` class; None for a class that torch does not have."""
    import torch

    optimizer = getattr(torch.optim, str(optimizer_type), None)
    return None if optimizer is None else ("type", *list(inspect.signature(optimizer).parameters)[1:])


def _check_metrics(metrics: Mapping[str, Any], strict: bool) -> None:
    for name in metrics:
        metric, where = _section(metrics, name, "val.metrics."), f"val.metrics.{name}"
        convert(metric.get("type", ""), str, f"{where}.type")
        table = basicsr_keys.METRICS.get(str(metric.get("type")))
        if table is None:
            check_numbers(metric, where)
            continue
        if strict:
            check_known_keys(metric, table, where)
        elif metric.get("crop_border") == "scale":
            raise ValueError(
                f"expected a number of pixels in {where}.crop_border for a model of BasicSR's, got 'scale'"
            )
        settle(metric, table, where)


def _check_dataset(dataset: dict[str, Any], where: str, strict: bool) -> None:
    dataset_type = str(dataset.get("type"))
    settle(dataset, basicsr_keys.LOADER, where)
    if dataset_type in {*basicsr_keys.DATASET_TYPES, *basicsr_keys.OWN_DATASET_TYPES}:
        table = {**basicsr_keys.DATASET, **basicsr_keys.OWN_DATASET}
        settle(dataset, table, where)
        if isinstance(dataset.get("io_backend"), dict):
            backend = dataset["io_backend"]
            settle(backend, basicsr_keys.IO_BACKEND, f"{where}.io_backend")
            if strict:
                more = basicsr_keys.MEMCACHED if backend.get("type") == "memcached" else ()
                check_known_keys(backend, ("type", *more), f"{where}.io_backend")
        for part in ("real", "hr"):
            settle(_section(dataset, part, f"{where}."), table, f"{where}.{part}")
    check_numbers(dataset, where)
    _check_paths(dataset, where)


def _check_paths(value: Any, where: str, is_path: bool = False) -> None:
    """Refuse an empty path of images, which would be the folder that the command runs in."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_paths(item, f"{where}.{key}", is_path or "dataroot" in str(key) or key == "lq")
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_paths(item, where, is_path)
    elif is_path and isinstance(value, str) and not value.strip():
        raise ValueError(f"expected a path in {where}, got an empty one; name a folder, or take the key out")
