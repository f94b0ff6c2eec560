"""Starts of a fit: what it was begun with, so that one that goes on can tell."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from degflow_aug.console.progress import note
from degflow_aug.files.run_history import HISTORY, RunHistory, Start, read_history, versions

if TYPE_CHECKING:
    from degflow_aug.data.layouts.scene import Scene


DEFAULT_MINUTES = 20.0


def work_folder(args: argparse.Namespace) -> Path:
    """Where the fit keeps what it resumes from."""
    return Path(args.work) if args.work else Path(args.out).with_suffix(".fit")


def content_of(scenes: Sequence[Scene], folder: Path) -> str:
    """Digest the images of scenes below ``folder``: names, sizes and content."""
    from degflow_aug.files.fingerprint import fingerprint_of_files  # reads images by OpenCV

    files = (path for scene in scenes for path in (scene.hr, *scene.views.values()))
    return fingerprint_of_files((path for path in files if path.is_file()), folder)


def note_start(work: Path, command: str, device: str, *, exact: bool) -> None:
    """Note a start of the fit in ``work``, and say where it cannot go on to the bit.

    Args:
        work: the work folder.
        command: the command line.
        device: as its maker calls it, with the threads of a CPU.
        exact: whether the fit is that of iterations; one of minutes depends on the machine's time anyhow.
    """
    now = {device, f"torch {versions()['torch']}"}
    starts: Sequence[Start] = ()
    with suppress(ValueError):
        starts = read_history(work / HISTORY).starts
    before = {starts[-1].device, f"torch {starts[-1].versions.get('torch')}"} if starts and exact else now
    if before != now:
        note(
            f"this fit was begun with {', '.join(sorted(before - now))} and goes on with "
            f"{', '.join(sorted(now - before))}: it is not equal to the bit to one that goes through"
        )
    RunHistory(work / HISTORY).start(0, command, device)
