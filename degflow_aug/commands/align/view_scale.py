"""Which scale a photograph is a view of: as it is named, and as it is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from degflow_aug.alignment.pair import Alignment
    from degflow_aug.alignment.shots import Shot


def expected_scale(shot: Shot, scales: Sequence[float] | None) -> float | None:
    """Return the scale that a photograph should have, where it is known before measuring."""
    if shot.scale and scales:
        return _nearest(shot.scale, scales)
    return shot.scale or (scales[0] if scales and len(scales) == 1 else None)


def filed_scale(
    shot: Shot, result: Alignment, scales: Sequence[float] | None, tolerance: float
) -> tuple[float | None, str]:
    """Return the scale by which a view is filed, and what speaks against it; ``tolerance`` is in percent."""
    measured = result.motion.scale if result.motion else math.nan
    if scales:
        scale = _nearest(measured if measured > 0 else shot.scale or math.nan, scales)
    elif shot.scale:
        scale = round(shot.scale, 1)
    else:
        return None, "neither name (x2, x4) nor focal length says its scale; name the file so, or give --scales"
    if scale <= 1:
        return None, f"expected a scale above 1, got {scale:g}"
    if not abs(measured / scale - 1) <= tolerance / 100:
        return scale, f"scale {measured:.3f} measured, expected {scale:g} within {tolerance:g} %"
    return scale, ""


def _nearest(scale: float, scales: Sequence[float]) -> float:
    return min(scales, key=lambda known: abs(math.log(known / scale)) if scale > 0 else 0.0)


def check_distinct(found: Sequence[tuple[Shot, float | None, Alignment]]) -> None:
    """Refuse two views of one scale.

    Raises:
        ValueError: such views, with their files.
    """
    seen: dict[float | None, Shot] = {}
    for shot, scale, _ in found:
        if scale in seen:
            raise ValueError(
                f"{shot.path}: expected one photograph a scale, got {seen[scale].path.name} at {scale:g} as well; "
                "remove one"
            )
        seen[scale] = shot
