"""``degflow doctor``: what works on this machine, what does not, and the command that fixes it.

A child process looks at one thing after the other; where it crashes or hangs, that is the finding, and another goes on.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module, metadata, util
from pathlib import Path
from typing import NamedTuple

from degflow_aug import __version__, load_generator, register
from degflow_aug.console.json_output import add_json_argument, print_json
from degflow_aug.console.plain_text import say

EVERYTHING = "generate, fit and train"
# As in setup.py.
WANTED = {
    "torch": "torch>=2.6", "torchvision": "torchvision>=0.21", "basicsr": "basicsr==1.4.2", "lpips": "lpips>=0.1.4",
    "numpy": "numpy>=1.26", "pillow": "pillow>=11.3", "scipy": "scipy>=1.11.3",
    "opencv-python": "opencv-python>=4.8.1.78", "pyyaml": "pyyaml>=6.0.1", "safetensors": "safetensors>=0.4.3",
    "tqdm": "tqdm>=4.66", "filelock": "filelock>=3.30", "lmdb": "lmdb>=1.4.1", "scikit-image": "scikit-image>=0.22",
    "matplotlib": "matplotlib>=3.8",
}  # fmt: skip
_MARK = "degflow doctor: "
_CHILD = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {__name__} import answer; answer(sys.argv[2:])"
# What is imported of a library, and what is lost without it; those that others import come first.
LIBRARIES = {
    "numpy": ("numpy", EVERYTHING),
    "scipy": ("scipy.ndimage", "fit and train"),
    "opencv-python": ("cv2", f"reading and writing images: {EVERYTHING}"),
    "pillow": ("PIL.Image", f"reading images: {EVERYTHING}"),
    "pyyaml": ("yaml", f"option and pattern files: {EVERYTHING}"),
    "safetensors": ("safetensors", f"bundles: {EVERYTHING}"),
    "lmdb": ("lmdb", "fit and train, generate --format lmdb"),
    "tqdm": ("tqdm", "fit and train"),
    "filelock": ("filelock", f"writing files: {EVERYTHING}"),
    "torch": ("torch", EVERYTHING),
    "torchvision": ("torchvision", "fit, train and LPIPS"),
    "basicsr": ("basicsr", "fit, train, test, demo, Real-ESRGAN, the encoders edsr-baseline and swinir"),
    "lpips": ("lpips", "LPIPS as a loss or a metric, the paper's recipe"),
    "scikit-image": ("skimage.data", "demo"),
    "matplotlib": ("matplotlib.figure", "charts of reports"),
}
OPTIONAL = ("lpips", "scikit-image", "matplotlib", "GPU", "VGG16 weights")
_PIP = f"{shlex.quote(sys.executable)} -m pip install"
_VGG = f"{shlex.quote(sys.executable)} -c \"import torchvision; torchvision.models.vgg16(weights='IMAGENET1K_V1')\""


class Finding(NamedTuple):
    """What was looked at, whether it is ok, missing or broken, and then what is lost and what fixes it."""

    name: str
    state: str
    said: str
    lost: str = ""
    mend: str = ""
    needed: bool = True


def _library(name: str) -> str:
    """Import a library, and fill the registries of BasicSR; return the version."""
    top = LIBRARIES[name][0].partition(".")[0]
    if util.find_spec(top) is None:
        raise FileNotFoundError("not installed")
    import_module(LIBRARIES[name][0])
    if name == "basicsr":
        register()
    version = getattr(sys.modules[top], "__version__", None)
    version = version if isinstance(version, str) else metadata.version(name)
    wanted = WANTED[name]
    known, least = ([*map(int, re.findall("[0-9]+", text)[:3])] for text in (version, wanted))
    if known < least or ("==" in wanted and known != least):
        raise ValueError(f"expected {wanted}, got {version}")
    return version


def _gpu() -> str:
    """Write a few numbers on each GPU, and return their names."""
    import torch

    built = f"torch for CUDA {torch.version.cuda}" if torch.version.cuda else "torch without CUDA"
    if not torch.cuda.is_available():
        if Path("/proc/driver/nvidia/version").is_file():
            raise RuntimeError(f"there is an NVIDIA driver, but {built} sees no GPU")
        raise FileNotFoundError(f"none, no NVIDIA driver; {built}")
    devices = [torch.ones(8, device=f"cuda:{number}").device for number in range(torch.cuda.device_count())]
    names = "; ".join(map(torch.cuda.get_device_name, devices))
    return f"{names}; {built}; bf16 {'works' if torch.cuda.is_bf16_supported() else 'does not'}"


def _vgg() -> str:
    """Read the VGG16 weights of torchvision's cache."""
    import torch

    from degflow_aug.metrics.lpips_loss import VGG_FILE, read_vgg

    path = Path(torch.hub.get_dir()) / "checkpoints" / VGG_FILE
    if not path.is_file():
        raise FileNotFoundError(f"nothing at {path}")
    return f"{path}, {len(read_vgg(None))} tensors of VGG16's features"


