"""A bundle without its tensors: the file behind its name, and what its header says. Imports nothing heavy.

The header says enough to build what the tensors fill, and facts for people. Some bundles ship with the package, one is
left by a training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from degflow_aug.files.home_path import home_path

WEIGHTS = Path(__file__).parents[1] / "weights"
SHIPPED = ("city100-iphone", "city100-nikon", "city100", "simulator")
"""Bundles in the package, made by ``benchmarks/release/train_shipped.py``."""
LATEST = "generator_latest.safetensors"
"""The bundle that a stage writes beside its checkpoints."""
MOST_STEPS = 1000


@dataclass(frozen=True)
class GeneratorSpec:
    """What a bundle says about its generator.

    Attributes:
        rae: keyword arguments of ``ResidualAutoencoder``.
        velocity: keyword arguments of ``NCSNpp``.
        knots: scales at which real pairs were seen, 1 (HR) first.
        s_max: the scale at t = 1.
        camera: the device whose pairs were used.
        cameras: those that the velocity network tells apart, in the order of its embeddings; empty for one camera.
        solver: default solver, one of ``flow.solver.SOLVERS`` or rk45, or jump where ``velocity`` has ``end_time``.
        steps: its default number of steps.
        tolerance: that of rk45.
        training: facts about the training, for people.
        licence: of the weights, and of what they were trained on.
        metrics: what was measured, for people; ``evaluation.bundle_metrics`` writes and reads it.
    """

    rae: dict[str, Any]
    velocity: dict[str, Any]
    knots: tuple[float, ...]
    s_max: float
    camera: str = ""
    solver: str = "heun"
    steps: int = 2
    training: dict[str, Any] = field(default_factory=dict)
    cameras: tuple[str, ...] = ()
    licence: str = ""
    metrics: list[dict[str, Any]] = field(default_factory=list)
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        _check_facts(self)
        knots = self.knots
        if not isinstance(self.solver, str) or type(self.steps) is not int or not 0 < self.steps <= MOST_STEPS:
            raise ValueError(f"expected a solver and 1 to {MOST_STEPS} steps, got {self.solver!r} and {self.steps!r}")
        if not isinstance(self.tolerance, float) or not 0 < self.tolerance <= 1:
            raise ValueError(f"expected a tolerance above 0, at most 1, got {self.tolerance!r}")
        if isinstance(self.s_max, bool) or not isinstance(self.s_max, (int, float)):
            raise ValueError(f"expected a number for s_max, got {self.s_max!r}")
        rising = all(low < high for low, high in pairwise(knots))
        if len(knots) < 2 or knots[0] != 1 or not rising or not math.isfinite(self.s_max) or knots[-1] > self.s_max:
            raise ValueError(f"expected knots that rise from 1 to s_max, got {list(knots)} and s_max {self.s_max}")
        # Other kinds of values are left to the network that is built from them.
        known = self.velocity.get("cameras", 0) if isinstance(self.velocity, dict) else 0
        names = {name for name in self.cameras if isinstance(name, str) and name}
        if not len(names) == len(self.cameras) == known:
            raise ValueError(
                f"expected a name for each of the {known} cameras of the velocity network, got {list(self.cameras)}"
            )


@dataclass(frozen=True)
class KernelSpec:
    """What a bundle without networks says about its fitted kernel or pipeline, which is that of one camera.

    Attributes:
        knots: scales of its kernels, 1 (HR) first.
        camera: the device whose pairs were used.
        training: facts about the fit, for people.
        licence, metrics: as in :class:`GeneratorSpec`.
    """

    knots: tuple[float, ...]
    camera: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    metrics: list[dict[str, Any]] = field(default_factory=list)
    cameras: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        _check_facts(self)


def _check_facts(spec: GeneratorSpec | KernelSpec) -> None:
    """What a header may say is up to whoever wrote it; these are the kinds that its readers count on."""
    for name, kind in (("camera", str), ("licence", str), ("training", dict)):
        if not isinstance(getattr(spec, name), kind):
            raise ValueError(f"expected {name} as a {kind.__name__}, got {getattr(spec, name)!r}")


def bundle_path(path_or_name: str | Path) -> Path:
    """The file behind a path or behind the name of a bundle that ships with the package.

    Raises:
        ValueError: neither is there.
    """
    path = home_path(path_or_name)
    shipped = WEIGHTS / f"{path_or_name}.safetensors"
    if path.is_file():
        return path
    if path.name == str(path_or_name) and shipped.is_file():
        return shipped
    names = ", ".join(shipped_names()) or "none"
    kind = "a folder" if path.is_dir() else "nothing there"
    raise ValueError(f"expected a bundle file or the name of a shipped one ({names}), got {path_or_name}: {kind}")


def shipped_names() -> list[str]:
    """Names of the bundles in the package, those of ``SHIPPED`` first and in its order."""
    there = sorted(file.stem for file in WEIGHTS.glob("*.safetensors"))
    return [name for name in SHIPPED if name in there] + [name for name in there if name not in SHIPPED]
