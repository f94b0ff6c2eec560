"""Malformed inputs through every reader of the command line: one sentence and exit code 2, in time and in memory.

A case passes where ``degflow`` ends within 10 s, without a traceback or a signal, with exit code 2 and one sentence; or
with 1 and a sentence an image where ``generate`` skips images; or with 0, or a training that has begun, where the input
is valid in spite of its change. Images that are accepted are decoded by OpenCV too, and count as decoded alike where it
sees the same. No case may take more than twice the memory of the largest valid input of its kind, run code that was
put into its input, or leave a file outside its folder.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from benchmarks.faults.forks import LONGEST_SECONDS, PATIENT_SECONDS, ForkServer, Outcome
from benchmarks.faults.inputs.cases import Case, Reader
from benchmarks.faults.inputs.readers import READERS
from benchmarks.faults.tally import Tally, tally_table

INTERRUPTED = 130
ROOT = Path(__file__).resolve().parents[3]


def tallies(
    share: float = 1.0, seed: int = 0, only: Sequence[str] = (), keep: Path | None = None, seeds: Path | None = None
) -> list[Tally]:
    """Run the campaign.

    Args:
        share: of the cases of every reader, at least one.
        seed: of all that is drawn.
        only: names of readers, all by default.
        keep: folder for the inputs of cases that failed, by reader and number.
        seeds: folder of valid inputs made before, by :mod:`benchmarks.faults.inputs.seeds`; made anew by default.
    """
    readers = [reader for reader in READERS if not only or any(name in reader.name for name in only)]
    with tempfile.TemporaryDirectory() as scratch, ForkServer() as server:
        valid = seeds or make_seeds(Path(scratch) / "valid")
        found = []
        for reader in readers:
            found.append(run_reader(reader, server, valid, Path(scratch), share, seed, keep))
            count = f"{found[-1].cases} cases, {len(found[-1].failures)} failures"
            print(f"{found[-1].fault}: {count}", *found[-1].failures, sep="\n", file=sys.stderr, flush=True)
        return found


def make_seeds(folder: Path, *, fit: bool = True) -> Path:
    """The valid inputs, made in a process of its own, without the work folder of a fit if not ``fit``; the folder."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.faults.inputs.seeds",
        str(folder.resolve()),
        *([] if fit else ["--no-fit"]),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT)
    return folder


def run_reader(
    reader: Reader, server: ForkServer, seeds: Path, scratch: Path, share: float, seed: int, keep: Path | None
) -> Tally:
    """All cases of one kind."""
    largest = _largest_peak(reader, server, seeds, scratch)
    tally = Tally(f"malformed {reader.name}")
    figures = dict.fromkeys(
        ("refused", "skipped", "still valid", "decoded alike", "slow once", "all s", "slowest s", "most MB"), 0.0
    )
    for number in range(max(1, round(reader.cases * share))):
        rng = random.Random(zlib.crc32(f"{reader.name} {seed} {number}".encode()))
        folder = _fresh(scratch / "1/2/3/case")
        case = reader.make(rng, folder, seeds)
        outcome = server.run(case.argv, folder, case.environment)
        if outcome.hung:
            # Others work on this machine: what is slow again, or works for as long itself, is a hang.
            figures["slow once"] += 1
            outcome = server.run(case.argv, folder, case.environment, PATIENT_SECONDS)
        failure = verdict(outcome, case, folder, 2 * largest)
        tally.count(failure and f"{reader.name} {seed} {number}: {failure}")
        _note(figures, outcome, case)
        if failure and keep:
            shutil.copytree(folder, _fresh(keep / f"{reader.name} {seed} {number}"), dirs_exist_ok=True)
    tally.figures = {**figures, "largest valid MB": largest / 1e6}
    return tally


