"""Lines about what is read otherwise than its name promises, or not at all."""

from __future__ import annotations

import functools
import logging
import multiprocessing

from degflow_aug.console.plain_text import one_line


def notice(sentence: str) -> None:
    """Say a sentence once per process on stderr, and once in the log of a BasicSR run that has begun.

    Worker processes say nothing: what they read has been looked at before they began.
    """
    if multiprocessing.parent_process() is None:
        _log("basicsr" if logging.getLogger("basicsr").handlers else "degflow_aug", sentence)


@functools.cache
def _log(logger: str, sentence: str) -> None:
    logging.getLogger(logger).warning(one_line(sentence))
