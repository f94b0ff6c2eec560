"""Stages on pairs of two cameras: samples keep their camera, runs resume exactly, and the cameras come apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.stage_steps import batches, build, train
from helpers.two_cameras import CAMERAS, camera_options, write_two_cameras
from torch.utils.data import default_collate

import degflow_aug
from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.degradations.fitted.camera_kernels import CameraKernels
from degflow_aug.degradations.fitted.pseudo_views import pseudo_views
from degflow_aug.draws import SampleDraw

pytest.importorskip("basicsr", reason="training needs BasicSR")
degflow_aug.register()

PSEUDO: dict[str, Any] = {"pseudo_share": 0.5}
STAGES: list[tuple[str, dict[str, Any]]] = [
    ("rae", PSEUDO),
    ("lfm", {"trajectory": "linear", "pseudo_spacing": 0.5, "rollout_weight": 1.0, "pipeline": "never", **PSEUDO}),
]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    write_two_cameras(folder)
    return folder


@pytest.fixture(scope="module")
def root(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a stage 1 run of two steps."""
    folder = tmp_path_factory.mktemp("root")
    model = build(camera_options("rae", pairs, folder))
    train(model, batches(model.opt, 2))
    model.save(-1, -1)
    return folder


def stage(name: str, pairs: Path, folder: Path, root: Path, **more: Any) -> dict[str, Any]:
    opt = camera_options(name, pairs, folder, **more)
    if name == "lfm":
        opt["degflow"]["rae"] = str(root / "experiments/rae/models/net_g_latest.pth")
    return opt


@pytest.mark.parametrize(("name", "options"), STAGES)
def test_resumed_run_equals_uninterrupted(
    name: str, options: dict[str, Any], pairs: Path, root: Path, tmp_path: Path
) -> None:
    opt = stage(name, pairs, tmp_path, root, **options)
    data = batches(opt, 6)
    assert {camera for batch in data for camera in batch["camera"]} == set(CAMERAS)
    whole = build(opt)
    losses = train(whole, data)
    first = build(stage(name, pairs, tmp_path, root, **options))
    early = train(first, data[:3])
    first.save(0, 3)
    again = stage(name, pairs, tmp_path, root, **options)
    again["path"]["pretrain_network_g"] = str(Path(again["path"]["models"]) / "net_g_3.pth")
    second = build(again)
    state = Path(again["path"]["training_states"]) / "3.state"
    second.resume_training(torch.load(state, map_location="cpu", weights_only=True))
    assert early + train(second, data[3:], start=3) == losses
    for mine, theirs in zip(second.trained_network().parameters(), whole.trained_network().parameters(), strict=True):
        assert torch.equal(mine, theirs)


def of_camera(opt: dict[str, Any], *cameras: str) -> dict[str, Any]:
    """A batch with one sample of each of these cameras."""
    from basicsr.data import build_dataset

    dataset = build_dataset(opt["datasets"]["train"])
    first = {scene.camera: index for index, scene in reversed(list(enumerate(dataset.scenes)))}
    return default_collate([dataset[SampleDraw(first[camera], index)] for index, camera in enumerate(cameras)])


def test_only_the_embedding_of_the_batch_s_cameras_moves(pairs: Path, root: Path, tmp_path: Path) -> None:
    opt = stage("lfm", pairs, tmp_path, root, rollout_weight=1.0)
    opt["network_g"]["dropout"] = 0.0
    model = build(opt)
    # The official start has a last layer at zero, behind which nothing is felt in the first step.
    train(model, [of_camera(opt, CAMERAS[1], CAMERAS[1])] * 3)
    embedding = model.get_bare_model(model.net_g).camera
    assert embedding[0].abs().max() == 0
    assert embedding[1].abs().max() > 0


@pytest.mark.parametrize("name", ["rae", "lfm"])
def test_pseudo_views_are_made_with_the_sample_s_own_kernel(name: str, pairs: Path, root: Path, tmp_path: Path) -> None:
    more = {"pseudo_spacing": 0.5} if name == "lfm" else PSEUDO
    model = build(stage(name, pairs, tmp_path, root, **more))
    assert isinstance(model.kernel, CameraKernels)
    batch = of_camera(model.opt, *CAMERAS[::-1])
    model.feed_data(batch)
    every = torch.cat([batch["hr"][:, None], batch["views"]], 1)
    scales = torch.full((2,), 1.5)
    found = pseudo_views(model.sample_kernel, batch["hr"], every, scales)
    alone = list(model.kernel)
    for row, kernel in enumerate(reversed(alone)):
        one = slice(row, row + 1)
        own = pseudo_views(kernel, batch["hr"][one], every[one], scales[one])
        torch.testing.assert_close(found[one], own, rtol=0, atol=1e-6)
        other = pseudo_views(alone[row], batch["hr"][one], every[one], scales[one])
        assert (own - other).abs().max() > 0.01
    if name == "lfm":
        torch.testing.assert_close(model.path_views[:, 1], found, rtol=0, atol=1e-6)