def _largest_peak(reader: Reader, server: ForkServer, seeds: Path, scratch: Path) -> int:
    """Bytes that the largest valid input takes; readers of one input share the measurement."""
    if reader.largest not in server.peaks:
        folder = _fresh(scratch / "1/2/3/case")
        outcome = server.run(reader.largest(folder, seeds), folder, limit=PATIENT_SECONDS)
        if outcome.code not in (0, INTERRUPTED):
            raise RuntimeError(f"expected a valid input of {reader.name} to be read, got: {outcome.stderr[-800:]}")
        server.peaks[reader.largest] = outcome.peak
    return server.peaks[reader.largest]


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def verdict(outcome: Outcome, case: Case, folder: Path, memory: int) -> str | None:
    """What is wrong with the end of a case; None if nothing is."""
    lines = [line for line in outcome.stderr.splitlines() if line.strip()]
    end = lines[-1][:300] if lines else "nothing on stderr"
    if outcome.hung or outcome.working > LONGEST_SECONDS:
        return f"no end in time: {' '.join(case.argv)[:300]}"
    if outcome.signal:
        return f"ended by signal {outcome.signal}: {' '.join(case.argv)[:300]}"
    if "Traceback" in outcome.stderr:
        return f"traceback: {end}"
    if next(folder.rglob("ran"), None) is not None:
        return "code of the input was run"
    if strays := _strays(folder):
        return f"files outside its folder: {strays[0]}"
    if outcome.peak > memory:
        return f"{outcome.peak / 1e6:.0f} MB of memory, more than {memory / 1e6:.0f}: {' '.join(case.argv)[:300]}"
    if outcome.code == 2:
        said = lines[-1:] if case.logs else lines
        return (
            None
            if len(said) == 1 and said[0].startswith("degflow: ")
            else f"not one sentence: {' / '.join(lines)[:400]}"
        )
    if outcome.code == 1:
        skipped = lines and all(line.startswith("degflow: skipped ") for line in lines)
        return None if skipped else f"exit code 1: {end}"
    return None if outcome.code in (0, INTERRUPTED) else f"exit code {outcome.code}: {end}"


def _strays(folder: Path) -> list[Path]:
    """What a name with ``..`` would have left: beside the folder, above it, or where an absolute name points to."""
    parents = list(folder.parents)[:4]
    near = [path for parent in parents[:3] for path in parent.iterdir() if path != folder and path not in parents]
    named = [*parents[3].glob("escaped*"), *Path(tempfile.gettempdir()).glob("escaped*")]
    return near + named


def _note(figures: dict[str, float], outcome: Outcome, case: Case) -> None:
    kind = {2: "refused", 1: "skipped", 0: "still valid", INTERRUPTED: "still valid"}.get(outcome.code or 0)
    if kind and outcome.code is not None:
        figures[kind] += 1
        figures["decoded alike"] += kind == "still valid" and case.changed is not None and seen_alike(case.changed)
    figures["all s"] += outcome.seconds
    figures["slowest s"] = max(figures["slowest s"], outcome.seconds)
    figures["most MB"] = max(figures["most MB"], outcome.peak / 1e6)


def seen_alike(path: Path) -> bool:
    """Whether OpenCV decodes an image file to what this package does, within two levels of 255."""
    import cv2
    import numpy as np

    from degflow_aug.files.image_file import IMAGE_SUFFIXES, read_image

    if path.suffix not in IMAGE_SUFFIXES:
        return False
    ours = read_image(path)
    theirs = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if theirs is None or theirs.shape != ours.shape or theirs.dtype != ours.dtype:
        return False
    difference = np.abs(ours.astype(np.int64) - theirs[..., ::-1])
    return bool(difference.max() <= 2 * np.iinfo(ours.dtype).max // 255)


def main() -> None:
    """Run the campaign and print its table and failures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the cases (default: 1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=(), help="readers whose name holds one of these")
    parser.add_argument("--keep", type=Path, help="folder for inputs of cases that failed")
    parser.add_argument("--valid", type=Path, help="folder of valid inputs that seeds.py has made")
    args = parser.parse_args()
    found = tallies(args.share, args.seed, args.only, args.keep, args.valid and args.valid.resolve())
    print(tally_table(found))
    for tally in found:
        for failure in tally.failures:
            print(failure)
    print(f"{sum(tally.cases for tally in found)} cases, {sum(len(tally.failures) for tally in found)} failures")


if __name__ == "__main__":
    main()
