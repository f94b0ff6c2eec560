"""What the options of every degradation share, whichever folder they lie in."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Protocol, TypeVar

from degflow_aug.degradations.base import Degradation
from degflow_aug.options.values import Between, Scale

ScaleRange = tuple[Scale, Scale]
Strength = Annotated[float, Between(0, 100)]
"""Of noise, 1 for that of real pairs."""
Settings = TypeVar("Settings")


class DegradationOptions(Protocol):
    """Options of one type of degradation.

    Attributes:
        scale_range: [lowest, highest] scale, inside what the degradation was made for; none means all of that.
    """

    @property
    def scale_range(self) -> ScaleRange | None: ...

    def build(self, where: str) -> Degradation: ...


def as_base(extended: Any, kind: type[Settings]) -> Settings:
    """The dataclass ``kind`` with its fields out of one that extends it."""
    return kind(**{item.name: getattr(extended, item.name) for item in dataclasses.fields(kind)})  # type: ignore[arg-type]
