"""The trained generator that a stage goes on with, or that a one-step student learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, load_bundle
from degflow_aug.bundles.spec import LATEST
from degflow_aug.models.training.checkpoint import read_checkpoint
from degflow_aug.options.stages import StageOptions


def load_teacher(path_or_run: str, experiments: Path, key: str = "teacher") -> Bundle:
    """The generator of a bundle, of a run of stage 2 or later below ``experiments``, or of a checkpoint of such a run.

    A checkpoint holds the velocity network, or all that a refining stage trains; the rest comes from the bundle that
    its run wrote beside it.

    Args:
        path_or_run: as in the option ``key`` of the section ``degflow``.
        experiments: folder of the runs.
        key: for messages.

    Raises:
        ValueError: no such file or run, or a generator that is a one-step student itself.
    """
    path = Path(path_or_run)
    run = experiments / path_or_run / "models" / LATEST
    if path.suffix == ".pth":
        teacher = _with_checkpoint(load_bundle(path.parent / LATEST), path)
    elif path_or_run and not path.is_file() and run.is_file():
        teacher = load_bundle(run)
    elif path_or_run:
        teacher = load_bundle(path)
    else:
        raise ValueError(
            f"expected degflow.{key} to name a bundle or a run of stage 2 or later, got none; train that first"
        )
    if teacher.velocity.end is not None:
        raise ValueError(f"expected degflow.{key} to be no one-step student itself, got {path_or_run}")
    return teacher


def _with_checkpoint(bundle: Bundle, path: Path) -> Bundle:
    try:
        _fill(bundle, *read_checkpoint(path))
    except RuntimeError:
        raise ValueError(f"expected a stage 2 checkpoint of the network in {LATEST} beside it, got {path}") from None
    return bundle


def _fill(bundle: Bundle, spec: dict[str, Any], state: dict[str, Tensor]) -> None:
    """Weights of a velocity network, or of a whole generator, in place of the bundle's."""
    if spec.keys() >= {"rae", "velocity"}:
        for name, part in (("rae", bundle.rae), ("velocity", bundle.velocity)):
            part.load_state_dict(
                {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
            )
    else:
        bundle.velocity.load_state_dict(state)


def check_end(options: StageOptions, spec: GeneratorSpec, whose: str) -> None:
    """Raise a ValueError where a stage's path does not end where that of the generator before it does."""
    if options.last_scale != spec.s_max or options.knots[-1] > spec.knots[-1]:
        raise ValueError(
            f"expected degflow.knots and s_max that end where those of the {whose} do ({spec.knots[-1]:g}, "
            f"{spec.s_max:g}), got {options.knots[-1]:g} and {options.last_scale:g}"
        )


def check_cameras(cameras: tuple[str, ...], spec: GeneratorSpec, whose: str) -> None:
    """Raise a ValueError where a stage tells other cameras apart than the generator before it does."""
    if cameras and cameras != spec.cameras:
        raise ValueError(
            f"expected degflow.cameras as the {whose} knows them, {list(spec.cameras)}, got {list(cameras)}"
        )
