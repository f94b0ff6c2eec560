"""What can be wrong with a training run's options, found before BasicSR makes the folders of the experiment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, get_type_hints

from basicsr.models.hifacegan_model import HiFaceGANModel
from basicsr.models.srgan_model import SRGANModel
from basicsr.models.stylegan2_model import StyleGAN2Model
from basicsr.models.video_recurrent_gan_model import VideoRecurrentGANModel
from basicsr.utils.registry import METRIC_REGISTRY, MODEL_REGISTRY

from degflow_aug.compat.options import check_options
from degflow_aug.files.notice import notice
from degflow_aug.models.checks.effects import check_scales_of_pairs, say_idle_keys
from degflow_aug.models.checks.images import check_channels, check_judges, is_of_pairs
from degflow_aug.models.checks.registered_types import (
    check_datasets,
    check_losses_and_optimizers,
    check_networks,
    registered_type,
)
from degflow_aug.models.checks.run import (
    check_adversary,
    check_count,
    check_dataset_names,
    check_has_images_to_restore,
    check_loading,
    check_name,
    check_phases,
)
from degflow_aug.models.checks.stage_pairs import check_stage_pairs
from degflow_aug.models.stages.stage_model import StageModel
from degflow_aug.models.training.trained_model import OPTIMIZERS, TrainedModel
from degflow_aug.models.validation.best_checkpoint import check_best, check_best_scale
from degflow_aug.models.validation.scale_validation import ScaleValidation
from degflow_aug.models.validation.sr_validation import SRValidation
from degflow_aug.models.validation.validation_metrics import check_metrics, check_rounding, check_truth
from degflow_aug.options.sections import read_options
from degflow_aug.options.stages import StageOptions
from degflow_aug.options.super_resolution import ArbitraryScaleOptions

_WITH_DISCRIMINATORS = (HiFaceGANModel, SRGANModel, StyleGAN2Model, VideoRecurrentGANModel)


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
    check_name(opt)
    check_phases(opt["datasets"], source)
    check_loading(opt["datasets"]["train"])
    model = MODEL_REGISTRY.get(opt["model_type"])
    # A model of another project may train what it likes.
    known = model.__module__.startswith(("basicsr.", "degflow_aug."))
    if known and not isinstance(opt.get("network_g"), Mapping):
        raise ValueError(f"expected a section network_g in {source}, got {opt.get('network_g')!r}")
    if issubclass(model, _WITH_DISCRIMINATORS):
        check_adversary(opt, model.__name__, instead="SRModel")
    elif model.__module__.startswith("basicsr.") and (opt.get("network_d") or opt["train"].get("gan_opt")):
        notice(f"{model.__name__} trains no discriminator: network_d and train.gan_opt have no effect")
    options = get_type_hints(model).get("options")
    if not hasattr(model, "read") and dataclasses.is_dataclass(options):
        read_options(options, opt.get("degflow") or {}, "degflow")  # type: ignore[arg-type]
    _check_numbers(opt)
    _check_validation(opt, model)
    # BasicSR's own models know Adam alone.
    optimizers = OPTIMIZERS if issubclass(model, TrainedModel) else {"Adam": OPTIMIZERS["Adam"]}
    check_losses_and_optimizers(opt["train"], optimizers)
    check_networks(opt)
    built = check_datasets(opt)
    check_best_scale(opt.get("val"), opt["datasets"], {opt["datasets"][key].get("name"): built[key] for key in built})
    if issubclass(model, StageModel):
        stage: StageOptions = read_options(options, opt["degflow"], "degflow")  # type: ignore[arg-type]
        check_stage_pairs(stage, built.get("train"))
        say_idle_keys(stage, opt["degflow"])
    if hasattr(model, "check"):
        checked = model.check(opt)
        say_idle_keys(checked, opt.get("degflow") or {})
        if isinstance(checked, ArbitraryScaleOptions):
            check_scales_of_pairs(checked, opt, built.get("train"))
    elif is_of_pairs(model):
        _check_images(opt)


def _check_images(opt: Mapping[str, Any]) -> None:
    """What a model of BasicSR's passes to its networks; data sets of pairs may be of Y alone."""
    train = opt["datasets"]["train"]
    side = train.get("gt_size", opt.get("gt_size"))
    if isinstance(opt.get("scale"), int) and isinstance(opt.get("network_g"), Mapping):
        check_channels(opt, side)
        check_judges(opt.get("network_d"), side, 1 if train.get("color") == "y" else 3)


def _check_validation(opt: Mapping[str, Any], model: type) -> None:
    """Metrics, and what ``val.best`` names; metrics of BasicSR's own models take BasicSR's arguments alone."""
    val = opt.get("val") or {}
    check_dataset_names(opt["datasets"])
    if "val_freq" in val:
        check_count(val["val_freq"], 1, "val.val_freq")
    if model.__module__.startswith(("basicsr.", "degflow_aug.")):
        check_metrics(val)
        check_truth(val, opt["datasets"], skipped=issubclass(model, SRValidation))
        if model.__module__.startswith("basicsr."):
            check_rounding(val)
    if issubclass(model, (SRValidation, ScaleValidation)):
        check_has_images_to_restore(opt["datasets"])
        if val.get("suffix") is not None:
            raise ValueError(f"expected no val.suffix in training, which names images otherwise, got {val['suffix']!r}")
        if not val and len(opt["datasets"]) > 1:
            notice("there is no section val: nothing is validated")
        elif val and len(opt["datasets"]) == 1:
            notice("there is no datasets.val: the section val has no effect")
        elif val and not val.get("metrics") and not val.get("save_img"):
            notice("val has neither metrics nor save_img: a validation measures nothing and writes no image")
    for name, metric in (val.get("metrics") or {}).items():
        registered_type(METRIC_REGISTRY, metric, f"val.metrics.{name}")
    if issubclass(model, SRValidation):
        check_best(val, opt["datasets"])
    elif val.get("best"):
        raise ValueError(f"expected no val.best for {model.__name__}, got {val['best']!r}: it does not keep a best one")


def _check_numbers(opt: Mapping[str, Any]) -> None:
    """What BasicSR would count or divide by before it had looked."""
    required: dict[str, tuple[Any, Any]] = {
        "train.total_iter": (opt["train"].get("total_iter"), int),
        "logger.print_freq": ((opt.get("logger") or {}).get("print_freq"), int),
        "logger.save_checkpoint_freq": ((opt.get("logger") or {}).get("save_checkpoint_freq"), int),
    }
    for where, (value, kind) in required.items():
        if isinstance(value, bool) or not isinstance(value, kind) or value <= 0:
            raise ValueError(f"expected a number above 0 in {where}, got {value!r}")
    decay = opt["train"].get("ema_decay", 0)
    if not isinstance(decay, (int, float)) or not 0 <= decay < 1:
        raise ValueError(f"expected train.ema_decay from 0 to below 1, got {decay!r}")
