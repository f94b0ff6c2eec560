"""Metrics of pyiqa: its own numbers where it is installed, and a stand-in of the same form where it is not."""

from __future__ import annotations

import math
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from degflow_aug import compat
from degflow_aug.metrics import pyiqa_metric
from degflow_aug.metrics.pyiqa_metric import calculate_pyiqa, calculate_pyiqa_fr, check_pyiqa, lower_is_better


def images() -> tuple[np.ndarray, np.ndarray]:
    first, second = np.random.default_rng(0).integers(0, 256, (2, 24, 20, 3), dtype=np.uint8)
    return first, second


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that knows how red an image is, and how far it is from another."""
    package, configs = ModuleType("pyiqa"), ModuleType("pyiqa.default_model_configs")
    measures: dict[str, Any] = {
        "red": lambda image: image[:, 0].mean(), "far": lambda image, other: (image - other).abs().mean(),
    }  # fmt: skip
    package.list_models = lambda: list(measures)
    package.create_metric = lambda name, device: measures[name]
    configs.DEFAULT_CONFIGS = {"red": {}, "far": {"lower_better": True}}
    monkeypatch.setitem(sys.modules, "pyiqa", package)
    monkeypatch.setitem(sys.modules, "pyiqa.default_model_configs", configs)
    monkeypatch.setattr(pyiqa_metric, "find_spec", lambda name: object())
    pyiqa_metric._metric.cache_clear()


@pytest.mark.usefixtures("stand_in")
def test_images_come_as_rgb_in_0_to_1_without_their_border() -> None:
    first, second = images()
    inner = first[3:-3, 3:-3].astype(float) / 255
    assert calculate_pyiqa(first, "red", crop_border=3, device="cpu") == pytest.approx(inner[..., 2].mean(), abs=1e-6)
    expected = np.abs(first.astype(float) - second).mean() / 255
    assert calculate_pyiqa_fr(first, second, "far", device="cpu") == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="one size"):
        calculate_pyiqa_fr(first, second[1:], "far")


@pytest.mark.usefixtures("stand_in")
def test_the_package_says_which_values_are_better() -> None:
    assert lower_is_better("far")
    assert not lower_is_better("red")
    for ask in (check_pyiqa, lower_is_better):
        with pytest.raises(ValueError, match="expected a metric that pyiqa has, got 'blue'"):
            ask("blue")


@pytest.mark.usefixtures("stand_in")
@pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
def test_sections_of_option_files() -> None:
    import degflow_aug

    degflow_aug.register()
    from degflow_aug.models.validation.validation_metrics import check_metrics, direction, measure, needs_truth

    sections = {
        "red": {"type": "calculate_pyiqa", "metric": "red"}, "far": {"type": "calculate_pyiqa_fr", "metric": "far"},
    }  # fmt: skip
    assert check_metrics({"metrics": sections}) == sections
    assert [direction(each) for each in sections.values()] == ["higher", "lower"]
    assert direction({**sections["far"], "better": "higher"}) == "higher"
    assert [needs_truth(each) for each in sections.values()] == [False, True]
    assert 0 < measure(sections["red"], images()[0], None, 4.0) < 1
    assert math.isnan(measure(sections["far"], images()[0], None, 4.0))
    for wrong, said in (({"metric": "blue"}, "blue"), ({}, "metric")):
        with pytest.raises(ValueError, match=said):
            check_metrics({"metrics": {"red": {"type": "calculate_pyiqa", **wrong}}})


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyiqa_metric, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install pyiqa"):
        lower_is_better("musiq")


def test_its_own_psnr() -> None:
    pytest.importorskip("pyiqa", reason="pyiqa is not installed")
    first, second = images()
    pyiqa_metric._metric.cache_clear()
    expected = 10 * np.log10(255**2 / np.mean((first.astype(float) - second) ** 2))
    with torch.random.fork_rng():
        assert calculate_pyiqa_fr(first, second, "psnr", device="cpu") == pytest.approx(expected, abs=1e-3)
    assert lower_is_better("dists")
    assert not lower_is_better("musiq")