def test_cached_latents_carry_the_camera_and_its_kernel(pairs: Path, root: Path, tmp_path: Path) -> None:
    from basicsr.data import build_dataset

    from degflow_aug.fit.latent_cache import LatentCache, LatentCrops

    opt = stage("lfm", pairs, tmp_path, root, pseudo_spacing=0.5, rollout_weight=1.0)
    model = build(opt)
    scenes = build_dataset({**opt["datasets"]["train"], "gt_size": 64})
    cache = LatentCache(model, scenes, windows=6, with_images=True, seed=0, progress=lambda done: None)
    crops = LatentCrops(cache, 4)
    items = [crops[SampleDraw(index, index)] for index in range(6)]
    assert [item["camera"] for item in items] == [scene.camera for scene in scenes.scenes]
    model.feed_data(default_collate([items[0], items[5]]))
    assert model.camera.tolist() == [[1, 0], [0, 1]]
    assert model.sample_kernel.weights.argmax(1).tolist() == [0, 1]
    model.optimize_parameters(1)
    for item in cache.items[:1] + cache.items[-1:]:
        views = item["path_views"].float()[None] / 255
        kernel = model.kernel[CAMERAS.index(item["camera"])]
        truth = pseudo_views(kernel, views[:, 0], views[:, [0, 2]], torch.tensor([1.5]))
        # Away from the rim, where the pseudo-view of a window has mirrored pixels as well.
        assert (views[:, 1] - truth)[..., 16:-16, 16:-16].abs().max() < 2.5 / 255


def test_student_takes_its_teacher_s_cameras(pairs: Path, root: Path, tmp_path: Path) -> None:
    opt = stage("lfm", pairs, tmp_path, root, pseudo_spacing=0.5, pipeline="never")
    teacher = build(opt)
    teacher.get_bare_model(teacher.net_g).camera.data.normal_()
    teacher.net_g_ema.camera.data.normal_()
    teacher.save(-1, -1)
    path = Path(opt["path"]["models"]) / "generator_latest.safetensors"
    found = load_bundle(path)
    assert (found.spec.cameras, found.spec.velocity["cameras"]) == (CAMERAS, 2)
    assert [sorted(state) for state in found.kernels] == [["kernels", "knots"]] * 2

    student = camera_options("lfm", pairs, tmp_path / "student")
    student |= {"model_type": "LFMDistillModel", "network_g": {**student["network_g"], "end_time": True}}
    student["degflow"] = {"knots": [1.0, 2.0], "teacher": str(path), "pseudo_spacing": 0.5, "pseudo_share": 0.5}
    for method in ("average", "consistency"):
        model = build({**student, "degflow": {**student["degflow"], "method": method}})
        assert torch.equal(model.get_bare_model(model.net_g).camera, teacher.net_g_ema.camera)
        assert torch.equal(model.kernel[1].kernels, teacher.kernel[1].kernels)
        train(model, batches(student, 2))
    model.write_bundle(tmp_path / "student.safetensors")
    assert degflow_aug.load_generator(tmp_path / "student.safetensors", camera="Soft").camera == "Lab_Soft"
    for key, value, sentence in (
        ("degflow", {**student["degflow"], "cameras": ["Lab_Soft", "Lab_Sharp"]}, "as the teacher knows them"),
        ("network_g", {**student["network_g"], "cameras": 0}, "network_g.cameras 2 for a student of this teacher"),
    ):
        with pytest.raises(ValueError, match=sentence):
            build({**student, key: value})


def test_validation_is_with_the_scene_s_own_camera(pairs: Path, root: Path, tmp_path: Path) -> None:
    from basicsr.data import build_dataloader, build_dataset

    opt = stage("lfm", pairs, tmp_path, root)
    model = build(opt)
    asked = []
    model.generate_view = lambda hr, view, scale, camera: asked.append(camera) or hr
    dataset = build_dataset(opt["datasets"]["val"])
    model.validation(build_dataloader(dataset, opt["datasets"]["val"]), 1, None, False)
    assert asked == [scene.camera for scene in dataset.scenes]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cameras": ["one"]}, "two or more different names"),
        ({"cameras": ["one", "one"]}, "two or more different names"),
        ({"cameras": ["one", ""]}, "two or more different names"),
        ({"cameras": "one"}, "expected a list in degflow.cameras"),
        ({"cameras": ["Lab_Sharp", "Lab_Soft", "Lab_Third"]}, "network_g.cameras 3, as many as degflow.cameras names"),
        ({"cameras": []}, "network_g.cameras 0"),
    ],
)
def test_other_cameras_are_one_sentence(
    change: dict[str, Any], sentence: str, pairs: Path, root: Path, tmp_path: Path
) -> None:
    opt = stage("lfm", pairs, tmp_path, root)
    opt["degflow"] |= change
    with pytest.raises(ValueError, match=sentence):
        build(opt)


def test_pairs_of_another_camera_are_named(pairs: Path, root: Path, tmp_path: Path) -> None:
    opt = stage("lfm", pairs, tmp_path, root)
    opt["degflow"]["cameras"] = ["Lab_Sharp", "Pixel"]
    model = build(opt)
    batch = of_camera(opt, "Lab_Soft")
    with pytest.raises(ValueError, match=r"cameras Lab_Sharp, Pixel, .* got those of 'Lab_Soft'"):
        model.feed_data(batch)
    with pytest.raises(ValueError, match="got a data set without"):
        model.feed_data({key: value for key, value in batch.items() if key != "camera"})
    opt["degflow"] |= {"pseudo_spacing": 0.5}
    with pytest.raises(ValueError, match="got those of 'Lab_Soft'"):
        build(opt)
    opt["degflow"]["cameras"], opt["network_g"]["cameras"] = ["Lab_Sharp", "Lab_Soft", "Pixel"], 3
    with pytest.raises(ValueError, match="got none of Pixel: Lab_Sharp, Lab_Soft"):
        build(opt)


def test_kernels_of_other_cameras_are_refused(pairs: Path, root: Path, tmp_path: Path) -> None:
    build(stage("lfm", pairs, tmp_path, root, pseudo_spacing=0.5))
    opt = stage("lfm", pairs, tmp_path, root, pseudo_spacing=0.5)
    opt["degflow"]["cameras"], opt["network_g"]["cameras"] = (), 0
    with pytest.raises(ValueError, match=r"kernels of one camera, .* with those of 2 cameras"):
        build(opt)
