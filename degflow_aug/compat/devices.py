"""Processes and devices: distributed training without CUDA, and ``num_gpu`` against what the machine has.

BasicSR 1.4.2 divides by the number of GPUs to start a process group, always asks for NCCL, and takes ``num_gpu`` for
granted: without CUDA the first is a ZeroDivisionError and the last an error inside torch.
"""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing

from degflow_aug.compat.slurm import init_dist_slurm


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
    if "RANK" not in os.environ:
        raise ValueError("expected the environment of torchrun for --launcher pytorch, but RANK is not set")
    if has_cuda:
        local_rank = int(os.environ.get("LOCAL_RANK", os.environ["RANK"]))
        torch.cuda.set_device(local_rank % torch.cuda.device_count())
    else:
        backend = "gloo"
    default = "nccl" if torch.distributed.is_nccl_available() else "gloo"
    torch.distributed.init_process_group(backend=backend or default, **settings)


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
    """Install :func:`init_dist` in BasicSR."""
    import basicsr.utils.dist_util
    import basicsr.utils.options

    basicsr.utils.dist_util.init_dist = init_dist
    basicsr.utils.options.init_dist = init_dist
