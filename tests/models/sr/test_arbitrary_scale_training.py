"""Arbitrary-scale models: scales drawn per sample, LR made on the fly or brought along, and networks that learn."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.ranks import run_ranks
from helpers.tiny_sr import (
    ADAM,
    LIIF,
    REAL_ESRGAN,
    build,
    equal,
    hr_batch,
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

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import upscale  # noqa: E402
from degflow_aug.archs.arbitrary_scale.queries import Queries, scattered_queries  # noqa: E402
from degflow_aug.data.pair_windows import patch_side  # noqa: E402
from degflow_aug.degradations.base import Degradation  # noqa: E402
from degflow_aug.degradations.bicubic import Bicubic  # noqa: E402


def mixed_batch(own: list[bool], scales: list[float], lr_size: int = 8) -> dict[str, Any]:
    """What a data set of real pairs among HR images gives: noise for LR, zeros where there is none."""
    rows = torch.tensor(own)
    lq = torch.randint(1, 256, (len(own), 3, lr_size, lr_size), generator=torch.Generator().manual_seed(1))
    return {
        **hr_batch(len(own)), "lq": (lq * rows[:, None, None, None]).to(torch.uint8), "has_lq": rows,
        "scale": torch.tensor(scales) * rows, "lq_path": [""] * len(own),
    }  # fmt: skip


def test_scales_are_drawn_evenly_and_lr_is_what_the_degradation_makes_of_them(tmp_path: Path) -> None:
    model = build(sr_options("arbitrary", tmp_path, scale_range=[1.5, 4]), tmp_path)
    drawn = []
    for iteration in range(200):
        model.iteration = iteration
        batch = hr_batch(seed=iteration % 3)
        model.feed_data(batch)
        drawn.append(model.batch.scales)
        if iteration < 20:
            lq = Bicubic().lr_patches(batch["gt"].float() / 255, model.batch.scales, 8)
            assert torch.equal(model.batch.lq, lq)
    scales = torch.cat(drawn)
    assert 1.5 <= float(scales.min()) < 1.55
    assert 3.95 < float(scales.max()) <= 4
    # Mean and spread of an even distribution, within five standard errors.
    assert float(scales.mean()) == pytest.approx(2.75, abs=5 * 2.5 / math.sqrt(12 * len(scales)))
    assert float(scales.std()) == pytest.approx(2.5 / math.sqrt(12), rel=0.1)
    assert len(scales.unique()) > 350


@pytest.mark.parametrize("change", [{"rank": 1}, {"manual_seed": 4}, {"iteration": 1}])
def test_scales_and_lr_depend_on_rank_seed_and_iteration(change: dict[str, int], tmp_path: Path) -> None:
    def fed(**given: int) -> Any:
        opt = sr_options("arbitrary", tmp_path, degradation=REAL_ESRGAN)
        opt["manual_seed"] = given.get("manual_seed", 3)
        model = build(opt, tmp_path)
        model.opt["rank"], model.iteration = given.get("rank", 0), given.get("iteration", 0)
        torch.rand(3)
        model.feed_data(hr_batch())
        return model.batch

    first, again, other = fed(), fed(), fed(**change)
    assert torch.equal(first.scales, again.scales)
    assert torch.equal(first.lq, again.lq)
    assert not torch.equal(first.scales, other.scales)
    assert not torch.equal(first.lq, other.lq)


@pytest.mark.parametrize("degradation", ["Bicubic", "RealESRGAN", "DegFlow"])
def test_rows_with_lr_of_their_own_are_left_alone(degradation: str, tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "camera.safetensors")
    section = {"type": degradation, **({"bundle": str(bundle)} if degradation == "DegFlow" else {})}
    model = build(sr_options("arbitrary", tmp_path, degradation=section), tmp_path)
    asked: list[tuple[Tensor, Tensor, Tensor]] = []
    made = type(model.source.degradation).lr_patches

    def recorded(hr: Tensor, scales: Tensor, lr_size: int) -> Tensor:
        asked.append((hr, scales, made(model.source.degradation, hr, scales, lr_size)))
        return asked[-1][2]

    model.source.degradation.lr_patches = recorded
    batch = mixed_batch([True, False, True, False, False], [2.0, 9.0, 2.9, 9.0, 9.0])
    model.feed_data(batch)
    gt, own = batch["gt"].float() / 255, batch["lq"].float() / 255
    (hr, scales, patches), = asked  # fmt: skip
    assert torch.equal(hr, gt[[1, 3, 4]])
    assert torch.equal(model.batch.lq[[1, 3, 4]], patches)
    assert torch.equal(model.batch.scales[[1, 3, 4]], scales)
    assert torch.equal(model.batch.lq[[0, 2]], own[[0, 2]])
    assert torch.equal(model.batch.scales[[0, 2]], torch.tensor([2.0, 2.9]).double())
    assert all(1 <= scale <= 4 for scale in scales.tolist())
    model.optimize_parameters(1)


@pytest.mark.parametrize("scale", [1.7, 2.9, 3.7])
@pytest.mark.parametrize("lr_size", [5, 25, 48])
def test_queries_are_laid_over_the_square_that_lr_covers(
    lr_size: int, scale: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where L s is a half, float32 and float64 round to different sides: LR and queries have to agree on one."""
    model = build(sr_options("arbitrary", tmp_path, lr_size=lr_size, scale_range=[scale, scale]), tmp_path)
    model.source.degradation.scale_range = (1.0, scale)
    real, made = patch_side(lr_size, scale), round(lr_size * scale)
    covered, laid = [], []
    original = Degradation.check_patches

    def recorded(self: Degradation, hr: Tensor, scales: Tensor, size: int) -> tuple[Tensor, Tensor]:
        covered.append(original(self, hr, scales, size))
        return covered[-1]

    def queries(gt: Tensor, sides: Tensor, count: int) -> Queries:
        laid.append(sides.tolist())
        return scattered_queries(gt, sides, count)

    monkeypatch.setattr(Degradation, "check_patches", recorded)
    monkeypatch.setattr("degflow_aug.models.arbitrary_scale_sr_model.scattered_queries", queries)
    pairs = {
        "gt": torch.rand(3, 3, real, real), "lq": torch.rand(3, 3, lr_size, lr_size),
        "scale": torch.full((3,), scale), "gt_path": [""] * 3,
    }  # fmt: skip
    for batch, expected in (
        ({"gt": torch.rand(3, 3, made, made), "gt_path": [""] * 3}, [made] * 3),
        (pairs, [real] * 3),
        ({**pairs, "gt": torch.rand(3, 3, real + 1, real + 1), "has_lq": torch.tensor([True, False, True])},
         [real, made, real]),
    ):  # fmt: skip
        model.feed_data(batch)
        model.ask(model.batch)
        assert laid[-1] == expected
    assert [sides.tolist() for _, sides in covered] == [[made] * 3, [made]]
    assert model.options.gt_size == made


