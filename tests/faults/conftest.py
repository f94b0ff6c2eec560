"""The server that commands are forked from: it imports from PYTHONPATH alone, and ends with the tests of a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

pytest.importorskip("fcntl", reason="faults are those of systems with signals and locks of POSIX")
pytest.importorskip("basicsr", reason="training needs BasicSR")


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    from multiprocessing import forkserver

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
