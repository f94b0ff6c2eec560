"""The state of several cameras as one, and that of one among them: the camera's number stands before each key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor


def join_cameras(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """States of all cameras as one, whose keys begin with the camera's number."""
    return {f"{index}.{key}": value for index, state in enumerate(states) for key, value in state.items()}


def camera_part(state: Mapping[str, Tensor], index: int) -> dict[str, Tensor]:
    """The state of one camera out of what :func:`join_cameras` gave; empty where it has none."""
    return {key.partition(".")[2]: value for key, value in state.items() if key.partition(".")[0] == str(index)}


def count_cameras(state: Mapping[str, Tensor]) -> int:
    """Of how many cameras this is the state; 0 for that of a single one, whose keys have no number."""
    numbers = {key.partition(".")[0] for key in state}
    return len(numbers) if numbers and all(number.isdecimal() for number in numbers) else 0
