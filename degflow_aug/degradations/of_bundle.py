"""The degradation that a bundle holds: a generator, or a fitted kernel or pipeline alone."""

from __future__ import annotations

from typing import Any

from degflow_aug.bundles.bundle import Bundle, KernelBundle
from degflow_aug.degradations.fitted.camera_kernels import kind_of
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.generator.degflow import DegFlow


def generator_of(bundle: Bundle | KernelBundle, **settings: Any) -> DegFlow | FittedKernel:
    """The degradation of a bundle, with the keyword arguments of :meth:`DegFlow.from_bundle`.

    Raises:
        ValueError: settings that cannot be, or settings of networks for a fitted kernel alone.
    """
    if isinstance(bundle, Bundle):
        return DegFlow.from_bundle(bundle, **settings)
    noise, camera = settings.pop("noise", 0.0), settings.pop("camera", None)
    for name, value in settings.items():
        if name != "tile" and value not in (None, False, "none"):
            raise ValueError(
                f"expected no {name} for a bundle that holds a fitted kernel alone, got {value}; it has no networks, "
                "so leave that out"
            )
    return kind_of(bundle.kernels).from_bundle(bundle, noise=noise, camera=camera)
