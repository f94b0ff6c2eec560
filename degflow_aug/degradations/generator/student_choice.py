"""Who makes LR for training: the generator, or its student where the header of the bundle says that this holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from degflow_aug.bundles.bundle import Bundle, KernelBundle
from degflow_aug.bundles.likeness import read_likenesses
from degflow_aug.degradations.camera_choice import ANY, find_camera
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.student import Student
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.files.notice import notice

AUTO, NEVER = "auto", "never"
OF_NETWORKS = ("solver", "steps", "tolerance", "extrapolate")
"""Settings that a student has nothing for."""


def who_makes_lr(
    generator: DegFlow | FittedKernel, bundle: Bundle | KernelBundle, name: str | Path, student: object, **settings: Any
) -> DegFlow | FittedKernel | Student:
    """The generator of a bundle or, under ``auto``, its student; a line then says which one and why.

    Args:
        generator: as :meth:`DegFlow.from_bundle` makes it of ``settings``, which it thereby has found to be good.
        bundle: its own; of a fitted camera alone there is no student.
        name: of the bundle, for that line.
        student: ``never``, or ``auto`` for the student where it holds (:class:`Likeness`) and is what is asked for: of
            one camera, by no other sampler than its generator's own, at the scales of the bundle.

    Raises:
        ValueError: another word.
    """
    if student not in (AUTO, NEVER):
        raise ValueError(f"expected {AUTO} or {NEVER} for student, got {student!r}")
    if student == NEVER or not isinstance(bundle, Bundle):
        return generator
    against, told = _reasons(bundle, settings)
    if against:
        notice(f"{name}: the generator makes LR, and no student: {against}")
        return generator
    notice(f"{name}: the student makes LR: {told}; student: {NEVER} takes the generator")
    return Student.from_bundle(bundle, noise=settings.get("noise", 0.0), camera=settings.get("camera"))


def _reasons(bundle: Bundle, settings: dict[str, Any]) -> tuple[str, str]:
    """What speaks against the student, or nothing, and what for it."""
    camera, cameras = settings.get("camera"), bundle.spec.cameras
    if not bundle.students:
        return "there is none; degflow distill teaches one", ""
    if named := [key for key in OF_NETWORKS if settings.get(key)]:
        return f"{named[0]} is of the networks", ""
    if cameras and (not camera or not isinstance(camera, str) or camera == ANY):
        return "a student is that of one camera by name", ""
    likeness = read_likenesses(bundle.spec)[find_camera(str(camera), cameras) if cameras else 0]
    if likeness is None:
        return "it was not compared with real views; degflow distill --pairs does it", ""
    return ("" if likeness.holds else f"it loses more than 0.1 dB: {likeness}"), str(likeness)
