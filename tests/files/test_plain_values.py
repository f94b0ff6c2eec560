"""Limits on nesting and on shared values."""

from __future__ import annotations

from typing import Any

import pytest

from degflow_aug.files import plain_values
from degflow_aug.files.plain_values import DEEPEST, check_plain


def nested(depth: int, kind: str) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value} if kind == "dict" else (value,) if kind == "tuple" else [value]
    return value


@pytest.mark.parametrize("kind", ["dict", "list", "tuple"])
def test_depth_is_limited(kind: str) -> None:
    check_plain(nested(DEEPEST + 1, kind), "x.yml")
    with pytest.raises(ValueError, match=r"at most 64 levels in x\.yml"):
        check_plain(nested(DEEPEST + 2, kind), "x.yml")


def test_shared_values_count_as_often_as_they_are_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    part = [0] * 9
    monkeypatch.setattr(plain_values, "MOST_VALUES", 91)
    check_plain({str(index): part for index in range(9)}, "x.yml")
    monkeypatch.setattr(plain_values, "MOST_VALUES", 90)
    with pytest.raises(ValueError, match=r"at most 90 values in x\.yml"):
        check_plain({str(index): part for index in range(9)}, "x.yml")


def test_values_that_hold_themselves_are_refused() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = [loop]
    with pytest.raises(ValueError, match="holds itself"):
        check_plain(loop, "x.yml")
