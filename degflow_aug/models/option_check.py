"""What can be wrong with a training run's options, found before BasicSR makes the folders of the experiment."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, get_type_hints

from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY

from degflow_aug.basicsr_keys import SCHEDULERS
from degflow_aug.compat_options import check_options
from degflow_aug.options import read_options
from degflow_aug.yaml_options import check_known_keys, nearest_name


def check_training_options(opt: dict[str, Any], source: str) -> None:
    """Check all that BasicSR checks late or never: sections of ours, types and arguments of networks, our datasets.

    Args:
        opt: the option file's content; it is not changed.
        source: the file's name, for messages.

    Raises:
        ValueError: the first mistake.
    """
    opt = deepcopy(opt)
    check_options(opt, source, is_train=True)
    options = get_type_hints(MODEL_REGISTRY.get(opt["model_type"])).get("options")
    if dataclasses.is_dataclass(options):
        read_options(options, opt.get("degflow", {}), "degflow")  # type: ignore[arg-type]
    _check_numbers(opt)
    for name, metric in ((opt.get("val") or {}).get("metrics") or {}).items():
        _registered(METRIC_REGISTRY, metric, f"val.metrics.{name}")
    for name, section in opt["train"].items():
        if name == "pixel_opt" and section is not None:
            _registered(LOSS_REGISTRY, section, "train.pixel_opt")
    for name, section in opt.items():
        if name.startswith("network_"):
            network = _registered(ARCH_REGISTRY, section, name)
            if network.__module__.startswith("degflow_aug."):
                check_known_keys(section, ("type", *inspect.signature(network).parameters), name)
    for name, section in opt["datasets"].items():
        dataset = _registered(DATASET_REGISTRY, section, f"datasets.{name}")
        if dataset.__module__.startswith("degflow_aug."):
            dataset({**section, "phase": name.split("_")[0]})


def _check_numbers(opt: Mapping[str, Any]) -> None:
    """What BasicSR would count or divide by before it had looked."""
    required: dict[str, tuple[Any, Any]] = {
        "train.total_iter": (opt["train"].get("total_iter"), int),
        "train.optim_g.lr": ((opt["train"].get("optim_g") or {}).get("lr"), (int, float)),
        "logger.print_freq": ((opt.get("logger") or {}).get("print_freq"), int),
        "logger.save_checkpoint_freq": ((opt.get("logger") or {}).get("save_checkpoint_freq"), int),
    }
    for where, (value, kind) in required.items():
        if isinstance(value, bool) or not isinstance(value, kind) or value <= 0:
            raise ValueError(f"expected a number above 0 in {where}, got {value!r}")
    decay = opt["train"].get("ema_decay", 0)
    if not isinstance(decay, (int, float)) or not 0 <= decay < 1:
        raise ValueError(f"expected train.ema_decay from 0 to below 1, got {decay!r}")
    scheduler = opt["train"].get("scheduler")
    if not isinstance(scheduler, Mapping) or scheduler.get("type") not in SCHEDULERS:
        raise ValueError(
            f"expected train.scheduler with a type out of {', '.join(sorted(SCHEDULERS))}, got {scheduler!r}"
        )


def _registered(registry: Any, section: object, where: str) -> Any:
    """The class that a section's ``type`` names."""
    kind = section.get("type") if isinstance(section, Mapping) else None
    if kind not in registry:
        nearest = nearest_name(kind, registry.keys()) if kind else ""
        raise ValueError(f"expected a type that is registered in {where}, got {kind!r}{nearest}")
    return registry.get(kind)
