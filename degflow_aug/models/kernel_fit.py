"""A bundle of the linear kernel alone, from pairs, without any training."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from degflow_aug.bundle import KernelBundle, KernelSpec, save_bundle
from degflow_aug.data.aligned_scales import AlignedScales
from degflow_aug.data.scene import Scene
from degflow_aug.degradations.fitted_kernel import FittedKernel
from degflow_aug.models.whole_pairs import WholePairs


def fit_kernel_bundle(
    path: Path, scenes: Sequence[Scene], knots: Sequence[float], camera: str, device: torch.device
) -> KernelBundle:
    """Fit the kernels of ``knots`` (1 first) to whole scenes and write them to ``path``; noise can be added later.

    Raises:
        ValueError: no views at a knot, or images that cannot be fitted.
    """
    began = time.monotonic()
    fitted = FittedKernel.fit(WholePairs(AlignedScales(scenes, knots, incomplete="keep"), device))
    facts = {
        "preset": "kernel",
        "scenes": [f"{scene.camera}/{scene.name}" for scene in scenes],
        "seconds": round(time.monotonic() - began, 1),
    }
    bundle = KernelBundle(KernelSpec(tuple(knots), camera, facts), fitted.state_dict())
    save_bundle(path, bundle)
    return bundle
