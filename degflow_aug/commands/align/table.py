"""What ``degflow align`` records and prints: a line per photograph, and how many scenes are aligned."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from degflow_aug.alignment.pair import Alignment
    from degflow_aug.alignment.shots import Shot

HEAD = ("scene", "file", "scale", "measured", "rotation", "shift", "gain", "residual", "clipped", "state")
ALIGNED = "aligned"


def view_record(shot: Shot, scale: float | None, result: Alignment, reason: str) -> dict[str, Any]:
    """Make the record of a photograph: the scale it is filed by, what was measured, and why it is not used."""
    motion, residual = result.motion, result.residual
    return {
        "file": shot.path.name,
        "scale": scale,
        "measured_scale": motion and motion.scale,
        "rotation_degrees": motion and motion.rotation,
        "shift_hr_pixels": motion and list(motion.shift),
        "matrix": None if result.matrix is None else result.matrix.tolist(),
        "gains": result.gains and list(result.gains),
        "residual_hr_pixels": {
            "median": residual.median,
            "percentile95": residual.percentile95,
            "bound": residual.bound,
            "windows": residual.windows,
        },
        "reason": reason,
    }


def alignment_table(records: Sequence[dict[str, Any]]) -> list[str]:
    """Format the records as the lines of a table, a row per photograph.

    Columns: scale as named and as measured, degrees, HR pixels (x, y), gains of light (red, green, blue), what is left
    in HR pixels (median / 95 % of the windows / bound), percent clipped, and ``aligned`` or why not.
    """
    rows: list[tuple[str, ...]] = [HEAD]
    for record in records:
        for view in record["views"]:
            rows.append(_row(record, view))
        if not record["views"] or (record["state"] != ALIGNED and not any(view["reason"] for view in record["views"])):
            rows.append((record["name"], *[""] * 8, f"failed: {record.get('reason', '')}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]


def summary(records: Sequence[dict[str, Any]], out: str, scales: Sequence[float]) -> list[str]:
    """Say how many scenes are aligned, and the command that uses them."""
    aligned = sum(record["state"] == ALIGNED for record in records)
    text = f"{out}: {aligned} scenes aligned, {len(records) - aligned} failed and not written"
    if not scales:
        return [text]
    return [text, f"next: {shlex.join(['degflow', 'fit', out, '--out', 'camera.safetensors'])}"]


def _row(record: dict[str, Any], view: dict[str, Any]) -> tuple[str, ...]:
    left = view["residual_hr_pixels"]
    shift, gains = view["shift_hr_pixels"], view["gains"]
    if view["reason"]:
        state = f"failed: {view['reason']}"
    else:
        state = ALIGNED if record["state"] == ALIGNED else "failed: with its scene"
    return (
        record["name"],
        view["file"],
        _number(view["scale"], "g"),
        _number(view["measured_scale"], ".3f"),
        _number(view["rotation_degrees"], ".2f"),
        f"{shift[0]:.1f}, {shift[1]:.1f}" if shift else "",
        " ".join(f"{gain:.2f}" for gain in gains) if gains else "",
        " / ".join(_number(left[key], ".2f") or "-" for key in ("median", "percentile95", "bound")),
        _number(100 * view["clipped"], ".1f") + " %" if view.get("clipped") is not None else "",
        state,
    )


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
