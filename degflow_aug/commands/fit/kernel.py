"""``degflow fit --preset kernel`` or ``pipeline``: the camera without networks, in a minute and without BasicSR."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from degflow_aug.commands.shared.arguments import pick_device
from degflow_aug.commands.shared.pairs_arguments import cameras_apart, cameras_of, knots_of
from degflow_aug.console.progress import Progress

if TYPE_CHECKING:
    import torch

    from degflow_aug.bundles.bundle import KernelBundle
    from degflow_aug.data.layouts.scene import Scene

ALONE = ("kernel", "pipeline")
# Options that these have no use for (--iters is of their noise), with what they are where nobody named them.
OF_TRAINING = {
    "recipe": None, "lpips_vgg": "", "one_step": None, "minutes": None, "work": None, "seed": 0,
    "save_every": 60.0, "workers": None,
}  # fmt: skip


def check_alone(args: argparse.Namespace) -> None:
    """Refuse options of training.

    Raises:
        ValueError: one of them is given.
    """
    for name, default in OF_TRAINING.items():
        value = getattr(args, name)
        if value != default:
            flag = "--" + name.replace("_", "-")
            raise ValueError(
                f"expected no {flag} with --preset {args.preset}, which trains no networks, got {value}; leave it out"
            )


def run_kernel_preset(args: argparse.Namespace, scenes: list[Scene]) -> KernelBundle:
    """Fit the kernel or pipeline to the scenes.

    Raises:
        ValueError: scenes of several cameras that are not wanted as one: their kernel would be that of none of them.
    """
    camera, apart = cameras_of(scenes), cameras_apart(args.cameras_apart, "ours", scenes)
    if apart:
        raise ValueError(
            f"expected pairs of one camera for --preset {args.preset}, got those of {', '.join(apart)}; name one with "
            "--cameras, or add --no-cameras-apart for one kernel over all"
        )
    knots = knots_of(args.knots, scenes)
    device = pick_device(args.device)
    return fit_kernel_bundle(scenes, knots, args.camera or camera, device, args.preset)


def fit_kernel_bundle(
    scenes: Sequence[Scene], knots: Sequence[float], camera: str, device: torch.device, preset: str
) -> KernelBundle:
    """Fit the kernels, or for preset ``pipeline`` the pipeline, to whole scenes at ``knots`` (1 first), without noise.

    Shows its progress.

    Raises:
        ValueError: no views at a knot, or images that cannot be fitted.
    """
    from degflow_aug.bundles.bundle import KernelBundle, KernelSpec
    from degflow_aug.data.aligned_scales_dataset import AlignedScales
    from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
    from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
    from degflow_aug.degradations.fitted.kernel_estimation import ROUNDS
    from degflow_aug.degradations.fitted.pipeline_estimation import SearchWatch
    from degflow_aug.models.stages.sample_cameras import WholePairs

    class Shown(SearchWatch):
        def step(self, done: int, total: int) -> None:
            progress("pipeline", done, total)

    began, looks = time.monotonic(), itertools.count(1)
    passes = 1 + ROUNDS + (preset == "pipeline")
    with Progress() as progress:
        pairs = WholePairs(
            AlignedScales(scenes, knots, incomplete="keep"),
            device,
            lambda: progress("kernel", next(looks), passes * len(scenes)),
        )
        fitted = FittedPipeline.fit(pairs, watch=Shown()) if preset == "pipeline" else FittedKernel.fit(pairs)
    facts = {
        "preset": preset,
        "scenes": [f"{scene.camera}/{scene.name}" for scene in scenes],
        "seconds": round(time.monotonic() - began, 1),
    }
    return KernelBundle(KernelSpec(tuple(knots), camera, facts), [fitted.state_dict()])
