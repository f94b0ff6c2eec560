"""Trains and tests the networks of the downstream benchmark, each once, some at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from benchmarks.downstream.kinds import bundle_digests

Metrics = dict[str, dict[str, float]]


class RunFailedError(Exception):
    """A training ended without results; the message says which, where its log is and what the log says last."""


def option_text(opt: Mapping[str, Any]) -> str:
    """The option file of a run; comments say what is in the bundles, whose names may come to mean others."""
    marks = "".join(f"# {file} {digest}\n" for file, digest in bundle_digests(opt.get("degradation")))
    return marks + yaml.safe_dump(dict(opt), sort_keys=False)


def finished(opt: Mapping[str, Any], work: Path) -> Metrics | None:
    """Metrics by scale of a finished run of these options below ``work``; None where it has yet to start or to end.

    Raises:
        ValueError: there is a run of this name, finished or not, but of other options.
    """
    folder = work / "experiments" / opt["name"]
    results = sorted((folder / "validation").glob("*.json"))
    file = work / f"{opt['name']}.yml"
    if (results or any((folder / "training_states").glob("*.state"))) and not (
        file.is_file() and file.read_text(encoding="utf-8") == option_text(opt)
    ):
        raise ValueError(
            f"expected the run in {folder} to be of these options and bundles, got others in {file}; name another "
            "--work folder"
        )
    if not results:
        return None
    found: Metrics = json.loads(results[-1].read_text(encoding="utf-8"))["scales"]
    return found


def train(opt: Mapping[str, Any], work: Path, threads: int) -> Metrics:
    """Train and test one network, going on where an interrupted run has stopped; returns metrics by scale.

    Raises:
        RunFailedError: it ended without results.
        ValueError: see :func:`finished`.
    """
    found = finished(opt, work)
    if found is not None:
        return found
    work.mkdir(parents=True, exist_ok=True)
    file, log = work / f"{opt['name']}.yml", work / f"{opt['name']}.log"
    file.write_text(option_text(opt), encoding="utf-8")
    command = [sys.executable, "-m", "degflow_aug", "train", "-opt", file.name, "--auto_resume"]
    with log.open("a") as stream:
        code = subprocess.run(
            command, cwd=work, env={**os.environ, "OMP_NUM_THREADS": str(threads)}, stdout=stream, stderr=stream
        ).returncode
    found = finished(opt, work)
    if code or found is None:
        said = log.read_text(errors="replace").strip().splitlines() or ["nothing"]
        raise RunFailedError(f"{opt['name']} ended with {code}, no results; {log} says last: {said[-1].strip()}")
    return found


def train_all(
    runs: Mapping[tuple[str, int], Mapping[str, Any]],
    work: Path,
    *,
    jobs: int,
    threads: int,
    report: Callable[[str], None],
) -> dict[tuple[str, int], Metrics]:
    """Metrics of all runs, ``jobs`` of them at a time; one that fails does not keep the others from their end.

    Args:
        runs: options by (kind, seed).
        work: folder of all runs.
        jobs, threads: networks at a time, and threads of each.
        report: called with a line when a run has ended.

    Raises:
        RunFailedError: names all runs that failed.
    """
    started = time.perf_counter()

    def one(job: tuple[str, int]) -> Metrics | RunFailedError:
        try:
            result: Metrics | RunFailedError = train(runs[job], work, threads)
        except RunFailedError as failure:
            result = failure
        minutes = (time.perf_counter() - started) / 60
        report(f"{minutes:6.1f} min  {'failed' if isinstance(result, RunFailedError) else 'done'}  {runs[job]['name']}")
        return result

    pool = ThreadPoolExecutor(jobs)
    try:
        found = dict(zip(runs, pool.map(one, runs), strict=True))
    finally:
        # After Ctrl-C, which the trainings get as well and save, no further one is to start.
        pool.shutdown(cancel_futures=True)
    failures = [str(result) for result in found.values() if isinstance(result, RunFailedError)]
    if failures:
        raise RunFailedError("\n".join(failures))
    return {job: result for job, result in found.items() if not isinstance(result, RunFailedError)}
