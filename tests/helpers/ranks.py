"""A script run by several processes that train together on the CPU, as torchrun would start them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

LEAVE = """
import os, sys
sys.stderr.flush()
os._exit(0)
"""


def run_ranks(folder: Path, script: str, *arguments: object, world: int = 2) -> None:
    """Run ``script`` in ``folder`` as ``world`` ranks to their end, however long a busy machine takes.

    Once the script is done a rank leaves without taking the interpreter apart: what still holds its process group would
    let gloo's threads ask for a lock that is gone, which rarely aborts the process.

    Raises:
        AssertionError: one of them fails; with the end of what it said.
    """
    worker = folder / "worker.py"
    worker.write_text(script + LEAVE, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    paths = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2])])
    environment = {
        **os.environ, "PYTHONPATH": paths, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": str(world),
    }  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, str(worker), *map(str, arguments)], cwd=folder, stderr=subprocess.PIPE, text=True,
            env={**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(world)
    ]  # fmt: skip
    said = [process.communicate()[1] for process in processes]
    for process, errors in zip(processes, said, strict=True):
        assert process.returncode == 0, errors[-2000:]
