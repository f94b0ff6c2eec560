"""Constructor arguments as plain types."""

from __future__ import annotations

import json
import math
from types import MappingProxyType

import pytest

from degflow_aug.archs.network_spec import check_kind, plain


def test_nested_arguments_become_dicts_and_lists() -> None:
    found = plain(MappingProxyType({"args": {"depths": (2, (3,)), "name": "A", "on": True, "none": None}}))
    assert found == {"args": {"depths": [2, [3]], "name": "A", "on": True, "none": None}}
    assert json.loads(json.dumps(found)) == found


def test_the_copy_is_independent() -> None:
    spec = {"args": {"depths": [2]}}
    copy = plain(spec)
    spec["args"]["depths"].append(3)
    assert copy == {"args": {"depths": [2]}}


@pytest.mark.parametrize(("kind", "value"), [(bool, False), (int, -2), (float, 0.5), (float, 3)])
def test_values_of_their_kind_pass(kind: type, value: object) -> None:
    check_kind(kind, "LIIF", argument=value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (bool, "x"), (bool, 1), (bool, None), (int, "x"), (int, True), (int, 2.0), (int, [2]), (float, "1"),
        (float, False), (float, math.nan), (float, math.inf), (float, None),
    ],
)  # fmt: skip
def test_values_of_another_kind_are_one_sentence(kind: type, value: object) -> None:
    with pytest.raises(ValueError, match=r"expected argument of LIIF to be .+, got ") as error:
        check_kind(kind, "LIIF", fine=kind(1), argument=value)
    assert "\n" not in str(error.value)
