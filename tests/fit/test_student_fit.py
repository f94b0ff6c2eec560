"""Students of a bundle: whose scenes teach each, and on whose it is compared with its generator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.random_kernels import KNOTS, random_kernel
from helpers.random_networks import random_rae, randomise

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec
from degflow_aug.bundles.likeness import read_likenesses
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.degradations.fitted.student import Student
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.evaluation.evaluation import EvaluationScene
from degflow_aug.fit.schedule import Budget
from degflow_aug.fit.short_training import ShortRun
from degflow_aug.fit.student_fit import split_for_student, with_students
from degflow_aug.metrics.fidelity import psnr_y

CPU = torch.device("cpu")


def scene(camera: str, number: int, *scales: float) -> Scene:
    return Scene(f"{number:03}", camera, Path("hr.png"), {scale: Path("lr.png") for scale in scales or (2.0,)})


def names(scenes: object) -> list[str]:
    return [each.name for each in scenes]  # type: ignore[attr-defined]


def test_it_is_compared_on_scenes_that_nobody_trained_on_or_else_on_a_fifth() -> None:
    phone, zoom = ([scene(camera, number) for number in range(10)] for camera in ("phone", "zoom"))
    fair = [scene("phone", 20), scene("phone", 21, 3.0)]
    taught, held = split_for_student("phone", phone + zoom, fair, [2.0])
    assert (names(taught), names(held)) == (names(phone), ["020"])
    taught, held = split_for_student("zoom", phone + zoom, fair, [2.0])
    assert {each.camera for each in (*taught, *held)} == {"zoom"}
    assert (len(taught), len(held)) == (8, 2)
    assert not set(names(taught)) & set(names(held))
    taught, held = split_for_student("", phone + zoom, (), [2.0])
    assert (len(taught), len(held)) == (16, 4)
    assert split_for_student("phone", phone[:1], (), [2.0]) == (phone[:1], [])


def generator(cameras: tuple[str, ...] = ()) -> Bundle:
    rae, velocity = (
        random_rae(residual=True),
        NCSNpp(base_channels=8, multipliers=[1, 2], blocks=1, cameras=len(cameras)),
    )
    randomise(velocity)
    spec = GeneratorSpec(rae.spec, velocity.spec, KNOTS, 4.0, cameras=cameras)
    return Bundle(spec, rae, velocity, [random_kernel(number).state_dict() for number in range(len(cameras) or 1)])


def shot(camera: str, number: int, *scales: float) -> EvaluationScene:
    images = torch.rand(1 + len(scales), 1, 3, 64, 72, generator=torch.Generator().manual_seed(number))
    return EvaluationScene(str(number), camera, images[0], dict(zip(scales, images[1:], strict=True)))


@pytest.mark.parametrize("cameras", [(), ("phone", "zoom")])
def test_the_header_says_how_near_each_comes(cameras: tuple[str, ...]) -> None:
    bundle, asked = generator(cameras), list[str]()

    def taught_by(camera: str) -> Iterator[EvaluationScene]:
        asked.append(camera)
        yield shot(camera, 0, 2.0)

    held = {camera: [shot(camera, 1, 2.0, 4.0), shot(camera, 2, 2.0)] for camera in ("", "phone")} | {"zoom": []}
    made = with_students(bundle, taught_by, lambda camera: held[camera], CPU, ShortRun(Budget(2)))
    assert asked == list(cameras or ("",))
    assert len(made.students) == len(cameras or ("",))
    found = read_likenesses(made.spec)
    assert found[1:] == [None] * len(cameras[1:])
    camera = cameras[0] if cameras else None
    ways = (Student.from_bundle(made, camera=camera), DegFlow.from_bundle(made, camera=camera))
    expected = []
    for way in ways:
        values = {scale: [float(psnr_y(way.render(each.hr, scale), each.views[scale], eight_bit=True))
                  for each in held[camera or ""] if scale in each.views] for scale in (2.0, 4.0)}  # fmt: skip
        expected.append(sum(sum(each) / len(each) for each in values.values()) / 2)
    assert found[0] is not None
    assert (found[0].psnr_y, found[0].generator_psnr_y) == pytest.approx(expected, abs=1e-3)
    assert found[0].scenes == 2
    # Of a generator without cameras one student is that of one training, to the bit.
    again = with_students(bundle, taught_by, lambda camera: held[camera], CPU, ShortRun(Budget(2)))
    assert all(torch.equal(value, again.students[0][key]) for key, value in made.students[0].items())
