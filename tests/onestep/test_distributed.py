"""Two processes take the step that one takes on both their images, from the same start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.ranks import run_ranks

pytest.importorskip("basicsr", reason="training needs BasicSR")
pytest.importorskip("diffusers", reason="the extra onestep is not installed")

WORKER = """
import sys, torch
from pathlib import Path
from typing import Any
backbones, images, folder, world = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(1)
from benchmarks.onestep.tiny import tiny_options
from helpers.tiny_sr import build, hr_batch, register, train
register()
from degflow_aug.compat.devices import init_dist
rank = 0
if world > 1:
    init_dist("pytorch")
    rank = torch.distributed.get_rank()
opt = tiny_options("omgsr_s", backbones, images, refinement_weight=0.0)
opt.pop("network_d")
for key in ("gan_opt", "optim_d"):
    opt["train"].pop(key)
opt["train"]["optim_g"] = {"type": "SGD", "lr": 0.1}
opt["degradation"] = {"type": "Bicubic"}
model = build(opt, folder, seed=rank, dist=world > 1, rank=rank, world_size=world)
start = {key: value.clone() for key, value in model.net_g.trained_state().items()}
batch = {key: value[rank : rank + 1] if world > 1 else value for key, value in hr_batch(2, 32).items()}
train(model, [batch] * 2)
content = {"time": model.net_g.time, "start": start, "end": model.net_g.trained_state()}
torch.save(content, folder / f"{world}_{rank}.pt")
if world > 1:
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
"""


def launch(backbones: Path, images: Path, folder: Path, world: int) -> list[dict[str, Any]]:
    """What every rank has at the start and at the end."""
    run_ranks(folder, WORKER, backbones, images, folder, world, world=world)
    return [torch.load(folder / f"{world}_{rank}.pt") for rank in range(world)]


@pytest.mark.slow
def test_two_processes_are_one(tiny_backbones: Path, photograph_pairs: Path, tmp_path: Path) -> None:
    (alone,) = launch(tiny_backbones, photograph_pairs, tmp_path, 1)
    first, second = launch(tiny_backbones, photograph_pairs, tmp_path, 2)
    assert first["time"] == second["time"] == alone["time"]
    for key, value in alone["end"].items():
        assert torch.equal(first["start"][key], alone["start"][key]), key
        assert torch.equal(second["start"][key], first["start"][key]), key
        assert torch.equal(second["end"][key], first["end"][key]), key
        assert torch.allclose(first["end"][key], value, atol=1e-5), key
    assert any(not torch.equal(alone["start"][key], value) for key, value in alone["end"].items())
