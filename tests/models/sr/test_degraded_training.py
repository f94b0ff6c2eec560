"""Fixed-scale models: BasicSR's own step where a batch brings its LR, and the degradation where it does not."""

from __future__ import annotations

import copy
import gc
import json
import math
import re
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny_sr import (
    BICUBIC,
    EDSR,
    LIIF,
    REAL_ESRGAN,
    build,
    equal,
    hr_batch,
    pair_batch,
    register,
    sr_options,
    train,
    weights,
    with_discriminator,
    write_random_bundle,
)  # fmt: skip
from torch import Tensor

pytest.importorskip("basicsr", reason="training needs BasicSR")
register()

from degflow_aug.cli import main  # noqa: E402
from degflow_aug.degradations.bicubic import Bicubic  # noqa: E402
from degflow_aug.models.degraded_sr_model import DegradedSRModel  # noqa: E402
from degflow_aug.models.training.interrupt import TrainingDiverged  # noqa: E402

STEPS = 6


def stock_options(opt: dict[str, Any], model_type: str) -> dict[str, Any]:
    """The same training by one of BasicSR's own models."""
    opt = copy.deepcopy(opt)
    del opt["degflow"]
    return opt | {"model_type": model_type}


def start_alike(ours: Any, stock: Any) -> None:
    """Copy the first weights of our model to BasicSR's."""
    stock.net_g.load_state_dict(ours.net_g.state_dict())
    stock.net_g_ema.load_state_dict(ours.net_g_ema.state_dict())
    if ours.adversary is not None:
        stock.net_d.load_state_dict(ours.adversary.network.state_dict())


def assert_equal_networks(first: torch.nn.Module, second: torch.nn.Module) -> None:
    theirs = second.state_dict()
    for key, value in first.state_dict().items():
        assert torch.equal(value, theirs[key]), key


def run_alike(ours: Any, stock: Any) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    start_alike(ours, stock)
    data = [pair_batch(seed=step) for step in range(STEPS)]
    return train(ours, data), train(stock, data)


def test_pairs_train_as_in_srmodel(tmp_path: Path) -> None:
    opt = sr_options("fixed", tmp_path, degradation=None)
    ours = build(opt, tmp_path)
    stock = build(stock_options(opt, "SRModel"), tmp_path, seed=1)
    before = weights(ours)
    found, expected = run_alike(ours, stock)
    assert_equal_networks(ours.net_g, stock.net_g)
    assert_equal_networks(ours.net_g_ema, stock.net_g_ema)
    assert not equal(before, weights(ours))
    assert [log["l_pix"] for log in found] == [log["l_pix"] for log in expected]


@pytest.mark.parametrize("schedule", [{}, {"net_d_iters": 2, "net_d_init_iters": 2}])
def test_pairs_train_as_in_esrganmodel(schedule: dict[str, int], tmp_path: Path) -> None:
    opt = sr_options("gan", tmp_path, degradation=None)
    opt["train"] |= {"perceptual_opt": {"type": "TextureLoss"}, **schedule}
    ours = build(opt, tmp_path)
    stock = build(stock_options(opt, "ESRGANModel"), tmp_path, seed=1)
    found, expected = run_alike(ours, stock)
    assert_equal_networks(ours.net_g, stock.net_g)
    assert_equal_networks(ours.net_g_ema, stock.net_g_ema)
    assert_equal_networks(ours.adversary.network, stock.net_d)
    names = {"l_pix": "l_g_pix", "l_percep": "l_g_percep", "l_style": "l_g_style"}
    for mine, theirs in zip(found, expected, strict=True):
        common = {
            names.get(key, key): value for key, value in mine.items() if key not in ("total", "degradation_share")
        }
        assert common == theirs
    moved = [number for number, log in enumerate(found, 1) if "l_pix" in log]
    assert moved == ([4, 6] if schedule else list(range(1, STEPS + 1)))


@pytest.mark.parametrize(("parts", "count"), [(2, 5), (4, 4), (4, 5)])
def test_parts_of_a_batch_add_up_to_the_batch(parts: int, count: int, tmp_path: Path) -> None:
    found = []
    for accumulate in (1, parts):
        opt = sr_options("fixed", tmp_path, accumulate=accumulate)
        # SGD: Adam would blow rounding of tiny gradients up to whole steps.
        opt["train"]["optim_g"] = {"type": "SGD", "lr": 0.1}
        model = build(opt, tmp_path)
        logs = train(model, [hr_batch(count, seed=step) for step in range(3)])
        found.append((weights(model), logs[-1]["l_pix"]))
    for whole, summed in zip(found[0][0], found[1][0], strict=True):
        assert torch.allclose(whole, summed, atol=1e-6, rtol=0)
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-6)


