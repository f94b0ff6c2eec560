"""The published recipe, of option files and of ``degflow fit``, against the official code's own numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from degflow_aug import compat
from degflow_aug.fit.presets import preset
from degflow_aug.fit.schedule import Budget, Schedule
from degflow_aug.fit.stage_options import FitSettings, stage_options
from degflow_aug.options.yaml_file import load_yaml

STAGES = pytest.mark.parametrize("stage", ["rae", "lfm"])


def options(stage: str) -> dict[str, Any]:
    return load_yaml(Path(__file__).resolve().parents[2] / "basicsr_options" / f"{stage}_realsr_paper.yml")


def published(official: Path, stage: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps, the first of which is 1, and their learning rates."""
    schedule = torch.load(official / f"training_{stage}.pt", weights_only=True)["schedule_published"]
    return schedule["step"].numpy(), schedule["lr"].numpy()


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@STAGES
def test_learning_rates_of_option_files(stage: str, official: Path) -> None:
    if not compat.has_basicsr():
        pytest.skip("BasicSR is not installed")
    compat.patch_training()
    from basicsr.models.base_model import BaseModel

    train = options(stage)["train"]
    lr = train["optim_g"]["lr"]
    model = BaseModel({"num_gpu": 0, "is_train": True, "train": {"scheduler": dict(train["scheduler"])}})
    model.optimizers = [torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr)]
    model.setup_schedulers()
    steps, rates = published(official, stage)
    found = []
    for step in steps.tolist():
        if step > 1:
            # The rates of a cosine are a function of the step alone.
            model.schedulers[0].last_epoch = step - 2
        model.update_learning_rate(step, warmup_iter=train["warmup_iter"])
        found += model.get_current_learning_rate()
    np.testing.assert_allclose(found, rates, rtol=1e-9)


@STAGES
def test_learning_rates_of_fit(stage: str, official: Path) -> None:
    """Of as many iterations as the paper has; a third of them are of stage 1."""
    recipe = preset("official", "paper").stages[stage]
    total = round(600_000 * recipe.share)
    budget = Budget(iterations=total)
    schedule = Schedule(recipe.lr, recipe.floor, recipe.warmup, recipe.recursive)
    steps, rates = published(official, stage)
    found = [schedule.rate(budget.progress(step - 1, 0), budget.step) for step in steps.tolist()]
    np.testing.assert_allclose(found, rates, rtol=1e-9)
    assert total == options(stage)["train"]["total_iter"]


@STAGES
def test_fit_trains_as_the_option_files(stage: str) -> None:
    recipe, opt = preset("official", "paper").stages[stage], options(stage)
    train, data = opt["train"], opt["datasets"]["train"]
    assert (recipe.batch, recipe.crop) == (data["batch_size_per_gpu"], data["gt_size"])
    assert (recipe.lr, list(recipe.betas), recipe.weight_decay, recipe.ema) == (
        train["optim_g"]["lr"], train["optim_g"]["betas"], train["optim_g"]["weight_decay"], train["ema_decay"],
    )  # fmt: skip
    assert recipe.floor == train["scheduler"]["eta_min"]
    assert recipe.warmup * train["total_iter"] == max(train["warmup_iter"], 0)


@pytest.mark.parametrize("knots", [(1.0, 2.0, 4.0), (1.0, 2.9)])
def test_knots_lie_at_the_official_times(knots: tuple[float, ...], official: Path, tmp_path: Path) -> None:
    reference = torch.load(official / "training_lfm.pt", weights_only=True)
    times = dict(zip((1, 2, 3, 4), reference["knots"].tolist(), strict=True))
    assert [times.pop(1), times.pop(4)] == [0, 1]
    assert options("lfm")["degflow"]["times"] == times
    settings = FitSettings(scenes=[], knots=knots, camera="", work=tmp_path)
    section = stage_options("lfm", preset("official", "paper"), settings)["degflow"]
    # Only where the path ends at x4 is x2 there.
    assert section.get("times") == (times if knots[-1] == 4 else None)


def test_a_short_warm_up_leaves_the_rate_below_its_peak() -> None:
    budget, schedule = Budget(iterations=2), Schedule(1.0, 0.0, 0.025, recursive=True)
    rates = [schedule.rate(budget.progress(done, 0), budget.step) for done in range(2)]
    assert rates == pytest.approx([1, 0.5])
