"""GPUs, the weights behind LPIPS, the bundles of the package, and one LR image from file to file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import degflow_aug
from degflow_aug.commands.doctor.child import ProbeError, ask
from degflow_aug.commands.doctor.finding import Finding, State, guarded, pip_install, python_command
from degflow_aug.commands.doctor.machine import cache_finding, thread_findings

# The names in degflow_aug.bundles.bundle.SHIPPED, which cannot be imported where torch does not work.
SHIPPED = ("city100-iphone", "city100-nikon", "city100", "simulator")
WEIGHTS = Path(degflow_aug.__file__).parent / "weights"
DRIVER = Path("/proc/driver/nvidia/version")


def torch_findings() -> list[Finding]:
    """GPUs, threads and VGG16 weights, which torch itself knows of."""
    try:
        facts = ask("torch_facts")
    except ProbeError as error:
        mend = pip_install("torch", "--upgrade")
        return [Finding("GPU", "broken", str(error), "--device cuda, num_gpu: 1", mend), *thread_findings(None)]
    path = Path(facts["vgg_path"])
    return [_gpu(facts), *thread_findings(facts["threads"]), _vgg(path), *cache_finding(path.parent)]


def bundle_findings() -> list[Finding]:
    """The bundles of the package, and an LR image of one that loads."""
    there = [name for name in SHIPPED if (WEIGHTS / f"{name}.safetensors").is_file()]
    try:
        said = ask("bundles", *there)
    except ProbeError as error:
        said = {name: ["broken", str(error)] for name in there}
    found = [_bundle(name, *said.get(name, ("missing", "nothing there"))) for name in SHIPPED]
    return found + guarded("render", lambda: [_render([name for name in there if said[name][0] == "ok"])])


def _gpu(facts: Mapping[str, Any]) -> Finding:
    lost = "training of full size in hours; everything works on the CPU"
    driver, built = _driver(), facts["built_for"]
    if facts["gpus"]:
        said = f"{'; '.join(facts['gpus'])}; torch for {built}; driver {driver or 'unknown'}"
        return Finding("GPU", "ok", f"{said}; bf16 {'works' if facts['bf16'] else 'does not'}")
    if driver:
        said = f"driver {driver}, but torch for {built} sees none" + (facts["warning"] and f": {facts['warning']}")
        mend = f"nvidia-smi, which must list a GPU; then {pip_install('torch', '--upgrade', '--force-reinstall')}"
        return Finding("GPU", "broken", said, lost, mend)
    return Finding("GPU", "missing", f"none, no NVIDIA driver; torch for {built}", lost)


def _driver() -> str:
    """Version of the NVIDIA kernel driver, or empty."""
    try:
        words = DRIVER.read_text(encoding="utf-8", errors="replace").splitlines()[0].split()
    except (OSError, IndexError):
        return ""
    return next((word for word in words if word[0].isdigit() and "." in word), "of unknown version")


def _vgg(path: Path) -> Finding:
    lost = "lpips_weight above 0, the paper's recipe, calculate_lpips"
    mend = f"{python_command()} -c \"import torchvision; torchvision.models.vgg16(weights='IMAGENET1K_V1')\""
    if not path.is_file():
        return Finding("VGG16 weights", "missing", f"nothing at {path}", lost, mend)
    try:
        return Finding("VGG16 weights", "ok", f"{path}, {ask('vgg_weights')}")
    except ProbeError as error:
        return Finding("VGG16 weights", "broken", str(error), lost, f"rm {path} && {mend}")


def _bundle(name: str, state: str, said: str) -> Finding:
    path = WEIGHTS / f"{name}.safetensors"
    if state == "ok":
        return Finding(f"bundle {name}", "ok", f"{said}, {path.stat().st_size / 1e6:.1f} MB")
    said = f"{said}: {path}" if state == "missing" else said
    found: State = "missing" if state == "missing" else "broken"
    return Finding(f"bundle {name}", found, said, f"--bundle {name}", _mend_bundle(path), needed=True)


def _mend_bundle(path: Path) -> str:
    checkout = WEIGHTS.parents[1]
    return f"git -C {checkout} checkout -- {path}" if (checkout / ".git").exists() else _install_anew()


def _install_anew() -> str:
    return pip_install("degflow_aug", "--force-reinstall", "--no-deps")


def _render(names: list[str]) -> Finding:
    lost = "generate"
    if not names:
        return Finding("render", "broken", "not tried, as no bundle loads", lost, _install_anew(), needed=True)
    try:
        return Finding("render", "ok", ask("render", names[0]))
    except ProbeError as error:
        return Finding("render", "broken", str(error), lost, "DEGFLOW_TRACEBACK=1 degflow demo --shipped", needed=True)
