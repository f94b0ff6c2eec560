"""Who makes LR for training: the generator, and its student where that is asked for and holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.random_kernels import random_kernel
from helpers.random_networks import random_noise

import degflow_aug
from degflow_aug.bundles.bundle import KernelBundle, KernelSpec, load_bundle, save_bundle
from degflow_aug.bundles.likeness import Likeness, with_likenesses
from degflow_aug.degradations.at_scale import AtScale
from degflow_aug.degradations.build import build_degradation
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.student import Student
from degflow_aug.degradations.generator.degflow import DegFlow
from tests.degradations.fitted.test_student import with_student

HR = torch.rand(2, 3, 48, 40, generator=torch.Generator().manual_seed(1))
HOLDS, LOSES = Likeness(34.7, 34.8, 6), Likeness(34.69, 34.8, 6)


def written(path: Path, *found: Likeness | None, **parts: Any) -> Path:
    """A bundle with a student of each camera, whose header says this of them."""
    whole = load_bundle(with_student(path, len(found), **parts))
    save_bundle(path, replace(whole, spec=with_likenesses(whole.spec, found)))
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return written(tmp_path / "camera.safetensors", HOLDS, noise=[random_noise().state_dict()])


def test_it_makes_lr_only_where_it_is_asked_for(good: Path, caplog: pytest.LogCaptureFixture) -> None:
    section = {"type": "DegFlow", "bundle": str(good)}
    made = {word: build_degradation({**section, **word_of}) for word, word_of in (
        ("", {}), ("never", {"student": "never"}), ("auto", {"student": "auto"}),
    )}  # fmt: skip
    generator, student = DegFlow.from_bundle(load_bundle(good)), Student.from_bundle(load_bundle(good))
    assert torch.equal(made[""](HR, 2.0), generator(HR, 2.0))
    assert torch.equal(made["never"](HR, 2.0), generator(HR, 2.0))
    assert torch.equal(made["auto"](HR, 2.0), student(HR, 2.0))
    said = "the student makes LR: Y-PSNR 34.70 dB, its generator 34.80, on 6 scenes held out; student: never takes"
    assert [f"{good}: {said} the generator"] == caplog.messages


def test_python_has_the_same_choice(good: Path) -> None:
    plain, chosen = degflow_aug.load_generator(good), degflow_aug.load_generator(good, student="auto", noise=1.0)
    assert isinstance(plain, DegFlow)
    expected = Student.from_bundle(load_bundle(good), noise=1.0)
    for each in (chosen, expected):
        each.seed(4)
    assert torch.equal(chosen(HR, 2.0), expected(HR, 2.0))
    at_two = degflow_aug.load_generator(good, scale=2.0, student="auto", noise=0.0)
    assert isinstance(at_two, AtScale)
    assert isinstance(at_two.degradation, Student)
    mixture = build_degradation({"type": "Mixture", "parts": [
        {"weight": 1, "type": "DegFlow", "bundle": str(good), "student": "auto"},
    ]})  # fmt: skip
    assert isinstance(mixture.parts[0], Student)  # type: ignore[union-attr, index]


@pytest.mark.parametrize(
    ("found", "parts", "more", "reason"),
    [
        ([LOSES], {}, {}, "it loses more than 0.1 dB: Y-PSNR 34.69 dB, its generator 34.80, on 6 scenes held out"),
        ([None], {}, {}, "it was not compared with real views; degflow distill --pairs does it"),
        ([HOLDS], {"students": ()}, {}, "there is none; degflow distill teaches one"),
        ([HOLDS], {}, {"steps": 3}, "steps is of the networks"),
        ([HOLDS], {}, {"extrapolate": True}, "extrapolate is of the networks"),
        ([HOLDS, HOLDS], {}, {"camera": "any"}, "a student is that of one camera by name"),
        ([HOLDS, HOLDS], {}, {"camera": {"camera 0": 1}}, "a student is that of one camera by name"),
        ([HOLDS, LOSES], {}, {"camera": "camera 1"}, "it loses more than 0.1 dB: Y-PSNR 34.69"),
    ],
)
def test_the_generator_does_where_a_student_would_be_something_else(
    found: list[Likeness | None], parts: dict[str, Any], more: dict[str, Any], reason: str, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    path = written(tmp_path / "camera.safetensors", *found, **parts)
    section = {"type": "DegFlow", "bundle": str(path), **more}
    made, plain = build_degradation({**section, "student": "auto"}), build_degradation(section)
    for each in (made, plain):
        each.seed(1)
    assert torch.equal(made(HR, 2.0), plain(HR, 2.0))
    (line,) = caplog.messages
    assert f"{path}: the generator makes LR, and no student: {reason}" in line


def test_of_several_cameras_it_is_the_one_that_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "camera.safetensors", LOSES, HOLDS)
    made = build_degradation({"type": "DegFlow", "bundle": str(path), "camera": "Camera 1", "student": "auto"})
    assert torch.equal(made(HR, 2.0), Student.from_bundle(load_bundle(path), camera="camera 1")(HR, 2.0))


def test_a_fitted_camera_alone_has_nothing_to_choose(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "kernel.safetensors"
    save_bundle(path, KernelBundle(KernelSpec((1.0, 2.0, 4.0)), [random_kernel().state_dict()]))
    assert isinstance(degflow_aug.load_generator(path, student="auto"), FittedKernel)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"student": "always"}, "expected auto or never for student, got 'always'"),
        ({"student": "auto", "solver": "eulre"}, "eulre"),
        ({"student": "auto", "amp": "fp8"}, "fp8"),
        ({"student": "auto", "tile": 3}, "tile"),
    ],
)
def test_what_cannot_be_is_refused_whoever_makes_lr(more: dict[str, Any], words: str, good: Path) -> None:
    with pytest.raises(ValueError, match=words):
        build_degradation({"type": "DegFlow", "bundle": str(good), **more})
