"""The last stage: it starts as the generator so far, comes nearer to real views, resumes exactly, refuses mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.random_networks import random_rae, random_velocity
from helpers.stage_steps import batches, build, train
from helpers.tiny_camera import in_memory, stage_options, write_pairs

import degflow_aug
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, load_bundle, save_bundle
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.flow.solver import integrate

pytest.importorskip("basicsr", reason="training needs BasicSR")
degflow_aug.register()

KNOTS = (1.0, 2.0, 4.0)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "anchored"])
def camera(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Pairs, and a generator of random weights."""
    pairs, folder = tmp_path_factory.mktemp("pairs"), tmp_path_factory.mktemp("camera")
    write_pairs(pairs)
    rae, velocity = random_rae(8, residual=True, anchored=request.param), random_velocity()
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=KNOTS, s_max=4.0, solver="euler", steps=2)
    kernels = [kernel_of(pairs).state_dict()] if request.param else []
    save_bundle(folder / "start.safetensors", Bundle(spec, rae, velocity, kernels))
    return pairs, folder / "start.safetensors"


def kernel_of(pairs: Path) -> FittedKernel:
    from degflow_aug.models.stages.kernel_source import whole_pairs
    from degflow_aug.models.stages.sample_cameras import WholePairs

    opt = stage_options("rae", pairs, pairs)["datasets"]["val"]
    return FittedKernel.fit(WholePairs(whole_pairs(opt)))


def options(camera: tuple[Path, Path], root: Path, **degflow: Any) -> dict[str, Any]:
    pairs, start = camera
    spec = load_bundle(start).spec
    opt = stage_options("lfm", pairs, root, iterations=60)
    network = {"type": "DegFlowGenerator", "rae": dict(spec.rae), "velocity": dict(spec.velocity)}
    opt |= {"name": "refine", "model_type": "RefineModel", "network_g": network}
    opt["datasets"]["train"]["gt_size"] = 48
    opt["degflow"] = {"knots": list(KNOTS), "generator": str(start), "crop_margin": 8, **degflow}
    return in_memory(opt, root)


def test_network_renders_what_the_degradation_renders(camera: tuple[Path, Path], tmp_path: Path) -> None:
    model = build(options(camera, tmp_path))
    degradation = DegFlow.from_bundle(load_bundle(camera[1]))
    hr, scales = torch.rand(3, 3, 64, 96), torch.tensor([1.0, 2.3, 4.0])
    anchor = degradation.anchor
    base = None if anchor is None else anchor(hr * 2 - 1, scales)
    with torch.no_grad():
        found = model.get_bare_model(model.net_g).eval()(
            hr * 2 - 1,
            (scales - 1) / 3,
            lambda velocity, start, end: integrate(velocity, start, end, 2, "euler"),
            None,
            base,
        )
    torch.testing.assert_close((found / 2 + 0.5).clamp(0, 1), degradation.render(hr, scales), atol=2e-5, rtol=0)


def distance(degradation: DegFlow, model: Any, data: list[dict[str, Any]]) -> float:
    """Mean L1 distance to the real views."""
    found = [
        (degradation.render(batch["hr"], scale) - batch["views"][:, index]).abs().mean()
        for batch in data
        for index, scale in enumerate(KNOTS[1:])
    ]
    return float(torch.stack(found).mean())


def test_trained_generator_comes_nearer_to_real_views(camera: tuple[Path, Path], tmp_path: Path) -> None:
    model = build(options(camera, tmp_path, pseudo_share=0.5, grad_clip=1.0))
    data = batches(model.opt, 3)
    before = distance(DegFlow.from_bundle(load_bundle(camera[1])), model, data)
    train(model, data * 5)
    model.save(-1, -1)
    bundle = load_bundle(tmp_path / "experiments" / "refine" / "models" / "generator_latest.safetensors")
    assert (bundle.spec.solver, bundle.spec.steps, bundle.noise) == ("euler", 2, ())
    assert bundle.kernels
    assert distance(DegFlow.from_bundle(bundle), model, data) < 0.6 * before


