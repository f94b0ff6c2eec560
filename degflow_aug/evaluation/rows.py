"""The rows of an evaluation, what a method reaches per camera and scale, and their table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from degflow_aug.console.plain_text import one_line

# The generator's autoencoder on the real view itself: no rival, as it has seen what is asked for. Rows in JSON have
# this name; people read "oracle".
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


def label(method: str) -> str:
    """The name of a method in tables and charts."""
    return "oracle" if method == ORACLE else one_line(method)


def format_table(rows: Iterable[Row], oracle: bool = True) -> str:
    """Format rows as aligned text, a block per camera and a column per scale; ``*`` marks the best but for the oracle.

    Args:
        rows: of any number of cameras.
        oracle: show its row as well, where there is one.
    """
    blocks: dict[str, list[Row]] = {}
    for row in rows:
        if oracle or row.method != ORACLE:
            blocks.setdefault(row.camera, []).append(row)
    text = "\n\n".join(_format_camera(camera, block) for camera, block in blocks.items())
    legend = "Y-PSNR in dB and Y-SSIM against the real views; * the best"
    if any(row.method == ORACLE for block in blocks.values() for row in block):
        legend += (
            " but for the oracle, the autoencoder's reconstruction of the real view; a generator whose decoder was "
            "trained for rendered latents may pass it"
        )
    return f"{text}\n\n{legend}"


def _format_camera(camera: str, rows: list[Row]) -> str:
    camera, scales = one_line(camera), list(dict.fromkeys(row.scale for row in rows))
    methods = sorted(dict.fromkeys(row.method for row in rows), key=lambda method: method == ORACLE)
    cells = {(row.method, row.scale): row for row in rows}
    width = max(len(camera), *(len(label(method)) for method in methods))
    heads = [f"x{scale:g} ({max(row.scenes for row in rows if row.scale == scale)} scenes)" for scale in scales]
    lines = [f"{camera:{width}}" + "".join(f"  {head:>18}" for head in heads)]
    for method in methods:
        columns = [_cell(cells.get((method, scale)), [row for row in rows if row.scale == scale]) for scale in scales]
        lines.append(f"{label(method):{width}}" + "".join(f"  {column:>18}" for column in columns))
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
