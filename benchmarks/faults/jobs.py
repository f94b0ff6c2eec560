"""The commands that the fault campaign hurts: every kind of work, as small as it can be without leaving a part out.

Pairs, networks and option files are those of the tests.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.faults.checks import different
from benchmarks.faults.processes import Hook, Started, start

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from helpers.photographs import write_photographs
from helpers.random_networks import random_rae, random_velocity
from helpers.tiny_camera import stage_options, write_pairs
from helpers.tiny_sr import sr_options

from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle

FIT_ITERATIONS, SR_ITERATIONS, STUDENT_ITERATIONS, IMAGES = 10, 60, 16, 24
SMALL_RAE: dict[str, Any] = {"base_channels": 4}
SMALL_VELOCITY: dict[str, Any] = {"base_channels": 8, "multipliers": [1, 2], "blocks": 1}
STUDENT = {"type": "NCSNpp", "base_channels": 8, "multipliers": [1, 2], "blocks": 1, "dropout": 0.0, "end_time": True}


@dataclass(frozen=True)
class Job:
    """A command that goes on where it was stopped.

    Attributes:
        arguments: of ``degflow``; it is run in a folder of its own and writes below that.
        results: glob pattern of the files that have to be those of an undisturbed run.
        quick: it writes one file at its end.
        checkpoints: that of files which a run that was only killed has to have too; one that is stopped or fails saves
            where it stands.
        hook: makes the work smaller, in the process itself.
    """

    name: str
    arguments: tuple[str, ...]
    results: tuple[str, ...]
    hook: Hook | None = None
    quick: bool = False
    checkpoints: tuple[str, ...] = ()

    def start(self, folder: Path, hook: Hook | None = None, log: Path | None = None) -> Started:
        """Begin it, or go on with it, in ``folder``; what it prints goes to ``log``, by default beside that."""
        folder.mkdir(parents=True, exist_ok=True)
        log = log or folder.with_name(f"{folder.name}.log")
        return start(self.arguments, folder, log, _both(self.hook, hook))

    def different(self, expected: Path, found: Path, *, killed: bool = False) -> str | None:
        """What the two folders differ in, or None; after kills alone in their checkpoints as well."""
        patterns = self.results + (self.checkpoints if killed else ())
        return next(filter(None, (different(expected, found, pattern) for pattern in patterns)), None)


@dataclass(frozen=True)
class _Both:
    first: Hook
    second: Hook

    def __call__(self) -> None:
        self.first()
        self.second()


def _both(first: Hook | None, second: Hook | None) -> Hook | None:
    return _Both(first, second) if first and second else first or second


def shorten_search() -> None:
    """Five steps of the search for a pipeline."""
    from degflow_aug.degradations.fitted import pipeline_estimation

    pipeline_estimation.ITERATIONS = 5
    pipeline_estimation.KEPT_EVERY = 2


def shorten_fit() -> None:
    """A short search, small networks, batches and windows."""
    from degflow_aug.fit import camera_fit, presets

    shorten_search()
    camera_fit.CACHED_WINDOW = 64
    known = presets.preset

    def small(name: str, recipe: str | None = None) -> presets.Preset:
        chosen = known(name, recipe)
        stages = {key: replace(stage, crop=min(stage.crop, 64), batch=1) for key, stage in chosen.stages.items()}
        rae, velocity = {**chosen.rae, **SMALL_RAE}, {**chosen.velocity, **SMALL_VELOCITY}
        return replace(chosen, rae=rae, velocity=velocity, stages=stages)

    presets.preset = small


def jobs(root: Path) -> dict[str, Job]:
    """All of them, by name, on data that is written to ``root``."""
    pattern = write_pairs(root / "pairs", scales=(2.0,))
    bundle = write_teacher(root / "teacher.safetensors")
    write_photographs(root / "photographs", IMAGES)
    fit = (
        "fit", str(root / "pairs"), "--layout", "pattern", "--pattern", str(pattern), "--out", "camera.safetensors",
        "--preset", "tiny", "--iters", str(FIT_ITERATIONS), "--save-every", "0.001", "--held-out", "none",
    )  # fmt: skip
    generate = ("generate", str(root / "photographs"), "--bundle", str(bundle), "--scales", "1.5,2", "--out", "lr")
    made = [
        Job("fit", fit, ("camera.safetensors",), shorten_fit),
        training(
            "train", sr_options("arbitrary", root, iterations=SR_ITERATIONS, degradation=degflow_section(bundle)), root
        ),
        training("distil", student_options(root, bundle), root, hook=shorten_search),
        Job("generate", generate, ("lr/**/*.png", "lr/*.json*")),
        Job("generate LMDB", (*generate, "--format", "lmdb"), ("lr/*/*.mdb", "lr/*/meta_info.txt", "lr/*.json*")),
    ]
    return {job.name: job for job in made}


def short_jobs(root: Path) -> dict[str, Job]:
    """Commands that do not go on where they were stopped, on the data of :func:`jobs`."""
    bundle, fixtures = str(root / "teacher.safetensors"), Path(__file__).resolve().parents[2] / "tests" / "fixtures"
    pairs = ("--pairs", str(root / "pairs"), "--layout", "pattern", "--pattern", str(root / "pairs" / "pattern.yml"))
    official = ("--rae", str(fixtures / "tiny_ae.pth"), "--flow", str(fixtures / "tiny_flow.pth"))
    written = ("--out", "camera.safetensors")
    made = [
        Job("evaluate", ("evaluate", bundle, *pairs), ()),
        Job("noise", ("noise", bundle, *pairs, *written), written[1:], quick=True),
        Job("convert", ("convert", *official, *written), written[1:], quick=True),
    ]
    return {job.name: job for job in made}


def write_teacher(path: Path) -> Path:
    """A generator with random weights for scales 1 to 2."""
    rae, velocity = random_rae(8, residual=True), random_velocity()
    save_bundle(path, Bundle(GeneratorSpec(rae.spec, velocity.spec, (1.0, 2.0), 2.0, steps=1), rae, velocity))
    return path


def student_options(root: Path, teacher: Path) -> dict[str, Any]:
    """A one-step student of the teacher."""
    opt = stage_options("lfm", root / "pairs", root, iterations=STUDENT_ITERATIONS)
    opt |= {"name": "distil", "model_type": "LFMDistillModel", "network_g": dict(STUDENT)}
    opt["degflow"] = {"knots": [1.0, 2.0], "teacher": str(teacher)}
    return opt


def degflow_section(bundle: Path) -> dict[str, Any]:
    """The section ``degradation`` for a generator of scales 1 to 2."""
    return {"type": "DegFlow", "bundle": str(bundle), "scale_range": [1.0, 2.0]}


def training(name: str, opt: dict[str, Any], root: Path, save_every: int = 3, hook: Hook | None = None) -> Job:
    """``degflow train`` of an option file that is written to ``root``."""
    if "scale_range" in opt["degflow"]:
        opt["degflow"]["scale_range"] = [1, 2]
    opt |= {"name": name}
    opt["logger"]["save_checkpoint_freq"] = save_every
    path = root / f"{name}.yml"
    path.write_text(yaml.safe_dump(opt), encoding="utf-8")
    arguments = ("train", "-opt", str(path), "--auto_resume")
    models = f"experiments/{name}/models"
    return Job(name, arguments, (f"{models}/*_latest.pth",), hook, checkpoints=(f"{models}/*.pth",))
