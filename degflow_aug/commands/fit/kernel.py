"""``degflow fit --preset kernel`` or ``pipeline``: the camera without networks, in a minute and without BasicSR."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from degflow_aug.commands.fit.split import cameras_apart
from degflow_aug.commands.shared.arguments import pick_device
from degflow_aug.commands.shared.pairs_arguments import cameras_of, knots_of

if TYPE_CHECKING:
    from degflow_aug.bundles.bundle import KernelBundle
    from degflow_aug.data.layouts.scene import Scene

ALONE = ("kernel", "pipeline")
# Options that these have no use for, with what they are where nobody named them.
OF_TRAINING = {
    "recipe": None, "lpips_vgg": "", "one_step": None, "minutes": None, "iters": None, "work": None, "seed": 0,
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
    from degflow_aug.fit.kernel_bundle import fit_kernel_bundle

    knots = knots_of(args.knots, scenes)
    device = pick_device(args.device)
    return fit_kernel_bundle(scenes, knots, args.camera or camera, device, args.preset)