def test_parts_add_up_for_the_discriminator_too(tmp_path: Path) -> None:
    """Losses linear in D are means over samples; others see the relative average of their part alone."""
    found = []
    for accumulate in (1, 2):
        opt = sr_options("gan", tmp_path, accumulate=accumulate)
        opt["network_d"] = {"type": "TinyDiscriminator"}
        opt["train"] |= {name: {"type": "SGD", "lr": 0.1} for name in ("optim_g", "optim_d")}
        opt["train"]["gan_opt"]["gan_type"] = "wgan"
        model = build(opt, tmp_path)
        train(model, [hr_batch(3, seed=step) for step in range(3)])
        found.append(weights(model))
    for whole, summed in zip(*found, strict=True):
        assert torch.allclose(whole, summed, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["fixed", "gan"])
def test_lr_comes_from_the_degradation(kind: str, tmp_path: Path) -> None:
    model = build(sr_options(kind, tmp_path), tmp_path)
    batch = hr_batch()
    model.feed_data(batch)
    gt = batch["gt"].float() / 255
    assert torch.equal(model.batch.gt, gt)
    assert torch.equal(model.batch.lq, Bicubic()(gt, 2.0))
    assert model.batch.scales.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("kind", "degradation"),
    [("fixed", "RealESRGAN"), ("gan", "RealESRGAN"), ("fixed", "DegFlow"), ("arbitrary", "RealESRGAN"),
     ("arbitrary", "DegFlow"), ("arbitrary gan", "DegFlow")],
)  # fmt: skip
def test_resumed_run_equals_uninterrupted(
    kind: str, degradation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through ``degflow train``: four iterations at once, and two before and two after a resume."""
    bundle = write_random_bundle(tmp_path / "camera.safetensors")
    section = {"type": "DegFlow", "bundle": str(bundle)} if degradation == "DegFlow" else REAL_ESRGAN
    name = kind.split()[0]
    opt = sr_options(name, tmp_path, degradation=section, **({"window": 8} if "gan" in kind and name != "gan" else {}))
    if kind == "arbitrary gan":
        with_discriminator(opt)
    opt["datasets"]["train"]["dataset_enlarge_ratio"] = 1
    file = tmp_path / "run.yml"
    file.write_text(json.dumps(opt), encoding="utf-8")
    found = []
    for folder, runs in (("whole", [4]), ("halves", [2, 4])):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        for total in runs:
            # The first of two runs ends as an interrupted one would: with the checkpoint of its second iteration.
            flags = ["--auto_resume", "--force_yml", f"train:total_iter={total}"]
            assert main(["train", "-opt", str(file), *flags]) == 0
        models = tmp_path / folder / "experiments" / name / "models"
        labels = ["net_g_4", "net_g_latest", *(["net_d_4", "net_d_latest"] if "gan" in kind else [])]
        found.append([torch.load(models / f"{label}.pth", weights_only=True) for label in labels])
    for whole, halves in zip(*found, strict=True):
        assert whole.keys() == halves.keys()
        for part in set(whole) - {"spec"}:
            assert equal(list(whole[part].values()), list(halves[part].values()))
    assert not [key for file in found[0] for part in set(file) - {"spec"} for key in file[part] if "rae" in key]


def view_options(folder: Path, **degflow: Any) -> dict[str, Any]:
    """Of a network that keeps the size of its images."""
    opt = sr_options("fixed", folder, **{"scales": [2, 2.5, 3], **degflow})
    network = {"type": "Unshuffled", "factor": 2, "network": EDSR}
    return {**opt, "scale": 1, "network_g": network}


def test_lr_on_the_hr_grid_is_made_or_real(tmp_path: Path) -> None:
    model = build(view_options(tmp_path), tmp_path)
    gt = hr_batch()["gt"].float() / 255
    own = {
        "lq": torch.stack([gt[0], gt[1] / 2]),
        "scale": torch.tensor([4.0, 0.0]),
        "has_lq": torch.tensor([True, False]),
    }
    before = weights(model)
    train(model, [{"gt": gt, **own}])
    batch = model.batch
    assert batch.scales[0] == 4
    assert batch.scales[1] in (2, 2.5, 3)
    assert torch.equal(batch.lq[0], gt[0])
    view = Bicubic().render(gt[1:], float(batch.scales[1]))
    assert torch.equal(batch.lq[1:], (view * 255).round() / 255)
    assert not equal(before, weights(model))
    image = torch.rand(1, 3, 17, 22)
    padded = F.pad(image, (0, 0, 0, 1), mode="reflect")
    truth = model.net_g_ema(padded)[..., :17, :].clamp(0, 1)
    assert torch.equal(model.super_resolve(image, (17, 22)), truth)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"scale": 2}, "expected scale: 1 with degflow.scales"),
        ({"degflow": {"scales": [0.5]}}, "degflow.scales"),
        ({"degradation": {"type": "Bicubic", "scale_range": [1, 2]}}, "covers scale 2 to 3"),
        (
            {"degradation": {"type": "Mixture", "parts": [{"weight": 1, "type": "DegFlow", "noise": 1.0}]}},
            "no noise in",
        ),
        ({"network_g": {"type": "Unshuffled", "factor": 4, "network": EDSR}}, "expected an image of 16x16"),
    ],
)
def test_lr_on_the_hr_grid_that_cannot_be(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    opt = {**view_options(tmp_path), **change}
    with pytest.raises(ValueError, match=sentence):
        DegradedSRModel.check(opt)


def test_data_sets_have_lr_on_one_grid(tmp_path: Path) -> None:
    opt = view_options(tmp_path)
    opt["datasets"]["val"] = {"type": "AnyScalePairDataset"}
    with pytest.raises(ValueError, match=r"got AnyScalePairDataset in datasets\.val, .* take ViewPairDataset"):
        DegradedSRModel.check(opt)


@pytest.mark.parametrize("kind", ["fixed", "arbitrary"])
def test_the_degradation_stays_as_it_is_and_outside(kind: str, tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "camera.safetensors")
    opt = sr_options(kind, tmp_path, degradation={"type": "DegFlow", "bundle": str(bundle)})
    model = build(opt, tmp_path)
    degradation = model.source.degradation
    before = copy.deepcopy(degradation.state_dict())
    train(model, [hr_batch(seed=step) for step in range(2)])
    assert all(torch.equal(value, before[key]) for key, value in degradation.state_dict().items())
    assert not any(part.training for part in degradation.modules())
    mine = {id(value) for value in degradation.parameters()}
    assert mine
    assert not any(value.requires_grad or value.grad is not None for value in degradation.parameters())
    optimised = {id(value) for each in model.optimizers for group in each.param_groups for value in group["params"]}
    assert optimised == {id(value) for value in model.net_g.parameters()}
    assert not mine & {id(value) for net in (model.net_g, model.net_g_ema) for value in net.parameters()}
    model.save(0, 2)
    saved = torch.load(Path(model.opt["path"]["models"]) / "net_g_2.pth", weights_only=True)
    assert saved["params"].keys() == model.net_g.state_dict().keys() == saved["params_ema"].keys()


def nan_batch() -> dict[str, Any]:
    batch = pair_batch()
    batch["lq"][0, 0, 0, 0] = math.nan
    return batch


@pytest.mark.parametrize("kind", ["fixed", "gan"])
def test_a_loss_that_is_no_number_stops_before_anything_is_saved(kind: str, tmp_path: Path) -> None:
    opt = sr_options(kind, tmp_path)
    model = build(opt, tmp_path)
    train(model, [pair_batch()])
    model.save(0, 1)
    good = weights(model)
    with torch.no_grad():
        next(model.net_g.parameters()).fill_(math.nan)
    with pytest.raises(TrainingDiverged, match=r"iteration 2; lower train\.optim_g\.lr"):
        train(model, [pair_batch(seed=1)], start=1)
    with pytest.raises(TrainingDiverged, match="weights"):
        model.save(0, 1)
    with suppress(TrainingDiverged):
        model.save_between_steps()
    states = Path(model.opt["path"]["training_states"])
    assert [file.name for file in states.iterdir()] == ["1.state"]
    models = Path(model.opt["path"]["models"])
    again = sr_options(kind, tmp_path)
    again["path"] |= {
        "pretrain_network_g": str(models / "net_g_1.pth"),
        "pretrain_network_d": str(models / "net_d_1.pth"),
    }
    resumed = build(again, tmp_path, seed=5)
    resumed.resume_training(torch.load(states / "1.state", weights_only=True))
    assert equal(weights(resumed), good)
    logs = train(resumed, [pair_batch(seed=2)], start=1)
    assert math.isfinite(logs[-1]["total"])


def halving(opt: dict[str, Any]) -> dict[str, Any]:
    """The options with a rate that halves after three steps, so that one step too many shows."""
    opt["train"]["scheduler"] = {"type": "MultiStepLR", "milestones": [3], "gamma": 0.5}
    return opt


@pytest.mark.parametrize("accumulate", [1, 2])
def test_images_that_are_no_numbers_lose_no_step(accumulate: int, tmp_path: Path) -> None:
    """Found before the optimiser moves; the step before is saved, and the run goes on as if they had never come."""
    opt = halving(sr_options("fixed", tmp_path, accumulate=accumulate))
    model, whole = build(opt, tmp_path), build(opt, tmp_path)
    train(model, [pair_batch()])
    batch = pair_batch(seed=1)
    batch["lq"][-1, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="numbers in the LR images of iteration 2, got NaN") as caught:
        train(model, [batch], start=1)
    assert not isinstance(caught.value, TrainingDiverged)
    model.save_between_steps()
    folder = Path(model.opt["path"]["training_states"])
    again = halving(sr_options("fixed", tmp_path, accumulate=accumulate))
    again["path"]["pretrain_network_g"] = str(Path(model.opt["path"]["models"]) / "net_g_1.pth")
    resumed = build(again, tmp_path, seed=5)
    resumed.resume_training(torch.load(folder / "1.state", weights_only=True))
    following = [pair_batch(seed=seed) for seed in (2, 3, 4)]
    train(resumed, following, start=1)
    train(whole, [pair_batch(), *following])
    assert equal(weights(resumed), weights(whole))
    assert resumed.get_current_learning_rate() == whole.get_current_learning_rate()


def test_a_step_that_breaks_off_after_something_has_moved_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(sr_options("gan", tmp_path), tmp_path)
    train(model, [pair_batch()])
    monkeypatch.setattr(model.adversary, "step", lambda pairs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(model, [pair_batch(seed=1)], start=1)
    model.save_between_steps()
    assert not list(Path(model.opt["path"]["training_states"]).iterdir())


def test_a_discriminator_that_waits_for_nobody_notices_too(tmp_path: Path) -> None:
    opt = sr_options("gan", tmp_path)
    opt["train"]["net_d_init_iters"] = 3
    model = build(opt, tmp_path)
    with pytest.raises(TrainingDiverged):
        train(model, [nan_batch()])


def test_losses_of_a_game_may_rise(tmp_path: Path) -> None:
    model = build(sr_options("gan", tmp_path), tmp_path)
    for value in [-3.0, *[5.0] * 200]:
        model.check_loss(torch.tensor(value), 1)


def test_nan_through_the_command_is_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opt = sr_options("fixed", tmp_path)
    (tmp_path / "run.yml").write_text(json.dumps(opt), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        forward = Bicubic.forward
        calls: list[int] = []

        def broken(self: Bicubic, hr: Tensor, scale: float) -> Tensor:
            calls.append(1)
            return forward(self, hr, scale) * (math.nan if len(calls) == 3 else 1)

        patch.setattr(Bicubic, "forward", broken)
        assert main(["train", "-opt", "run.yml"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("degflow: ")
    assert "iteration 3" in said
    experiment = tmp_path / "experiments" / "fixed"
    assert [file.name for file in (experiment / "training_states").iterdir()] == ["2.state"]
    assert main(["train", "-opt", "run.yml", "--auto_resume"]) == 0
    assert (experiment / "models" / "net_g_latest.pth").is_file()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda batch: batch | {"lq": batch["lq"][..., :15, :15]},
            "HR of 30x30 with LR of 15x15 at scale 2, got 32x32",
        ),
        (
            lambda batch: batch | {"gt": batch["gt"][..., :31, :31]},
            "HR of 32x32 with LR of 16x16 at scale 2, got 31x31",
        ),
        (lambda batch: batch | {"scale": torch.tensor([2.0, 1.5])}, "at scale 1.5, 2 from"),
        (lambda batch: {"gt": batch["gt"][..., :31, :31]}, "got 31x31"),
    ],
)
def test_sizes_that_do_not_fit_are_one_sentence(change: Any, sentence: str, tmp_path: Path) -> None:
    model = build(sr_options("fixed", tmp_path), tmp_path)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        model.feed_data(change(pair_batch()))


def test_a_network_of_another_scale_or_depth_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opt = sr_options("fixed", tmp_path)
    opt["network_g"]["upscale"] = 4
    with pytest.raises(ValueError, match=re.escape("expected (2, 3, 32, 32) from network_g, got (2, 3, 64, 64)")):
        train(build(opt, tmp_path), [hr_batch()])
    model = build(sr_options("fixed", tmp_path), tmp_path)
    forward = model.net_g.forward
    # Broadcasting would let a gray image pass for a coloured one.
    monkeypatch.setattr(model.net_g, "forward", lambda image: forward(image).mean(1, keepdim=True))
    with pytest.raises(ValueError, match=re.escape("got (2, 1, 32, 32)")):
        train(model, [hr_batch()])


def test_bf16_is_close_to_float32(tmp_path: Path) -> None:
    data = [hr_batch(seed=step) for step in range(4)]
    for kind in ("fixed", "gan", "arbitrary"):
        logs = [train(build(sr_options(kind, tmp_path, amp=amp), tmp_path), data) for amp in ("none", "bf16")]
        for plain, half in zip(*logs, strict=True):
            assert plain["total"] != half["total"]
            for key in plain.keys() - {"degradation_share"}:
                assert half[key] == pytest.approx(plain[key], rel=0.03, abs=0.01), key


@pytest.mark.parametrize("gan_type", ["lsgan", "wgan", "wgan_softplus", "hinge"])
def test_bf16_with_every_gan_loss(gan_type: str, tmp_path: Path) -> None:
    opt = sr_options("gan", tmp_path, amp="bf16")
    opt["train"]["gan_opt"]["gan_type"] = gan_type
    logs = train(build(opt, tmp_path), [hr_batch(seed=step) for step in range(2)])
    assert all(math.isfinite(value) for log in logs for value in log.values())


def test_compile_is_passed_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[int, ...]] = []

    class Compiled(torch.nn.Module):
        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Tensor) -> Tensor:
            called.append(tuple(image.shape))
            return self.network(image)

    data = [hr_batch(seed=step) for step in range(2)]
    plain = build(sr_options("fixed", tmp_path), tmp_path)
    train(plain, data)
    monkeypatch.setattr(torch, "compile", Compiled)
    model = build(sr_options("fixed", tmp_path, compile=True), tmp_path)
    train(model, data)
    assert called == [(2, 3, 16, 16)] * 2
    assert equal(weights(model), weights(plain))
    model.super_resolve(torch.rand(1, 3, 9, 7), (18, 14))
    assert len(called) == 2


def test_gradients_are_clipped(tmp_path: Path) -> None:
    steps = []
    for clip in (0.0, 1e-3):
        opt = sr_options("fixed", tmp_path, grad_clip=clip)
        opt["train"]["optim_g"] = {"type": "SGD", "lr": 1.0}
        opt["train"]["warmup_iter"] = -1
        model = build(opt, tmp_path)
        before = [value.clone() for value in model.net_g.parameters()]
        model.feed_data(hr_batch())
        model.optimize_parameters(1)
        moved = [value.detach() - old for value, old in zip(model.net_g.parameters(), before, strict=True)]
        steps.append(torch.cat([value.flatten() for value in moved]))
    assert steps[1].norm().item() == pytest.approx(1e-3, rel=1e-3)
    assert steps[0].norm().item() > 1e-2
    assert F.cosine_similarity(*steps, dim=0).item() == pytest.approx(1, abs=1e-4)


def test_ldl_compares_with_the_ema(tmp_path: Path) -> None:
    """L1 weighted by where the network strays further from the truth than its EMA does."""
    opt = sr_options("fixed", tmp_path)
    opt["train"]["ldl_opt"] = {"type": "L1Loss", "loss_weight": 10.0, "reduction": "mean"}
    model = build(opt, tmp_path)
    logs = train(model, [hr_batch(seed=step) for step in range(3)])
    assert all(log["l_ldl"] >= 0 for log in logs)
    assert logs[-1]["l_ldl"] > 0
    assert logs[-1]["total"] == pytest.approx(logs[-1]["l_pix"] + logs[-1]["l_ldl"])
    model.feed_data(hr_batch())
    gt, lq = model.batch.gt, model.batch.lq
    from basicsr.losses.loss_util import get_refined_artifact_map

    with torch.no_grad():
        output, average = model.net_g(lq), model.net_g_ema(lq)
        weight = get_refined_artifact_map(gt, output, average, 7)
        expected = 10 * (weight * (output - gt)).abs().mean()
    found = model.losses(output, gt, average)["l_ldl"]
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_super_resolve_pads_resizes_and_leaves_the_mode(training: bool, tmp_path: Path) -> None:
    """A network that takes whole windows only, and answers with its input's pixels repeated."""

    class Windows(torch.nn.Module):
        window_size = 8
        seen: tuple[int, ...] = ()

        def forward(self, image: Tensor) -> Tensor:
            assert not self.training
            assert image.shape[-2] % 8 == 0
            assert image.shape[-1] % 8 == 0
            Windows.seen = tuple(image.shape)
            return F.interpolate(image, scale_factor=4, mode="nearest")

    model = build({**sr_options("fixed", tmp_path), "scale": 4}, tmp_path)
    network = Windows().train(training)
    model.net_g_ema = network
    lq = torch.rand(1, 3, 13, 17)
    repeated = lq.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.equal(model.super_resolve(lq, (52, 68)), repeated)
    assert Windows.seen == (1, 3, 16, 24)
    smaller = model.super_resolve(lq, (38, 49))
    expected = F.interpolate(repeated, size=(38, 49), mode="bicubic", antialias=True).clamp(0, 1)
    assert torch.allclose(smaller, expected, atol=1e-6)
    assert network.training is training


RRDBNET = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "num_grow_ch": 4}
SWINIR = {
    "type": "SwinIR", "upscale": 2, "in_chans": 3, "img_size": 16, "window_size": 8, "img_range": 1.0, "depths": [1],
    "embed_dim": 8, "num_heads": [1], "mlp_ratio": 1, "upsampler": "pixelshuffledirect", "resi_connection": "1conv",
}  # fmt: skip


