"""The entries of ``val.metrics``: checked before training, measured with a border that may follow the scale."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from basicsr.utils.registry import METRIC_REGISTRY
from torch import Tensor

from degflow_aug.compat.metrics import calculate_metric, check_border
from degflow_aug.data.tensors import to_array
from degflow_aug.files.notice import notice
from degflow_aug.metrics.lpips_metric import calculate_lpips, calculate_lpips_interflow, check_weights
from degflow_aug.metrics.paper_metric import UNROUNDED
from degflow_aug.metrics.pyiqa_metric import check_pyiqa, lower_is_better
from degflow_aug.options.nearest_name import nearest_name
from degflow_aug.options.sections import check_known_keys

LOWER_IS_BETTER = ("calculate_lpips", "calculate_lpips_interflow", "calculate_niqe")
PYIQA = "calculate_pyiqa"


def direction(section: Mapping[str, Any]) -> str:
    """``higher`` or ``lower``: which values of a metric are better; ``better`` says, or else what the metric is."""
    if section.get("better"):
        return str(section["better"])
    if str(section.get("type")).startswith(PYIQA) and section.get("metric"):
        lower = lower_is_better(str(section["metric"]))
    else:
        lower = section.get("type") in LOWER_IS_BETTER
    return "lower" if lower else "higher"


def check_metrics(val: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """The metrics of the section ``val``, each known and complete.

    Raises:
        ValueError: names the metric and what is wrong with it.
    """
    metrics = (val or {}).get("metrics") or {}
    if not isinstance(metrics, Mapping):
        raise ValueError(f"expected a mapping of metrics in val.metrics, got {metrics!r}")
    for name, section in metrics.items():
        _check_metric(section, f"val.metrics.{name}")
    return dict(metrics)


def _check_metric(section: object, where: str) -> None:
    kind = section.get("type") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or kind not in METRIC_REGISTRY:
        nearest = nearest_name(kind, METRIC_REGISTRY.keys()) if kind else ""
        raise ValueError(f"expected a type that is registered in {where}, got {kind!r}{nearest}")
    if direction(section) not in ("higher", "lower"):
        raise ValueError(f"expected higher or lower in {where}.better, got {section['better']!r}")
    parameters = _parameters(section)
    border = section.get("crop_border", 0)
    if border != "scale" and (isinstance(border, bool) or not isinstance(border, int) or border < 0):
        raise ValueError(f"expected a number of pixels or the word scale in {where}.crop_border, got {border!r}")
    for name, parameter in parameters.items():
        if name not in ("img", "img2", *section) and _is_required(parameter):
            raise ValueError(f"expected {name} in {where}, got none; add it")
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        check_known_keys(section, {"type", "better", *parameters} - {"img", "img2"}, where)
    if METRIC_REGISTRY.get(kind) in (calculate_lpips, calculate_lpips_interflow):
        check_weights(section.get("vgg_path"))
    if str(kind).startswith(PYIQA):
        check_pyiqa(str(section["metric"]))


def needs_truth(section: Mapping[str, Any]) -> bool:
    """Whether a metric compares with a true image (NIQE does not)."""
    return "img2" in _parameters(section)


def check_truth(val: Mapping[str, Any] | None, datasets: Mapping[str, Any], *, skipped: bool) -> None:
    """Look whether metrics that compare with true images have some to compare with; SingleImageDataset has none.

    Args:
        val, datasets: sections of the option file.
        skipped: whether the model leaves those metrics out of such a data set, as long as another one has true images;
            a line says so.

    Raises:
        ValueError: they have none, in a data set of another model's, in all of them, or in that of ``val.best``.
    """
    metrics = (val or {}).get("metrics") or {}
    compared = [name for name, section in metrics.items() if needs_truth(section)]
    phases = {phase: section for phase, section in datasets.items() if phase != "train"}
    without = [phase for phase, section in phases.items() if section.get("type") == "SingleImageDataset"]
    if not compared or not without:
        return
    best = (val or {}).get("best") or {}
    chosen = best.get("dataset") or next(iter(phases.values())).get("name")
    deciding = best.get("metric") in compared and chosen in [phases[phase].get("name") for phase in without]
    if not skipped or deciding or len(without) == len(phases):
        raise ValueError(
            f"expected true images in datasets.{without[0]} for {compared[0]} in val.metrics, got SingleImageDataset, "
            "which has LR alone; take the metric out, or give pairs"
        )
    for phase in without:
        notice(f"datasets.{phase} has LR alone: {', '.join(compared)} of val.metrics are not measured there")


def measure(section: Mapping[str, Any], image: np.ndarray, truth: np.ndarray | None, scale: float) -> float:
    """One metric of one image.

    Args:
        section: its entry in ``val.metrics``; ``crop_border: scale`` leaves out ceil(scale) pixels on each side.
        image: (H, W, 3), uint8, BGR, as BasicSR's metrics take it; in float32 for those that are not of rounded images.
        truth: the true image, of the same shape; None where there is none.
        scale: at which the image was made.

    Returns:
        Its value; NaN where there is nothing to compare with.

    Raises:
        ValueError: the border leaves nothing of the image.
    """
    if needs_truth(section) and truth is None:
        return math.nan
    return calculate_metric({"img": image, "img2": truth}, _at_scale(section, scale))


def measure_all(
    metrics: Mapping[str, Mapping[str, Any]], image: Tensor, truth: Tensor | None, scale: float
) -> dict[str, float]:
    """Every metric of an image (3, H, W) in [0, 1] and a true one, both rounded for those of rounded images.

    Args and errors as in :func:`measure`.
    """
    found = dict[str, float]()
    for exact, form in ((False, to_array), (True, _unrounded)):
        sections = {name: section for name, section in metrics.items() if (section["type"] in UNROUNDED) == exact}
        if sections:
            made, true = form(image)[..., ::-1], None if truth is None else form(truth)[..., ::-1]
            found |= {name: measure(section, made, true, scale) for name, section in sections.items()}
    return found


def _unrounded(image: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] as (H, W, 3), float32 in [0, 255]."""
    pixels: np.ndarray = (image.float() * 255).permute(1, 2, 0).cpu().numpy()
    return pixels


