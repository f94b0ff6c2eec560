"""Commands that go on where they were stopped, as small as they can be, and what may not be seen after a fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import torch
import yaml
from faults.processes import End, Hook, run
from helpers.photographs import write_photographs
from helpers.random_networks import random_rae, random_velocity
from helpers.tiny_camera import stage_options, write_pairs
from helpers.tiny_sr import sr_options
from safetensors.torch import load_file

from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.files.atomic_file import PARTIAL_SUFFIX
from degflow_aug.files.image_file import read_image
from degflow_aug.files.run_history import HISTORY, read_history

IMAGES = 40  # more than LMDB commits at once
PIPELINE_STEPS = 5


def shorten_search() -> None:
    """Search for a pipeline in few steps, as the other tests do."""
    from degflow_aug.degradations.fitted import pipeline_estimation

    pipeline_estimation.ITERATIONS = PIPELINE_STEPS


@dataclass(frozen=True)
class Job:
    """A command that goes on where it was stopped.

    Attributes:
        arguments: of ``degflow``; it is run in a folder of its own and writes below that.
        results: glob patterns of the files that have to be those of an undisturbed run.
        target: what it calls for everything that it writes, for :class:`faults.processes.Interrupt`.
    """

    arguments: tuple[str, ...]
    results: tuple[str, ...]
    target: str = "os.replace"

    def run(self, folder: Path, *hooks: Hook) -> End:
        """Begin it, or go on with it, in ``folder``."""
        return run(self.arguments, folder, shorten_search, *hooks)

    def different(self, expected: Path, found: Path) -> str | None:
        """What the results in two folders differ in, or None; tensors, records and images to the bit."""
        for pattern in self.results:
            names = [{path.relative_to(folder) for path in folder.glob(pattern)} for folder in (expected, found)]
            if names[0] != names[1] or not names[0]:
                return f"{pattern}: expected {sorted(names[0])}, got {sorted(names[1])}"
            for name in names[0]:
                if not equal(read(expected / name), read(found / name)):
                    return f"{name} is another one than that of the undisturbed run"
        return None


def jobs(root: Path) -> dict[str, Job]:
    """All of them by name, on data that is written to ``root``."""
    pattern, bundle = write_pairs(root / "pairs", scales=(2.0,)), root / "teacher.safetensors"
    rae, velocity = random_rae(8, residual=True), random_velocity()
    save_bundle(bundle, Bundle(GeneratorSpec(rae.spec, velocity.spec, (1.0, 2.0), 2.0, steps=1), rae, velocity))
    write_photographs(root / "photographs", IMAGES)
    fit = (
        "fit", str(root / "pairs"), "--layout", "pattern", "--pattern", str(pattern), "--out", "camera.safetensors",
        "--preset", "tiny", "--iters", "10", "--save-every", "0.001", "--held-out", "none",
    )  # fmt: skip
    generate = ("generate", str(root / "photographs"), "--bundle", str(bundle), "--scales", "1.5,2", "--out", "lr")
    put = "degflow_aug.files.lmdb_store.LmdbWriter.put"
    sr = sr_options("arbitrary", root, iterations=12, degradation={"type": "DegFlow", "bundle": str(bundle)})
    sr["datasets"]["train"]["num_worker_per_gpu"], sr["degflow"]["scale_range"] = 2, [1, 2]
    student = stage_options("lfm", root / "pairs", root, iterations=8)
    student |= {
        "name": "distil",
        "model_type": "LFMDistillModel",
        "degflow": {"knots": [1, 2], "teacher": str(bundle)},
    }
    student["network_g"] |= {"end_time": True, "dropout": 0.0}
    return {
        "fit": Job(fit, ("camera.safetensors",)),
        "train": _training("train", sr, root),
        "distil": _training("distil", student, root),
        "generate": Job(generate, ("lr/**/*.png", "lr/*.json*")),
        "generate LMDB": Job(
            (*generate, "--format", "lmdb"), ("lr/*/*.mdb", "lr/*/meta_info.txt", "lr/*.json*"), target=put
        ),
    }


def _training(name: str, opt: dict[str, Any], root: Path) -> Job:
    opt |= {"name": name}
    opt["logger"]["save_checkpoint_freq"] = 3
    path = root / f"{name}.yml"
    path.write_text(yaml.safe_dump(opt), encoding="utf-8")
    return Job(("train", "-opt", str(path), "--auto_resume"), (f"experiments/{name}/models/*_latest.pth",))


def unsound(folder: Path) -> str | None:
    """What is wrong below ``folder`` though a command may have been killed: a file under its final name that is not
    whole, or a partial one that is not hidden."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.name.endswith(PARTIAL_SUFFIX):
            return f"{path} is visible"
        try:
            read(path)
        except Exception as error:
            return f"{path} is not whole: {type(error).__name__} {error}"
    return None


def left_behind(folder: Path) -> list[Path]:
    """Hidden files that a command which has ended by itself has not cleared away."""
    return [path for path in folder.rglob("*") if path.name.endswith((PARTIAL_SUFFIX, ".lock"))]


def equal(first: Any, second: Any) -> bool:
    """Whether two nested values are the same, tensors to the bit."""
    if isinstance(first, torch.Tensor):
        return isinstance(second, torch.Tensor) and torch.equal(first, second)
    if isinstance(first, dict):
        return isinstance(second, dict) and first.keys() == second.keys() and all(
            equal(value, second[key]) for key, value in first.items()
        )  # fmt: skip
    return bool(first == second)


def read(path: Path) -> Any:
    """The content of a file that a command writes.

    Raises:
        Exception: it is not whole.
    """
    return READERS.get(HISTORY if path.name == HISTORY else path.suffix, Path.read_bytes)(path)


def _records(path: Path) -> list[Any]:
    """Lines of JSON in the order of their names: two of one name are as wrong as none."""
    return sorted((json.loads(line) for line in path.read_text().splitlines()), key=lambda record: str(record["name"]))


def _history(path: Path) -> list[int]:
    iterations = [point.iteration for point in read_history(path).points]
    if len(set(iterations)) < len(iterations):
        raise ValueError("an iteration stands there twice")
    return iterations


def _lmdb(path: Path) -> dict[bytes, bytes]:
    with lmdb.open(str(path.parent), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return dict(transaction.cursor())


def _tensors(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


READERS: dict[str, Callable[[Path], Any]] = {
    ".safetensors": load_file, ".pth": _tensors, ".state": _tensors, ".png": lambda path: read_image(path).tolist(),
    ".jsonl": _records, HISTORY: _history, ".json": lambda path: json.loads(path.read_text()), ".mdb": _lmdb,
}  # fmt: skip
