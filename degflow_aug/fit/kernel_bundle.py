"""A bundle of the linear kernel or the pipeline alone, from pairs, without any training."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from degflow_aug.bundles.bundle import KernelBundle, KernelSpec
from degflow_aug.data.aligned_scales_dataset import AlignedScales
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.models.stages.whole_pairs import WholePairs

KINDS: dict[str, type[FittedKernel]] = {"kernel": FittedKernel, "pipeline": FittedPipeline}


def fit_kernel_bundle(
    scenes: Sequence[Scene], knots: Sequence[float], camera: str, device: torch.device, preset: str
) -> KernelBundle:
    """Fit the kernels, or for preset ``pipeline`` the pipeline, to whole scenes at ``knots`` (1 first), without noise.

    Raises:
        ValueError: no views at a knot, or images that cannot be fitted.
    """
    began = time.monotonic()
    fitted = KINDS[preset].fit(WholePairs(AlignedScales(scenes, knots, incomplete="keep"), device))
    facts = {
        "preset": preset,
        "scenes": [f"{scene.camera}/{scene.name}" for scene in scenes],
        "seconds": round(time.monotonic() - began, 1),
    }
    return KernelBundle(KernelSpec(tuple(knots), camera, facts), [fitted.state_dict()])
