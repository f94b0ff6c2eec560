"""The machine as far as training feels it: Python, disk, shared memory, cache, and threads beside processor cores."""

from __future__ import annotations

import math
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from degflow_aug.commands.doctor.finding import Finding

OLDEST_PYTHON = (3, 10)
LEAST_DISK_GIB = 2.0
LEAST_SHARED_MIB = 256
SHARED_MEMORY = Path("/dev/shm")
CGROUP = Path("/sys/fs/cgroup")


def python_findings() -> list[Finding]:
    """The interpreter and the system under it."""
    version = platform.python_version()
    system = Finding("platform", "ok", platform.platform())
    if sys.version_info < OLDEST_PYTHON:
        mend = "python3.12 -m venv .venv, and install there"
        return [Finding("Python", "broken", f"{version}, expected 3.10 or newer", "everything", mend, True), system]
    return [Finding("Python", "ok", f"{version} ({sys.executable})"), system]


def folder_findings() -> list[Finding]:
    """Free disk where files are written, and whether they can be."""
    working = _folder("working folder", Path.cwd(), "what fit, train and generate write", "cd to a folder of yours")
    try:
        temporary = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        lost = "torch.compile, loader workers and tests"
        return [working, Finding("temporary folder", "broken", str(error), lost, "export TMPDIR=$HOME/tmp")]
    lost = "torch.compile and loader workers"
    return [working, _folder("temporary folder", temporary, lost, "export TMPDIR=a folder with room", needed=False)]


def _folder(name: str, folder: Path, lost: str, mend: str, needed: bool = True) -> Finding:
    free = shutil.disk_usage(folder).free / 2**30
    said = f"{folder}, {free:.1f} GiB free"
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding(name, "broken", f"{said}, not writable", lost, mend, needed)
    if free < LEAST_DISK_GIB:
        return Finding(name, "broken", f"{said}, expected {LEAST_DISK_GIB:g} or more", lost, mend, needed)
    return Finding(name, "ok", said)


def shared_memory_finding() -> list[Finding]:
    """Room for the batches that loader workers hand over."""
    if not SHARED_MEMORY.is_dir():
        return [Finding("shared memory", "ok", "not a file system here")] if sys.platform != "linux" else [_no_shared()]
    usage = shutil.disk_usage(SHARED_MEMORY)
    said = f"{SHARED_MEMORY}, {usage.free / 2**20:.0f} of {usage.total / 2**20:.0f} MiB free"
    if usage.free < LEAST_SHARED_MIB * 2**20:
        return [
            Finding(
                "shared memory",
                "broken",
                f"{said}, expected {LEAST_SHARED_MIB} or more",
                "loader workers with large batches, which die with a bus error",
                "docker run --shm-size=8g ..., mount -o remount,size=8g /dev/shm, or num_worker_per_gpu: 0",
            )
        ]
    return [Finding("shared memory", "ok", said)]


def _no_shared() -> Finding:
    mend = "mount -t tmpfs -o size=8g tmpfs /dev/shm, or num_worker_per_gpu: 0"
    return Finding("shared memory", "missing", f"no {SHARED_MEMORY}", "loader workers", mend)


def thread_findings(threads: int | None) -> list[Finding]:
    """Threads that torch takes (None: nobody knows) beside the cores that this process may use."""
    cores, limit = _cores(), cgroup_cores()
    usable = cores if limit is None else min(cores, max(1, math.ceil(limit)))
    said = f"{cores} cores" + ("" if limit is None else f", a limit of {limit:g} by the cgroup")
    said += f", OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}"
    said += "" if threads is None else f", torch takes {threads}"
    if threads is not None and threads > usable:
        lost = "full speed, as threads wait for each other"
        return [Finding("threads", "broken", said, lost, f"export OMP_NUM_THREADS={usable}")]
    return [Finding("threads", "ok", said)]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cgroup_cores(root: Path = CGROUP) -> float | None:
    """Processor cores that the container's quota is worth, or None where there is none."""
    try:
        quota, period = (root / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu/cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (root / "cpu/cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def cache_finding(folder: Path) -> list[Finding]:
    """Whether ``folder``, where torch keeps downloaded weights, can be written or made."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return [Finding("cache", "ok", f"{folder}{'' if there == folder else ', not made yet'}")]
    lost = "downloading weights for LPIPS"
    return [Finding("cache", "broken", f"{folder}, not writable", lost, "export TORCH_HOME=a folder of yours")]
