"""One-step students: they come nearer to their teacher than its Euler step, resume exactly, and refuse mistakes."""

from __future__ import annotations

import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.random_networks import random_noise, random_rae, randomise
from helpers.stage_steps import batches, build, train
from helpers.tiny_camera import in_memory, stage_options, write_pairs
from safetensors.torch import load_file

import degflow_aug
from degflow_aug.bundles.bundle import Bundle, load_bundle, save_bundle
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.files.tensor_file import write_checkpoint
from degflow_aug.flow.solver import integrate, jumps

pytest.importorskip("basicsr", reason="training needs BasicSR")
degflow_aug.register()

METHODS = ("average", "consistency")
STUDENT = {"type": "NCSNpp", "base_channels": 8, "multipliers": [1, 2], "blocks": 1, "dropout": 0.0, "end_time": True}


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Pairs, and a folder whose ``experiments/lfm`` is a teacher with a steady field that bends the path."""
    pairs, folder = tmp_path_factory.mktemp("pairs"), tmp_path_factory.mktemp("camera")
    write_pairs(pairs)
    rae = random_rae(8, residual=True)
    models = folder / "experiments" / "rae" / "models"
    models.mkdir(parents=True)
    write_checkpoint(models / "net_g_latest.pth", {"params": rae.state_dict(), "spec": rae.spec})
    model = build(in_memory(stage_options("lfm", pairs, folder, solver="rk4", steps=1), folder))
    for network in (model.get_bare_model(model.net_g), model.net_g_ema):
        randomise(network, 3)
        network.all_modules[0].weight.data.zero_()
        network.all_modules[-1].weight.data *= 6
    model.save(-1, -1)
    return pairs, folder


def options(camera: tuple[Path, Path], root: Path, **degflow: Any) -> dict[str, Any]:
    """The student's options; its experiment lies in ``root``."""
    pairs, folder = camera
    opt = stage_options("lfm", pairs, root, iterations=200)
    opt |= {"name": "distill", "model_type": "LFMDistillModel", "network_g": dict(STUDENT)}
    teacher = str(folder / "experiments/lfm/models/generator_latest.safetensors")
    opt["degflow"] = {"knots": [1.0, 2.0, 4.0], "teacher": teacher, **degflow}
    return in_memory(opt, root)


def test_student_starts_as_its_teacher_s_euler_step(camera: tuple[Path, Path], tmp_path: Path) -> None:
    model = build(options(camera, tmp_path))
    model.feed_data(batches(model.opt, 1)[0])
    end = torch.tensor([0.3, 1.0])
    with torch.no_grad():
        euler = integrate(lambda z, t: model.teacher(z, t), model.latents[0], end, 1, "euler")
        for network in (model.get_bare_model(model.net_g).eval(), model.net_g_ema):
            found = jumps(lambda z, t, until, network=network: network(z, t, None, until), model.latents[0], end)
            assert torch.equal(found, euler)


@pytest.mark.parametrize("method", METHODS)
def test_student_ends_nearer_to_its_teacher_than_one_euler_step(
    method: str, camera: tuple[Path, Path], tmp_path: Path
) -> None:
    model = build(options(camera, tmp_path, method=method, image_weight=0.0))
    data = batches(model.opt, 2)
    before, _ = distances(model, data)
    train(model, data * 15)
    after, euler = distances(model, data)
    assert before == pytest.approx(euler, rel=1e-4)
    assert after < {"average": 0.5, "consistency": 0.8}[method] * euler


@torch.no_grad()
def distances(model: Any, data: list[dict[str, Any]]) -> tuple[float, float]:
    """Mean square from the teacher's end: of the student's jump, and of one Euler step."""
    found = []
    student = model.trained_network().eval()
    for batch in data:
        model.feed_data(batch)
        for end in (torch.tensor([0.4, 1.0]), torch.tensor([1.0, 0.7])):
            start = model.latents[0]
            truth, euler = (
                integrate(lambda z, t: model.teacher(z, t), start, end, 1, solver) for solver in ("rk4", "euler")
            )
            one = jumps(lambda z, t, until: student(z, t, None, until), start, end)
            found.append([(state - truth).square().mean().item() for state in (one, euler)])
    student_s, euler_s = torch.tensor(found).mean(0).tolist()
    return student_s, euler_s


