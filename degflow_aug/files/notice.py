"""Lines about what is read otherwise than its name promises, or not at all."""

from __future__ import annotations

import functools
import logging
import multiprocessing


@functools.cache
def notice(sentence: str) -> None:
    """Say a sentence once per process: in the log of a BasicSR run where there is one, else on stderr.

    Worker processes say nothing: what they read has been looked at before they began.
    """
    if multiprocessing.parent_process() is None:
        run = logging.getLogger("basicsr")
        (run if run.handlers else logging.getLogger("degflow_aug")).warning(sentence)
