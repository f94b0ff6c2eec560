"""What ``degflow fit`` learns after its networks: a student of them, and the noise of their LR."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from degflow_aug.commands.fit.kernel import ALONE, KEPT
from degflow_aug.commands.fit.start import DEFAULT_MINUTES, work_folder
from degflow_aug.commands.shared.arguments import pick_device
from degflow_aug.commands.shared.pairs_arguments import load_scenes
from degflow_aug.console.progress import Progress, note

if TYPE_CHECKING:
    from degflow_aug.bundles.bundle import Bundle, KernelBundle
    from degflow_aug.data.layouts.scene import Scene
    from degflow_aug.evaluation.evaluation import EvaluationScene
    from degflow_aug.fit.schedule import Budget

STUDENT_SHARE = NOISE_SHARE = 0.1
"""Of the budget."""
FEWEST_MINUTES = 15
"""Of a fit that teaches a student: in a tenth of less it would stay behind the generator on a CPU, and be of no use."""


def share_after(minutes: float) -> float:
    """The share of so many minutes that is left for student and noise."""
    return NOISE_SHARE + (STUDENT_SHARE if minutes >= FEWEST_MINUTES else 0.0)


def teach_student(
    args: argparse.Namespace, bundle: Bundle, scenes: Sequence[Scene], held_out: Sequence[Scene]
) -> Bundle:
    """Add a student per camera, where there is time and the images are large enough to teach it.

    Args:
        bundle: of networks trained on ``scenes``.
        held_out: nobody has trained on these.
    """
    if not args.iters and (args.minutes or DEFAULT_MINUTES) < FEWEST_MINUTES:
        note(
            f"no student in less than {FEWEST_MINUTES} minutes: degflow distill teaches one, which makes LR at a "
            "fraction of the cost"
        )
        return bundle
    from degflow_aug.bundles.likeness import students_in_words
    from degflow_aug.degradations.noise.residual_estimation import TooSmallError
    from degflow_aug.fit.short_training import ShortRun
    from degflow_aug.fit.student_fit import split_for_student, with_students
    from degflow_aug.fit.student_training import STEPS

    device, knots = pick_device(args.device), [knot for knot in bundle.spec.knots if knot != 1]
    splits = {camera: split_for_student(camera, scenes, held_out, knots) for camera in bundle.spec.cameras or ("",)}

    def read(part: int, stage: str, camera: str) -> Iterable[EvaluationScene]:
        found = splits[camera][part]
        return load_scenes(found, knots, device, stage) if found else ()

    with Progress() as progress:
        run = ShortRun(
            _budget(args, STUDENT_SHARE, STEPS),
            args.seed,
            lambda *state: progress("student", *state),
            work_folder(args) / "student.state",
            args.save_every,
        )
        try:
            taught = with_students(bundle, partial(read, 0, "teach"), partial(read, 1, "compare"), device, run)
        except TooSmallError as lacking:
            note(f"the bundle has no student: {lacking}")
            return bundle
    note(f"student: {students_in_words(taught.spec)}")
    return taught


def learn_noise(args: argparse.Namespace, bundle: Bundle | KernelBundle, scenes: list[Scene]) -> Bundle | KernelBundle:
    """Add the noise that the bundle's LR images lack, where the images are large enough to learn it from."""
    from degflow_aug.degradations.noise.residual_estimation import TooSmallError
    from degflow_aug.fit.noise_fit import spread_out, with_noise
    from degflow_aug.fit.noise_training import STEPS
    from degflow_aug.fit.schedule import Budget
    from degflow_aug.fit.short_training import ShortRun

    device, alone = pick_device(args.device), args.preset in ALONE
    knots = [knot for knot in bundle.spec.knots if knot != 1]
    budget = Budget(min(args.iters or STEPS // 10, STEPS)) if alone else _budget(args, NOISE_SHARE, STEPS)
    with Progress() as progress:
        run = ShortRun(
            budget,
            args.seed,
            lambda *state: progress("noise network", *state),
            work_folder(args) / (f"{KEPT}noise_of_{budget.iterations}.state" if alone else "noise.state"),
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


def _budget(args: argparse.Namespace, share: float, most: int) -> Budget:
    """A share of the time, or as many steps as there are iterations of the stages."""
    from degflow_aug.fit.schedule import Budget

    return Budget(min(args.iters, most)) if args.iters else Budget(0, 60 * share * (args.minutes or DEFAULT_MINUTES))
