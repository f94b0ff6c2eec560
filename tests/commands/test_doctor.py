"""``degflow doctor`` says what works, and outlives every library that does not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import degflow_aug
from degflow_aug import compat
from degflow_aug.cli import main
from degflow_aug.commands import doctor

ROOT = Path(degflow_aug.__file__).parents[1]
BROKEN = {
    "torch": "raise OSError('libcudart.so.13: cannot open shared object file')",
    "numpy": "import os; os.abort()",
    "cv2": "raise ImportError('libGL.so.1: cannot open shared object file')",
    "yaml": "this is no Python",
    "lpips": "import sys; sys.exit(0)",
    "tqdm": "import os; os._exit(3)",
    "lmdb": "print('degflow doctor'); __version__ = '9.0'",
}


def test_a_machine_that_passes_the_tests_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor"])
    said = capsys.readouterr().out
    stops = re.findall(r"^needed and not working: ([^;\n]*)", said, flags=re.MULTILINE)
    assert (code, stops) == ((0, []) if compat.has_basicsr() else (1, ["basicsr"])), said
    assert re.search(r"^ok +bundles +an LR image by city100-iphone, ", said, flags=re.MULTILINE)
    assert "vgg16-397923af.pth" in said


def test_it_outlives_broken_libraries(tmp_path: Path) -> None:
    for name, text in BROKEN.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "degflow_aug", "doctor", "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    found = {each["name"]: each for each in json.loads(done.stdout)["findings"]}
    expected = {
        "torch": ("broken", "libcudart", "torch"),
        "numpy": ("broken", "exit code -6", "numpy"),
        "opencv-python": ("broken", "libGL", "opencv-python-headless"),
        "pyyaml": ("broken", "SyntaxError", "pyyaml"),
        "lpips": ("broken", "SystemExit: 0", "lpips"),
        "tqdm": ("broken", "exit code 3", "tqdm"),
        "lmdb": ("ok", "9.0", ""),
        "bundles": ("broken", "libcudart", "degflow_aug"),
    }
    for name, (state, said, mend) in expected.items():
        assert found[name]["state"] == state, found[name]
        assert said in found[name]["said"]
        assert mend in found[name]["mend"]


def test_every_dependency_is_looked_at() -> None:
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    (wanted,) = re.findall(r"install_requires=\[(.*?)\n    \]", setup, flags=re.DOTALL)
    assert set(doctor.LIBRARIES) == set(re.findall(r'^ +"([\w-]+)', wanted, flags=re.MULTILINE)) - {"setuptools"}
    assert set(doctor.WANTED) == set(doctor.LIBRARIES)
    assert all(f'"{version}' in wanted and "=" in version for version in doctor.WANTED.values())


@pytest.mark.parametrize(
    ("name", "version", "works"),
    [
        ("basicsr", "1.3.5", False),
        ("torch", "2.3.1+cu121", False),
        ("torch", "1.13.0", False),
        ("torch", "2.14.1", True),
        ("numpy", "1.26", True),
        ("numpy", "1.25.2", False),
        ("lmdb", "1.3.0", False),
        ("tqdm", "5.0.dev1", True),
    ],
)
def test_versions_that_do_not_do(
    name: str, version: str, works: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(name)
    monkeypatch.setattr(f"{name}.__version__", version)
    doctor.answer([name])
    said = f'"ok", "{version}"' if works else f'"broken", "ValueError: expected {doctor.WANTED[name]}, got {version}"'
    assert said in capsys.readouterr().out


def test_a_child_that_hangs_is_ended() -> None:
    assert doctor._ask(["torch", "lpips"], 0.01) == [["torch", "broken", "did not end within 0.01 seconds"]]


def test_what_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    doctor.answer(["basicsr"])
    assert json.loads(capsys.readouterr().out.partition(": ")[2]) == ["basicsr", "missing", "not installed"]
    advice = doctor._advice("basicsr", "missing", "")[1]
    assert ("python3.12" if sys.version_info >= (3, 13) else "pip install basicsr==1.4.2") in advice
