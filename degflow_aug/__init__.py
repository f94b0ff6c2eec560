"""degflow_aug: learn a real camera's degradation from a few HR-LR pairs and feed it to BasicSR training.

All that documentation names is imported from here. Nothing heavy is loaded before it is used: ``degflow --help`` must
not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from degflow_aug import compat

if TYPE_CHECKING:
    from pathlib import Path

    from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import ArbitraryScaleNetwork, upscale
    from degflow_aug.archs.arbitrary_scale.liif_arch import LIIF
    from degflow_aug.archs.arbitrary_scale.liif_arch import load_official as load_official_liif
    from degflow_aug.archs.arbitrary_scale.queries import scattered_queries
    from degflow_aug.degradations.base import Degradation
    from degflow_aug.degradations.build import build_degradation, register_degradation
    from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
    from degflow_aug.degradations.generator.degflow import DegFlow
    from degflow_aug.degradations.grid import to_lr_grid
    from degflow_aug.draws import resolve_draw
    from degflow_aug.plugin import register

# Before anybody imports BasicSR: processes that torch spawns unpickle its datasets with nothing but this import.
compat.apply()

__version__ = "0.1.0"
__all__ = [
    "LIIF",
    "ArbitraryScaleNetwork",
    "Degradation",
    "__version__",
    "build_degradation",
    "load_generator",
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
    "Degradation": "degradations.base:Degradation",
    "build_degradation": "degradations.build:build_degradation",
    # As it was called when all of compat lay here.
    "compat_devices": "compat.devices:",
    "load_official_liif": "archs.arbitrary_scale.liif_arch:load_official",
    "register": "plugin:register",
    "register_degradation": "degradations.build:register_degradation",
    "resolve_draw": "draws:resolve_draw",
    "scattered_queries": "archs.arbitrary_scale.queries:scattered_queries",
    "to_lr_grid": "degradations.grid:to_lr_grid",
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


def load_generator(path_or_name: str | Path, **settings: object) -> DegFlow | FittedKernel:
    """Load the generator of a bundle, ready to call: ``lr = load_generator("camera.safetensors")(hr, 2.7)``.

    Where the bundle holds a fitted kernel or pipeline alone, it is that.

    Args:
        path_or_name: a bundle's path, or the name of one that ships with the package.
        **settings: keyword arguments of :class:`~degflow_aug.degradations.generator.degflow.DegFlow` (solver, ...); a
            fitted kernel or pipeline alone takes noise.

    Raises:
        ValueError: no such bundle, or a file that is none.
    """
    from degflow_aug.bundles.bundle import load_any_bundle
    from degflow_aug.degradations.build import generator_of

    return generator_of(load_any_bundle(path_or_name), **settings)
