"""The libraries that ``degflow`` stands on, imported away from the process that asks."""

from __future__ import annotations

import importlib.util
import sys
from functools import partial
from typing import NamedTuple

from degflow_aug.commands.doctor.child import ProbeError, ask
from degflow_aug.commands.doctor.finding import Finding, State, guarded, pip_install

TORCH = "2.4"
BASICSR = "1.4.2"
EVERYTHING = "generate, fit and train"


class Package(NamedTuple):
    """A library: how it is installed, what is imported of it, and what is lost without."""

    distribution: str
    module: str
    lost: str
    needed: bool = True


PACKAGES = (
    Package("torch", "torch", EVERYTHING),
    Package("torchvision", "torchvision", "fit, train and LPIPS"),
    Package("basicsr", "basicsr", "fit, train, test, demo, Real-ESRGAN, the encoders edsr-baseline and swinir"),
    Package("numpy", "numpy", EVERYTHING),
    Package("scipy", "scipy.ndimage", "fit and train"),
    Package("opencv-python", "cv2", "reading and writing images: " + EVERYTHING),
    Package("pillow", "PIL.Image", "contact sheets and previews", needed=False),
    Package("pyyaml", "yaml", "option and pattern files: " + EVERYTHING),
    Package("safetensors", "safetensors", "bundles: " + EVERYTHING),
    Package("lmdb", "lmdb", "fit and train, generate --format lmdb"),
    Package("tqdm", "tqdm", "fit and train"),
    Package("lpips", "lpips", "LPIPS as a loss or a metric, the paper's recipe", needed=False),
    Package("scikit-image", "skimage.data", "demo", needed=False),
)
# These import torch themselves: while it does not work they say nothing new.
ON_TORCH = ("torchvision", "basicsr", "lpips")


def package_findings() -> list[Finding]:
    """A finding for every library, torch first.

    All are imported in one process; where that ends badly, each in its own, to see which one it was.
    """
    there = [package for package in PACKAGES if _is_there(package.module.partition(".")[0])]
    try:
        versions = ask("packages", *(part for each in there for part in (each.module, each.distribution)))
    except ProbeError:
        versions = {}
    found: list[Finding] = []
    for package in PACKAGES:
        torch_works = not found or found[0].state == "ok"
        found += guarded(package.distribution, partial(_look, package, torch_works, versions.get(package.distribution)))
    return found


def _look(package: Package, torch_works: bool, version: str | None) -> list[Finding]:
    """``version`` is that of a library that has been imported already."""
    if not _is_there(package.module.partition(".")[0]):
        return [_lacking(package, "missing", "not installed")]
    if not torch_works and package.distribution in ON_TORCH:
        return [_lacking(package, "broken", "not tried, as torch does not work", pip_install(f"torch>={TORCH}"))]
    try:
        # BasicSR is asked for more than its import.
        if package.distribution == "basicsr":
            version = ask("basicsr")
        version = version or ask("package", package.module, package.distribution)
    except ProbeError as error:
        return [_lacking(package, "broken", f"cannot be imported: {error}", _mend_import(package, str(error)))]
    wanted = _wanted_version(package.distribution, version)
    if wanted:
        return [_lacking(package, "broken", f"{version}, expected {wanted}")]
    said = f"{version}, imports with its gaps filled" if package.distribution == "basicsr" else version
    return [Finding(package.distribution, "ok", said)]


def _lacking(package: Package, state: State, said: str, mend: str = "") -> Finding:
    mend = mend or _mend(package.distribution, state)
    return Finding(package.distribution, state, said, package.lost, mend, package.needed)


def _mend(distribution: str, state: State) -> str:
    if distribution == "basicsr" and sys.version_info >= (3, 13):
        return "python3.12 -m venv .venv, and install there: BasicSR does not build on Python 3.13"
    pinned = {"basicsr": f"basicsr=={BASICSR}", "torch": f"torch>={TORCH}"}.get(distribution, distribution)
    return pip_install(pinned, *(["--force-reinstall", "--no-deps"] if state == "broken" else []))


def _mend_import(package: Package, said: str) -> str:
    """Where the error itself tells what is lacking, the command that brings it."""
    if package.distribution == "opencv-python" and ("libGL" in said or "libgthread" in said):
        return pip_install("opencv-python-headless", "--force-reinstall", "--no-deps") + "  # needs no display"
    if "No module named 'distutils'" in said:
        return pip_install("setuptools")
    if package.distribution == "torchvision" or "torchvision::" in said:
        return pip_install("torchvision", "--upgrade", "--force-reinstall") + "  # with the torch that it was built for"
    return _mend(package.distribution, "broken")


def _wanted_version(distribution: str, version: str) -> str:
    """The version that is asked for, where ``version`` is none of it."""
    if distribution == "basicsr" and version != BASICSR:
        return BASICSR
    if distribution == "torch":
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers < tuple(map(int, TORCH.split("."))):
            return f"{TORCH} or newer"
    return ""


def _is_there(module: str) -> bool:
    """Whether Python finds the module, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
