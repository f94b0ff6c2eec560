"""``degflow doctor``: what works on this machine, what does not, and the command that mends it.

Nothing that could be missing or broken is imported here; libraries are looked at from processes of their own.
"""

from __future__ import annotations

import argparse

from degflow_aug import __version__
from degflow_aug.commands.doctor.finding import Finding, guarded
from degflow_aug.commands.doctor.generator import bundle_findings, torch_findings
from degflow_aug.commands.doctor.machine import (
    folder_findings,
    python_findings,
    shared_memory_finding,
    thread_findings,
)
from degflow_aug.commands.doctor.packages import package_findings
from degflow_aug.console.json_output import add_json_argument, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_json_argument(parser)
    parser.epilog = (
        "The exit code is 0 where all that generate, fit and train need works, whatever else is missing, and 1 where\n"
        "something of it does not."
    )


def run(args: argparse.Namespace) -> int:
    """Print the findings; returns 1 where something needed does not work, else 0."""
    found = findings()
    works = not any(finding.stops for finding in found)
    if args.json:
        print_json({"version": __version__, "works": works, "findings": found})
        return int(not works)
    width = max(len(finding.name) for finding in found)
    print(f"degflow_aug {__version__}")
    for finding in found:
        print("\n".join(finding.lines(width)))
    print(_summary(found))
    return int(not works)


def findings() -> list[Finding]:
    """All that there is to know; takes half a minute on two cores."""
    found = guarded("Python", python_findings)
    packages = guarded("packages", package_findings)
    found += packages
    if any(finding.name == "torch" and finding.state == "ok" for finding in packages):
        found += guarded("torch", torch_findings) + guarded("bundles", bundle_findings)
    else:
        found += guarded("threads", lambda: thread_findings(None))
    return found + guarded("folders", folder_findings) + guarded("shared memory", shared_memory_finding)


def _summary(found: list[Finding]) -> str:
    stops = [finding.name for finding in found if finding.stops]
    optional = [finding.name for finding in found if finding.state != "ok" and not finding.needed]
    said = f"needed and not working: {', '.join(stops)}" if stops else "generate, fit and train have all they need"
    return said + (f"; not there or not working, and not needed: {', '.join(optional)}" if optional else "")
