"""What can be wrong with a test's options, found before BasicSR makes the folder of its results."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from basicsr.utils.registry import MODEL_REGISTRY

from degflow_aug.compat.options import check_options
from degflow_aug.files.notice import notice
from degflow_aug.models.checks.images import check_channels, is_of_pairs
from degflow_aug.models.checks.registered_types import check_datasets, check_networks
from degflow_aug.models.checks.run import (
    check_dataset_names,
    check_has_images_to_restore,
    check_name,
)
from degflow_aug.models.validation.sr_validation import SRValidation
from degflow_aug.models.validation.validation_metrics import check_metrics, check_rounding, check_truth

_SIDE = 64
"""Of LR that a network is tried on, where it does not take less."""


def check_testing_options(opt: dict[str, Any], source: str) -> None:
    """Check all that BasicSR checks late or never, and that there is something to test and to tell of it.

    Args:
        opt: the option file's content; it is not changed.
        source: the file's name, for messages.

    Raises:
        ValueError: the first mistake.
    """
    opt = deepcopy(opt)
    check_options(opt, source, is_train=False)
    check_name(opt)
    _check_phases(opt["datasets"], source)
    check_dataset_names(opt["datasets"])
    if issubclass(MODEL_REGISTRY.get(opt["model_type"]), SRValidation):
        check_has_images_to_restore(opt["datasets"])
        if opt.get("degradation"):
            notice("the section degradation has no effect: a test takes the LR images of its data sets")
    val = opt.get("val")
    if not isinstance(val, Mapping) or not (check_metrics(val) or val.get("save_img")):
        raise ValueError(f"expected val.metrics or val: save_img: true in {source}, got neither; a test needs one")
    model = MODEL_REGISTRY.get(opt["model_type"])
    check_truth(val, opt["datasets"], skipped=issubclass(model, SRValidation))
    if model.__module__.startswith("basicsr."):
        check_rounding(val)
    _check_weights(opt, source)
    check_networks(opt)
    check_datasets(opt)
    if model.__name__.startswith("Degraded") or is_of_pairs(model):
        check_channels(opt, _SIDE * opt.get("scale", 1))


def _check_phases(datasets: object, source: str) -> None:
    """BasicSR tests on every dataset of the file, whatever it is for."""
    if not isinstance(datasets, Mapping) or not datasets:
        raise ValueError(f"expected a section datasets.test_1 in {source}, got {datasets!r}")
    for name in datasets:
        if str(name).split("_")[0] not in ("test", "val"):
            raise ValueError(
                f"expected datasets.test_1, datasets.test_2 and so on in {source}, got datasets.{name}; a test runs on "
                "every dataset of its file, so take this one out"
            )


def _check_weights(opt: Mapping[str, Any], source: str) -> None:
    """BasicSR tests a network with random weights without a word."""
    weights = (opt.get("path") or {}).get("pretrain_network_g")
    if "network_g" in opt and not weights:
        raise ValueError(f"expected path.pretrain_network_g in {source}, got none; name the checkpoint to test")
    if weights and not Path(str(weights)).is_file():
        raise ValueError(f"expected a checkpoint at {weights} (path.pretrain_network_g), got no such file")
