"""Teach the generator of a bundle to a student per camera."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import torch

from degflow_aug.bundles.bundle import Bundle
from degflow_aug.degradations.fitted.camera_kernels import kind_of
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.evaluation.evaluation import EvaluationScene
from degflow_aug.fit.short_training import ShortRun
from degflow_aug.fit.student_training import examples_of, train_student

ScenesOf = Callable[[str], Iterable[EvaluationScene]]
"""Those of a camera, by its name, which is empty where a bundle knows one."""


def with_students(bundle: Bundle, taught_by: ScenesOf, device: torch.device, run: ShortRun) -> Bundle:
    """The bundle with a student per camera, each with its share of the budget.

    Raises:
        ValueError: no fitted camera in the bundle, or images that are too small.
    """
    if not bundle.kernels:
        raise ValueError(
            "expected a bundle with a fitted kernel or pipeline, which a student begins with, got one without; "
            "degflow fit puts one in"
        )
    cameras = bundle.spec.cameras or ("",)
    teacher = DegFlow.from_bundle(bundle, camera=cameras[0] or None).to(device)
    students = []
    for index, (camera, state) in enumerate(zip(cameras, bundle.kernels, strict=True)):
        if camera:
            teacher.use_camera(camera)
        kernel = kind_of(state).of_state(state).to(device)
        sources = examples_of(teacher, kernel, taught_by(camera), run.seed)
        own = run.part(index, len(cameras)) if camera else run
        students.append(train_student(sources, own, device).cpu().state_dict())
    return replace(bundle, students=students)