def check_rounding(val: Mapping[str, Any] | None) -> None:
    """Refuse metrics of images that are not rounded, for a model that rounds them all.

    Raises:
        ValueError: the first of them.
    """
    for name, section in check_metrics(val).items():
        if section["type"] in UNROUNDED:
            raise ValueError(
                f"expected a metric of 8-bit images in val.metrics.{name}, which are all that models of BasicSR give, "
                f"got {section['type']}; take it out, or a model of this package"
            )


def check_borders(val: Mapping[str, Any] | None, frames: Iterable[tuple[float, tuple[int, int]]]) -> None:
    """Look whether the borders of all metrics leave something of images, by scale and (height, width).

    Raises:
        ValueError: the first that does not.
    """
    metrics = [each for each in ((val or {}).get("metrics") or {}).values() if isinstance(each, Mapping)]
    for scale, size in frames:
        for section in metrics:
            check_border(_at_scale(section, scale), size)


def _at_scale(section: Mapping[str, Any], scale: float) -> dict[str, Any]:
    border = {"crop_border": math.ceil(scale)} if section.get("crop_border") == "scale" else {}
    return {**section, **border}


def best_records(model: Any, dataset: str) -> dict[str, dict[str, Any]]:
    """BasicSR's records of the best values of a dataset, begun with the direction of each metric.

    BasicSR itself takes higher values for better wherever ``better`` does not say otherwise, for NIQE too.

    Args:
        model: a BasicSR model.
        dataset: the ``name`` of the dataset.
    """
    model._initialize_best_metric_results(dataset)
    records: dict[str, dict[str, Any]] = model.best_metric_results[dataset]
    for metric, section in model.opt["val"]["metrics"].items():
        if records[metric]["iter"] == -1 and direction(section) == "lower":
            records[metric].update(better="lower", val=math.inf)
    return records


def _parameters(section: Mapping[str, Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(METRIC_REGISTRY.get(section["type"])).parameters


def _is_required(parameter: inspect.Parameter) -> bool:
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return parameter.default is inspect.Parameter.empty and parameter.kind not in variable
