"""degflow_aug: learn a real camera's degradation from a few HR-LR pairs and feed it to BasicSR training.

All that documentation names is imported from here. Nothing heavy is loaded before it is used: ``degflow --help`` must
not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Literal, overload

from degflow_aug import compat

if TYPE_CHECKING:
    from pathlib import Path

    from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import ArbitraryScaleNetwork, upscale
    from degflow_aug.archs.arbitrary_scale.liif_arch import LIIF
    from degflow_aug.archs.arbitrary_scale.official_checkpoint import load_official
    from degflow_aug.archs.arbitrary_scale.official_checkpoint import load_official as load_official_liif
    from degflow_aug.archs.arbitrary_scale.queries import scattered_queries
    from degflow_aug.degradations.at_scale import AtScale
    from degflow_aug.degradations.base import Degradation
    from degflow_aug.degradations.build import build_degradation, register_degradation
    from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
    from degflow_aug.degradations.fitted.student import Student
    from degflow_aug.degradations.generator.degflow import DegFlow
    from degflow_aug.degradations.image_check import checked_lr_grid as to_lr_grid
    from degflow_aug.degradations.simulator.phone import SimulatedPhone
    from degflow_aug.draws import resolve_draw
    from degflow_aug.plugin import register

# Before anybody imports BasicSR: processes that torch spawns unpickle its datasets with nothing but this import.
compat.apply()

__version__ = "0.1.0"
__all__ = [
    "LIIF",
    "ArbitraryScaleNetwork",
    "AtScale",
    "Degradation",
    "SimulatedPhone",
    "__version__",
    "build_degradation",
    "load_generator",
    "load_official",
    "load_official_liif",
    "register",
    "register_degradation",
    "resolve_draw",
    "scattered_queries",
    "to_lr_grid",
    "upscale",
]
_HOMES = {
    "LIIF": "archs.arbitrary_scale.liif_arch:LIIF",
    "ArbitraryScaleNetwork": "archs.arbitrary_scale.arbitrary_scale_network:ArbitraryScaleNetwork",
    "AtScale": "degradations.at_scale:AtScale",
    "Degradation": "degradations.base:Degradation",
    "SimulatedPhone": "degradations.simulator.phone:SimulatedPhone",
    "build_degradation": "degradations.build:build_degradation",
    # As it was called when all of compat lay here.
    "compat_devices": "compat.devices:",
    "load_official": "archs.arbitrary_scale.official_checkpoint:load_official",
    # As it was called when it read LIIF alone.
    "load_official_liif": "archs.arbitrary_scale.official_checkpoint:load_official",
    "register": "plugin:register",
    "register_degradation": "degradations.build:register_degradation",
    "resolve_draw": "draws:resolve_draw",
    "scattered_queries": "archs.arbitrary_scale.queries:scattered_queries",
    "to_lr_grid": "degradations.image_check:checked_lr_grid",
    "upscale": "archs.arbitrary_scale.arbitrary_scale_network:upscale",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    home = importlib.import_module(f"{__name__}.{module}")
    globals()[name] = value = getattr(home, attribute) if attribute else home
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


@overload
def load_generator(path_or_name: str | Path, *, scale: float | tuple[float, float], **settings: object) -> AtScale: ...
@overload
def load_generator(
    path_or_name: str | Path, *, scale: None = None, student: Literal["auto"], **settings: object
) -> DegFlow | FittedKernel | Student: ...
@overload
def load_generator(
    path_or_name: str | Path, *, scale: None = None, student: Literal["never"] = "never", **settings: object
) -> DegFlow | FittedKernel: ...
def load_generator(
    path_or_name: str | Path,
    *,
    scale: float | tuple[float, float] | None = None,
    student: object = "never",
    **settings: object,
) -> Degradation | AtScale:
    """Load the generator of a bundle, ready to call: ``lr = load_generator("camera.safetensors", noise=1.0)(hr, 2.7)``.

    Where the bundle holds a fitted kernel or pipeline alone, it is that.

    ``noise`` is 0 unless it is given, as in ``degradation:`` of an option file and in ``degflow generate``: a trainer
    expects that a bundle gives the same LR wherever it is named, twice the same for the same image, and that any bundle
    does, also one that has learned no noise. Training wants ``noise=1.0``, with which option files ship and results
    were measured, and a seed per step; it is asked for by name, and refused where it was not learned.

    ``student="auto"`` is for training as well: where the bundle has a student that holds, it makes LR in place of the
    generator, at a fraction of the cost; a line says which one it is, and why.

    Args:
        path_or_name: a bundle's path, or the name of one that ships with the package.
        student: never, or auto for the student where it holds: where the Y-PSNR of its views of scenes held out is at
            most 0.1 dB below the generator's, as the header says.
        scale: a scale, or (lowest, highest): make a transform of one argument, see :class:`AtScale`.
        **settings: keyword arguments of :class:`~degflow_aug.degradations.generator.degflow.DegFlow` (solver, ...); a
            fitted kernel or pipeline alone takes noise.

    Raises:
        ValueError: no such bundle, or a file that is none, or a setting or scale that it does not know.
    """
    from degflow_aug.bundles.bundle import load_any_bundle
    from degflow_aug.degradations.at_scale import AtScale
    from degflow_aug.degradations.build import generator_of
    from degflow_aug.degradations.generator.student_choice import who_makes_lr

    bundle = load_any_bundle(path_or_name)
    generator = who_makes_lr(generator_of(bundle, **settings), bundle, path_or_name, student, **settings)
    return generator if scale is None else AtScale(generator, scale)
