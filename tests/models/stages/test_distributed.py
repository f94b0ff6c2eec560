"""Two processes on the CPU give the gradients of one process on the joint batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.ranks import run_ranks
from helpers.tiny_camera import train_rae, write_pairs

import degflow_aug

pytest.importorskip("basicsr", reason="training needs BasicSR")
degflow_aug.register()

WORKER = """
import sys, torch
from pathlib import Path
from helpers.tiny_camera import in_memory, stage_options
import degflow_aug
degflow_aug.register()
from degflow_aug.compat.devices import init_dist
from degflow_aug.models.stages import stage_model
torch.set_num_threads(1)
pairs, folder, stage, world = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
rank = 0
if world > 1:
    init_dist("pytorch")
    rank = torch.distributed.get_rank()
from basicsr.data import build_dataset
from basicsr.models import build_model
from degflow_aug.draws import SampleDraw
from torch.utils.data import default_collate
# A step's draws differ by rank; losses without draws make the joint batch comparable.
extra = {"hr_share": 0.0} if stage == "rae" else {"rollout_weight": 1.0}
opt = in_memory(stage_options(stage, pairs, folder, **extra), folder)
opt["network_g"]["dropout"] = 0.0
if stage == "rae":
    opt["network_g"].pop("dropout")
opt.update(dist=world > 1, rank=rank, world_size=world)
opt["degflow"]["knots"] = [1.0, 2.0]
for section in opt["datasets"].values():
    section["knots"] = [1.0, 2.0]
torch.manual_seed(0)
model = build_model(opt)
with torch.no_grad():
    generator = torch.Generator().manual_seed(1)
    for value in model.get_bare_model(model.net_g).parameters():
        value.copy_(0.1 * torch.randn(value.shape, generator=generator))
dataset = build_dataset(opt["datasets"]["train"])
mine = range(4) if world == 1 else range(2 * rank, 2 * rank + 2)
model.feed_data(default_collate([dataset[SampleDraw(index % len(dataset), index)] for index in mine]))
if stage == "lfm":
    from degflow_aug.models import lfm_model
    times = torch.tensor([0.1, 0.4, 0.6, 0.9])
    lfm_model.draw_times = lambda count, device: times[list(mine)]
sum(model.compute_losses().values()).backward()
if rank == 0:
    gradients = {name: value.grad for name, value in model.get_bare_model(model.net_g).named_parameters()}
    torch.save(gradients, folder / f"gradients_{world}.pt")
if world > 1:
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
"""


def gradients(folder: Path, pairs: Path, stage: str, world: int) -> dict[str, torch.Tensor]:
    run_ranks(folder, WORKER, pairs, folder, stage, world, world=world)
    return torch.load(folder / f"gradients_{world}.pt", weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["rae", "lfm"])
def test_gradients_of_two_processes_are_those_of_one(stage: str, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    write_pairs(pairs, scales=(2.0,))
    if stage == "lfm":
        train_rae(pairs, tmp_path)
    alone = gradients(tmp_path, pairs, stage, 1)
    together = gradients(tmp_path, pairs, stage, 2)
    assert alone.keys() == together.keys()
    largest = max(float(value.abs().max()) for value in alone.values())
    assert largest > 0
    for name, value in alone.items():
        difference = float((value - together[name]).abs().max())
        assert difference < 1e-4 * largest, (name, difference, largest)
