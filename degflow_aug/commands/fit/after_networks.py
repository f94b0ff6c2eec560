"""What ``degflow fit`` learns after its networks: the noise of their LR."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from degflow_aug.commands.fit.kernel import ALONE
from degflow_aug.commands.fit.start import DEFAULT_MINUTES, work_folder
from degflow_aug.commands.shared.arguments import pick_device
from degflow_aug.commands.shared.pairs_arguments import load_scenes
from degflow_aug.console.progress import Progress, note

if TYPE_CHECKING:
    from degflow_aug.bundles.bundle import Bundle, KernelBundle
    from degflow_aug.data.layouts.scene import Scene

NOISE_SHARE = 0.1


def learn_noise(args: argparse.Namespace, bundle: Bundle | KernelBundle, scenes: list[Scene]) -> Bundle | KernelBundle:
    """Add the noise that the bundle's LR images lack, where the images are large enough to learn it from."""
    from degflow_aug.degradations.noise.residual_estimation import TooSmallError
    from degflow_aug.fit.noise_fit import spread_out, with_noise
    from degflow_aug.fit.noise_training import STEPS, NoiseRun
    from degflow_aug.fit.schedule import Budget

    device, alone = pick_device(args.device), args.preset in ALONE
    knots = [knot for knot in bundle.spec.knots if knot != 1]
    seconds = 0.0 if alone or args.iters else 60 * NOISE_SHARE * (args.minutes or DEFAULT_MINUTES)
    with Progress() as progress:
        run = NoiseRun(
            Budget(0 if seconds else min(args.iters or STEPS // 10, STEPS), seconds),
            args.seed,
            lambda *state: progress("noise network", *state),
            None if alone else work_folder(args) / "noise.state",
            args.save_every,
        )
        try:
            noisy, choices = with_noise(bundle, load_scenes(spread_out(scenes), knots, device, "noise"), device, run)
        except TooSmallError as lacking:
            note(f"the bundle has no noise: {lacking}")
            return bundle
    for choice in choices:
        note(f"noise: {choice}")
    return noisy
