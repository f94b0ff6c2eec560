"""The rows of the realism tables: every degradation as (HR, scale, real view) -> view and LR, once per seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

import degflow_aug
from benchmarks.shared.gaussian_baseline import GaussianBlur
from degflow_aug import compat
from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.grid import resize, to_lr_grid
from degflow_aug.evaluation.evaluation import FITTED

BICUBIC, GAUSSIAN, REALESRGAN, BSRGAN = "bicubic", "Gaussian, fitted", "Real-ESRGAN", "BSRGAN"
PAPER, OURS, NOISY = "DegFlow, paper recipe", "ours", "ours + noise"
ALL_SCALES, CEILING = "all-scales ceiling", "RAE ceiling"
ORDER = (BICUBIC, GAUSSIAN, *FITTED, REALESRGAN, BSRGAN, PAPER, OURS, NOISY, ALL_SCALES, CEILING)
# Degradations that draw all they do, of several seeds.
DRAWN = {REALESRGAN: "RealESRGAN", BSRGAN: "BSRGAN"}
DRAWN_SEEDS = 4


class Rendered(NamedTuple):
    """What a method makes of an HR image: the view (1, 3, H, W) and the LR image (1, 3, h, w), in [0, 1].

    ``reference`` is that LR image without what the method draws at random, the LR image itself where it draws nothing.
    """

    view: Tensor
    lr: Tensor
    reference: Tensor


Method = Callable[[Tensor, float, Tensor], "Rendered | None"]
"""(HR (1, 3, H, W), scale, real view) -> result; none where the method has none at that scale."""
Methods = dict[str, list[Method]]
"""By row, a method for each seed."""


class Source:
    """A degradation that keeps its last view: the row with noise starts from that of the row without."""

    def __init__(self, degradation: Degradation) -> None:
        self.degradation = degradation
        self._last: tuple[Tensor, float, Tensor] | None = None

    def covers(self, scale: float) -> bool:
        """Whether it was made for that scale."""
        return scale <= self.degradation.scale_range[1] + 1e-6

    def view(self, hr: Tensor, scale: float) -> Tensor:
        """View of ``hr`` (1, 3, H, W)."""
        if self._last is None or self._last[0] is not hr or self._last[1] != scale:
            self._last = (hr, scale, self.degradation.render(hr, scale))
        return self._last[2]

    def lr(self, hr: Tensor, scale: float) -> Tensor:
        """That view on the LR grid."""
        return to_lr_grid(self.view(hr, scale), scale)


def build_methods(
    ours: Sequence[Path],
    paper: Sequence[Path],
    all_scales: Sequence[Path],
    gaussian: GaussianBlur | None,
    note: Callable[[str], None],
) -> Methods:
    """The rows there can be, in the order of the tables.

    Args:
        ours, paper, all_scales: bundles, one per seed; without any there is no such row.
        gaussian: fitted to the training pairs.
        note: is told in one sentence of a row that is left out.
    """
    generators = [degflow_aug.load_generator(path) for path in ours]
    sources = [Source(generator) for generator in generators]
    methods: Methods = {BICUBIC: [from_view(Source(Bicubic()))]}
    if gaussian:
        methods[GAUSSIAN] = [from_view(Source(gaussian))]
    else:
        note(f"{GAUSSIAN}: left out, there are no training scenes to fit it to; name some with --train")
    if generators:
        methods |= _rows_of_ours(ours, generators, sources, note)
    for name, kind in DRAWN.items():
        if compat.has_basicsr():
            methods[name] = [_drawn(kind, seed) for seed in range(DRAWN_SEEDS)]
        else:
            note(f"{name}: left out, BasicSR is not installed")
    for name, paths in ((PAPER, paper), (ALL_SCALES, all_scales)):
        if paths:
            methods[name] = [from_view(Source(degflow_aug.load_generator(path))) for path in paths]
    return {name: methods[name] for name in ORDER if name in methods}


def _rows_of_ours(
    paths: Sequence[Path], generators: Sequence[DegFlow], sources: Sequence[Source], note: Callable[[str], None]
) -> Methods:
    """Our generators, the same with noise, their autoencoders, and what the first bundle has without networks."""
    methods: Methods = {OURS: [from_view(source) for source in sources]}
    methods[CEILING] = [_ceiling(generator) for generator in generators]
    kernels = generators[0].kernels
    for name, kind in FITTED.items():
        if set(kind.state_keys) <= set(kernels):
            methods[name] = [from_view(Source(kind.of_state(kernels)))]
        else:
            note(f"{name}: left out, the first bundle holds none")
    if all(load_bundle(path).noise for path in paths):
        methods[NOISY] = [
            _noisy(path, source, seed) for seed, (path, source) in enumerate(zip(paths, sources, strict=True))
        ]
    else:
        note(f"{NOISY}: left out, a bundle has learned no noise; `degflow noise` learns it")
    return methods


def from_view(source: Source) -> Method:
    """A deterministic degradation; its LR is its view on the LR grid, as the real LR is the real view there."""

    def method(hr: Tensor, scale: float, real: Tensor) -> Rendered | None:
        if not source.covers(scale):
            return None
        return _deterministic(source.view(hr, scale), scale)

    return method


def _deterministic(view: Tensor, scale: float) -> Rendered:
    lr = to_lr_grid(view, scale)
    return Rendered(view, lr, lr)


def _drawn(kind: str, seed: int) -> Method:
    """A stream of draws that runs on from scene to scene; bicubic is what it would be without them."""
    stream, plain = degflow_aug.build_degradation({"type": kind}), Bicubic()
    stream.seed(seed)

    def method(hr: Tensor, scale: float, real: Tensor) -> Rendered:
        view, reference = stream.render(hr, scale), plain.render(hr, scale)
        return Rendered(view, to_lr_grid(view, scale), to_lr_grid(reference, scale))

    return method


def _noisy(path: Path, source: Source, seed: int) -> Method:
    """A generator with its noise, which is made on the LR grid and put upon the view from there."""
    generator = degflow_aug.load_generator(path, noise=1.0)
    generator.seed(seed)

    def method(hr: Tensor, scale: float, real: Tensor) -> Rendered | None:
        if not source.covers(scale):
            return None
        lr, plain = generator(hr, scale), source.lr(hr, scale)
        view = (source.view(hr, scale) + resize(lr - plain, _size(hr))).clamp(0, 1)
        return Rendered(view, lr, plain)

    return method


def _ceiling(generator: DegFlow) -> Method:
    """The real view through a generator's autoencoder."""
    last = generator.scale_range[1] + 1e-6

    def method(hr: Tensor, scale: float, real: Tensor) -> Rendered | None:
        return _deterministic(generator.reconstruct(hr, real, scale), scale) if scale <= last else None

    return method


def _size(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]
