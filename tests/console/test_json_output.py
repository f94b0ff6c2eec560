"""Values as JSON has them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from degflow_aug.console.json_output import plain


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@dataclass(frozen=True)
class Inner:
    """A value inside values."""

    where: Path
    values: tuple[float, ...]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.builds(Path, st.just("a/b")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.floats() | st.text(), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_value_becomes_json(value: Any) -> None:
    json.loads(json.dumps(plain(value), allow_nan=False), parse_constant=refuse)


def test_values_mean_what_they_did() -> None:
    given = {2.9: Inner(Path("x"), (1.5, math.inf, math.nan)), "flag": True}
    assert plain(given) == {"2.9": {"where": "x", "values": [1.5, None, None]}, "flag": True}
    with pytest.raises(TypeError, match="expected a value that JSON has, got set"):
        plain({1, 2})
