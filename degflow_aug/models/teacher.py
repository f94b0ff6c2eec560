"""The trained generator that a one-step student learns from."""

from __future__ import annotations

from pathlib import Path

from degflow_aug.bundle import Bundle, load_bundle
from degflow_aug.models.checkpoint import read_checkpoint

COMPANION = "generator_latest.safetensors"


def load_teacher(path_or_run: str, experiments: Path) -> Bundle:
    """The generator of a bundle, of a stage 2 run below ``experiments``, or of a checkpoint of such a run.

    A checkpoint holds the velocity network alone; the rest comes from the bundle that its run wrote beside it.

    Raises:
        ValueError: no such file or run, or a generator that is a one-step student itself.
    """
    path = Path(path_or_run)
    run = experiments / path_or_run / "models" / COMPANION
    if path.suffix == ".pth":
        teacher = _with_checkpoint(load_bundle(path.parent / COMPANION), path)
    elif path_or_run and not path.is_file() and run.is_file():
        teacher = load_bundle(run)
    elif path_or_run:
        teacher = load_bundle(path)
    else:
        raise ValueError("expected degflow.teacher to name a bundle or a stage 2 run, got none; train stage 2 first")
    if teacher.velocity.end is not None:
        raise ValueError(f"expected a teacher that is no one-step student itself, got {path_or_run}")
    return teacher


def _with_checkpoint(bundle: Bundle, path: Path) -> Bundle:
    try:
        bundle.velocity.load_state_dict(read_checkpoint(path)[1])
    except RuntimeError:
        raise ValueError(f"expected a stage 2 checkpoint of the network in {COMPANION} beside it, got {path}") from None
    return bundle
