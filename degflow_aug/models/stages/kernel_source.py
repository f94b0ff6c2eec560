"""The fitted kernel or pipeline behind pseudo-views: read from the run's folder, or fitted to the training set once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from basicsr.data import build_dataset
from safetensors import SafetensorError
from safetensors.torch import save

from degflow_aug.bundles.bundle import Bundle, split_cameras
from degflow_aug.console.progress import Progress
from degflow_aug.data.aligned_scales_dataset import AlignedScales
from degflow_aug.data.dataset_keys import is_lmdb, with_layout
from degflow_aug.data.layouts import SPLIT_LAYOUTS
from degflow_aug.degradations.fitted.camera_kernels import CameraKernels, FittedCamera, kernel_of
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.degradations.fitted.kernel_estimation import ROUNDS
from degflow_aug.degradations.fitted.pipeline_estimation import SearchWatch
from degflow_aug.files.notice import notice
from degflow_aug.files.tensor_file import check_weights, load_safetensors
from degflow_aug.files.writing import atomic_path
from degflow_aug.models.stages.kept_search import KeptSearch, StageReport
from degflow_aug.models.stages.sample_cameras import WholePairs, pairs_of_camera
from degflow_aug.models.training import interrupt
from degflow_aug.options.stages import StageOptions

KERNEL_PASSES = 1 + ROUNDS
LARGEST_LEFT = 0.5
"""Share of a kernel's error that a pipeline may leave and still be taken by ``pipeline: auto``."""


def kernel_for(opt: dict[str, Any], options: StageOptions) -> FittedCamera:
    """The kernel named in the options, that of this run, or a new one fitted to ``datasets.train`` and kept; one a
    camera where the options name several.

    Raises:
        ValueError: a named file that is none, or whose knots, number of cameras or kind are not the run's.
    """
    path = Path(options.kernel) if options.kernel else Path(opt["path"]["experiments_root"]) / "kernel.safetensors"
    if options.kernel or path.is_file():
        fitted = read_kernel(path)
    else:
        pairs = whole_pairs(opt["datasets"]["train"])
        first_rank = opt.get("rank", 0) == 0
        with Progress(shown=first_rank) as progress:
            fitted = fit_camera_kernels(pairs, options.cameras, pipeline=options.pipeline, report=progress)
        if first_rank:
            write_kernel(path, fitted)
    knots = fitted.knots.tolist()
    if [round(knot, 4) for knot in knots] != [round(knot, 4) for knot in options.knots]:
        raise ValueError(f"expected a kernel fitted at the knots {list(options.knots)}, got {path} with {knots}")
    found = len(fitted) if isinstance(fitted, CameraKernels) else 0
    if found != len(options.cameras):
        wanted, got = (f"{count} cameras" if count else "one camera" for count in (len(options.cameras), found))
        raise ValueError(f"expected kernels of {wanted}, as in degflow.cameras, got {path} with those of {got}")
    first = fitted[0] if isinstance(fitted, CameraKernels) else fitted
    kind = "always" if isinstance(first, FittedPipeline) else "never"
    if options.pipeline not in ("auto", kind):
        has = "a pipeline" if kind == "always" else "linear kernels"
        raise ValueError(
            f"expected degflow.pipeline {kind} or auto for {path}, which holds {has}, got {options.pipeline}; name "
            "another file or remove that one"
        )
    return fitted


def say_unused_kernel(options: StageOptions) -> None:
    """Say which keys about the kernel have no effect in a training that asks for no pseudo-views or base."""
    for key, named in (("kernel", options.kernel), ("pipeline", options.pipeline != "auto")):
        if named:
            notice(f"degflow.{key} has no effect: neither pseudo-views nor an anchored decoder need a kernel here")


def kernel_after(before: Bundle, opt: dict[str, Any], options: StageOptions) -> FittedCamera:
    """The kernel of a stage that goes on with a generator: the generator's where it is at the same knots and no other
    is named, else as :func:`kernel_for`. An anchored decoder keeps the one it was trained on.

    Raises:
        ValueError: other knots than those of an anchored generator.
    """
    known, knots = kernel_of(before.kernels), torch.tensor(options.knots)
    same = known is not None and known.knots.shape == knots.shape and torch.allclose(known.knots, knots)
    if known is not None and same and (before.rae.anchored or not options.kernel):
        return known
    if before.rae.anchored:
        raise ValueError(
            f"expected degflow.knots {list(before.spec.knots)}, those of the generator whose decoder is anchored "
            f"on its kernel, got {list(options.knots)}"
        )
    return kernel_for(opt, options)


