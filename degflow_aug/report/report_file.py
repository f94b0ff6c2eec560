"""Write a report where it belongs, at the end of a command that has done its work already."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from degflow_aug.console.progress import note
from degflow_aug.console.sentence import sentence

if TYPE_CHECKING:
    from degflow_aug.pages.report_content import Report

NONE = "none"
PAGE = "report.html"
"""The page of a run, in its folder."""


def add_report_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """Add ``--report``; ``default`` says where the page goes without it."""
    parser.add_argument(
        "--report", metavar="FILE.html", help=f"the page that shows the result, or none (default: {default})"
    )


def check_page(option: str, page: Path, source: Path) -> None:
    """Refuse an ``option`` that names no page, one that cannot be written, or its own source, by a ValueError.

    Nothing is written to find out: the folder of the page, or the one that its folder would be made in, is tried with a
    file that has no name.
    """
    try:
        with suppress(FileNotFoundError):
            page.lstat()
        tempfile.TemporaryFile(dir=next(folder for folder in page.absolute().parents if folder.exists())).close()
    except OSError as error:
        raise ValueError(
            f"expected {option} where a file can be written, got {page} ({error.strerror or error}); name another file"
        ) from None
    if page.is_dir():
        raise ValueError(f"expected {option} to name a file, got the folder {page}; add a name that ends in .html")
    if page.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"expected {option} to name a file that ends in .html, got {page}; name it so")
    if page.resolve() == source.resolve():
        raise ValueError(f"expected {option} to name a new page, got its source {page}; name another file")


def check_report(args: argparse.Namespace, source: str) -> None:
    """:func:`check_page` for ``--report``."""
    if args.report and args.report != NONE:
        check_page("--report", Path(args.report), Path(source))


def exit_code(args: argparse.Namespace, page: Path | None) -> int:
    """Return 1 where a page that ``--report`` names is not there, else 0."""
    return int(page is None and args.report not in (None, NONE))


def write_report(path: Path, report: Report) -> None:
    """Write the page, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    from degflow_aug.pages.report_page import report_page

    write_page(path, report_page(report))


def write_page(path: Path, content: str) -> None:
    """Write the text of a page, whole or not at all."""
    from degflow_aug.files.writing import atomic_path

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_text(content, encoding="utf-8")


def report_at_the_end(path: Path, make: Callable[[], Report]) -> Path | None:
    """Write the report and say where it is. A failure is a note, and None: the work itself is done."""
    with failures_noted("no report was written"):
        write_report(path, make())
        note(f"report: {path}")
        return path
    return None


@contextmanager
def failures_noted(what: str) -> Iterator[None]:
    """Note an error as ``what``, and go on: a page that fails must not end hours of training as a failure."""
    try:
        yield
    except Exception as error:
        note(f"{what}: {sentence(error)}")
