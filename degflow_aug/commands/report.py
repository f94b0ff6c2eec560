"""``degflow report``: write one HTML page that shows a fit or a training run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from degflow_aug.console.json_output import add_json_argument, print_json
from degflow_aug.console.plain_text import say
from degflow_aug.files.writing import fitting_path
from degflow_aug.report.report_file import PAGE, check_page, write_page

if TYPE_CHECKING:
    from degflow_aug.pages.report_content import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("run", metavar="RUN", help="work folder of degflow fit, or experiments/NAME of degflow train")
    parser.add_argument(
        "--out",
        metavar="FILE.html",
        help="the page (default: report.html in experiments/NAME, else RUN.report.html beside RUN)",
    )
    add_json_argument(parser)
    parser.epilog = "degflow fit, train and evaluate end with such a page. A run that has not ended has one too."


def run(args: argparse.Namespace) -> int:
    """Write the page and say where it is; returns 0.

    Raises:
        ValueError, OSError: no run there, a damaged one, or a page that cannot be written.
    """
    source = Path(args.run)
    out = Path(args.out) if args.out else default_page(source)
    check_page("--out", out, source)
    report, page = read_report(source)
    write_page(out, page)
    if args.json:
        print_json({"report": out, "run": source, "title": report.title, "warnings": report.warnings})
    else:
        say(f"{out}: {report.title}")
    return 0


def read_report(source: Path) -> tuple[Report, str]:
    """Return the report of the run ``source``, and its page.

    Raises:
        ValueError: nothing that has a report.
    """
    from degflow_aug.pages.report_page import report_page

    try:
        report = _find_report(source)
        return report, report_page(report)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        if isinstance(error, ValueError) and "expected" in str(error):
            # A sentence of ours, not one of Python's.
            raise
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"expected a run that can be read in {source}, got one that is damaged: {said}") from None


def _find_report(source: Path) -> Report:
    from degflow_aug.report.fit_report import fit_report, is_fit
    from degflow_aug.report.training_report import is_training, training_report

    if source.is_dir() and is_fit(source):
        return fit_report(source)
    if source.is_dir() and is_training(source):
        return training_report(source)
    what = "a folder without any run" if source.is_dir() else "a file" if source.exists() else "nothing there"
    raise ValueError(
        f"expected the work folder of degflow fit or experiments/NAME of degflow train, got {source}: {what}"
    )


def default_page(source: Path) -> Path:
    """Return where the page of a run goes: into an experiment, next to the work folder of a fit."""
    from degflow_aug.report.fit_report import is_fit

    if source.is_dir() and not is_fit(source):
        return source / PAGE
    whole = source.resolve()
    return fitting_path(source.parent / f"{whole.name.removesuffix('.fit')}.report.html")