def test_resumed_run_equals_uninterrupted(camera: tuple[Path, Path], tmp_path: Path) -> None:
    data = batches(options(camera, tmp_path / "whole"), 6)
    whole = build(options(camera, tmp_path / "whole"))
    losses = train(whole, data)
    first = build(options(camera, tmp_path / "parts"))
    early = train(first, data[:3])
    first.save(0, 3)
    opt = options(camera, tmp_path / "parts")
    opt["path"]["pretrain_network_g"] = str(Path(opt["path"]["models"]) / "net_g_3.pth")
    second = build(opt)
    state = Path(opt["path"]["training_states"]) / "3.state"
    second.resume_training(torch.load(state, map_location="cpu", weights_only=True))
    assert early + train(second, data[3:], start=3) == losses
    for mine, theirs in zip(second.trained_network().parameters(), whole.trained_network().parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("train_rae", [True, False])
def test_autoencoder_moves_where_it_is_trained(train_rae: bool, camera: tuple[Path, Path], tmp_path: Path) -> None:
    model = build(options(camera, tmp_path, train_rae=train_rae))
    train(model, batches(model.opt, 3))
    rae, velocity = model.trained_parts()
    start = load_bundle(camera[1])
    same = [
        all(torch.equal(value, before.state_dict()[key]) for key, value in now.state_dict().items())
        for now, before in ((rae, start.rae), (velocity, start.velocity))
    ]
    assert same == [not train_rae, False]


@pytest.mark.parametrize(
    ("degflow", "message"),
    [
        ({"generator": ""}, "expected degflow.generator to name a bundle"),
        ({"generator": "nowhere.safetensors"}, "nowhere.safetensors"),
        ({"pseudo_share": 1.5}, "a number from 0 to 1 in degflow.pseudo_share"),
        ({"steps": 0}, "from 1 to 1000 in degflow.steps"),
        ({"knots": [1.0, 2.0, 6.0]}, "degflow.knots and s_max that end where those of the generator do"),
        ({"rae": "x"}, "rae"),
    ],
)
def test_mistakes_are_named(degflow: dict[str, Any], message: str, camera: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        build(options(camera, tmp_path, **degflow))


def test_other_sizes_are_refused(camera: tuple[Path, Path], tmp_path: Path) -> None:
    opt = options(camera, tmp_path)
    opt["network_g"]["rae"]["base_channels"] = 16
    with pytest.raises(ValueError, match=r"network_g\.rae of the sizes of degflow\.generator"):
        build(opt)


def test_crops_that_the_networks_cannot_take_are_refused(camera: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"degflow\.crop_margin in multiples of 16, got 46"):
        build(options(camera, tmp_path, crop_margin=1))


def test_an_anchored_generator_keeps_its_kernel(camera: tuple[Path, Path], tmp_path: Path) -> None:
    start = load_bundle(camera[1])
    if not start.rae.anchored:
        pytest.skip("the generator has no anchor")
    model = build(options(camera, tmp_path))
    assert torch.equal(model.kernel.kernels, start.kernels[0]["kernels"])
    with pytest.raises(ValueError, match=r"expected degflow\.knots \[1\.0, 2\.0, 4\.0\], those of the generator"):
        build(options(camera, tmp_path, knots=[1.0, 4.0]))


def test_pairs_made_smaller_are_pairs_at_lower_scales(camera: tuple[Path, Path], tmp_path: Path) -> None:
    model = build(options(camera, tmp_path, zoom_share=1.0, zoom_room=0))
    network = model.get_bare_model(model.net_g)
    smallest = network.rae.multiple * network.velocity.multiple + 16
    model.feed_data(batches(model.opt, 1)[0])
    found = []
    for seed in range(8):
        torch.manual_seed(seed)
        images, scales, pseudo_share = model._draw_pairs()
        ratio = float(scales[-1]) / KNOTS[-1]
        assert pseudo_share == 0
        assert images.shape[:3] == model.path_views.shape[:3]
        assert images.shape[-1] >= smallest
        torch.testing.assert_close(scales, torch.tensor(KNOTS) * ratio)
        found.append(ratio)
        torch.manual_seed(seed)
        assert torch.isfinite(model.compute_losses()["image"])
    assert 0.5 - 1e-6 <= min(found) < 0.75 < max(found) <= 1