@pytest.mark.parametrize(
    ("network", "scale"), [*(({**RRDBNET, "scale": scale}, scale) for scale in (1, 2, 4)), (SWINIR, 2)]
)
def test_networks_that_take_blocks_take_odd_images(network: dict[str, Any], scale: int, tmp_path: Path) -> None:
    """SwinIR takes whole windows; below x4 RRDBNet unshuffles pixels, and asserts that they come in whole blocks."""
    model = build({**sr_options("fixed", tmp_path), "scale": scale, "network_g": dict(network)}, tmp_path)
    found = model.super_resolve(torch.rand(1, 3, 13, 11), (13 * scale, 11 * scale))
    assert found.shape == (1, 3, 13 * scale, 11 * scale)


def test_old_batches_and_graphs_are_let_go(tmp_path: Path) -> None:
    model = build(sr_options("gan", tmp_path), tmp_path)
    train(model, [hr_batch(seed=step) for step in range(3)])
    old = weakref.ref(model.batch.lq)
    assert not any(value.requires_grad for value in model._losses.values())
    train(model, [hr_batch(seed=step) for step in range(3)], start=3)
    gc.collect()
    assert old() is None


def test_best_networks_have_names_of_their_own(tmp_path: Path) -> None:
    model = build(sr_options("gan", tmp_path), tmp_path)
    train(model, [hr_batch()])
    model.save(0, 1)
    model.save_best(1)
    names = {file.name for file in Path(model.opt["path"]["models"]).iterdir()}
    assert names == {"net_g_1.pth", "net_d_1.pth", "net_g_best.pth", "net_d_best.pth"}
    best = torch.load(Path(model.opt["path"]["models"]) / "net_g_best.pth", weights_only=True)
    assert equal(list(best["params_ema"].values()), list(model.net_g_ema.state_dict().values()))
    stock = build(stock_options(sr_options("fixed", tmp_path), "SRModel"), tmp_path, seed=9)
    stock.load_network(stock.net_g, str(Path(model.opt["path"]["models"]) / "net_g_best.pth"), True, "params_ema")


@pytest.mark.parametrize(
    ("network", "model_type", "sentence"),
    [(LIIF, "DegradedSRModel", "use ArbitraryScaleSRModel"), (EDSR, "ArbitraryScaleSRModel", "got EDSR")],
)
def test_networks_of_the_other_kind_are_refused(
    network: dict[str, Any], model_type: str, sentence: str, tmp_path: Path
) -> None:
    opt = {**sr_options("fixed", tmp_path, degradation=BICUBIC), "network_g": dict(network), "model_type": model_type}
    with pytest.raises(ValueError, match=sentence):
        build(opt, tmp_path)
