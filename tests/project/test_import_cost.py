"""What an import loads: users wait for it, and a library that flow does not need must not be asked for."""

from __future__ import annotations

import importlib.util
import json
import pkgutil
import subprocess
import sys

import pytest

import degflow_aug.flow

HEAVY = ("torch", "torchvision", "basicsr", "numpy", "scipy", "cv2", "skimage", "lpips")


def loaded(statements: str) -> set[str]:
    """Top-level names in ``sys.modules`` after a fresh interpreter has run ``statements``."""
    report = "print()\nprint(json.dumps([name for name in sys.modules if '.' not in name]))"
    code = f"import json, sys\n{statements}\n{report}"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(finished.stdout.splitlines()[-1]))


def test_the_package_itself_loads_nothing_heavy() -> None:
    assert not loaded("import degflow_aug; degflow_aug.__version__").intersection(HEAVY)


def test_flow_loads_torch_and_neither_basicsr_nor_torchvision() -> None:
    modules = [f"degflow_aug.flow.{module.name}" for module in pkgutil.iter_modules(degflow_aug.flow.__path__)]
    assert "degflow_aug.flow.solver" in modules
    names = loaded("import " + ", ".join(modules))
    assert "torch" in names
    assert not names.intersection({"basicsr", "torchvision", "scipy", "cv2", "lpips", "skimage", "safetensors"})


def test_a_generator_needs_no_basicsr() -> None:
    names = loaded(
        "import degflow_aug.degradations.generator.degflow, degflow_aug.bundles.bundle, degflow_aug.bundles.official"
    )
    assert not names.intersection({"basicsr", "torchvision", "lpips"})


def test_options_are_read_without_torch() -> None:
    assert "torch" not in loaded("import degflow_aug.options.stages")


@pytest.mark.skipif(importlib.util.find_spec("degflow_aug.cli") is None, reason="there is no command line yet")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_the_command_line_explains_itself_without_torch(arguments: list[str]) -> None:
    statements = (
        "from degflow_aug import cli\n"
        f"sys.argv = ['degflow', *{arguments}]\n"
        "try:\n    cli.main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code"
    )
    assert not loaded(statements).intersection(HEAVY)
