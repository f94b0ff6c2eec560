"""``degflow bundles``: the bundles that ship with the package, or the header of one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from degflow_aug.console.json_output import add_json_argument, print_json
from degflow_aug.console.plain_text import say

if TYPE_CHECKING:
    from degflow_aug.bundles.bundle import GeneratorSpec, KernelSpec
    from degflow_aug.evaluation.bundle_metrics import Measurement

LONGEST_FACT = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "bundle", nargs="?", metavar="BUNDLE", help="a .safetensors file or a name: say all of this one"
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list or the header; returns 0.

    Raises:
        ValueError: no such bundle, or a file that is none.
    """
    from degflow_aug.bundles.bundle import read_spec
    from degflow_aug.bundles.spec import bundle_path, shipped_names

    if args.bundle is not None:
        if args.json:
            print_json(facts(args.bundle))
        else:
            say(*describe(read_spec(args.bundle)))
        return 0
    names = shipped_names()
    if args.json:
        print_json({"bundles": [facts(name) for name in names]})
        return 0
    width = max(map(len, names), default=0)
    for name in names:
        megabytes = bundle_path(name).stat().st_size / 1e6
        say(f"{name:{width}}  {summary(read_spec(name))}, {megabytes:.1f} MB")
    if not names:
        say("no bundle ships with this package; `degflow fit` makes one")
    return 0


def facts(name: str) -> dict[str, Any]:
    """Return a header as values: its fields, and the means per scale and method of each measurement."""
    from degflow_aug.bundles.bundle import read_spec
    from degflow_aug.bundles.spec import bundle_path
    from degflow_aug.evaluation.bundle_metrics import read_measurements

    spec, path = read_spec(name), bundle_path(name)
    measured = [
        {"data": each.data, "rerun": each.rerun, "scenes": each.scenes, "rows": each.rows()}
        for each in read_measurements(spec)
    ]
    fields = {key: value for key, value in vars(spec).items() if key != "metrics"}
    return {"name": name, "file": path, "bytes": path.stat().st_size, **fields, "measured": measured}


def summary(spec: GeneratorSpec | KernelSpec) -> str:
    """Describe a bundle on one line: camera, range, and Y-PSNR at the last measured knot next to bicubic's."""
    from degflow_aug.evaluation.bundle_metrics import read_measurements

    measured = "".join(f"; {_headline(measurement)}" for measurement in read_measurements(spec))
    knots = ", ".join(f"{knot:g}" for knot in spec.knots)
    return f"{spec.camera or 'unnamed camera'}, scales 1 to {spec.knots[-1]:g} (knots {knots}){measured}"


def _headline(measurement: Measurement) -> str:
    from degflow_aug.evaluation.bundle_metrics import GENERATOR

    rows = measurement.rows()
    scale = max((row.scale for row in rows), default=1.0)
    found = {row.method: row.psnr_y for row in rows if row.scale == scale}
    reached = ", ".join(f"{method} {found[method]:.2f}" for method in (GENERATOR, "bicubic") if method in found)
    return f"{measurement.data} x{scale:g}: {reached} dB"


def describe(spec: GeneratorSpec | KernelSpec) -> list[str]:
    """Describe a header, a line per fact, with a table of what was measured."""
    from degflow_aug.bundles.bundle import GeneratorSpec
    from degflow_aug.bundles.likeness import FACT, students_in_words
    from degflow_aug.evaluation.bundle_metrics import read_measurements
    from degflow_aug.evaluation.rows import format_table

    lines = [summary(spec), f"licence: {spec.licence or 'not said'}"]
    if isinstance(spec, GeneratorSpec):
        rk45 = spec.solver == "rk45"
        lines.append(f"sampler: {spec.solver}, {f'tolerance {spec.tolerance:g}' if rk45 else f'{spec.steps} steps'}")
    if spec.cameras:
        lines.append(f"cameras to choose from: {', '.join(spec.cameras)}")
    words = students_in_words(spec)
    lines += [f"{key}: {words if key == FACT else _shortened(value)}" for key, value in spec.training.items()]
    for measurement in read_measurements(spec):
        lines += ["", *format_table(measurement.rows()).split("\n"), f"measured by: {measurement.rerun}"]
    return lines


def _shortened(fact: object) -> str:
    """Format a fact on one line, a long list by its ends."""
    if isinstance(fact, list) and len(str(fact)) > LONGEST_FACT:
        return f"{len(fact)}, {fact[0]} to {fact[-1]}"
    if isinstance(fact, dict):
        return ", ".join(f"{key} {value}" for key, value in fact.items())
    return str(fact)
