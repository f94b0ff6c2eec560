"""Sections read into dataclasses: every slip is one sentence that names the key."""

from __future__ import annotations

from typing import Any

import pytest

from degflow_aug.options.sections import check_known_keys, read_options
from degflow_aug.options.stages import LFMOptions, RAEOptions
from degflow_aug.options.values import convert


def test_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"^unknown key 'ema_decy' in train; did you mean 'ema_decay'\?$"):
        check_known_keys({"ema_decy": 1}, ("ema_decay", "total_iter"), "train")
    with pytest.raises(ValueError, match=r"^unknown key 'zzz' in train$"):
        check_known_keys({"zzz": 1}, ("ema_decay",), "train")
    check_known_keys({"ema_decay": 1, "network_g": 2}, ("ema_decay", "network_*"), "train")


def test_keys_of_the_other_stage_are_unknown() -> None:
    with pytest.raises(ValueError, match="unknown key 'lpips_weight'"):
        read_options(RAEOptions, {"knots": [1, 2], "lpips_weight": 0.1}, "degflow")
    with pytest.raises(ValueError, match="unknown key '5' in degflow"):
        read_options(RAEOptions, {"knots": [1, 2], 5: 1}, "degflow")  # type: ignore[dict-item]


@pytest.mark.parametrize("section", [None, [], "knots", 3])
def test_a_section_that_is_no_mapping_is_refused(section: Any) -> None:
    with pytest.raises(ValueError, match="expected a mapping in degflow"):
        read_options(RAEOptions, section, "degflow")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ValueError, match="expected knots in degflow, got none; add it"):
        read_options(LFMOptions, {"rae": "run"}, "degflow")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("knots", 2, "a list in degflow.knots, got 2"),
        ("knots", "1, 2", "a list in degflow.knots"),
        ("knots", [1, "2"], "a number from 1 to 1000 in degflow.knots, got '2'; write it without quotes"),
        ("knots", [1, None], "a number from 1 to 1000 in degflow.knots, got nothing; give it a value"),
        ("s_max", "4", "a number .* in degflow.s_max, got '4'"),
        ("s_max", True, "a number .* in degflow.s_max, got True"),
        ("steps", 2.5, "a whole number from 1 to 1000 in degflow.steps, got 2.5"),
        ("steps", True, "a whole number .* in degflow.steps, got True"),
        ("compile", 1, "true or false in degflow.compile, got 1"),
        ("camera", 5, "text in degflow.camera, got 5"),
        ("rae", None, "text in degflow.rae, got nothing"),
        ("s_max", 10**400, "a number .* in degflow.s_max, got an integer beyond"),
    ],
)
def test_another_type_is_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"expected {message}"):
        read_options(LFMOptions, {"knots": [1, 2], key: value}, "degflow")


def test_optional_hints_take_none_and_their_type() -> None:
    assert convert(None, float | None, "x") is None
    assert convert(3, float | None, "x") == 3.0
    assert convert(True, bool | str, "x") is True
    assert convert("default", bool | str, "x") == "default"
    with pytest.raises(ValueError, match="expected a number in x"):
        convert("3", float | None, "x")
