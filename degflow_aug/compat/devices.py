"""Processes and devices: distributed training without CUDA, and ``num_gpu`` against what the machine has.

BasicSR 1.4.2 divides by the number of GPUs to start a process group, always asks for NCCL and for the number of a GPU,
and takes ``num_gpu`` for granted: without CUDA the first is a ZeroDivisionError and the others errors inside torch.
"""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from degflow_aug.compat.slurm import init_dist_slurm, read_slurm


def init_dist(launcher: str, backend: str | None = None, **settings: Any) -> None:
    """Join the process group that ``torchrun`` or Slurm describes in the environment.

    Args:
        launcher: ``pytorch`` or ``slurm``.
        backend: None for NCCL where there is CUDA and gloo where there is none.
        **settings: passed to ``init_process_group``, or to :func:`~degflow_aug.compat.slurm.init_dist_slurm`.

    Raises:
        ValueError: another launcher, started without ``torchrun``, or Slurm without CUDA.
    """
    has_cuda = torch.cuda.is_available()
    if launcher not in ("pytorch", "slurm"):
        raise ValueError(f"expected pytorch or slurm for --launcher, got '{launcher}'")
    if torch.multiprocessing.get_start_method(allow_none=True) is None:
        torch.multiprocessing.set_start_method("spawn")
    if launcher == "slurm":
        init_dist_slurm(backend or "nccl", **settings)
        return
    if "init_method" not in settings:
        check_launcher(launcher)
    if has_cuda:
        local_rank = int(os.environ.get("LOCAL_RANK", os.environ["RANK"]))
        torch.cuda.set_device(local_rank % torch.cuda.device_count())
    else:
        backend = "gloo"
    default = "nccl" if torch.distributed.is_nccl_available() else "gloo"
    torch.distributed.init_process_group(backend=backend or default, **settings)


def check_launcher(launcher: str) -> None:
    """Look whether the environment has what a process group needs, before anything is written.

    Raises:
        ValueError: names the variable that is not set, or is no number.
    """
    if launcher == "slurm":
        read_slurm()
    if launcher != "pytorch":
        return
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        text = os.environ.get(name)
        if not text:
            raise ValueError(
                f"expected the environment of torchrun for --launcher pytorch, but {name} is not set; "
                "start with torchrun"
            )
        if name != "MASTER_ADDR" and not (text.isascii() and text.isdigit()):
            raise ValueError(f"expected a whole number in the environment's {name}, got '{text}'; start with torchrun")
    rank, processes = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if rank >= processes:
        raise ValueError(f"expected RANK below WORLD_SIZE, got {rank} and {processes}; start with torchrun")


def launcher_of(asked: str) -> str:
    """Find out who has started this process: ``asked``, or ``pytorch`` where torchrun has and nobody says so.

    Processes that do not know of each other would each train the whole run, in one folder.
    """
    several = os.environ.get("WORLD_SIZE", "1") not in ("", "0", "1") and bool(os.environ.get("RANK"))
    return "pytorch" if asked == "none" and several else asked


def model_to_device(self: Any, net: nn.Module) -> nn.Module:
    """Move a network to this rank's device and wrap it; unlike BasicSR's method, works with gloo on the CPU."""
    net = net.to(self.device)
    if self.opt["dist"]:
        devices = [torch.cuda.current_device()] if self.device.type == "cuda" else None
        unused = bool(self.opt.get("find_unused_parameters", False))
        return DistributedDataParallel(net, device_ids=devices, find_unused_parameters=unused)
    return DataParallel(net) if self.opt["num_gpu"] > 1 else net


def resolve_num_gpu(num_gpu: int | str) -> int:
    """Find the number of GPUs to use; 0 is the CPU.

    Args:
        num_gpu: a number, or ``auto`` for all there are.

    Raises:
        ValueError: not a number, or GPUs on a machine without CUDA.
    """
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if num_gpu == "auto":
        return available
    if not isinstance(num_gpu, int) or isinstance(num_gpu, bool) or num_gpu < 0:
        raise ValueError(f"expected a number or auto for num_gpu, got {num_gpu!r}")
    if num_gpu > 0 and available == 0:
        raise ValueError(
            f"expected a CUDA device for num_gpu: {num_gpu}, got none; write num_gpu: 0 to train on the CPU or "
            "num_gpu: auto to take what there is"
        )
    return num_gpu


def patch() -> None:
    """Install :func:`init_dist` and :func:`model_to_device` in BasicSR."""
    import basicsr.utils.dist_util
    import basicsr.utils.options
    from basicsr.models.base_model import BaseModel

    BaseModel.model_to_device = model_to_device
    basicsr.utils.dist_util.init_dist = init_dist
    basicsr.utils.options.init_dist = init_dist