def test_images_pull_the_end_to_the_real_view(camera: tuple[Path, Path], tmp_path: Path) -> None:
    model = build(options(camera, tmp_path, latent_weight=0.0))
    batch = batches(model.opt, 1)[0]

    def distance() -> float:
        model.feed_data(batch)
        with torch.no_grad():
            torch.manual_seed(5)
            return sum(float(model.compute_losses()["image"]) for _ in range(4)) / 4

    before = distance()
    train(model, [batch] * 20)
    assert distance() < 0.9 * before
    assert set(model.compute_losses()) == {"image"}


@pytest.mark.parametrize("method", METHODS)
def test_only_the_student_learns(method: str, camera: tuple[Path, Path], tmp_path: Path) -> None:
    model = build(options(camera, tmp_path, method=method))
    frozen = {name: deepcopy(network.state_dict()) for name, network in (("rae", model.rae), ("v", model.teacher))}
    start = deepcopy(model.get_bare_model(model.net_g).state_dict())
    train(model, batches(model.opt, 2))
    for name, network in (("rae", model.rae), ("v", model.teacher)):
        assert all(torch.equal(value, frozen[name][key]) for key, value in network.state_dict().items())
        assert not any(parameter.requires_grad for parameter in network.parameters())
    now = model.get_bare_model(model.net_g).state_dict()
    assert [key for key in start if torch.equal(start[key], now[key])] == []


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"method": "consistency", "pseudo_spacing": 0.5, "grad_clip": 1.0},
        {"steps": 2, "pseudo_share": 0.5, "pipeline": "never"},
    ],
)
def test_resumed_run_equals_uninterrupted(change: dict[str, Any], camera: tuple[Path, Path], tmp_path: Path) -> None:
    whole = build(options(camera, tmp_path / "whole", **change))
    data = batches(whole.opt, 8)
    losses = train(whole, data)

    first = build(options(camera, tmp_path / "parts", **change))
    early = train(first, data[:5])
    first.save(0, 5)
    again = options(camera, tmp_path / "parts", **change)
    again["path"]["pretrain_network_g"] = str(Path(again["path"]["models"]) / "net_g_5.pth")
    second = build(again)
    state = Path(again["path"]["training_states"]) / "5.state"
    second.resume_training(torch.load(state, map_location="cpu", weights_only=True))
    torch.rand(7)
    assert early + train(second, data[5:], start=5) == losses
    for mine, theirs in zip(second.trained_network().parameters(), whole.trained_network().parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_bundle_takes_one_jump_and_renders_what_was_validated(camera: tuple[Path, Path], tmp_path: Path) -> None:
    model = build(options(camera, tmp_path, pseudo_spacing=0.5))
    train(model, batches(model.opt, 2))
    model.save(0, 2)
    path = Path(model.opt["path"]["models"]) / "generator_latest.safetensors"
    spec = load_bundle(path).spec
    assert (spec.solver, spec.steps, spec.velocity["end_time"], spec.knots) == ("jump", 1, True, (1.0, 2.0, 4.0))
    assert spec.training["method"] == "average"
    assert any(key.startswith("kernel.") for key in load_file(path))
    hr = torch.rand(2, 3, 40, 48, generator=torch.Generator().manual_seed(0))
    generator = degflow_aug.load_generator(path)
    expected = model.generate_view(hr, hr, 3.0)
    torch.testing.assert_close(generator.render(hr, 3.0), expected)
    torch.testing.assert_close(generator.render_scales(hr, [1.5, 3.0])[1], expected)
    patches = generator.lr_patches(hr, torch.tensor([1.5, 2.0]), 16)
    torch.testing.assert_close(patches[1], generator.lr_patches(hr[1:], torch.tensor([2.0]), 16)[0])


def test_solvers_and_networks_must_fit(camera: tuple[Path, Path], tmp_path: Path) -> None:
    model = build(options(camera, tmp_path))
    model.save(-1, -1)
    student = load_bundle(Path(model.opt["path"]["models"]) / "generator_latest.safetensors")
    teacher = model.taught
    with pytest.raises(ValueError, match="expected the solver jump"):
        DegFlow.from_bundle(student, solver="heun")
    with pytest.raises(ValueError, match="'jump', which needs a network with end_time"):
        DegFlow.from_bundle(teacher, solver="jump")
    made = DegFlow(student.rae, student.velocity)
    assert (made.solver, made.steps) == ("jump", 1)
    more = DegFlow.from_bundle(student, steps=3)
    assert (more.solver, more.steps) == ("jump", 3)


def test_teacher_by_run_name_bundle_and_checkpoint_is_the_same(camera: tuple[Path, Path]) -> None:
    from degflow_aug.models.stages.teacher import load_teacher

    experiments = camera[1] / "experiments"
    models = experiments / "lfm" / "models"
    found = [
        load_teacher(name, experiments).velocity.state_dict()
        for name in ("lfm", str(models / "generator_latest.safetensors"), str(models / "net_g_latest.pth"))
    ]
    assert all(torch.equal(state[key], found[0][key]) for state in found[1:] for key in found[0])


def test_a_student_s_kernel_and_noise_are_its_teacher_s(camera: tuple[Path, Path], tmp_path: Path) -> None:
    from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel

    bundle = load_bundle(camera[1] / "experiments/lfm/models/generator_latest.safetensors")
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    kernel = FittedKernel.fit([(image, {2.0: image, 4.0: image})])
    path = tmp_path / "camera.safetensors"
    save_bundle(
        path, Bundle(bundle.spec, bundle.rae, bundle.velocity, [kernel.state_dict()], [random_noise().state_dict()])
    )
    model = build(options(camera, tmp_path, teacher=str(path), pseudo_spacing=1.0))
    assert torch.equal(model.kernel.kernels, kernel.kernels)
    model.save(-1, -1)
    saved = load_bundle(Path(model.opt["path"]["models"]) / "generator_latest.safetensors")
    assert saved.noise[0].keys() == random_noise().state_dict().keys()
    assert torch.equal(saved.kernels[0]["kernels"], kernel.kernels)
    # Also where no loss of the student's own needs it.
    model = build(options(camera, tmp_path / "unused", teacher=str(path), pseudo_spacing=0.0))
    assert model.kernel is None
    assert torch.equal(model.kernel_states()[0]["kernels"], kernel.kernels)


@pytest.mark.parametrize(
    ("degflow", "network", "sentence"),
    [
        ({"teacher": ""}, {}, "expected degflow.teacher to name a bundle or a run of stage 2 or later, got none"),
        ({"teacher": "nowhere"}, {}, "got nowhere: nothing there"),
        ({"teacher": "nowhere.pth"}, {}, "nothing there"),
        ({"method": "avarage"}, {}, "degflow.method out of average, consistency"),
        ({"metod": "average"}, {}, "did you mean 'method'"),
        ({"solver": "jump"}, {}, "degflow"),
        ({"steps": 0}, {}, "whole number from 1 to 1000 in degflow.steps"),
        ({"latent_weight": 0.0, "image_weight": 0.0}, {}, "latent_weight, image_weight or lpips_weight above 0"),
        ({"knots": [1.0, 2.0, 5.0]}, {}, "knots and s_max that end where those of the teacher do"),
        ({"knots": [1.0, 2.0]}, {}, "knots and s_max that end where those of the teacher do"),
        ({}, {"end_time": False}, "network_g.end_time True for a student of this teacher, got False"),
        ({}, {"base_channels": 12}, "network_g.base_channels 8 for a student of this teacher, got 12"),
    ],
)
def test_mistakes_are_one_sentence(
    degflow: dict[str, Any], network: dict[str, Any], sentence: str, camera: tuple[Path, Path], tmp_path: Path
) -> None:
    opt = options(camera, tmp_path, **degflow)
    opt["network_g"] |= network
    with pytest.raises(ValueError, match=sentence) as raised:
        build(opt)
    assert "\n" not in str(raised.value)


def test_a_student_teaches_nobody(camera: tuple[Path, Path], tmp_path: Path) -> None:
    model = build(options(camera, tmp_path))
    model.save(-1, -1)
    student = Path(model.opt["path"]["models"]) / "generator_latest.safetensors"
    with pytest.raises(ValueError, match="no one-step student itself"):
        build(options(camera, tmp_path / "next", teacher=str(student)))


def test_stage_2_trains_no_student(camera: tuple[Path, Path]) -> None:
    pairs, folder = camera
    opt = in_memory(stage_options("lfm", pairs, folder), folder)
    opt["network_g"]["end_time"] = True
    with pytest.raises(ValueError, match="LFMDistillModel trains one-step students"):
        build(opt)


def test_bf16_trains(camera: tuple[Path, Path], tmp_path: Path) -> None:
    model = build(options(camera, tmp_path, amp="bf16", method="consistency"))
    losses = train(model, batches(model.opt, 3))
    assert all(math.isfinite(loss) for loss in losses)
