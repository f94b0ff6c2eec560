"""BasicSR's pipelines as functions: their options come from ``sys.argv``, their results go to a logger."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def command_line(program: str, arguments: list[str]) -> Iterator[None]:
    """Let ``sys.argv`` be ``program`` and ``arguments`` inside the block."""
    before = sys.argv
    sys.argv = [program, *arguments]
    try:
        yield
    finally:
        sys.argv = before


class _Messages(logging.Handler):
    def __init__(self, start: str) -> None:
        super().__init__(logging.INFO)
        self.start = start
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith(self.start):
            self.found.append(message.rstrip())


@contextmanager
def logged_messages(start: str) -> Iterator[list[str]]:
    """The messages to BasicSR's logger inside the block that begin with ``start``, as they come."""
    logger, handler = logging.getLogger("basicsr"), _Messages(start)
    level = logger.level
    # Whoever asks BasicSR for its logger before the pipeline does leaves it at warnings.
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield handler.found
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
