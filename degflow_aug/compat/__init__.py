"""Fix what BasicSR 1.4.2 does wrong on current Python, torch, torchvision and SciPy.

:func:`apply` comes before any BasicSR import and supplies modules that newer libraries have dropped.
:func:`patch_training` comes before ``train_pipeline`` and replaces what it uses. Each file holds one concern:

here       ``import basicsr`` fails: torchvision.transforms.functional_tensor, distutils (Python 3.12) and,
           with SciPy 2, scipy.ndimage.filters are gone
slurm      ``--launcher slurm`` puts ``SLURM_NODELIST`` into a shell command
devices    ``torchrun`` without CUDA divides by zero; ``num_gpu: 1`` without CUDA fails inside torch
options    ``1e-4`` is text; unknown keys are ignored; unknown ``path`` keys become folders; ``--force_yml`` runs
           code; ``--local-rank``, a missing ``use_tb_logger``, null paths and float scales end in a traceback
loading    workers draw the same numbers every epoch; ``prefetch_mode: cpu`` waits for ever at a broken image or with
           persistent workers; ``persistent_workers`` without workers and CUDA prefetching without CUDA fail
training   a resumed run begins its epoch again; runs end before ``total_iter``; a data set smaller than a batch
           trains nothing, without a word; best validation results are forgotten
resume     states are loaded onto CUDA where there is none; ``--auto_resume`` from another folder renames the
           experiment away; a cut-off state ends the run, and so does a third start of a name within a second
weights    checkpoints of other trainers end in a traceback, and nobody counts what ``strict_load_g: false`` leaves out
state      a state of another optimiser or width is found out in a later step, or never
history    the log rounds losses, and begins a new file whenever a run goes on
metrics    NIQE of an image below two blocks ends the run
filters    ``filter2D`` fails behind ``DiffJPEG``: BasicSR's own Real-ESRGAN models with a batch above one
=========  ==================================================================================================
=======
===========  ==================================================================================================
here         ``import basicsr`` fails: torchvision.transforms.functional_tensor, distutils (Python 3.12) and,
             with SciPy 2, scipy.ndimage.filters are gone
slurm        ``--launcher slurm`` puts ``SLURM_NODELIST`` into a shell command
devices      ``torchrun`` without CUDA divides by zero, and without ``--launcher`` trains in each process by itself;
             ``num_gpu: 1`` without CUDA fails inside torch
options      ``1e-4`` is text; unknown keys are ignored; unknown ``path`` keys become folders; ``--force_yml`` runs
             code; ``--local-rank``, a missing ``use_tb_logger``, null paths and float scales end in a traceback
loading      workers draw the same numbers every epoch; ``prefetch_mode: cpu`` waits for ever at a broken image or with
             persistent workers; ``persistent_workers`` without workers and CUDA prefetching without CUDA fail
training     a resumed run begins its epoch again; runs end before ``total_iter``; a data set smaller than a batch
             trains nothing, without a word; best validation results are forgotten; a finished run trains on
resume       states are loaded onto CUDA where there is none; ``--auto_resume`` from another folder renames the
             experiment away; a cut-off state ends the run, and so does a third start of a name within a second
state        a state of another optimiser or width is found out in a later step, or never
schedules    a run that goes on takes its schedule from its state, and dies where a cosine's periods end before it;
             steps after a warm-up begin below the full rate
run_record   what has changed since a state was saved is not looked at: options, weights, data, the machine
validations  the last one comes twice, and one that was broken off never again
history      the log rounds losses, and begins a new file whenever a run goes on; "-1 day" left at the end
metrics      NIQE of an image below two blocks ends the run
filters      ``filter2D`` fails behind ``DiffJPEG``: BasicSR's own Real-ESRGAN models with a batch above one
===========  ==================================================================================================
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from degflow_aug.compat import slurm

# The modules that BasicSR 1.4.2 imports and newer libraries lack, and the modules that hold the same names today.
SUCCESSORS = {
    "torchvision.transforms.functional_tensor": "torchvision.transforms.functional",
    "scipy.ndimage.filters": "scipy.ndimage",
}


class SuccessorFinder:
    """Finds dropped modules, last on ``sys.meta_path``, and gives them the public names of their successors.

    Nothing is imported before the missing module is. ``distutils`` is read from the copy inside
    setuptools, without importing setuptools.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the specification of a dropped module; None for any other."""
        if name == "distutils":
            return _setuptools_distutils()
        return ModuleSpec(name, self) if name in SUCCESSORS else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave the creation of the module to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module."""
        successor = importlib.import_module(SUCCESSORS[module.__name__])
        vars(module).update({name: value for name, value in vars(successor).items() if not name.startswith("__")})


def _setuptools_distutils() -> ModuleSpec | None:
    setuptools = importlib.util.find_spec("setuptools")
    for folder in (setuptools and setuptools.submodule_search_locations) or ():
        package = Path(folder, "_distutils")
        if (package / "__init__.py").is_file():
            return importlib.util.spec_from_file_location(
                "distutils", package / "__init__.py", submodule_search_locations=[str(package)]
            )
    return None


def apply() -> None:
    """Make ``import basicsr`` work on current libraries and run nothing that the environment says.

    Cheap, imports nothing, and safe to call again.
    """
    slurm.close_shell()
    if not any(isinstance(finder, SuccessorFinder) for finder in sys.meta_path):
        sys.meta_path.append(SuccessorFinder())
        # SciPy still has the module and says so on every import; its users here cannot change BasicSR's source.
        warnings.filterwarnings("ignore", message=".*scipy.ndimage.filters", category=DeprecationWarning)


def has_basicsr() -> bool:
    """Tell whether BasicSR is installed, without importing it."""
    return importlib.util.find_spec("basicsr") is not None


def require_basicsr(what: str) -> None:
    """Stop with one sentence where BasicSR is missing, as it is on Python 3.13.

    Args:
        what: what needs it, for example ``degflow train``.

    Raises:
        ValueError: BasicSR is not installed.
    """
    if not has_basicsr():
        raise ValueError(
            f"expected BasicSR for {what}, but it is not installed; use Python 3.10 to 3.12 and pip install "
            "basicsr==1.4.2"
        )


@functools.cache
def patch_training() -> None:
    """Replace, once, the parts of BasicSR's ``train_pipeline`` that fail or mislead on current stacks.

    Raises:
        ValueError: BasicSR is not installed.
    """
    require_basicsr("training")
    apply()
    from degflow_aug.compat import devices, filters, history, loading, metrics, options, schedules, training

    for module in (devices, options, loading, schedules, training, history, metrics, filters):
        module.patch()
