"""``degflow test``: BasicSR's ``test_pipeline`` with our models registered, and its tables at the end."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from degflow_aug.commands.shared.invocation import argv_as, logged_messages, option_mistakes
from degflow_aug.commands.shared.option_files import named_file
from degflow_aug.console.json_output import add_json_argument, print_json
from degflow_aug.console.progress import note
from degflow_aug.options.yaml_file import load_yaml


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command, which are those of BasicSR's test.py for one process."""
    parser.add_argument("-opt", required=True, metavar="FILE.yml", help="option file with datasets.test_1, ...")
    parser.add_argument(
        "--force_yml", nargs="+", action="extend", metavar="KEY=VALUE", help="change options: val:save_img=true"
    )
    add_json_argument(parser)
    parser.epilog = "Tables go to stdout, the log to stderr; files to results/NAME below the working directory."


def run(args: argparse.Namespace) -> int:
    """Test; returns 0.

    Raises:
        ValueError, OSError: a mistake in the options, the weights or the images.
    """
    args.opt = named_file(args.opt)
    opt = load_yaml(Path(args.opt))
    from degflow_aug import register

    register()
    from basicsr.test import test_pipeline

    from degflow_aug.compat.options import override_all
    from degflow_aug.models.checks.testing_options import check_testing_options

    override_all(opt, args.force_yml or ())
    check_testing_options(opt, args.opt)
    root = Path.cwd()
    with (
        option_mistakes(args.opt, "test"),
        # BasicSR prints to stdout that it has renamed an older folder of results.
        contextlib.redirect_stdout(sys.stderr),
        argv_as("degflow test", _basicsr_arguments(args, opt)),
        logged_messages("Validation ") as tables,
    ):
        test_pipeline(str(root))
    if args.json:
        print_json(_results(root / "results" / opt["name"], tables))
    elif tables:
        print("\n\n".join(tables))
    if opt["val"].get("save_img"):
        note(f"images are in {root / 'results' / opt['name'] / 'visualization'}")
    return 0


def _results(folder: Path, tables: list[str]) -> dict[str, Any]:
    """Read what our models have written per data set; models of BasicSR have tables only."""
    from degflow_aug.report.sources import read_json

    found = [read_json(path) for path in sorted((folder / "validation").glob("*.json"))]
    return {
        "results": folder,
        "datasets": {each["dataset"]: {key: each[key] for key in ("scales", "mean", "images")} for each in found},
        "tables": tables,
    }


def _basicsr_arguments(args: argparse.Namespace, opt: dict[str, Any]) -> list[str]:
    changes = list(args.force_yml or ())
    if "suffix" not in opt["val"]:
        # BasicSR's own models ask for it whenever they save an image.
        changes.append("val:suffix=none")
    return ["-opt", args.opt, *(["--force_yml", *changes] if changes else [])]
