"""The second stage of FlowSR: its target's average and its losses by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_sr import build, hr_batch, register, train

pytest.importorskip("basicsr", reason="training needs BasicSR")
pytest.importorskip("diffusers", reason="the extra onestep is not installed")
register()

from helpers.onestep_networks import images, write_teacher  # noqa: E402

from benchmarks.onestep.tiny import tiny_options  # noqa: E402
from degflow_aug.onestep.flowsr.fast_slow import draw_fast_slow  # noqa: E402


def second_stage(backbones: Path, photographs: Path, folder: Path, **degflow: Any) -> Any:
    """The model, its student and its target as a random teacher."""
    teacher = str(write_teacher(folder / "teacher.pth", backbones))
    opt = tiny_options("flowsr_2", backbones, photographs, teacher=teacher, **degflow)
    opt["degradation"] = {"type": "Bicubic"}
    return build(opt, folder)


def test_the_target_is_the_average_of_the_student(tiny_backbones: Path, photograph_pairs: Path, tmp_path: Path) -> None:
    """After one step: decay times the teacher, which both start from, and the rest of the student."""
    model = second_stage(tiny_backbones, photograph_pairs, tmp_path)
    teacher = {key: value.clone() for key, value in model.consistency.teacher.items()}
    train(model, [hr_batch(2, 32)])
    student = model.net_g.trained_state()
    for key, average in model.consistency.target.items():
        assert torch.allclose(average, 0.95 * teacher[key] + 0.05 * student[key], atol=1e-7), key
        assert torch.equal(model.consistency.teacher[key], teacher[key])
    assert any(not torch.equal(teacher[key], student[key]) for key in teacher)


def test_the_losses_by_hand(tiny_backbones: Path, photograph_pairs: Path, tmp_path: Path) -> None:
    """Teacher, target and student are three networks here, so that none can stand for another."""
    plain = {"caption_model": "", "adversarial_weight": 0, "hr_weight": 0.5}
    model = second_stage(tiny_backbones, photograph_pairs, tmp_path, **plain)
    parts = model.consistency
    three = [parts.teacher, parts.target, {key: value.clone() for key, value in parts.teacher.items()}]
    generator = torch.Generator().manual_seed(0)
    for weights in three:
        for value in weights.values():
            value.add_(0.05 * torch.randn(value.shape, generator=generator))
    space, network = model.net_g.latents, model.net_g

    def with_weights(weights: dict[str, torch.Tensor], what: str, latents: torch.Tensor, times: torch.Tensor) -> Any:
        prompt = {f"prompt.{key}": value for key, value in network.prompt.items()}
        network.load_trained_state({**weights, **prompt})
        with torch.no_grad():
            return getattr(network, what)(latents, times)

    hr, hr_latents, lr_latents = images(2), *torch.randn(2, 2, 4, 4, 4, generator=generator).unbind()
    torch.manual_seed(9)
    earlier, later = (times.float() for times in draw_fast_slow(2))
    at = (1 - later.reshape(-1, 1, 1, 1)) * hr_latents + later.reshape(-1, 1, 1, 1) * lr_latents
    step = with_weights(three[0], "predict", at, later)
    moved = at - (later - earlier).reshape(-1, 1, 1, 1) * step
    ends = [space.decode(with_weights(three[2], "clean", *each)) for each in ((at, later), (moved, earlier))]
    target = space.decode(with_weights(three[1], "clean", moved, earlier))
    network.load_trained_state({**three[2], **{f"prompt.{key}": value for key, value in network.prompt.items()}})
    torch.manual_seed(9)
    found = {key: loss for group in parts.loss_groups(hr, hr_latents, lr_latents) for key, loss in group.items()}
    expected = {
        "l_pix_a": (ends[0] - hr).square().mean(), "l_pix_consistency": (ends[0] - target).square().mean(),
        "l_pix_b": 0.5 * (ends[1] - hr).square().mean(),
    }  # fmt: skip
    assert sorted(found) == sorted(expected)
    for key, value in expected.items():
        assert torch.allclose(found[key], value, rtol=1e-4), key
    sum(found.values()).backward()
    assert all(value.grad is None for weights in three[:2] for value in weights.values())
    assert all(network.get_parameter(name).grad is not None for name in network.trained_names)
