"""How near rendered views come to the real ones: Y-PSNR and Y-SSIM of full frames, beside the baselines."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from degflow_aug import compat
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.generator.several_cameras import cameras_to_name
from degflow_aug.evaluation.rows import ORACLE, Row
from degflow_aug.metrics.fidelity import psnr_y, ssim_y

Method = Callable[[Tensor, float, Tensor], "Tensor | None"]
Note = Callable[[str], None]
KERNEL = "fitted kernel"
FITTED: dict[str, type[FittedKernel]] = {KERNEL: FittedKernel, "fitted pipeline": FittedPipeline}
REALESRGAN_SEEDS = 4


class EvaluationScene(NamedTuple):
    """A scene: HR (1, 3, H, W) in [0, 1] and its real views of the same shape, by scale."""

    name: str
    camera: str
    hr: Tensor
    views: Mapping[float, Tensor]


def evaluate_generator(
    generator: DegFlow | FittedKernel, scenes: Iterable[EvaluationScene], note: Note = lambda text: None
) -> list[Row]:
    """The rows of :func:`evaluate_views` for all of :func:`methods_for`.

    Where the generator knows several cameras and none is chosen, the generated views and the fitted kernel are those
    of each scene's own camera.

    Args:
        scenes: one camera after the other; read once.
        note: see :func:`methods_for`.

    Raises:
        ValueError: a scene of a camera that the generator does not know.
    """
    if isinstance(generator, FittedKernel) or not cameras_to_name(generator):
        return evaluate_views(methods_for(generator, note), scenes)
    rows, heard = [], note
    for camera, group in itertools.groupby(scenes, key=lambda scene: scene.camera):
        generator.use_camera(camera)
        rows += evaluate_views(methods_for(generator, heard), group)
        heard = _ignore
    generator.use_camera(None)
    return rows


def _ignore(text: str) -> None:
    """Do nothing: a note is made for the first camera only."""


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


def methods_for(generator: DegFlow | FittedKernel, note: Note = lambda text: None) -> dict[str, Method]:
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
    methods[ORACLE] = lambda hr, scale, real: generator.reconstruct(hr, real, scale)
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