def _bundles() -> str:
    """Make LR of a ramp by every shipped bundle: any camera keeps its light within a few gray levels."""
    import torch

    from degflow_aug.bundles.bundle import read_spec
    from degflow_aug.bundles.spec import SHIPPED

    hr = torch.linspace(0, 1, 128).expand(1, 3, 128, 128).contiguous()
    for name in SHIPPED:
        lr = load_generator(name, camera=next(iter(read_spec(name).cameras), None))(hr, 2.0)
        if (away := 255 * (torch.nn.functional.avg_pool2d(hr, 2) - lr).abs().mean().item()) > 6:
            raise RuntimeError(f"expected LR near the mean of HR's pixels by {name}, got {away:.0f} gray levels away")
    return f"an LR image by {', '.join(SHIPPED)}"


# The probe, what is lost without it, and the command that fixes it.
OTHERS = {
    "GPU": (_gpu, "training of full size in hours; the CPU does everything", "nvidia-smi, which must list it"),
    "VGG16 weights": (_vgg, "lpips_weight above 0, the paper's recipe, calculate_lpips", _VGG),
    "bundles": (_bundles, "generate, demo", f"{_PIP} --force-reinstall --no-deps degflow_aug"),
}


def _advice(name: str, state: str, said: str) -> tuple[str, str]:
    """Return what is lost without ``name``, and the command that fixes it."""
    if name in OTHERS:
        return OTHERS[name][1:]
    lost = LIBRARIES[name][1]
    if name == "basicsr" and sys.version_info >= (3, 13):
        return lost, "python3.12 -m venv .venv, and install there: BasicSR does not build on Python 3.13"
    if name == "opencv-python" and "libGL" in said:
        return lost, f"{_PIP} --force-reinstall opencv-python-headless  # needs no display"
    if "torchvision::" in said:
        return lost, f"{_PIP} --force-reinstall torchvision  # built for this torch"
    anew = "--force-reinstall --no-deps " if state == "broken" else ""
    return lost, f"{_PIP} {anew}{shlex.quote(WANTED.get(name, name))}"


def findings(seconds: float = 300) -> list[Finding]:
    """Look at everything, which takes half a minute; a child that takes longer than ``seconds`` is ended."""
    found = [Finding("Python", "ok", f"{platform.python_version()} ({sys.executable}), {platform.platform()}")]
    left = [*LIBRARIES, *OTHERS]
    while left:
        for name, state, said in _ask(left, seconds):
            advice = _advice(name, state, said) if state != "ok" else ("", "")
            found.append(Finding(name, state, said, *advice, name not in OPTIONAL))
            left.remove(name)
    return found


def _ask(names: Sequence[str], seconds: float) -> list[list[str]]:
    """Return name, state and text of the first of ``names``: those a child gets to, and what ended it."""
    command = [sys.executable, "-c", _CHILD, json.dumps(sys.path), *names]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL, check=False)
        out, last = done.stdout, done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        ended = f"crashed or left with exit code {done.returncode} {last}".strip()
    except subprocess.TimeoutExpired as error:
        out, ended = error.stdout or b"", f"did not end within {seconds:g} seconds"
    found = [json.loads(line) for line in re.findall(f"^{_MARK}(.*)$", out.decode(errors="replace"), re.MULTILINE)]
    return [*found, *([name, "broken", ended] for name in names[len(found) :][:1])]


def answer(names: Sequence[str]) -> None:
    """Look at ``names`` in this process, and print each finding at once."""
    for name in names:
        try:
            found = "ok", OTHERS[name][0]() if name in OTHERS else _library(name)
        except FileNotFoundError as error:
            found = "missing", str(error)
        except BaseException as error:
            found = "broken", " ".join(f"{type(error).__name__}: {error}".split())
        print(f"\n{_MARK}{json.dumps([name, *found])}", flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_json_argument(parser)
    parser.epilog = "The exit code is 1 where something that generate, fit or train need does not work, else 0."


def run(args: argparse.Namespace) -> int:
    """Print the findings; returns 1 where something needed does not work, else 0."""
    found = findings()
    stops = ", ".join(each.name for each in found if each.state != "ok" and each.needed)
    optional = ", ".join(each.name for each in found if each.state != "ok" and not each.needed)
    if args.json:
        print_json({"version": __version__, "works": not stops, "findings": [each._asdict() for each in found]})
        return int(bool(stops))
    say(f"degflow_aug {__version__}")
    for name, state, said, lost, mend, _ in found:
        say(f"{state:7}  {name:14} {said}")
        if state != "ok":
            say(f"{'':9}without it: {lost}", f"{'':9}fix: {mend}")
    said = f"needed and not working: {stops}" if stops else "generate, fit and train have all they need"
    say(said + (f"; not there or not working, and not needed: {optional}" if optional else ""))
    return int(bool(stops))
