"""The fitted kernel behind pseudo-views: read from the run's folder, or fitted to the training set once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from basicsr.data import build_dataset
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from degflow_aug.atomic_file import atomic_path
from degflow_aug.degradations.fitted_kernel import FittedKernel
from degflow_aug.models.whole_pairs import WholePairs
from degflow_aug.options import StageOptions


def kernel_for(opt: dict[str, Any], options: StageOptions) -> FittedKernel:
    """The kernel named in the options, that of this run, or a new one fitted to ``datasets.train`` and kept.

    Raises:
        ValueError: a named file that is none, or whose knots are not the run's.
    """
    path = Path(options.kernel) if options.kernel else Path(opt["path"]["experiments_root"]) / "kernel.safetensors"
    if options.kernel or path.is_file():
        fitted = read_kernel(path)
    else:
        fitted = FittedKernel.fit(whole_pairs(opt["datasets"]["train"]))
        if opt.get("rank", 0) == 0:
            write_kernel(path, fitted)
    knots = fitted.knots.tolist()
    if [round(knot, 4) for knot in knots] != [round(knot, 4) for knot in options.knots]:
        raise ValueError(f"expected a kernel fitted at the knots {list(options.knots)}, got {path} with {knots}")
    return fitted


def whole_pairs(dataset_opt: dict[str, Any]) -> WholePairs:
    """Whole images of a training set."""
    whole = {**dataset_opt, "phase": "val"}
    if "layout" in whole:
        # The phase asks for whole images; without a split of its own it would also ask for the test set.
        whole["split"] = whole.get("split") or "Train"
    return WholePairs(build_dataset(whole))


def write_kernel(path: Path, fitted: FittedKernel) -> None:
    """Write knots and kernels, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        save_file({key: value.cpu().contiguous() for key, value in fitted.state_dict().items()}, partial)


def read_kernel(path: Path) -> FittedKernel:
    """Read what :func:`write_kernel` wrote.

    Raises:
        ValueError: another kind of file.
    """
    try:
        state = load_file(path)
        return FittedKernel(state["knots"], state["kernels"])
    except (SafetensorError, OSError, KeyError) as error:
        raise ValueError(f"expected a fitted kernel in {path}, got none: {error}") from None
