"""``degflow fit --preset kernel`` or ``pipeline``: the camera without networks, in a minute and without BasicSR."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from degflow_aug.commands.shared.arguments import pick_device
from degflow_aug.commands.shared.pairs_arguments import cameras_apart, cameras_of, knots_of
from degflow_aug.console.progress import Progress

if TYPE_CHECKING:
    import torch

    from degflow_aug.bundles.bundle import KernelBundle
    from degflow_aug.data.layouts.scene import Scene

ALONE = ("kernel", "pipeline")
KEPT = "alone_"
"""What names of files in a work folder begin with that a fit without networks goes on from."""
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


def run_kernel_preset(args: argparse.Namespace, scenes: list[Scene], work: Path) -> KernelBundle:
    """Fit the kernel or pipeline to the scenes; a search that was stopped goes on from what ``work`` keeps of it.

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
    work.mkdir(parents=True, exist_ok=True)
    return fit_kernel_bundle(scenes, knots, args.camera or camera, device, args.preset, work / f"{KEPT}search.pth")


def forget_kept(work: Path) -> None:
    """Remove what a fit that has ended kept to go on from, and ``work`` where it holds nothing else."""
    for file in work.glob(f"{KEPT}*"):
        file.unlink()
    with suppress(OSError):
        work.rmdir()


def fit_kernel_bundle(
    scenes: Sequence[Scene],
    knots: Sequence[float],
    camera: str,
    device: torch.device,
    preset: str,
    kept: Path | None = None,
) -> KernelBundle:
    """Fit the kernels, or for preset ``pipeline`` the pipeline, to whole scenes at ``knots`` (1 first), without noise.

    Shows its progress. A search for a pipeline of the same pairs goes on from the file ``kept``.

    Raises:
        ValueError: no views at a knot, or images that cannot be fitted.
    """
    from degflow_aug.bundles.bundle import KernelBundle, KernelSpec
    from degflow_aug.data.aligned_scales_dataset import AlignedScales
    from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
    from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
    from degflow_aug.degradations.fitted.kernel_estimation import ROUNDS
    from degflow_aug.models.stages.kept_search import KeptSearch
    from degflow_aug.models.stages.sample_cameras import WholePairs

    began, looks = time.monotonic(), itertools.count(1)
    passes = 1 + ROUNDS + (preset == "pipeline")
    with Progress() as progress:
        pairs = WholePairs(
            AlignedScales(scenes, knots, incomplete="keep"),
            device,
            lambda: progress("kernel", next(looks), passes * len(scenes)),
        )
        fitted = (
            FittedPipeline.fit(pairs, watch=KeptSearch(progress, kept))
            if preset == "pipeline"
            else FittedKernel.fit(pairs)
        )
    facts = {
        "preset": preset,
        "scenes": [f"{scene.camera}/{scene.name}" for scene in scenes],
        "seconds": round(time.monotonic() - began, 1),
    }
    return KernelBundle(KernelSpec(tuple(knots), camera, facts), [fitted.state_dict()])
