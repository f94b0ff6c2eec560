"""What ``degflow doctor`` looks at from processes of their own; each function returns what JSON can hold."""

from __future__ import annotations

import importlib
import importlib.metadata
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

RENDERED_SIDE = 128
RENDERED_SCALE = 2


def package(module: str, distribution: str) -> str:
    """Import ``module`` and return its version."""
    importlib.import_module(module)
    top = importlib.import_module(module.partition(".")[0])
    version = getattr(top, "__version__", None)
    if isinstance(version, str):
        return version
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def packages(*named: str) -> dict[str, str]:
    """Versions by distribution of the libraries that can be imported, BasicSR left out; ``named`` goes by twos."""
    versions = {}
    for module, distribution in zip(named[::2], named[1::2], strict=True):
        if distribution == "basicsr":
            continue
        try:
            versions[distribution] = package(module, distribution)
        except (Exception, SystemExit):
            continue  # Asked again in a process of its own, and the error told.
    return versions


def basicsr() -> str:
    """Fill BasicSR's registries and mend it as training does; return its version."""
    import degflow_aug
    from degflow_aug.compat import patch_training

    degflow_aug.register()
    patch_training()
    return importlib.metadata.version("basicsr")


def torch_facts() -> dict[str, Any]:
    """GPUs after a small sum on each, threads, and where torchvision's VGG16 weights are looked for."""
    import torch

    from degflow_aug.losses.lpips_loss import VGG_FILE

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {
        "built_for": f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA",
        "gpus": [_gpu(number) for number in range(count)],
        "bf16": bool(count) and torch.cuda.is_bf16_supported(),
        "warning": " ".join(str(caught[0].message).split()) if caught else "",
        "threads": torch.get_num_threads(),
        "vgg_path": str(Path(torch.hub.get_dir()) / "checkpoints" / VGG_FILE),
    }


def _gpu(number: int) -> str:
    """What a GPU is, once it has added eight ones."""
    import torch

    try:
        total = torch.ones(8, device=f"cuda:{number}").sum().item()
        found = torch.cuda.get_device_properties(number)
    except RuntimeError as error:
        raise RuntimeError(f"cuda:{number} does not compute: {' '.join(str(error).split())}") from None
    if total != 8:
        raise RuntimeError(f"expected cuda:{number} to add eight ones to 8, got {total}")
    return f"{found.name}, {found.total_memory / 2**30:.0f} GiB, compute {found.major}.{found.minor}"


def vgg_weights() -> str:
    """Read the VGG16 weights of torchvision's cache."""
    from degflow_aug.losses.lpips_loss import read_vgg

    return f"{len(read_vgg(None))} tensors of VGG16's features"


def bundles(*names: str) -> dict[str, list[str]]:
    """For each bundle, ok and its camera and range after it was loaded whole, or broken and the error."""
    from degflow_aug.bundles.bundle import load_any_bundle

    said = {}
    for name in names:
        try:
            spec = load_any_bundle(name).spec
            said[name] = ["ok", f"{spec.camera or 'unnamed camera'}, scales 1 to {spec.knots[-1]:g}"]
        except (ValueError, OSError) as error:
            said[name] = ["broken", " ".join(str(error).split())]
    return said


def render(name: str) -> str:
    """Make the LR image of a written photograph by ``degflow generate`` and read it again; what that took."""
    import numpy as np

    from degflow_aug.bundles.bundle import read_spec
    from degflow_aug.commands import generate
    from degflow_aug.commands.shared.invocation import run_command
    from degflow_aug.files.image_file import read_image, write_image

    ramp = np.linspace(0, 255, RENDERED_SIDE)
    stripes = 127.5 + 127.5 * np.sin(ramp / 25)
    hr = np.stack(np.broadcast_arrays(ramp[None], ramp[:, None], stripes[None]), axis=2).astype(np.uint8)
    cameras = getattr(read_spec(name), "cameras", ())
    with tempfile.TemporaryDirectory(prefix="degflow_doctor_") as place:
        folder = Path(place)
        (folder / "hr").mkdir()
        write_image(folder / "hr" / "ramp.png", hr)
        arguments = [str(folder / "hr"), "--bundle", name, "--scales", str(RENDERED_SCALE), "--out", str(folder / "lr")]
        arguments += ["--camera", cameras[0]] if cameras else []
        began = time.perf_counter()
        if run_command(generate, arguments) != 0:
            raise RuntimeError("degflow generate skipped the image that it was given")
        seconds = time.perf_counter() - began
        lr = read_image(folder / "lr" / str(RENDERED_SCALE) / "ramp.png")
    _check_rendered(hr, lr)
    return f"{RENDERED_SIDE}x{RENDERED_SIDE} to {lr.shape[1]}x{lr.shape[0]} by {name} in {seconds:.1f} s"


def _check_rendered(hr: Any, lr: Any) -> None:
    """Any camera keeps the light of an even square: the mean of 2x2 pixels, within a few gray levels on average."""
    side = RENDERED_SIDE // RENDERED_SCALE
    if lr.shape != (side, side, 3):
        raise RuntimeError(f"expected an LR image of {side}x{side} pixels, got shape {lr.shape}")
    means = hr.reshape(side, RENDERED_SCALE, side, RENDERED_SCALE, 3).mean(axis=(1, 3))
    away = float(abs(means - lr).mean())
    if away > 6:
        raise RuntimeError(f"expected LR near the mean of HR's pixels, got {away:.0f} gray levels away on average")
