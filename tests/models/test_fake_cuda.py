"""A training step of every model on a fake CUDA device: no device is mixed, and no GPU is waited for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import stage_steps
from helpers.fake_cuda import FakeCUDA
from helpers.random_kernels import random_kernel
from helpers.random_networks import random_rae, random_velocity
from helpers.tiny_camera import in_memory, stage_options, train_rae, write_pairs
from helpers.tiny_sr import LIIF, build, hr_batch, register, sr_options, with_discriminator

from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle

pytest.importorskip("basicsr", reason="training needs BasicSR")
register()

from degflow_aug.models.stages.kernel_source import write_kernel  # noqa: E402

GENERATOR = {"type": "DegFlow", "bundle": "city100-iphone", "amp": "bf16", "scale_range": [1, 2]}
KERNEL = {"type": "FittedKernel", "bundle": "city100-iphone", "scale_range": [1, 2]}
RRDB = {
    "type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "num_grow_ch": 4, "scale": 2,
}  # fmt: skip


def step(model: Any, batch: dict[str, Any], gpu: FakeCUDA) -> None:
    gpu.waits = False
    model.feed_data(dict(batch))
    model.optimize_parameters(1)
    gpu.waits = True
    moved = [weight.grad for weight in model.trained_parameters() if weight.grad is not None]
    assert moved
    assert all(gradient.is_cuda for gradient in moved)


def other_network(kind: str) -> dict[str, Any]:
    return {"type": kind, "encoder_spec": LIIF["encoder_spec"]}


@pytest.mark.parametrize("network", ["LIIF", "LTE", "MetaSR", "CiaoSR"])
def test_a_step_of_an_arbitrary_scale_network(network: str, tmp_path: Path, fake_cuda: FakeCUDA) -> None:
    opt = sr_options("arbitrary", tmp_path, degradation=KERNEL, scale_range=[1, 2], amp="bf16")
    opt |= {"num_gpu": 1, "network_g": LIIF if network == "LIIF" else other_network(network)}
    step(build(opt, tmp_path), hr_batch(), fake_cuda)


@pytest.mark.parametrize("kind", ["gan", "arbitrary"])
def test_a_step_against_a_discriminator(kind: str, tmp_path: Path, fake_cuda: FakeCUDA) -> None:
    patches: dict[str, Any] = {"scale_range": [1, 2], "window": 8} if kind == "arbitrary" else {}
    opt = sr_options(kind, tmp_path, degradation=GENERATOR, amp="bf16", grad_clip=1.0, **patches)
    opt |= {"num_gpu": 1, **({} if patches else {"network_g": RRDB})}
    step(build(with_discriminator(opt), tmp_path), hr_batch(), fake_cuda)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs, a trained RAE, a kernel and an anchored generator of random weights."""
    folder = tmp_path_factory.mktemp("camera")
    write_pairs(folder / "pairs")
    train_rae(folder / "pairs", folder)
    rae, velocity = random_rae(8, residual=True, anchored=True), random_velocity()
    spec = GeneratorSpec(
        rae=rae.spec, velocity=velocity.spec, knots=(1.0, 2.0, 4.0), s_max=4.0, solver="euler", steps=2
    )
    save_bundle(folder / "start.safetensors", Bundle(spec, rae, velocity, [random_kernel().state_dict()]))
    write_kernel(folder / "kernel.safetensors", random_kernel())
    return folder


def stage(kind: str, work: Path, **degflow: Any) -> dict[str, Any]:
    """Options of a stage on a GPU; ``refine`` and ``distill`` start from the generator."""
    start, rae = str(work / "start.safetensors"), kind == "rae"
    opt = stage_options(
        "rae" if rae else "lfm", work / "pairs", work, anchored=rae, kernel=str(work / "kernel.safetensors")
    )
    opt["num_gpu"] = 1
    if kind == "refine":
        generator = {"type": "DegFlowGenerator", "rae": random_rae(8, residual=True, anchored=True).spec}
        opt |= {"model_type": "RefineModel", "network_g": {**generator, "velocity": random_velocity().spec}}
        opt["datasets"]["train"]["gt_size"] = 64
    if kind == "distill":
        opt |= {"model_type": "LFMDistillModel"}
        opt["network_g"] |= {"end_time": True, "dropout": 0.0}
    if kind in ("refine", "distill"):
        del opt["degflow"]["rae"]
        opt["degflow"]["generator" if kind == "refine" else "teacher"] = start
    opt["degflow"] |= {"amp": "bf16", "grad_clip": 1.0, **degflow}
    return in_memory({**opt, "name": kind}, work)


STAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "rae": ("rae", {"pseudo_share": 0.4, "latent_noise": 0.4, "kl_weight": 1e-3}),
    "lfm, spline": ("lfm", {"trajectory": "spline"}),
    "lfm, ours": ("lfm", {"trajectory": "linear", "pseudo_spacing": 0.5, "rollout_weight": 1.0}),
    "refine": ("refine", {"pseudo_share": 0.5, "crop_margin": 8}),
    "refine, zoomed": ("refine", {"crop_margin": 8, "zoom_share": 1.0, "zoom_room": 16}),
    "distill, average": ("distill", {"method": "average"}),
    "distill, consistency": ("distill", {"method": "consistency", "image_weight": 1.0, "pseudo_share": 0.5}),
}


@pytest.mark.parametrize("name", STAGES)
def test_a_step_of_a_stage(name: str, work: Path, fake_cuda: FakeCUDA) -> None:
    kind, degflow = STAGES[name]
    opt = stage(kind, work, **degflow)
    (batch,) = stage_steps.batches(opt, 1)
    # One sample lacks its last view.
    batch["available"][0, 1] = False
    step(stage_steps.build(opt), batch, fake_cuda)
