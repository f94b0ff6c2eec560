"""The five option files as they are shipped, at tiny size: what a step trains on, and that a resume goes on from it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.onestep_networks import write_teacher
from helpers.tiny_sr import build, hr_batch, register

pytest.importorskip("basicsr", reason="training needs BasicSR")
pytest.importorskip("diffusers", reason="the extra onestep is not installed")
register()

from benchmarks.onestep.tiny import OPTIONS, run, shrunk_options, tiny_options  # noqa: E402
from degflow_aug.commands.shared.invocation import logged_messages  # noqa: E402
from degflow_aug.files.run_history import HISTORY, read_history  # noqa: E402

OMGSR = "l_ldr l_pix l_percep l_g_gan l_d_real l_d_fake"
STAGE_2 = "l_pix_{0} l_percep_{0} l_adv_{0} l_iqa_{0}"
LOSSES = {
    "omgsr_s": OMGSR,
    "omgsr_f": OMGSR,
    "fluxsr": "l_ftd l_pix l_percep l_adl",
    "flowsr_1": "l_pix l_percep",
    "flowsr_2": f"{STAGE_2.format('a')} {STAGE_2.format('b')} l_pix_consistency l_percep_consistency l_d",
}


@pytest.fixture
def shipped(
    tiny_backbones: Path, photograph_pairs: Path, vgg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], dict[str, Any]]:
    """Options of a system, and for stage 2 of FlowSR its teacher below the current folder."""
    monkeypatch.chdir(tmp_path)

    def options(system: str) -> dict[str, Any]:
        opt = shrunk_options(system, tiny_backbones, photograph_pairs, vgg)
        if system == "flowsr_2":
            write_teacher(Path("experiments") / opt["degflow"]["teacher"] / "models/net_g_latest.pth", tiny_backbones)
        return opt

    return options


def test_every_shipped_system_is_here() -> None:
    assert {f"onestep_{system}" for system in LOSSES} == {file.stem for file in OPTIONS.glob("onestep_*.yml")}


@pytest.mark.parametrize("system", LOSSES)
def test_the_shipped_options_train(system: str, shipped: Callable[[str], dict[str, Any]]) -> None:
    experiment = run(shipped(system), 3)
    points = read_history(experiment / HISTORY).points
    assert [set(point.losses) for point in points] == [{"total", "degradation_share", *LOSSES[system].split()}] * 3
    assert list((experiment / "validation").glob("*_3.json"))
    saved = torch.load(experiment / "models/net_g_3.pth", weights_only=True)
    assert ("target" in saved and "heads" in saved) is (system == "flowsr_2")
    # What was matched on pairs travels with the weights, and nothing that is published does.
    assert saved["spec"]["time"] == 1 if "flowsr" in system else saved["spec"]["time"] > 0
    assert all("lora_" in key or key.startswith("prompt.") for key in saved["params"])


@pytest.mark.slow
@pytest.mark.parametrize("system", LOSSES)
def test_resumes_to_the_bit(system: str, shipped: Callable[[str], dict[str, Any]]) -> None:
    """Two steps are one step and, after a resume, another: network, discriminator, target and optimisers."""
    opt = shipped(system)
    whole = run({**opt, "name": "whole"}, 2)
    halves = Path(shutil.copytree(whole, whole.parent / "halves"))
    for file in (*halves.glob("*/*_2.*"), *halves.glob("*/2.*"), *halves.glob("*/*latest*")):
        file.unlink()
    run({**opt, "name": "halves"}, 2, "--auto_resume")
    for name in ("models/net_g_2.pth", "training_states/2.state", *(["models/net_d_2.pth"] * ("network_d" in opt))):
        assert same(*(torch.load(folder / name, weights_only=True) for folder in (whole, halves))), name


@pytest.mark.parametrize(("system", "key"), [
    ("omgsr_s", "network_g.pretrained"), pytest.param("flowsr_2", "degflow.teacher", marks=pytest.mark.slow),
])  # fmt: skip
def test_other_weights_at_the_same_path_are_told(
    system: str, key: str, shipped: Callable[[str], dict[str, Any]]
) -> None:
    """Published ones, or those of the teacher's run."""
    opt = shipped(system)
    section, name = key.split(".")
    weights = Path("experiments") / str(opt[section][name])
    if section == "network_g":
        opt[section][name] = str(shutil.copytree(opt[section][name], "backbones"))
        weights = Path("backbones")
    run(opt, 1)
    for file in (*weights.rglob("*.pth"), *weights.rglob("*.safetensors")):
        content = bytearray(file.read_bytes())
        content[-9] ^= 1
        file.write_bytes(content)
    with suppress(RuntimeError), logged_messages("what lies at ") as told:
        run(opt, 2, "--auto_resume")
    assert [sentence.partition(" (")[2] for sentence in told] == [
        f"{key}) changed since iteration 1: takes effect from now on."
    ]


def test_what_a_checkpoint_brings_along_is_told(shipped: Callable[[str], dict[str, Any]]) -> None:
    """Its prompt, and the time that it was trained at."""
    opt = shipped("omgsr_s")
    before = run(opt, 1) / "models/net_g_1.pth"
    opt["network_g"]["prompt"], opt["degflow"]["mid_timestep"] = "a cat", 300
    with logged_messages("") as told:
        run({**opt, "name": "tuned", "path": {**opt["path"], "pretrain_network_g": str(before)}}, 1)
    for key in ("network_g.prompt", "degflow.mid_timestep"):
        assert sum(sentence.startswith(f"{key} has no effect: ") for sentence in told) == 1


def same(first: Any, second: Any) -> bool:
    """Whether two nested values are equal, tensors to the bit."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


@pytest.mark.slow
@pytest.mark.parametrize("system", LOSSES)
def test_the_loss_of_a_fixed_batch_falls(
    system: str, tiny_backbones: Path, photograph_pairs: Path, vgg: Path, tmp_path: Path
) -> None:
    """Every step is the first, with its draws, so that the optimiser follows one function down."""
    teacher = {"teacher": str(write_teacher(tmp_path / "1.pth", tiny_backbones))} if system == "flowsr_2" else {}
    opt = tiny_options(system, tiny_backbones, photograph_pairs, vgg, **teacher)
    opt["degradation"] = {"type": "Bicubic"}
    model = build(opt, tmp_path)
    model.feed_data(hr_batch(2, 32))
    totals = []
    for _ in range(9):
        model.optimize_parameters(1)
        totals.append(model.get_current_log()["total"])
    # Five seeds of weights and photographs, on one and on two threads: 0.74 to 0.95 of the first.
    assert totals[-1] < 0.98 * totals[0]
