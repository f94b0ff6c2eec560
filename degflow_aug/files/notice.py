"""Lines about what is read otherwise than its name promises, or not at all."""

from __future__ import annotations

import logging
import multiprocessing

from degflow_aug.console.plain_text import one_line

_SAID: set[tuple[str, str]] = set()


def notice(sentence: str, kind: str = "") -> None:
    """Say a sentence once per process on stderr, and once in the log of a BasicSR run that has begun.

    Of sentences of one kind the first is said. Worker processes say nothing: what they read has been looked at before
    they began.
    """
    logger = "basicsr" if _has_begun(logging.getLogger("basicsr")) else "degflow_aug"
    if multiprocessing.parent_process() is None and (logger, kind or sentence) not in _SAID:
        _SAID.add((logger, kind or sentence))
        logging.getLogger(logger).warning(one_line(sentence))


def _has_begun(log: logging.Logger) -> bool:
    """Whether a run keeps a log: to a file, or, in processes but the first, of errors alone.

    Whoever asks BasicSR for its logger leaves a handler there that prints, with the time, among what a command says.
    """
    return log.level == logging.ERROR or any(isinstance(handler, logging.FileHandler) for handler in log.handlers)
