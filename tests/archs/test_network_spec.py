"""Constructor arguments as plain types."""

from __future__ import annotations

import json
from types import MappingProxyType

from degflow_aug.archs.network_spec import plain


def test_nested_arguments_become_dicts_and_lists() -> None:
    found = plain(MappingProxyType({"args": {"depths": (2, (3,)), "name": "A", "on": True, "none": None}}))
    assert found == {"args": {"depths": [2, [3]], "name": "A", "on": True, "none": None}}
    assert json.loads(json.dumps(found)) == found


def test_the_copy_is_independent() -> None:
    spec = {"args": {"depths": [2]}}
    copy = plain(spec)
    spec["args"]["depths"].append(3)
    assert copy == {"args": {"depths": [2]}}
