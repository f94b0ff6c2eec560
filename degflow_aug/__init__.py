"""degflow_aug: learn a real camera's degradation from a few HR-LR pairs and feed it to BasicSR training.

Nothing heavy is imported here; ``degflow --help`` must not wait for torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from degflow_aug import compat

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from degflow_aug.degradations.base import Degradation
    from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
    from degflow_aug.degradations.generator.degflow import DegFlow

# Before anybody imports BasicSR: processes that torch spawns unpickle its datasets with nothing but this import.
compat.apply()

__version__ = "0.1.0"
__all__ = ["__version__", "build_degradation", "load_generator", "register"]


def load_generator(path_or_name: str | Path, **settings: object) -> DegFlow | FittedKernel:
    """The generator in a bundle, ready to call: ``lr = load_generator("camera.safetensors")(hr, 2.7)``.

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


def build_degradation(section: Mapping[str, object]) -> Degradation:
    """Any degradation, as the section ``degradation:`` of an option file names it: ``{"type": "Bicubic"}``.

    Raises:
        ValueError: an unknown type or key, with the nearest name, or a value that cannot be.
    """
    from degflow_aug.degradations.build import build_degradation as build

    return build(section)


def register() -> None:
    """Fill BasicSR's registries with our networks, datasets and models; call before ``train_pipeline``."""
    from degflow_aug.plugin import register as fill

    fill()
