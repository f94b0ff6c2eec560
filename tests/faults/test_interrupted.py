"""Commands that are killed, stopped, or run out of disk at every kind of moment: nothing lost, doubled or cut in half.

Moments are counted in files that get their names, and not in seconds: they are the same on any machine.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import pytest
import torch
import yaml
from faults.processes import Hook, left_behind, run, strike
from helpers.photographs import write_photographs
from helpers.tiny_camera import write_pairs
from helpers.tiny_sr import sr_options, write_random_bundle
from safetensors.torch import load_file

from degflow_aug.files.image_file import read_image
from degflow_aug.files.run_history import HISTORY, read_history
from degflow_aug.files.writing import PARTIAL_SUFFIX

pytestmark = [pytest.mark.faults, pytest.mark.slow]
IMAGES = 40  # more than LMDB commits at once
MOMENTS = [2**power for power in range(14)]  # in files that a run writes
DISK_MB = 192
FULL = ("No space left on device", "free some space")


@dataclass(frozen=True)
class Job:
    """A command that goes on where it was stopped, and the folder of its undisturbed run.

    Attributes:
        results: glob patterns of the files that have to be those of an undisturbed run.
        target: what it calls for everything that it writes.
    """

    arguments: tuple[str, ...]
    results: tuple[str, ...]
    whole: Path
    target: str = "os.replace"

    def ends_as_undisturbed(self, found: Path, hook: Hook | None = None) -> None:
        """Go on in ``found`` to the end: results are the same to the bit, and nothing else is left."""
        end = run(self.arguments, found, hook)
        assert end.code == 0, end.stderr
        assert unsound(found) is None
        assert left_behind(found) == []
        for pattern in self.results:
            names = sorted(path.relative_to(self.whole) for path in self.whole.glob(pattern))
            assert names
            assert names == sorted(path.relative_to(found) for path in found.glob(pattern))
            assert [name for name in names if content(self.whole / name) != content(found / name)] == []


def make_job(name: str, root: Path) -> Job:
    """A job as small as it can be, on data below ``root``."""
    if name == "fit":
        pattern = write_pairs(root / "pairs", scales=(2.0,))
        fit = ("fit", str(root / "pairs"), "--layout", "pattern", "--pattern", str(pattern), "--held-out", "none")
        fit += ("--out", "camera.safetensors", "--preset", "tiny", "--iters", "10", "--save-every", "0.001")
        return Job(fit, ("camera.safetensors",), root / "whole")
    write_photographs(root / "photographs", IMAGES)
    bundle = str(write_random_bundle(root / "camera.safetensors"))
    if name == "train":
        sr = sr_options("arbitrary", root, iterations=12, degradation={"type": "DegFlow", "bundle": bundle})
        sr["datasets"]["train"]["num_worker_per_gpu"], sr["logger"]["save_checkpoint_freq"] = 2, 3
        (root / "sr.yml").write_text(yaml.safe_dump(sr), encoding="utf-8")
        train = ("train", "-opt", str(root / "sr.yml"), "--auto_resume")
        return Job(train, ("experiments/*/models/*_latest.pth",), root / "whole")
    generate = ("generate", str(root / "photographs"), "--bundle", bundle, "--scales", "1.5,2", "--out", "lr")
    if name == "generate":
        return Job(generate, ("lr/**/*.png", "lr/*.json*"), root / "whole")
    results = ("lr/*/*.mdb", "lr/*/meta_info.txt", "lr/*.json*")
    put = "degflow_aug.files.lmdb_store.LmdbWriter.put"
    return Job((*generate, "--format", "lmdb"), results, root / "whole", put)


@pytest.fixture(scope="module", params=["fit", "train", "generate", "generate LMDB"])
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    made = make_job(request.param, tmp_path_factory.mktemp("job"))
    end = run(made.arguments, made.whole)
    assert end.code == 0, end.stderr
    assert unsound(made.whole) is None
    return made


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of ``DISK_MB`` in memory; skips where this user may mount none."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(tmp_path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system may be mounted here: {done.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=False)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None], ids=["killed", "stopped", "disk full"])
def test_struck_again_and_again_ends_as_undisturbed(job: Job, how: signal.Signals | None, tmp_path: Path) -> None:
    strikes = 0
    for moment in MOMENTS:
        end = run(job.arguments, tmp_path / "found", functools.partial(strike, moment, how, job.target))
        assert unsound(tmp_path / "found") is None
        assert "Traceback" not in end.stderr
        if end.code == 0:
            break
        strikes += 1
        if how is None:
            assert end.is_sentence(*FULL), end.stderr
        else:
            assert end.code == (-how if how == signal.SIGKILL else 128 + how), end.stderr
        if how != signal.SIGKILL:
            assert left_behind(tmp_path / "found") == []
    assert strikes >= (2 if how == signal.SIGKILL else 1)
    job.ends_as_undisturbed(tmp_path / "found")


@pytest.mark.parametrize("share", [0.4, 0.85])
def test_goes_on_when_a_full_disk_has_room_again(job: Job, share: float, small_disk: Path) -> None:
    filler = small_disk / "filler"
    needed = sum(path.stat().st_size for path in job.whole.rglob("*") if path.is_file())
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    filler.write_bytes(bytes(max(0, free - int(share * needed))))
    end = run(job.arguments, small_disk / "found")
    assert end.is_sentence(*FULL), end.stderr
    assert unsound(small_disk / "found") is None
    filler.unlink()
    job.ends_as_undisturbed(small_disk / "found")


def unsound(folder: Path) -> str | None:
    """What is wrong below ``folder`` though a command may have been killed: a file under its final name that is not
    whole, or a partial one that is not hidden."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.name.endswith(PARTIAL_SUFFIX):
            return f"{path} is visible"
        try:
            content(path)
        except Exception as error:
            return f"{path} is not whole: {type(error).__name__} {error}"
    return None


def content(path: Path) -> Any:
    """What is in a file that a command writes, in a form that ``==`` compares; raises where it is not whole."""
    return READERS.get(HISTORY if path.name == HISTORY else path.suffix, Path.read_bytes)(path)


def _records(path: Path) -> list[Any]:
    """Lines of JSON in the order of their names: two of one name are as wrong as none."""
    return sorted((json.loads(line) for line in path.read_text().splitlines()), key=lambda record: str(record["name"]))


def _history(path: Path) -> list[int]:
    iterations = [point.iteration for point in read_history(path).points]
    assert len(set(iterations)) == len(iterations), "an iteration stands there twice"
    return iterations


def _lmdb(path: Path) -> dict[bytes, bytes]:
    with lmdb.open(str(path.parent), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return dict(transaction.cursor())


def _to_bytes(value: Any) -> Any:
    """Tensors in nested dictionaries as bytes."""
    if isinstance(value, dict):
        return {key: _to_bytes(item) for key, item in value.items()}
    return value.reshape(-1).view(torch.uint8).numpy().tobytes() if isinstance(value, torch.Tensor) else value


def _tensors(path: Path) -> Any:
    return _to_bytes(load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True))


READERS: dict[str, Callable[[Path], Any]] = {
    ".safetensors": _tensors, ".pth": _tensors, ".state": _tensors, ".png": lambda path: read_image(path).tobytes(),
    ".jsonl": _records, HISTORY: _history, ".json": lambda path: json.loads(path.read_text()), ".mdb": _lmdb,
}  # fmt: skip
