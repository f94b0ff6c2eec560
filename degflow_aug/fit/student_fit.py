"""Teach the generator of a bundle to a student per camera, and compare both on scenes held out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import fmean

import torch

from degflow_aug.bundles.bundle import Bundle
from degflow_aug.bundles.likeness import Likeness, with_likenesses
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.degradations.fitted.camera_kernels import kind_of
from degflow_aug.degradations.fitted.student import Student
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.evaluation.evaluation import EvaluationScene, Method, Scores
from degflow_aug.fit.noise_choice import hold_out
from degflow_aug.fit.noise_fit import spread_out
from degflow_aug.fit.short_training import ShortRun
from degflow_aug.fit.student_training import REAL_SIDE, examples_of, train_student, window

ScenesOf = Callable[[str], Iterable[EvaluationScene]]
"""Those of a camera, by its name, which is empty where a bundle knows one."""


def split_for_student(
    camera: str, scenes: Sequence[Scene], held_out: Sequence[Scene], knots: Sequence[float]
) -> tuple[Sequence[Scene], Sequence[Scene]]:
    """Scenes of a camera to teach a student by, and to compare it on: at most 64 of each, evenly.

    Args:
        camera: empty for all.
        scenes: those that the generator has trained on.
        held_out: those that nobody has trained on, which are fair to both; where there are none of this camera, a fifth
            of ``scenes`` is held out of the student's training alone, and none of a single one.
        knots: scales of which those to compare on have at least one.
    """
    own, others = ([scene for scene in each if camera in ("", scene.camera)] for each in (scenes, held_out))
    if not others:
        places = set(hold_out(len(own)))
        others = [scene for place, scene in enumerate(own) if place in places]
        own = [scene for place, scene in enumerate(own) if place not in places]
    return spread_out(own), spread_out([scene for scene in others if set(scene.scales) & set(knots)])


def with_students(
    bundle: Bundle, taught_by: ScenesOf, held_out: ScenesOf, device: torch.device, run: ShortRun
) -> Bundle:
    """The bundle with a student per camera, each with its share of the budget, and a header that says how near each is.

    Raises:
        ValueError: no fitted camera in the bundle, images that are too small (:class:`TooSmallError`), or views that
            are no numbers.
    """
    if not bundle.kernels:
        raise ValueError(
            "expected a bundle with a fitted kernel or pipeline, which a student begins with, got one without; "
            "degflow fit puts one in"
        )
    cameras = bundle.spec.cameras or ("",)
    teacher = DegFlow.from_bundle(bundle, camera=cameras[0] or None).to(device)
    students, found = [], []
    for index, (camera, state) in enumerate(zip(cameras, bundle.kernels, strict=True)):
        if camera:
            teacher.use_camera(camera)
        kernel = kind_of(state).of_state(state).to(device)
        sources = examples_of(teacher, kernel, taught_by(camera), run.seed)
        correction = train_student(sources, run.part(index, len(cameras)) if camera else run, device)
        found.append(_compare(Student(kernel, correction), teacher, held_out(camera)))
        students.append(correction.cpu().state_dict())
    return replace(bundle, students=students, spec=with_likenesses(bundle.spec, found))


def _compare(student: Student, teacher: DegFlow, scenes: Iterable[EvaluationScene]) -> Likeness | None:
    """How near both come to the middles of real views; None without any."""
    methods: dict[str, Method] = {
        "the student": lambda hr, scale, real: student.render(hr, scale),
        "the generator": lambda hr, scale, real: teacher.render(hr, scale),
    }
    scores, count = Scores(), 0
    for scene in scenes:
        views = {scale: window(view, REAL_SIDE) for scale, view in scene.views.items()}
        scores.add(methods, scene._replace(hr=window(scene.hr, REAL_SIDE), views=views))
        count += 1
    rows = scores.rows()
    if not rows:
        return None
    own, others = (round(fmean(row.psnr_y for row in rows if row.method == name), 4) for name in methods)
    return Likeness(own, others, count)
