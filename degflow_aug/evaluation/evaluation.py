"""How near rendered views come to the real ones: Y-PSNR and Y-SSIM of full frames, beside the baselines."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from degflow_aug import compat
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.fitted.camera_kernels import kind_of
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.degradations.fitted.student import LRCorrection, Student
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.generator.several_cameras import SeveralCameras, cameras_to_name
from degflow_aug.evaluation.rows import ORACLE, Row
from degflow_aug.metrics.fidelity import psnr_y, ssim_y

Method = Callable[[Tensor, float, Tensor], "Tensor | None"]
Note = Callable[[str], None]
KERNEL = "fitted kernel"
FITTED: dict[str, type[FittedKernel]] = {KERNEL: FittedKernel, "fitted pipeline": FittedPipeline}
REALESRGAN_SEEDS = 4
# Of a middle that is shown, and around it for methods to look at; and of how many scenes there are middles.
SIDE, RIM = 192, 48
MOST_SCENES, MOST_OF_A_CAMERA, MOST_SCALES = 8, 4, 3


class EvaluationScene(NamedTuple):
    """A scene: HR (1, 3, H, W) in [0, 1] and its real views of the same shape, by scale."""

    name: str
    camera: str
    hr: Tensor
    views: Mapping[float, Tensor]


class Evaluation(NamedTuple):
    """The rows of a generator, and the middles of some of its scenes, to show how its views look there."""

    rows: list[Row]
    middles: list[EvaluationScene]


def evaluate_generator(
    generator: DegFlow | FittedKernel,
    scenes: Iterable[EvaluationScene],
    note: Note = lambda text: None,
    opponents: Mapping[str, Degradation] | None = None,
    watch: Callable[[EvaluationScene], None] = lambda scene: None,
) -> Evaluation:
    """Compare the views of all of :func:`methods_for` with the real ones, as :func:`evaluate_views` does.

    Where the generator knows several cameras and none is chosen, the generated views and the fitted kernel are those
    of each scene's own camera.

    Args:
        generator: what is evaluated.
        scenes: one camera after the other; read once, one in memory at a time.
        note: see :func:`methods_for`; made for the first camera only.
        opponents: others whose views have a row each, by its name; they choose cameras as the generator does.
        watch: is given each scene, while the generator has its camera.

    Raises:
        ValueError: a scene of a camera that the generator or an opponent does not know.
    """
    others = dict(opponents or {})
    several = [
        each for each in (generator, *others.values()) if isinstance(each, SeveralCameras) and cameras_to_name(each)
    ]
    found, methods = Scores(), dict[str, Method]()
    middles: list[EvaluationScene] = []
    for camera, group in itertools.groupby(scenes, key=lambda scene: scene.camera):
        for each in several:
            each.use_camera(camera)
        if several or not methods:
            methods = methods_for(generator, (lambda text: None) if methods else note)
            methods |= {name: _within_range(other) for name, other in others.items()}
        for scene in group:
            found.add(methods, scene)
            keep_middle(middles, scene)
            watch(scene)
    for each in several:
        each.use_camera(None)
    return Evaluation(found.rows(), middles)


def evaluate_views(methods: Mapping[str, Method], scenes: Iterable[EvaluationScene]) -> list[Row]:
    """Compare the views of every method with the real ones, both rounded to 8 bits, borders included.

    Args:
        methods: (hr (1, 3, H, W), scale, real view) -> view of that shape; or (N, 3, H, W), N draws whose metrics are
            averaged; or None where the method has no view at that scale.
        scenes: read once, one in memory at a time.

    Returns:
        A row for each camera, scale and method, in the order of cameras, rising scales and methods.
    """
    found = Scores()
    for scene in scenes:
        found.add(methods, scene)
    return found.rows()


class Scores:
    """Y-PSNR and Y-SSIM of scenes, gathered per camera, scale and method."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, float, str], list[tuple[float, float]]] = {}
        self._order: dict[str, None] = {}

    @torch.no_grad()
    def add(self, methods: Mapping[str, Method], scene: EvaluationScene) -> None:
        """Score the views of every method beside the real ones of a scene.

        Raises:
            ValueError: a view that :func:`check_view` refuses.
        """
        self._order.update(dict.fromkeys(methods))
        for scale, real in scene.views.items():
            for name, method in methods.items():
                rendered = method(scene.hr, scale, real)
                if rendered is not None:
                    check_view(rendered, name, scene, scale)
                    self._found.setdefault((scene.camera, scale, name), []).append(_fidelity(rendered, real))

    def rows(self) -> list[Row]:
        """The means, in the order of cameras, rising scales and methods."""
        cameras = list(dict.fromkeys(camera for camera, _, _ in self._found))
        order = list(self._order)
        keys = sorted(self._found, key=lambda key: (cameras.index(key[0]), key[1], order.index(key[2])))
        return [_mean_row(name, camera, scale, self._found[camera, scale, name]) for camera, scale, name in keys]


def check_view(view: Tensor, name: str, scene: EvaluationScene, scale: float) -> None:
    """Refuse a rendered view that is not of numbers, as of a generator whose weights overflow, by a ValueError."""
    if not torch.isfinite(view).all():
        raise ValueError(
            f"expected numbers in the view of {scene.name} at x{scale:g} by {name}, got NaN or infinity; train the "
            "bundle again"
        )


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
        generator: its ``kernels`` are the linear kernel fitted to the same pairs, where its bundle has them, and its
            ``student`` has a row of its own. A fitted kernel alone has no rows of networks.
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
            methods[name] = _within_range(kind.of_state(state))
    if isinstance(generator, FittedKernel):
        return methods
    if KERNEL not in methods:
        note("the row of the fitted kernel is left out: the bundle holds none")
    methods["DegFlow"] = lambda hr, scale, real: generator.render(hr, scale)
    if generator.student:
        student = Student(kind_of(state).of_state(state), LRCorrection.from_state(generator.student))
        methods["student"] = _within_range(student.to(next(generator.parameters()).device))
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


def _within_range(degradation: Degradation) -> Method:
    def render(hr: Tensor, scale: float, real: Tensor) -> Tensor | None:
        return degradation.render(hr, scale) if scale <= degradation.scale_range[1] + 1e-6 else None

    return render


def keep_middle(kept: list[EvaluationScene], scene: EvaluationScene) -> None:
    """Add the middle of a scene with a rim that methods may look at, if it is among the first few of its camera."""
    of_camera = sum(each.camera == scene.camera for each in kept)
    if of_camera < MOST_OF_A_CAMERA and len(kept) < MOST_SCENES:
        views = {scale: _middle(scene.views[scale]) for scale in _some(sorted(scene.views))}
        kept.append(EvaluationScene(scene.name, scene.camera, _middle(scene.hr), views))


def without_rim(image: Tensor) -> Tensor:
    """The part of a middle that is shown."""
    return _cut(image, SIDE)


def _some(scales: list[float]) -> list[float]:
    """At most three: the ends and one between."""
    if len(scales) <= MOST_SCALES:
        return scales
    return [scales[round(place * (len(scales) - 1) / (MOST_SCALES - 1))] for place in range(MOST_SCALES)]


def _middle(image: Tensor) -> Tensor:
    """A copy, so that the whole image can go."""
    return _cut(image, SIDE + 2 * RIM).clone()


def _cut(image: Tensor, side: int) -> Tensor:
    top, left = (max(0, (extent - side) // 2) for extent in image.shape[-2:])
    return image[..., top : top + side, left : left + side]