def unreported(stage: str, done: int, total: int, loss: float) -> None:
    """Do nothing."""


def fit_camera_kernels(
    pairs: AlignedScales,
    cameras: Sequence[str],
    *,
    pipeline: str,
    report: StageReport = unreported,
    keep: Path | None = None,
) -> FittedCamera:
    """Fit a kernel or pipeline to a training set, or one per camera to its part of it.

    Networks that add to a view have an easier task beside a pipeline that explains most of what a kernel leaves, as on
    the simulator (left 0.03, better by 3 dB). Where it explains little, as on City100's iPhone (left 0.9), they come
    0.1 to 0.3 dB nearer to real views beside the kernel in equal time, though the pipeline alone is nearer too.

    Args:
        pairs: whole images.
        cameras: those to tell apart; empty: one camera.
        pipeline: auto, always or never, as in :class:`StageOptions`. All cameras get the same kind.
        report: called as (kernel or pipeline, done, total, nan), of each camera in turn.
        keep: a folder that keeps the search for a pipeline, from which one that was stopped goes on.

    Raises:
        KeyboardInterrupt, SystemExit: a signal has asked to stop, see :mod:`degflow_aug.models.training.interrupt`.
        ValueError: a camera without pairs, or without some knot of another one.
    """
    parts = [pairs_of_camera(pairs, cameras, index) for index in range(max(1, len(cameras)))]
    watches = [KeptSearch(report, keep and keep / f"search_{index}.pth") for index in range(len(parts))]
    fitted = [_fit(part, pipeline, report, watch) for part, watch in zip(parts, watches, strict=True)]
    if pipeline == "auto" and any(isinstance(each, FittedPipeline) and each.left > LARGEST_LEFT for each in fitted):
        fitted = [FittedKernel(each.knots, each.kernels) for each in fitted]
    return CameraKernels(fitted) if cameras else fitted[0]


def search_files(folder: Path) -> list[Path]:
    """Searches that are kept in a folder."""
    return sorted(folder.glob("search_*.pth"))


def _fit(pairs: WholePairs, pipeline: str, report: StageReport, watch: SearchWatch) -> FittedKernel:
    """The kernel or pipeline of one camera, stopped between two images or two steps."""
    passes = KERNEL_PASSES + (pipeline != "never")
    looks = itertools.count(1)

    def looked_at() -> None:
        interrupt.check()
        report("kernel", next(looks), passes * len(pairs), math.nan)

    pairs.looked_at = looked_at
    return FittedKernel.fit(pairs) if pipeline == "never" else FittedPipeline.fit(pairs, watch=watch)


def whole_pairs(dataset_opt: dict[str, Any]) -> AlignedScales:
    """The training set of a dataset section as whole images."""
    whole = {**dataset_opt, "phase": "val"}
    if whole.get("layout") is None and not is_lmdb(whole):
        whole = with_layout(whole, str(whole["type"]))
    if whole.get("layout") in SPLIT_LAYOUTS:
        # The phase asks for whole images; without a split of its own it would also ask for the test set.
        whole["split"] = whole.get("split") or "Train"
    dataset: AlignedScales = build_dataset(whole)
    return dataset


def write_kernel(path: Path, fitted: FittedCamera) -> None:
    """Write the state of what was fitted, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_bytes(save({key: value.cpu().contiguous() for key, value in fitted.state_dict().items()}))


def read_kernel(path: Path) -> FittedCamera:
    """Read what :func:`write_kernel` wrote.

    Raises:
        ValueError: another kind of file.
    """
    try:
        states = split_cameras(load_safetensors(path))
    except (SafetensorError, OSError) as error:
        raise ValueError(f"expected a fitted kernel in {path}, got none: {error}") from None
    for state in states:
        check_weights(state, path)
    found = kernel_of(states) if states and {"knots", "kernels"} <= set(states[0]) else None
    if found is None:
        raise ValueError(f"expected a fitted kernel in {path}, got none: other tensors")
    return found
