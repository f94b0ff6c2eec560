"""A generator of several cameras: which one it is, for all samples, for each of them and by chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.random_kernels import random_kernel
from helpers.random_networks import random_noise, random_rae, randomise

import degflow_aug
from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, load_bundle, save_bundle
from degflow_aug.degradations.build import build_degradation
from degflow_aug.degradations.camera_choice import one_hot
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.degradations.noise.noisy_degradation import CameraNoise, noise_of
from degflow_aug.degradations.noise.residual_noise import ResidualNoise

NAMES = ("Lab_Nikon", "Lab_iPhone")
HR = torch.rand(4, 3, 40, 48, generator=torch.Generator().manual_seed(2))


def velocity(cameras: int = 2) -> NCSNpp:
    network = NCSNpp(base_channels=8, multipliers=[1, 2], blocks=1, cameras=cameras)
    randomise(network, 1)
    if network.camera is not None:
        network.camera.data *= 40
    return network


def noises() -> CameraNoise:
    """The second camera has three times the noise of the first."""
    weak = random_noise()
    strong = {**weak.state_dict(), "tables": 3 * weak.tables}
    return CameraNoise([weak, ResidualNoise.from_state(strong)])


def generator(**settings: Any) -> DegFlow:
    return DegFlow(random_rae(residual=True), velocity(), cameras=NAMES, **{"camera": None, **settings})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rae, network = random_rae(residual=True), velocity()
    spec = GeneratorSpec(
        rae=rae.spec, velocity=network.spec, knots=(1.0, 2.0, 4.0), s_max=4.0, camera="both", cameras=NAMES
    )
    kernels, noise = (
        [each.state_dict() for each in parts] for parts in ((random_kernel(0), random_kernel(1)), noises())
    )
    path = tmp_path_factory.mktemp("bundle") / "both.safetensors"
    save_bundle(path, Bundle(spec, rae, network, kernels, noise))
    return path


def close(found: torch.Tensor, truth: torch.Tensor) -> None:
    torch.testing.assert_close(found, truth, rtol=0, atol=1e-5)


def test_every_sample_is_of_its_own_camera_in_one_pass() -> None:
    made = generator()
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.3, 0.7], [1.0, 0.0]])
    scales = torch.tensor([1.5, 2.0, 3.0, 4.0])
    cameras = ["Lab_Nikon", "iphone", {"iPhone": 7, "Nikon": 3}, "nikon"]
    views, patches = made.render(HR, scales, weights), made.lr_patches(HR, scales, 8, weights)
    several = made.render_scales(HR, [2.0, 3.0], weights)
    for row, (camera, scale) in enumerate(zip(cameras, scales.tolist(), strict=True)):
        one = HR[row : row + 1]
        close(views[row : row + 1], made.render(one, scale, camera))
        close(patches[row : row + 1], made.lr_patches(one, scales[row : row + 1], 8, camera))
        made.use_camera(camera)
        close(several[1][row : row + 1], made.render(one, 3.0))
        close(made(one, scale), made(one, scale, weights[row : row + 1]))
    assert (made.render(HR, 2.0, "Nikon") - made.render(HR, 2.0, "iPhone")).abs().max() > 1e-3


def test_any_is_a_camera_a_sample_under_the_seed() -> None:
    made = generator(camera="any")
    scales, wide = torch.full((24,), 3.0), HR[:1].expand(24, -1, -1, -1)
    made.seed(4)
    drawn = made.lr_patches(wide, scales, 8)
    each = [made.lr_patches(wide[:1], scales[:1], 8, name)[0] for name in NAMES]
    which = [[torch.allclose(patch, truth, atol=1e-5) for truth in each] for patch in drawn]
    assert all(sum(row) == 1 for row in which)
    assert 0 < sum(row[0] for row in which) < 24
    assert not torch.equal(made.lr_patches(wide, scales, 8), drawn)
    made.seed(4)
    assert torch.equal(made.lr_patches(wide, scales, 8), drawn)


def test_noise_is_that_of_the_nearest_camera() -> None:
    quiet, noisy = generator(), generator(residual=noises(), noise=1.0)
    flat = torch.full((2, 3, 256, 256), 0.5)
    weights = torch.tensor([[0.6, 0.4], [0.4, 0.6]])
    found, truth = (made(flat, 2.0, weights) for made in (noisy, quiet))
    first, second = (found - truth).flatten(1).std(1).tolist()
    assert second == pytest.approx(3 * first, rel=0.1)
    noisy.seed(1)
    again = noisy(flat, 2.0, weights)
    noisy.seed(1)
    assert torch.equal(noisy(flat, 2.0, weights), again)


def test_noise_of_one_camera_is_what_it_was() -> None:
    state = random_noise().state_dict()
    assert isinstance(noise_of([state]), ResidualNoise)
    assert noise_of([]) is None
    joined = noise_of([state, state])
    assert isinstance(joined, CameraNoise)
    lr, scales = torch.rand(3, 3, 16, 16), torch.tensor([2.0, 3.0, 4.0])
    one, several = (torch.Generator().manual_seed(0) for _ in range(2))
    expected = noise_of([state])(lr, scales, 1.0, one)  # type: ignore[misc, operator]
    assert torch.equal(joined(lr, scales, 1.0, several, torch.ones(3, dtype=torch.long)), expected)


def test_bundle_goes_round(bundle: Path) -> None:
    found = load_bundle(bundle)
    assert found.spec.cameras == NAMES
    made = degflow_aug.load_generator(bundle, camera="iPhone", noise=1.0)
    assert (made.camera, made.cameras) == ("Lab_iPhone", NAMES)
    assert torch.equal(made.kernels["kernels"], random_kernel(1).kernels)
    weights = one_hot(torch.ones(4), 2)
    close(made.render(HR, 3.0), generator().render(HR, 3.0, weights))
    assert (made(HR, 3.0) - to_lr_grid(made.render(HR, 3.0), 3.0)).std() > 0.01
    mixed = degflow_aug.load_generator(bundle, camera={"Nikon": 0.6, "iPhone": 0.4})
    assert torch.equal(mixed.kernels["kernels"], random_kernel(0).kernels)
    assert mixed.camera == "0.6 Lab_Nikon + 0.4 Lab_iPhone"
    assert degflow_aug.load_generator(bundle).kernels == {}


def test_the_section_takes_a_camera(bundle: Path) -> None:
    section = {"type": "DegFlow", "bundle": str(bundle)}
    named = build_degradation({**section, "camera": "iphone"})
    between = build_degradation({**section, "camera": {"iPhone": 0.5, "Nikon": 0.5}})
    close(named(HR, 2.0), degflow_aug.load_generator(bundle)(HR, 2.0, "Lab_iPhone"))
    close(between(HR, 2.0), degflow_aug.load_generator(bundle)(HR, 2.0, torch.full((4, 2), 0.5)))
    drawn = build_degradation({**section, "camera": "any"})
    assert drawn.lr_patches(HR, torch.full((4,), 3.0), 8).shape == (4, 3, 8, 8)
    blurred = build_degradation({"type": "FittedKernel", "bundle": str(bundle), "camera": "nikon"})
    assert torch.equal(blurred.kernels, random_kernel(0).kernels)


@pytest.mark.parametrize(
    ("kind", "camera", "sentence"),
    [
        ("DegFlow", None, r"degradation.camera to name one of the cameras of the bundle \(Lab_Nikon, Lab_iPhone\)"),
        ("FittedKernel", None, r"degradation.camera to name one of the cameras"),
        ("DegFlow", "Pixel", "expected a camera out of Lab_Nikon, Lab_iPhone, got 'Pixel'"),
        ("FittedKernel", "any", "expected a camera out of Lab_Nikon, Lab_iPhone, got 'any'"),
        ("DegFlow", {"Pixel": 1.0}, "got 'Pixel'"),
        ("DegFlow", 3, "degradation.camera"),
    ],
)
def test_other_sections_are_one_sentence(kind: str, camera: Any, sentence: str, bundle: Path) -> None:
    section = {"type": kind, "bundle": str(bundle), **({} if camera is None else {"camera": camera})}
    with pytest.raises(ValueError, match=sentence):
        build_degradation(section)


def test_without_a_camera_a_call_says_which_there_are(bundle: Path) -> None:
    made = degflow_aug.load_generator(bundle)
    for call in (lambda: made(HR, 2.0), lambda: made.render(HR, 2.0), lambda: made.render_scales(HR, [2.0]),
                 lambda: made.lr_patches(HR, torch.full((4,), 2.0), 8)):  # fmt: skip
        with pytest.raises(ValueError, match="expected one of the cameras Lab_Nikon, Lab_iPhone"):
            call()


def test_a_generator_of_one_camera_takes_its_own_name_alone(tmp_path: Path) -> None:
    rae, network = random_rae(residual=True), velocity(cameras=0)
    spec = GeneratorSpec(rae=rae.spec, velocity=network.spec, knots=(1.0, 2.0), s_max=2.0, camera="Lab_iPhone")
    save_bundle(tmp_path / "one.safetensors", Bundle(spec, rae, network))
    made = degflow_aug.load_generator(tmp_path / "one.safetensors", camera="iPhone")
    assert torch.equal(made.render(HR, 2.0), made.render(HR, 2.0, "lab_iphone"))
    for refused in ("Nikon", {"iPhone": 1.0}, torch.ones(4, 1)):
        with pytest.raises(ValueError, match="knows Lab_iPhone alone"):
            made.render(HR, 2.0, refused)
    with pytest.raises(ValueError, match="knows Lab_iPhone alone"):
        degflow_aug.load_generator(tmp_path / "one.safetensors", camera="any")


def test_names_and_embeddings_have_to_fit() -> None:
    with pytest.raises(ValueError, match=r"names of the 2 cameras of the velocity network, got \['one'\]"):
        DegFlow(random_rae(), velocity(), cameras=["one"])
    rae, network = random_rae(), velocity()
    for names in ((), ("one", "one"), ("one", "two", "three")):
        with pytest.raises(ValueError, match="a name for each of the 2 cameras"):
            GeneratorSpec(rae=rae.spec, velocity=network.spec, knots=(1.0, 2.0), s_max=2.0, cameras=names)
