"""Importing BasicSR on current libraries."""

from __future__ import annotations

import importlib.util

import pytest
from helpers.basicsr_experiment import run_python

from degflow_aug import compat

needs_basicsr = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
WITHOUT = """
import importlib.machinery, sys, warnings
warnings.simplefilter("ignore")
import scipy.ndimage

class Dropped(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        gone = name == "distutils" or name == "scipy.ndimage.filters"
        return None if gone else super().find_spec(name, path, target)

# As on Python 3.12 without setuptools' own hook, and as SciPy 2 will be.
for name in [name for name in sys.modules if name.split(".")[0] == "distutils" or name == "scipy.ndimage.filters"]:
    del sys.modules[name]
del scipy.ndimage.filters
is_hook = lambda finder: type(finder).__module__ == "_distutils_hack"
sys.meta_path[:] = [
    Dropped if finder is importlib.machinery.PathFinder else finder for finder in sys.meta_path if not is_hook(finder)
]
"""


@needs_basicsr
def test_basicsr_imports_after_apply_without_any_dropped_module() -> None:
    check = """
from degflow_aug import compat
compat.apply()
compat.apply()
import basicsr, basicsr.data.degradations, basicsr.metrics.niqe, basicsr.archs.arch_util as arch_util
import scipy.ndimage, torchvision.transforms.functional
assert basicsr.metrics.niqe.convolve is scipy.ndimage.convolve
assert basicsr.data.degradations.rgb_to_grayscale is torchvision.transforms.functional.rgb_to_grayscale
assert arch_util.LooseVersion("0.9") < arch_util.LooseVersion("0.13.0")
assert sum(type(finder).__name__ == "SuccessorFinder" for finder in sys.meta_path) == 1
"""
    done = run_python("-c", WITHOUT + check)
    assert done.returncode == 0, done.stderr


def test_apply_imports_nothing_heavy_and_silences_scipy() -> None:
    check = """
import sys, warnings
from degflow_aug import compat
compat.apply()
print(sorted({"basicsr", "numpy", "scipy", "torch", "torchvision"} & set(sys.modules)))
from scipy.ndimage.filters import convolve
"""
    done = run_python("-W", "error::DeprecationWarning", "-c", check)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_require_basicsr_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "basicsr" else find_spec(name))
    assert not compat.has_basicsr()
    with pytest.raises(ValueError, match=r"^expected BasicSR for degflow train, .*Python 3.10 to 3.12 and pip install"):
        compat.require_basicsr("degflow train")


@needs_basicsr
def test_patch_training_is_idempotent() -> None:
    compat.patch_training()
    import basicsr.models.base_model
    import basicsr.train

    before = dict(vars(basicsr.train)), basicsr.models.base_model.BaseModel.resume_training
    compat.patch_training()
    assert (dict(vars(basicsr.train)), basicsr.models.base_model.BaseModel.resume_training) == before
