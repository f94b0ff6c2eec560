"""Slurm's description of a job, without a shell.

BasicSR 1.4.2 puts ``SLURM_NODELIST`` into a shell command (CVE-2024-27763): what the environment says would be run.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

MODULE = "basicsr.utils.dist_util"
# "a1,gpu[003-010,12]-ib[0-1]": names, in which brackets hold numbers and ranges of them.
_NUMBERS = r"\[[0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*\]"
_NAME = rf"(?![-.])(?:[A-Za-z0-9._-]|{_NUMBERS})+"
_LIST = re.compile(rf"({_NAME})(?:,{_NAME})*")


def first_host(node_list: str) -> str:
    """Return the first host of a list of nodes as Slurm writes it: ``gpu01`` of ``gpu[01-04,7],login``.

    Raises:
        ValueError: no such list.
    """
    found = _LIST.fullmatch(node_list)
    if found is None:
        raise ValueError(f"expected a list of nodes such as gpu[01-04],login in SLURM_NODELIST, got '{node_list}'")
    return re.sub(r"\[([0-9]+)[^]]*\]", r"\1", found[1])


def read_slurm() -> tuple[str, int, int]:
    """Return the first host, the rank and the number of processes of a Slurm job.

    Raises:
        ValueError: no CUDA, or an environment that Slurm has not made.
    """
    import torch

    if not torch.cuda.is_available():
        raise ValueError("expected a CUDA device for --launcher slurm, got none; use torchrun to train on CPUs")
    return first_host(os.environ.get("SLURM_NODELIST", "")), _number("SLURM_PROCID"), _number("SLURM_NTASKS")


def init_dist_slurm(backend: str, port: int | None = None) -> None:
    """Join the process group of a Slurm job; stands in for BasicSR's function of this name.

    Args:
        backend: such as nccl.
        port: of the first host; ``MASTER_PORT`` of the environment or 29500 where it is None.

    Raises:
        ValueError: as :func:`read_slurm`.
    """
    import torch

    host, rank, processes = read_slurm()
    local_rank = rank % torch.cuda.device_count()
    torch.cuda.set_device(local_rank)
    os.environ["MASTER_PORT"] = str(port) if port is not None else os.environ.get("MASTER_PORT", "29500")
    os.environ.update(MASTER_ADDR=host, WORLD_SIZE=str(processes), LOCAL_RANK=str(local_rank), RANK=str(rank))
    torch.distributed.init_process_group(backend=backend)


def close_shell() -> None:
    """Have BasicSR use :func:`init_dist_slurm`, now or as soon as its module is imported; imports nothing itself."""
    if MODULE in sys.modules:
        _close(sys.modules[MODULE])
    elif not any(isinstance(finder, _Closer) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Closer())


class _Closer(MetaPathFinder):
    """Finds one module before anybody else does, and has what it defines replaced once it is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name == MODULE else None
        if spec is not None and spec.loader is not None:
            spec.loader = _ClosingLoader(spec.loader)  # type: ignore[assignment]
        return spec


class _ClosingLoader:
    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        _close(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


def _close(module: ModuleType) -> None:
    module._init_dist_slurm = init_dist_slurm  # type: ignore[attr-defined]


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"expected a whole number in the environment's {name}, got '{text}'; Slurm's srun sets it")
    return int(text)
