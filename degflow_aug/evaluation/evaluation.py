"""How near rendered views come to the real ones: Y-PSNR and Y-SSIM of full frames, beside the baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from degflow_aug import compat
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.metrics.fidelity import psnr_y, ssim_y

Method = Callable[[Tensor, float, Tensor], "Tensor | None"]
CEILING = "RAE ceiling"
KERNEL = "fitted kernel"
FITTED: dict[str, type[FittedKernel]] = {KERNEL: FittedKernel, "fitted pipeline": FittedPipeline}
REALESRGAN_SEEDS = 4


class EvaluationScene(NamedTuple):
    """A scene: HR (1, 3, H, W) in [0, 1] and its real views of the same shape, by scale."""

    name: str
    camera: str
    hr: Tensor
    views: Mapping[float, Tensor]


@dataclass(frozen=True)
class Row:
    """What one method reaches for one camera at one scale: means over scenes, Y-PSNR in dB."""

    method: str
    camera: str
    scale: float
    psnr_y: float
    ssim_y: float
    scenes: int


@torch.no_grad()
def evaluate_views(methods: Mapping[str, Method], scenes: Iterable[EvaluationScene]) -> list[Row]:
    """Compare the views of every method with the real ones, both rounded to 8 bits, borders included.

    Args:
        methods: (hr (1, 3, H, W), scale, real view) -> view of that shape; or (N, 3, H, W), N draws whose metrics are
            averaged; or None where the method has no view at that scale.
        scenes: read once, one in memory at a time.

    Returns:
        A row for each camera, scale and method, in the order of cameras, rising scales and methods.
    """
    found: dict[tuple[str, float, str], list[tuple[float, float]]] = {}
    for _, camera, hr, views in scenes:
        for scale, real in views.items():
            for name, method in methods.items():
                rendered = method(hr, scale, real)
                if rendered is not None:
                    found.setdefault((camera, scale, name), []).append(_fidelity(rendered, real))
    cameras = list(dict.fromkeys(camera for camera, _, _ in found))
    order = list(methods)
    keys = sorted(found, key=lambda key: (cameras.index(key[0]), key[1], order.index(key[2])))
    return [_mean_row(name, camera, scale, found[camera, scale, name]) for camera, scale, name in keys]


def _mean_row(method: str, camera: str, scale: float, values: list[tuple[float, float]]) -> Row:
    psnr, ssim = (sum(column) / len(values) for column in zip(*values, strict=True))
    return Row(method, camera, scale, psnr, ssim, len(values))


def _fidelity(rendered: Tensor, real: Tensor) -> tuple[float, float]:
    """Y-PSNR and Y-SSIM, means over the draws (N, 3, H, W), one in memory at a time."""
    psnr = [float(psnr_y(draw[None], real, eight_bit=True)) for draw in rendered]
    ssim = [float(ssim_y(draw[None], real, eight_bit=True)) for draw in rendered]
    return sum(psnr) / len(psnr), sum(ssim) / len(ssim)


def methods_for(
    generator: DegFlow | FittedKernel, note: Callable[[str], None] = lambda text: None
) -> dict[str, Method]:
    """A generator between its baselines and the ceiling of its RAE, which alone sees the real view.

    Args:
        generator: its ``kernels`` are the linear kernel fitted to the same pairs, where its bundle has them. A fitted
            kernel alone has no rows of networks.
        note: is told in one sentence of a baseline that is left out.
    """
    bicubic = Bicubic()
    methods: dict[str, Method] = {
        "HR itself": lambda hr, scale, real: hr,
        "bicubic": lambda hr, scale, real: bicubic.render(hr, scale),
    }
    if compat.has_basicsr():
        methods[f"Real-ESRGAN (mean of {REALESRGAN_SEEDS} seeds)"] = _realesrgan()
    else:
        note("the Real-ESRGAN row is left out: BasicSR is not installed")
    state = generator.state_dict() if isinstance(generator, FittedKernel) else generator.kernels
    for name, kind in FITTED.items():
        if set(kind.state_keys) <= set(state):
            methods[name] = _fitted(kind.of_state(state))
    if isinstance(generator, FittedKernel):
        return methods
    if KERNEL not in methods:
        note("the row of the fitted kernel is left out: the bundle holds none")
    methods["DegFlow"] = lambda hr, scale, real: generator.render(hr, scale)
    methods[CEILING] = lambda hr, scale, real: generator.reconstruct(hr, real, scale)
    return methods


def _realesrgan() -> Method:
    """One draw from each of several streams, which run on from scene to scene."""
    from degflow_aug.degradations.realesrgan.realesrgan import RealESRGAN

    streams = []
    for seed in range(REALESRGAN_SEEDS):
        streams.append(RealESRGAN())
        streams[-1].seed(seed)
    return lambda hr, scale, real: torch.cat([stream.render(hr, scale) for stream in streams])


def _fitted(kernel: FittedKernel) -> Method:
    def render(hr: Tensor, scale: float, real: Tensor) -> Tensor | None:
        return kernel.render(hr, scale) if scale <= kernel.scale_range[1] + 1e-6 else None

    return render


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
    methods = sorted(dict.fromkeys(row.method for row in rows), key=lambda method: method == CEILING)
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
    fair = [rival for rival in rivals if rival.method != CEILING]
    psnr, ssim = f"{row.psnr_y:.2f}", f"{row.ssim_y:.4f}"
    if row in fair:
        psnr = "*" + psnr if psnr == f"{max(rival.psnr_y for rival in fair):.2f}" else psnr
        ssim = "*" + ssim if ssim == f"{max(rival.ssim_y for rival in fair):.4f}" else ssim
    return f"{psnr:>8}  {ssim:>7}"
