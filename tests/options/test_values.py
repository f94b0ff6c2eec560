"""Values against hints: numbers of every kind where a number, a truth value or a list belongs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from degflow_aug.options.values import Between, Count, Share, convert, in_words, settle, shown

INF = math.inf


@pytest.mark.parametrize(
    ("value", "hint", "converted"),
    [
        (5e3, int, 5000), (1.0, Count, 1), (3, float, 3.0), ([1, 2.0], tuple[int, ...], (1, 2)),
        (64.0, int | float, 64), (0.5, int | float, 0.5), (None, Share | None, None),
        ("auto", Count | Literal["auto"], "auto"),
        (np.float32(0.5), Share, 0.5), (np.int64(2), Count, 2), ({"a": 1}, Mapping[str, float], {"a": 1.0}),
        ("x", str | tuple[str, ...], "x"), (["x"], str | tuple[str, ...], ("x",)),
    ],
)  # fmt: skip
def test_what_means_the_same_is_taken(value: Any, hint: Any, converted: Any) -> None:
    found = convert(value, hint, "k")
    assert found == converted
    assert type(found) is type(converted)


@pytest.mark.parametrize("value", ["false", "1", "1e0", "", None, [], ["1"], {}, 1.5, math.nan, INF, -1, 10**400, True])
@pytest.mark.parametrize("hint", [Count, Annotated[int, Between(0, 9)] | Literal["auto"]])
def test_what_is_no_whole_number_is_one_sentence(value: Any, hint: Any) -> None:
    with pytest.raises(ValueError, match=r"^expected a whole number from .* in train\.k, got ") as error:
        convert(value, hint, "train.k")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("value", "hint", "said"),
    [
        ("false", bool, "expected true or false in k, got 'false'; write it without quotes"),
        (1, bool, "expected true or false in k, got 1"),
        ("1e-4", float, "expected a number in k, got '1e-4'; write it without quotes"),
        (None, float, "expected a number in k, got nothing; give it a value, or take the key out"),
        (1.0, Annotated[float, Between(0, 1, open="high")], "expected a number from 0 to below 1 in k, got 1.0"),
        (0, Annotated[float, Between(0, 9, open="low")], "expected a number above 0, at most 9 in k, got 0"),
        ("x", tuple[int, ...], "expected a list in k, got 'x'"),
        ([1], tuple[int, int], "expected 2 values in k, got [1]"),
        ({"a": "1"}, Mapping[str, float], "expected a number in k.a, got '1'; write it without quotes"),
        ([1, {"a": [INF]}], Any, "expected a number in k.a, got inf"),
    ],
)
def test_the_sentence_says_what_belongs_there(value: Any, hint: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as error:
        convert(value, hint, "k")
    assert str(error.value) == said


def test_a_section_is_settled_in_place() -> None:
    section = {"steps": 1e0, "milestones": [1e1, 20], "rate": 1, "name_g": "x", "other": "y"}
    settle(section, {"steps": Count, "milestones": tuple[int, ...], "rate": float, "name_*": str}, "train")
    assert repr(section) == "{'steps': 1, 'milestones': [10, 20], 'rate': 1, 'name_g': 'x', 'other': 'y'}"
    with pytest.raises(ValueError, match=r"expected text in train\.name_d, got 3"):
        settle({"name_d": 3}, {"name_*": str}, "train")


def test_hints_in_words() -> None:
    assert in_words(Share | None) == "number from 0 to 1"
    assert in_words(bool | str) == "true or false or text"
    assert in_words(tuple[int, int]) == "2 values: whole number"
    assert in_words(Literal["a", "b"]) == "a or b"


def test_what_a_sentence_quotes_is_cut_before_it_is_written_out() -> None:
    huge: list[Any] = ["x"]
    for _ in range(40):
        huge = [huge] * 9
    assert len(shown(huge)) <= 80
    assert [shown(each) for each in ([1, 2.5, "a"], {"b": 1, "a": None}, "x" * 90, (1,))] == [
        "[1, 2.5, 'a']", "{'a': None, 'b': 1}", f"'{'x' * 75} ...", "(1,)",
    ]  # fmt: skip
