"""What an import loads: users wait for it, and a library that flow does not need must not be asked for."""

from __future__ import annotations

import json
import pkgutil
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import degflow_aug.flow

HEAVY = ("torch", "torchvision", "basicsr", "numpy", "scipy", "cv2", "skimage", "lpips", "matplotlib")


ROOT = Path(degflow_aug.__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("degflow_aug/**/*.md")), ROOT / ".github" / "CONTRIBUTING.md"]


def loaded(statements: str) -> set[str]:
    """Top-level names in ``sys.modules`` after a fresh interpreter has run ``statements``."""
    report = "print()\nprint(json.dumps([name for name in sys.modules if '.' not in name]))"
    code = f"import json, sys\n{statements}\n{report}"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(finished.stdout.splitlines()[-1]))


def test_the_package_itself_loads_nothing_heavy() -> None:
    assert not loaded("import degflow_aug; degflow_aug.__version__; dir(degflow_aug)").intersection(HEAVY)


def test_public_names_are_there_when_they_are_asked_for() -> None:
    assert not set(degflow_aug.__all__).difference(dir(degflow_aug))
    for name in degflow_aug.__all__:
        found = getattr(degflow_aug, name)
        assert name == "__version__" or found.__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'load_bundle'"):
        _ = degflow_aug.load_bundle


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documentation_imports_what_is_public(page: Path) -> None:
    """Nothing else is promised to stay where it is."""
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for block in map(textwrap.dedent, blocks):
        assert not re.findall(r"^ *(?:from|import) degflow_aug\..*", block, flags=re.MULTILINE)
        for names in re.findall(r"^ *from degflow_aug import (.*)", block, flags=re.MULTILINE):
            assert set(names.split(", ")) <= set(degflow_aug.__all__)


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
