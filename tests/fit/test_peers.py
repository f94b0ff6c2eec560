"""A fit of two processes is that of one on the joint batches; both have the same weights, and one of them writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.ranks import run_ranks
from helpers.tiny_camera import write_pairs
from safetensors.torch import load_file

from degflow_aug.cli import main
from degflow_aug.files.image_file import read_image, write_image
from degflow_aug.fit.peers import Peers

pytest.importorskip("basicsr", reason="training needs BasicSR")

WORKER = """
import os, signal, sys, torch
from pathlib import Path
torch.set_num_threads(1)
pairs, out, stop_at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
import degflow_aug
degflow_aug.register()
from degflow_aug.cli import main
from degflow_aug.fit import peers, presets, stage_options, stage_run
from degflow_aug.fit.presets import Preset, StagePreset
from degflow_aug.models import distill_model, lfm_model

def stage(share, crop, batch, windows=0, **options):
    return StagePreset(share, crop, batch // world, 1e-2, ema=0.9 * bool(windows), options=options, windows=windows)

path = {"trajectory": "linear", "solver": "euler", "steps": 1}
stages = {
    "rae": stage(0.4, 32, 4, hr_share=0.0, kl_weight=1e-3), "lfm": stage(0.2, 32, 4, windows=6, **path),
    "refine": stage(0.3, 48, 4, steps=1, crop_margin=8, pseudo_share=0.0),
    "distill": stage(0.1, 32, 4, windows=6, method="average", pseudo_share=0.0, image_weight=1.0),
}
# Steps without draws of their own make the joint batch comparable, and SGD does not blow rounding up to whole steps.
chosen = Preset({"base_channels": 8, "residual": True, "anchored": True},
                {"base_channels": 8, "multipliers": [1, 2], "blocks": 1, "dropout": 0.0}, True, stages, "never")
presets.preset = lambda *_: chosen
distill_model.draw_times = lfm_model.draw_times = lambda count, device: torch.full((count,), 0.4, device=device)
training = stage_options._training
stage_options._training = lambda recipe: {**training(recipe), "optim_g": {"type": "SGD", "lr": recipe.lr}}
weights, run = {}, stage_run.StageRun.run

def noted(self):
    model = run(self)
    networks = {"net": model.get_bare_model(model.net_g), "ema": model.net_g_ema}
    weights[model.opt["name"]] = {key: each.state_dict() for key, each in networks.items() if each is not None}
    return model

stage_run.StageRun.run = noted
steps, after_step = 0, peers.Peers.after_step

def stopping(self, seconds):
    global steps
    steps += 1
    if rank == world - 1 and steps == stop_at:
        os.kill(os.getpid(), signal.SIGINT)
    return after_step(self, seconds)

peers.Peers.after_step = stopping
code = main(["fit", str(pairs), "--layout", "pattern", "--pattern", str(pairs / "pattern.yml"), "--out", str(out),
             "--preset", "tiny", "--iters", "10", "--held-out", "none", "--report", "none", "--device", "cpu"])
torch.save({"code": code, "weights": weights}, out.with_name(f"{out.stem}_{rank}.pt"))
"""


def write_noisy_pairs(folder: Path) -> None:
    """Views that a kernel gives nowhere to the bit: the gradient of L1 is the sign of the difference."""
    write_pairs(folder, scenes=4, scales=(2.0,))
    random = np.random.default_rng(0)
    for file in sorted((folder / "x2").glob("*.png")):
        view = read_image(file).astype(int)
        write_image(file, (view + random.integers(-6, 7, view.shape)).clip(0, 255).astype(np.uint8))


def fit(folder: Path, pairs: Path, name: str, world: int, stop_at: int = 0) -> list[dict[str, Any]]:
    """What every process has at its end; ``stop_at`` is a step at whose end the last one gets a Ctrl-C."""
    out = folder / f"{name}.safetensors"
    run_ranks(folder, WORKER, pairs, out, stop_at, world=world)
    return [torch.load(folder / f"{name}_{rank}.pt", weights_only=True) for rank in range(world)]


def flat(found: dict[str, Any]) -> dict[str, torch.Tensor]:
    weights = found["weights"]
    return {f"{stage} {key} {name}": value for stage, parts in weights.items() for key, part in parts.items()
            for name, value in part.items()}  # fmt: skip


@pytest.mark.slow
def test_two_processes_fit_what_one_does_and_stop_and_resume_together(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    write_noisy_pairs(pairs)
    (alone,) = fit(tmp_path, pairs, "alone", 1)
    first, second = fit(tmp_path, pairs, "together", 2)
    assert (alone["code"], first["code"], second["code"]) == (0, 0, 0)
    assert list(alone["weights"]) == ["rae", "lfm", "refine", "distill"]
    one, two, other = flat(alone), flat(first), flat(second)
    for name, value in one.items():
        assert torch.equal(two[name], other[name]), name
        torch.testing.assert_close(
            two[name], value, rtol=1e-4, atol=1e-7, msg=lambda said, name=name: f"{name}: {said}"
        )

    stopped = fit(tmp_path, pairs, "again", 2, stop_at=3)
    assert [each["code"] for each in stopped] == [130, 130]
    assert not (tmp_path / "again.safetensors").exists()
    states = [file.name for file in (tmp_path / "again.fit/rae/training_states").glob("*")]
    assert states == ["3.state"]
    resumed = fit(tmp_path, pairs, "again", 2)
    assert [each["code"] for each in resumed] == [0, 0]
    whole, again = (load_file(tmp_path / f"{name}.safetensors") for name in ("together", "again"))
    assert all(torch.equal(value, again[key]) for key, value in whole.items())


def test_a_camera_without_networks_is_left_to_the_first_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pairs(tmp_path / "pairs", scenes=2, scales=(2.0,))
    for name, value in {"RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    pattern, out = tmp_path / "pairs/pattern.yml", tmp_path / "camera.safetensors"
    arguments = ["fit", str(tmp_path / "pairs"), "--layout", "pattern", "--pattern", str(pattern), "--out", str(out)]
    assert main([*arguments, "--preset", "kernel"]) == 0
    assert not list(tmp_path.glob("camera*"))


def test_one_process_alone_waits_for_nobody() -> None:
    peers = Peers()
    peers.wait()
    assert (peers.first, peers.of_first(2.5), peers.least(3), peers.after_step(1.5)) == (True, 2.5, 3, (1.5, 0))
