"""The student: its network by another implementation, where it is the camera alone, and its way into bundles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.random_kernels import KNOTS, random_kernel
from helpers.random_networks import random_noise, random_rae
from scipy.signal import correlate2d
from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, load_bundle, save_bundle
from degflow_aug.degradations.build import build_degradation
from degflow_aug.degradations.fitted.student import LRCorrection, Student

HR = torch.rand(2, 3, 48, 40, generator=torch.Generator().manual_seed(1))


def correction(seed: int = 0, width: int = 5, layers: int = 3) -> LRCorrection:
    """Random weights that change LR by a few per cent."""
    generator, made = torch.Generator().manual_seed(seed), LRCorrection(width, layers)
    with torch.no_grad():
        for each in made.parameters():
            each.copy_(torch.randn(each.shape, generator=generator) * 0.3)
    return made.requires_grad_(False)


@pytest.fixture
def student() -> Student:
    return Student(random_kernel(), correction())


def by_scipy(network: LRCorrection, lr: np.ndarray, scale: float) -> np.ndarray:
    """(1 - 1 / s^2) g(2 l - 1, s / 4) of one image (3, h, w) in float64."""
    x = np.concatenate([2 * lr - 1, np.full((1, *lr.shape[1:]), scale / 4)])
    for number, layer in enumerate(network.layers):
        weight, bias = (part.double().numpy() for part in layer.parameters())
        if number:
            x = x / (1 + np.exp(-x))
        rows = [sum(correlate2d(x[i], kernel[i], "same") for i in range(len(x))) for kernel in weight]
        x = np.stack(rows) + bias[:, None, None]
    return 0.1 * (1 - 1 / scale**2) * x


def test_its_network_is_that_of_the_equation() -> None:
    network, lr, scales = correction(), HR[..., :13, :17], (1.7, 3.0)
    made = network(lr.double(), torch.tensor(scales))
    for row, (image, scale) in enumerate(zip(lr.double().numpy(), scales, strict=True)):
        np.testing.assert_allclose(made[row], by_scipy(network, image, scale), atol=1e-7)


def test_lr_is_that_of_the_camera_and_what_it_lacks(student: Student) -> None:
    lr = random_kernel()(HR, 2.0)
    expected = (lr + student.correction(lr, torch.full((2,), 2.0))).clamp(0, 1)
    torch.testing.assert_close(student(HR, 2.0), expected, atol=0, rtol=0)
    assert float((expected - lr).abs().mean()) > 0.01


def test_nothing_is_added_to_hr_itself_nor_by_an_untaught_network(student: Student) -> None:
    torch.testing.assert_close(student(HR, 1.0), random_kernel()(HR, 1.0), atol=0, rtol=0)
    untaught = Student(random_kernel(), LRCorrection())
    torch.testing.assert_close(untaught.render(HR, 3.0), random_kernel().render(HR, 3.0), atol=0, rtol=0)


def test_a_patch_is_the_lr_image_of_its_square_and_no_other_samples(student: Student) -> None:
    scales = torch.tensor([2.0, 4.0])
    patches = student.lr_patches(HR[..., :40, :40], scales, 10)
    for row, side in enumerate((20, 40)):
        kernel = random_kernel().lr_patches(HR[row : row + 1, :, :40, :40], scales[row : row + 1], 10)
        alone = (kernel + student.correction(kernel, scales[row : row + 1])).clamp(0, 1)
        torch.testing.assert_close(patches[row : row + 1], alone, atol=1e-6, rtol=0)
        assert side == 10 * scales[row]
    # A square that is all of HR is its LR image.
    whole = student(HR[1:, :, :40, :40], 4.0)
    torch.testing.assert_close(patches[1:], whole, atol=1e-5, rtol=0)


def test_views_hold_what_lr_does(student: Student) -> None:
    # Of a constant correction nothing is lost between the grids.
    with torch.no_grad():
        for each in student.correction.parameters():
            each.zero_()
        student.correction.layers[-1].bias.fill_(0.5)  # type: ignore[union-attr, operator]
    plain = random_kernel().render(HR, 2.0)
    torch.testing.assert_close(student.render(HR, 2.0), (plain + 0.1 * 0.75 * 0.5).clamp(0, 1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_precision_and_layout(student: Student, dtype: torch.dtype) -> None:
    hr = HR.to(dtype).contiguous(memory_format=torch.channels_last)
    made = student.to(dtype)(hr, 2.0)
    assert (made.dtype, made.is_contiguous()) == (dtype, True)
    torch.testing.assert_close(made.float(), Student(random_kernel(), correction())(HR, 2.0), atol=0.02, rtol=0)


def with_student(path: Path, cameras: int = 1, **parts: object) -> Path:
    """A bundle that holds all a student needs."""
    names = tuple(f"camera {index}" for index in range(cameras)) if cameras > 1 else ()
    rae, velocity = random_rae(residual=True), NCSNpp(base_channels=8, multipliers=[1, 2], blocks=1, cameras=len(names))
    spec = GeneratorSpec(rae.spec, velocity.spec, KNOTS, 4.0, cameras=names)
    kept = {
        "kernels": [random_kernel(index).state_dict() for index in range(cameras)],
        "students": [correction(index).state_dict() for index in range(cameras)], **parts,
    }  # fmt: skip
    save_bundle(path, Bundle(spec, rae, velocity, **kept))  # type: ignore[arg-type]
    return path


def same(first: Tensor, second: Tensor) -> bool:
    return torch.equal(first, second)


def test_an_option_file_takes_it_from_a_bundle(student: Student, tmp_path: Path) -> None:
    path = with_student(tmp_path / "b.safetensors", noise=[random_noise().state_dict()])
    assert same(build_degradation({"type": "Student", "bundle": str(path)})(HR, 2.0), student(HR, 2.0))
    noisy = build_degradation({"type": "Student", "bundle": str(path), "noise": 1.0})
    noisy.seed(3)
    generator = torch.Generator().manual_seed(3)
    assert same(noisy(HR, 2.0), random_noise()(student(HR, 2.0), torch.full((2,), 2.0), 1.0, generator))


def test_of_several_cameras_it_is_the_one_that_is_named(tmp_path: Path) -> None:
    path = with_student(tmp_path / "b.safetensors", cameras=2)
    section = {"type": "Student", "bundle": str(path), "camera": "camera 1"}
    assert same(build_degradation(section)(HR, 2.0), Student(random_kernel(1), correction(1))(HR, 2.0))
    with pytest.raises(ValueError, match="camera"):
        build_degradation({key: section[key] for key in ("type", "bundle")})


@pytest.mark.parametrize(
    ("parts", "noise", "words"),
    [
        ({"students": ()}, 0.0, "without; `degflow distill` teaches it one"),
        ({}, 1.0, "expected noise of 0"),
        ({"students": [random_kernel().state_dict()]}, 0.0, "expected the state of a student"),
        ({"students": [{"layers.0.weight": torch.ones(3, 4, 3, 3)}]}, 0.0, "expected the state of a student"),
    ],
)
def test_what_is_missing_is_named(parts: dict[str, object], noise: float, words: str, tmp_path: Path) -> None:
    bundle = load_bundle(with_student(tmp_path / "b.safetensors", **parts))
    with pytest.raises(ValueError, match=words):
        Student.from_bundle(bundle, noise=noise)
