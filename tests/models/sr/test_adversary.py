"""The discriminator: ESRGAN's equations, whose parameters move, and which iterations train what."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny_backbones import write_vgg19
from helpers.tiny_sr import build, hr_batch, register, sr_options, train, with_discriminator
from torch import Tensor

pytest.importorskip("basicsr", reason="discriminators are BasicSR's")
register()

from degflow_aug.models.checks.run import check_adversary  # noqa: E402


def gan_model(folder: Path, **changes: Any) -> Any:
    opt = with_discriminator(sr_options("gan", folder), {"type": "TinyDiscriminator"}, **changes)
    opt["train"]["gan_opt"]["loss_weight"] = 1.0
    return build(opt, folder)


def pair() -> tuple[Tensor, Tensor]:
    output, target = torch.rand(2, 2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return output, target


def relativistic(first: Tensor, second: Tensor, label: float) -> Tensor:
    """-log of the probability that ``first`` is (not) more real than ``second`` on average."""
    return F.binary_cross_entropy(torch.sigmoid(first - second.mean()), torch.full_like(first, label))


def test_losses_are_the_equations_of_esrgan(tmp_path: Path) -> None:
    adversary = gan_model(tmp_path).adversary
    output, target = pair()
    with torch.no_grad():
        real, fake = adversary.network(target), adversary.network(output)
        expected = (relativistic(real, fake, 0.0) + relativistic(fake, real, 1.0)) / 2
    assert adversary.generator_loss(output, target).item() == pytest.approx(expected.item(), rel=1e-5)
    logs = adversary.step([(output, target)])
    assert logs["l_d_real"].item() == pytest.approx(relativistic(real, fake, 1.0).item() / 2, rel=1e-5)
    assert logs["l_d_fake"].item() == pytest.approx(relativistic(fake, real, 0.0).item() / 2, rel=1e-5)
    assert logs["out_d_real"].item() == pytest.approx(real.mean().item(), rel=1e-5)
    assert logs["out_d_fake"].item() == pytest.approx(fake.mean().item(), rel=1e-5)


def test_each_side_moves_its_own_parameters(tmp_path: Path) -> None:
    adversary = gan_model(tmp_path).adversary
    output, target = pair()
    output.requires_grad_(True)
    adversary.generator_loss(output, target).backward()
    assert output.grad is not None
    assert output.grad.abs().sum() > 0
    assert all(value.grad is None for value in adversary.network.parameters())
    before = [value.detach().clone() for value in adversary.network.parameters()]
    adversary.step([(output.detach(), target)])
    assert not any(torch.equal(*each) for each in zip(before, adversary.network.parameters(), strict=True))


def test_it_learns_to_tell_them_apart(tmp_path: Path) -> None:
    adversary = gan_model(tmp_path).adversary
    output, target = pair()
    for _ in range(60):
        logs = adversary.step([(output * 0.5, target)])
    assert logs["out_d_real"] > logs["out_d_fake"] + 0.1


def test_uneven_parts_count_by_their_samples(tmp_path: Path) -> None:
    adversary = gan_model(tmp_path).adversary
    output, target = torch.rand(2, 3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mean = adversary.network(target).mean()
    logs = adversary.step([(output[:2], target[:2]), (output[2:], target[2:])])
    assert logs["out_d_real"].item() == pytest.approx(mean.item(), rel=1e-5)


@pytest.mark.parametrize(("every", "first", "moves"), [(1, 0, [1, 2, 3, 4, 5, 6]), (2, 3, [4, 6]), (3, 0, [3, 6])])
def test_which_iterations_move_the_generator(every: int, first: int, moves: list[int], tmp_path: Path) -> None:
    model = gan_model(tmp_path, net_d_iters=every, net_d_init_iters=first)
    moved = []
    for step in range(1, 7):
        before = [
            value.detach().clone() for value in (*model.net_g.parameters(), *model.adversary.network.parameters())
        ]
        train(model, [hr_batch(seed=step)], start=step - 1)
        after = [*model.net_g.parameters(), *model.adversary.network.parameters()]
        same = [torch.equal(old, new) for old, new in zip(before, after, strict=True)]
        count = len(list(model.net_g.parameters()))
        assert len(set(same[:count])) == 1
        assert not any(same[count:])
        if not same[0]:
            moved.append(step)
    assert moved == moves


@pytest.mark.parametrize("every", [1, 2, 3, 7])
@pytest.mark.parametrize("start", [0, 1, 2, 7, 8])
def test_a_generator_that_would_never_move_is_refused(every: int, start: int, tmp_path: Path) -> None:
    opt = with_discriminator(sr_options("arbitrary", tmp_path))
    for total in range(1, 16):
        opt["train"] |= {"net_d_iters": every, "net_d_init_iters": start, "total_iter": total}
        moves = [step for step in range(1, total + 1) if step % every == 0 and step > start]
        with nullcontext() if moves else pytest.raises(ValueError, match=r"expected train\.total_iter of at least \d+"):
            check_adversary(opt)


def test_weights_come_from_a_checkpoint(tmp_path: Path) -> None:
    model = gan_model(tmp_path)
    torch.save({"params": model.adversary.network.state_dict()}, tmp_path / "d.pth")
    opt = with_discriminator(sr_options("gan", tmp_path), {"type": "TinyDiscriminator"})
    opt["path"]["pretrain_network_d"] = str(tmp_path / "d.pth")
    other = build(opt, tmp_path, seed=5)
    for mine, theirs in zip(model.adversary.network.parameters(), other.adversary.network.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("missing", ["network_d", "gan_opt", "optim_d"])
def test_a_part_alone_is_one_sentence(missing: str, tmp_path: Path) -> None:
    opt = with_discriminator(sr_options("arbitrary", tmp_path))
    opt.pop(missing, None)
    opt["train"].pop(missing, None)
    with pytest.raises(ValueError, match=f"expected .*{missing} to train with a discriminator"):
        check_adversary(opt)
    check_adversary(sr_options("arbitrary", tmp_path))


@pytest.mark.parametrize("missing", ["network_d", "gan_opt", "optim_d"])
def test_esrgan_without_its_discriminator_is_not_built(missing: str, tmp_path: Path) -> None:
    opt = sr_options("gan", tmp_path)
    opt.pop(missing, None)
    opt["train"].pop(missing, None)
    with pytest.raises(ValueError, match="for DegradedESRGANModel, got none"):
        build(opt, tmp_path)


@pytest.mark.parametrize("network", [
    {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "num_grow_ch": 4},
    {"type": "MSRResNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 4},
], ids=["ESRGAN", "MSRGAN"])  # fmt: skip
def test_the_parts_of_basicsrs_gan_options_train_on_learned_lr(
    network: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their discriminator views what the network makes of LR, which keeps the memory format of LR."""
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    write_vgg19(cache / "vgg19-dcbb9e9d.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    opt = sr_options("gan", tmp_path, degradation={"type": "DegFlow", "bundle": "simulator", "noise": 1.0})
    opt |= {"scale": 4, "network_g": network}
    with_discriminator(opt, {"type": "VGGStyleDiscriminator", "num_in_ch": 3, "num_feat": 4})
    opt["train"]["perceptual_opt"] = {
        "type": "PerceptualLoss", "layer_weights": {"conv5_4": 1}, "vgg_type": "vgg19", "use_input_norm": True,
        "range_norm": False, "perceptual_weight": 1.0, "style_weight": 0, "criterion": "l1",
    }  # fmt: skip
    logs = train(build(opt, tmp_path), [hr_batch(side=128, seed=seed) for seed in range(3)])
    assert all({"l_pix", "l_percep", "l_g_gan", "l_d_real"} <= log.keys() for log in logs)
