"""Process groups and GPUs on machines without CUDA."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import torch
from helpers.basicsr_experiment import run_python, write_experiment
from helpers.ranks import LEAVE

from degflow_aug.compat.devices import check_launcher, init_dist, resolve_num_gpu

RANK_PROGRAM = """
import json, os, sys
from pathlib import Path
from degflow_aug import compat
compat.patch_training()
import basicsr.train, torch
from helpers.basicsr_experiment import register_recording_dataset

asked = register_recording_dataset()
folder, second_port = sys.argv.pop(1), sys.argv.pop(1)
runs = []
for flags in ([], ["--auto_resume", "--force_yml", "train:total_iter=5"]):
    del asked[:]
    sys.argv += flags
    basicsr.train.train_pipeline(folder)
    rank, backend = torch.distributed.get_rank(), torch.distributed.get_backend()
    runs.append(list(asked))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    # A second launch would start afresh; in the same processes the second group needs a store of its own.
    os.environ.update(MASTER_PORT=second_port, TORCHELASTIC_USE_AGENT_STORE="False")
Path(folder, f"rank{rank}.json").write_text(json.dumps([backend, runs]))
"""


def test_torchrun_on_cpu_trains_on_disjoint_shards_and_resumes(tmp_path: Path) -> None:
    """Two ranks, eight images, batches of two: an epoch is two iterations and asks for every image once.

    Nobody says that torchrun has started them.
    """
    options = write_experiment(
        tmp_path, images=8, num_gpu="auto", manual_seed=None, train__total_iter=4, logger__save_checkpoint_freq=3
    )
    program = tmp_path / "rank_program.py"
    program.write_text(RANK_PROGRAM + LEAVE, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = str(probe.getsockname()[1])
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = run_python(*torchrun, str(program), str(tmp_path), port, "-opt", str(options))
    assert done.returncode == 0, done.stderr[-3000:]
    ranks = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    assert [backend for backend, _ in ranks] == ["gloo", "gloo"]
    whole, resumed = zip(*(runs for _, runs in ranks), strict=True)
    for epoch in (slice(0, 4), slice(4, 8)):
        assert sorted(whole[0][epoch] + whole[1][epoch]) == list(range(8))
    assert [indices[:2] for indices in resumed] == [indices[6:8] for indices in whole]


def test_num_gpu_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_num_gpu("auto") == resolve_num_gpu(0) == 0
    with pytest.raises(ValueError, match=r"^expected a CUDA device for num_gpu: 1, got none; .*num_gpu: auto"):
        resolve_num_gpu(1)


def test_num_gpu_with_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert [resolve_num_gpu(value) for value in ("auto", 0, 1, 8)] == [3, 0, 1, 8]


@pytest.mark.parametrize("value", ["all", -1, 1.0, True, None])
def test_num_gpu_that_is_no_number(value: object) -> None:
    with pytest.raises(ValueError, match="expected a number or auto for num_gpu"):
        resolve_num_gpu(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"MASTER_ADDR": None}, "MASTER_ADDR is not set"), ({"MASTER_PORT": ""}, "MASTER_PORT is not set"),
        ({"WORLD_SIZE": "x"}, "whole number in the environment's WORLD_SIZE, got 'x'"),
        ({"RANK": "2"}, "RANK below WORLD_SIZE, got 2 and 2"),
    ],
)  # fmt: skip
def test_what_torchrun_has_not_set_is_named(
    changed: dict[str, str | None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for name, value in {**whole, **changed}.items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=said):
        check_launcher("pytorch")


def test_launch_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.multiprocessing, "set_start_method", lambda _: None)
    with pytest.raises(ValueError, match="expected pytorch or slurm for --launcher, got 'mpi'"):
        init_dist("mpi")
    with pytest.raises(ValueError, match="RANK is not set"):
        init_dist("pytorch")
    with pytest.raises(ValueError, match="expected a CUDA device for --launcher slurm"):
        init_dist("slurm")
