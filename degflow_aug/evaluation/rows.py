"""The rows of an evaluation, what a method reaches per camera and scale, and their table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# The generator's autoencoder on the real view itself: no rival, as it has seen what is asked for.
ORACLE = "RAE ceiling"


@dataclass(frozen=True)
class Row:
    """What one method reaches for one camera at one scale: means over scenes, Y-PSNR in dB."""

    method: str
    camera: str
    scale: float
    psnr_y: float
    ssim_y: float
    scenes: int


def format_table(rows: Iterable[Row]) -> str:
    """The rows as aligned text, a block a camera and a column a scale; ``*`` marks the best but for the ceiling."""
    blocks: dict[str, list[Row]] = {}
    for row in rows:
        blocks.setdefault(row.camera, []).append(row)
    text = "\n\n".join(_format_camera(camera, block) for camera, block in blocks.items())
    legend = (
        "Y-PSNR in dB and Y-SSIM against the real views; * the best but for the ceiling, which sees the real view; a "
        "generator whose decoder was trained for rendered latents may pass it"
    )
    return f"{text}\n\n{legend}"


def _format_camera(camera: str, rows: list[Row]) -> str:
    scales = list(dict.fromkeys(row.scale for row in rows))
    methods = sorted(dict.fromkeys(row.method for row in rows), key=lambda method: method == ORACLE)
    cells = {(row.method, row.scale): row for row in rows}
    width = max(len(camera), *(len(method) for method in methods))
    heads = [f"x{scale:g} ({max(row.scenes for row in rows if row.scale == scale)} scenes)" for scale in scales]
    lines = [f"{camera:{width}}" + "".join(f"  {head:>18}" for head in heads)]
    for method in methods:
        columns = [_cell(cells.get((method, scale)), [row for row in rows if row.scale == scale]) for scale in scales]
        lines.append(f"{method:{width}}" + "".join(f"  {column:>18}" for column in columns))
    return "\n".join(lines)


def _cell(row: Row | None, rivals: list[Row]) -> str:
    if row is None:
        return "-"
    fair = [rival for rival in rivals if rival.method != ORACLE]
    psnr, ssim = f"{row.psnr_y:.2f}", f"{row.ssim_y:.4f}"
    if row in fair:
        psnr = "*" + psnr if psnr == f"{max(rival.psnr_y for rival in fair):.2f}" else psnr
        ssim = "*" + ssim if ssim == f"{max(rival.ssim_y for rival in fair):.4f}" else ssim
    return f"{psnr:>8}  {ssim:>7}"