def test_queries_share_no_number_with_the_scales(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU both come from one kind of generator, from seeds that are functions of the iteration."""
    drawn = []
    original = torch.rand

    def recorded(*shape: Any, **options: Any) -> Tensor:
        state = (options.get("generator") or torch.default_generator).get_state()
        drawn.append(torch.randint(2**62, (64,), generator=torch.Generator().set_state(state)))
        return original(*shape, **options)

    model, batch = build(sr_options("arbitrary", tmp_path), tmp_path), hr_batch()
    monkeypatch.setattr(torch, "rand", recorded)
    train(model, [batch])
    scales, queries = drawn
    assert not torch.isin(scales, queries).any()


@pytest.mark.parametrize("degradation", [{"type": "Bicubic"}, REAL_ESRGAN, {"type": "Camera"}])
def test_hr_that_is_not_a_number_ends_in_one_sentence(degradation: dict[str, Any], tmp_path: Path) -> None:
    model = build(sr_options("arbitrary", tmp_path, degradation=degradation), tmp_path)
    for _ in range(6):
        gt = torch.rand(2, 3, 32, 32)
        gt[1] = math.nan
        with pytest.raises(ValueError, match=r"expected HR in \[0, 1\], got pixels that are NaN or infinite"):
            model.feed_data({"gt": gt, "gt_path": [""] * 2})


def test_batches_that_are_all_real_or_all_to_be_made(tmp_path: Path) -> None:
    model = build(sr_options("arbitrary", tmp_path), tmp_path)
    real = mixed_batch([True, True], [2.0, 3.5])
    model.feed_data(real)
    assert torch.equal(model.batch.lq, real["lq"].float() / 255)
    assert model.batch.scales.tolist() == [2, 3.5]
    model.feed_data(mixed_batch([False, False], [9.0, 9.0]))
    lq, scales = model.batch.lq, model.batch.scales
    model.feed_data(hr_batch())
    assert torch.equal(model.batch.lq, lq)
    assert torch.equal(model.batch.scales, scales)

    pairs_only = build(sr_options("arbitrary", tmp_path, degradation=None), tmp_path)
    pairs_only.feed_data({key: value for key, value in real.items() if key != "has_lq"})
    assert torch.equal(pairs_only.batch.lq, real["lq"].float() / 255)
    pairs_only.optimize_parameters(1)
    for batch in (hr_batch(), mixed_batch([True, False], [2.0, 9.0])):
        with pytest.raises(ValueError, match="expected a degradation: section"):
            pairs_only.feed_data(batch)


def test_strips_show_a_sample_whose_lr_was_made(tmp_path: Path) -> None:
    """HR beyond the square of a real pair may be padding."""
    model = build(sr_options("arbitrary", tmp_path), tmp_path)
    for own, shown in (([True, False], 1), ([False, True], 0)):
        batch = mixed_batch(own, [2.0, 2.0])
        model.feed_data(batch)
        hr = batch["gt"][shown, None].float() / 255
        examples = model.examples()
        assert all(torch.equal(each.hr, hr[..., : each.hr.shape[-2], : each.hr.shape[-1]]) for each in examples)
    model.feed_data(mixed_batch([True, True], [2.0, 3.0]))
    assert [torch.equal(each.lr[0], model.batch.lq[row]) for row, each in enumerate(model.examples())] == [True, True]


@pytest.mark.parametrize(
    ("batch", "sentence"),
    [
        (mixed_batch([True, True], [2.0, 4.2]), r"to 32 \(gt_size\) HR pixels a side, got 16 to 34"),
        (mixed_batch([True, True], [1.0, 2.0]), r"cover 12 \(degflow\.window\) to .*, got 8 to 16"),
        (mixed_batch([True, True], [0.0, 2.0]), "got 0 to 16"),
        (mixed_batch([True, False], [2.0, 9.0], lr_size=7), "expected LR patches of 8x8, .* got 7x7"),
        (hr_batch(side=24), "at least"),
    ],
)
def test_sizes_that_do_not_fit_are_one_sentence(batch: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    model = build(sr_options("arbitrary", tmp_path, window=12, scale_range=[3.5, 4]), tmp_path)
    with pytest.raises(ValueError, match=sentence):
        model.feed_data(batch)


@pytest.mark.parametrize(("parts", "window"), [(2, 0), (4, 6)])
def test_parts_of_a_batch_add_up_to_the_batch(parts: int, window: int, tmp_path: Path) -> None:
    for count in (4, 5):
        found = []
        for accumulate in (1, parts):
            opt = sr_options("arbitrary", tmp_path, accumulate=accumulate, window=window)
            opt["train"]["optim_g"] = {"type": "SGD", "lr": 0.1}
            model = build(opt, tmp_path)
            train(model, [hr_batch(count, seed=step) for step in range(2)])
            found.append(weights(model))
        for whole, summed in zip(*found, strict=True):
            assert torch.allclose(whole, summed, atol=1e-6, rtol=0)


STEPS = 60


def trained_share(model: Any) -> float:
    """What is left of a loss on a fixed batch, at draws of their own, when that batch has been trained on."""
    batch = hr_batch(4)

    def loss() -> float:
        found = []
        for draw in range(-8, 0):
            model.iteration = draw
            model.feed_data(batch)
            torch.manual_seed(draw)
            arguments, target = model.ask(model.batch)
            with torch.no_grad():
                found.append(float(sum(model.losses(model.answer(model.net_g, arguments), target).values())))
        return sum(found) / len(found)

    before = loss()
    train(model, [batch] * STEPS)
    return loss() / before


def learner(folder: Path, **degflow: Any) -> dict[str, Any]:
    opt = sr_options("arbitrary", folder, **{"queries": 256, "scale_range": [1.5, 3], **degflow})
    opt["train"] |= {"optim_g": {**ADAM, "lr": 5e-3}, "ema_decay": 0.95, "warmup_iter": -1}
    opt["train"]["scheduler"] = {"type": "MultiStepLR", "milestones": [1000]}
    opt["network_g"] = {**LIIF, "imnet_spec": {"name": "mlp", "args": {"hidden_list": [32, 32]}}}
    return opt


def test_the_loss_falls(tmp_path: Path) -> None:
    model = build(learner(tmp_path), tmp_path)
    assert trained_share(model) < 0.5


def test_windows_with_image_losses_and_a_discriminator_learn(tmp_path: Path) -> None:
    opt = with_discriminator(learner(tmp_path, window=12), {"type": "TinyDiscriminator"})
    opt["train"]["perceptual_opt"] = {"type": "TextureLoss"}
    opt["train"]["gan_opt"]["loss_weight"] = 1e-3
    model = build(opt, tmp_path)
    first = weights(model)
    (log,) = train(model, [hr_batch(4)])
    assert {"total", "l_pix", "l_percep", "l_style", "l_g_gan", "l_d_real", "l_d_fake"} <= log.keys()
    assert trained_share(model) < 0.7
    last = weights(model)
    assert not any(torch.equal(a, b) for a, b in zip(first, last, strict=True))
    model.save(0, STEPS)
    files = {file.name for file in Path(model.opt["path"]["models"]).iterdir()}
    assert files == {f"net_g_{STEPS}.pth", f"net_d_{STEPS}.pth"}


def test_super_resolve_is_upscale_by_the_ema_in_evaluation(tmp_path: Path) -> None:
    model = build(sr_options("arbitrary", tmp_path, memory_mb=0.01), tmp_path)
    train(model, [hr_batch()])
    lq = torch.rand(1, 3, 7, 9)
    expected = upscale(model.net_g_ema, lq, (19, 23)).clamp(0, 1)
    assert torch.allclose(model.super_resolve(lq, (19, 23)), expected, atol=1e-6)
    assert not model.net_g_ema.training
    model.net_g_ema = None
    model.super_resolve(lq, (19, 23))
    assert model.net_g.training
    assert all(part.training for part in model.net_g.modules())


@pytest.mark.parametrize("model_type", ["perceptual_opt", "ldl_opt", "gan_opt"])
def test_losses_that_look_at_images_want_windows(model_type: str, tmp_path: Path) -> None:
    opt = sr_options("arbitrary", tmp_path)
    if model_type == "gan_opt":
        with_discriminator(opt)
    else:
        opt["train"][model_type] = {"type": "TextureLoss" if model_type == "perceptual_opt" else "L1Loss"}
    with pytest.raises(ValueError, match=rf"degflow\.window above 0 with train\.{model_type}"):
        build(opt, tmp_path)


class Linear(torch.nn.Module):
    """In place of a network: the arguments, mixed."""

    def forward(self, lq: Tensor, coord: Tensor, cell: Tensor) -> Tensor:
        return lq.mean((2, 3))[:, None] + coord.sum(-1, keepdim=True) * cell.sum(-1, keepdim=True)


def test_a_step_reads_nothing_back(tmp_path: Path) -> None:
    """Whatever looks at a value of a device tensor would wait for the GPU; meta tensors have no values to look at."""
    for window in (0, 6):
        model = build(sr_options("arbitrary", tmp_path, window=window), tmp_path)
        meta = model.source.device = torch.device("meta")
        for batch in (mixed_batch([True, False, True], [2.0, 9.0, 3.0]), hr_batch(3)):
            model.feed_data(batch)
            arguments, target = model.ask(model.batch)
            output = model.answer(Linear(), arguments)
            losses = model.losses(output, target)
            assert all(value.device == meta for value in (*arguments, output, target, *losses.values()))
            assert output.shape == target.shape
            assert model.batch.scales.device.type == "cpu"


WORKER = """
import sys, torch
from pathlib import Path
from helpers.tiny_sr import build, hr_batch, register, sr_options, with_discriminator
register()
from degflow_aug.compat.devices import init_dist
from torch.nn.parallel import DistributedDataParallel
torch.set_num_threads(1)
folder = Path(sys.argv[1])
init_dist("pytorch")
rank = torch.distributed.get_rank()
opt = with_discriminator(sr_options("arbitrary", folder, degradation={"type": "RealESRGAN"}, window=8, accumulate=2))
model = build(opt, folder, dist=True, rank=rank, world_size=2)
assert isinstance(model.net_g, DistributedDataParallel)
assert isinstance(model.adversary.network, DistributedDataParallel)
assert not isinstance(model.net_g_ema, DistributedDataParallel)
assert not any(isinstance(part, DistributedDataParallel) for part in model.source.degradation.modules())
for step in (1, 2, 3):
    model.update_learning_rate(step)
    model.feed_data(hr_batch(4))
    model.optimize_parameters(step)
    log = model.get_current_log()
torch.save({"lq": model.batch.lq, "scales": model.batch.scales, "log": log,
            "weights": [*model.net_g.state_dict().values(), *model.net_g_ema.state_dict().values(),
                        *model.adversary.network.parameters()]}, folder / f"rank_{rank}.pt")
model.save(0, 3)
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_train_one_network_on_lr_of_their_own(tmp_path: Path) -> None:
    sr_options("arbitrary", tmp_path)
    run_ranks(tmp_path, WORKER, tmp_path)
    first, second = (torch.load(tmp_path / f"rank_{rank}.pt", weights_only=True) for rank in range(2))
    assert equal(first["weights"], second["weights"])
    assert not torch.equal(first["lq"], second["lq"])
    assert not torch.equal(first["scales"], second["scales"])
    assert first["log"].keys() == second["log"].keys()
    models = tmp_path / "experiments" / "arbitrary" / "models"
    assert {file.name for file in models.iterdir()} == {"net_g_3.pth", "net_d_3.pth"}
    saved = torch.load(models / "net_g_3.pth", weights_only=True)
    assert not [key for key in saved["params"] if key.startswith("module.")]
