"""``degflow doctor`` tells what works, and outlives every library that does not."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

import degflow_aug
from degflow_aug import compat
from degflow_aug.bundles.bundle import SHIPPED
from degflow_aug.cli import main
from degflow_aug.commands.doctor import child as doctor_child
from degflow_aug.commands.doctor import finding as doctor_finding
from degflow_aug.commands.doctor import generator as doctor_generator
from degflow_aug.commands.doctor import machine as doctor_machine
from degflow_aug.commands.doctor import packages as doctor_packages
from degflow_aug.commands.doctor.child import ProbeError, ask
from degflow_aug.commands.doctor.finding import Finding, guarded

ROOT = Path(degflow_aug.__file__).parents[1]
Usage = namedtuple("Usage", "total used free")
GIB = 2**30
BROKEN = {
    "torch": "raise OSError('libcudart.so.13: cannot open shared object file')",
    "numpy": "import os; os.abort()",
    "cv2": "raise ImportError('libGL.so.1: cannot open shared object file')",
    "yaml": "this is no Python",
    "lpips": "import sys; sys.exit(0)",
    "tqdm": "import os; os._exit(3)",
    "lmdb": "print('degflow doctor: nonsense that is not ours'[:15]); __version__ = ['no', 'string']",
}


def doctor(folder: Path, **environment: str) -> tuple[int, dict[str, dict[str, object]], str]:
    """Exit code, findings by name, and stderr of ``degflow doctor --json`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "degflow_aug", "doctor", "--json"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, {each["name"]: each for each in json.loads(done.stdout)["findings"]}, done.stderr


def test_a_machine_that_passes_the_tests_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor"])
    said = capsys.readouterr().out
    stops = re.findall(r"^needed and not working: ([^;\n]*)", said, flags=re.MULTILINE)
    assert (code, stops) == ((0, []) if compat.has_basicsr() else (1, ["basicsr"])), said
    assert re.search(r"^ok +render +128x128 to 64x64 by city100-iphone in \d+\.\d s$", said, flags=re.MULTILINE)
    assert all(re.search(rf"^ok +bundle {name} ", said, flags=re.MULTILINE) for name in SHIPPED)
    assert "vgg16-397923af.pth" in said


def test_it_outlives_broken_libraries(tmp_path: Path) -> None:
    shadows = tmp_path / "shadows"
    shadows.mkdir()
    for name, text in BROKEN.items():
        (shadows / f"{name}.py").write_text(text, encoding="utf-8")
    code, found, errors = doctor(tmp_path, PYTHONPATH=os.pathsep.join((str(shadows), str(ROOT))))
    assert code == 1
    assert errors == ""
    states = {name: found[name]["state"] for name in ("torch", "numpy", "opencv-python", "pyyaml", "lpips", "tqdm")}
    assert set(states.values()) == {"broken"}, states
    assert "libcudart" in str(found["torch"]["said"])
    assert "SIGABRT" in str(found["numpy"]["said"])
    assert "opencv-python-headless" in str(found["opencv-python"]["mend"])
    assert "SyntaxError" in str(found["pyyaml"]["said"])
    assert "exit code 3" in str(found["tqdm"]["said"])
    assert found["lmdb"]["state"] == "ok"
    assert found["torchvision"]["said"] == "not tried, as torch does not work"
    assert all(each["lost"] and each["mend"] for name, each in found.items() if each["state"] != "ok")


def test_every_dependency_is_looked_at() -> None:
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    (wanted,) = re.findall(r"install_requires=\[(.*?)\n    \]", setup, flags=re.DOTALL)
    named = set(re.findall(r'^ +"([\w-]+)', wanted, flags=re.MULTILINE)) - {"setuptools"}
    assert {package.distribution for package in doctor_packages.PACKAGES} == named
    assert f'"torch>={doctor_packages.TORCH}"' in wanted
    assert f'"basicsr=={doctor_packages.BASICSR};' in wanted
    assert doctor_generator.SHIPPED == SHIPPED


def test_missing_basicsr_stops_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_packages, "_is_there", lambda name: name != "basicsr")
    (package,) = (each for each in doctor_packages.PACKAGES if each.distribution == "basicsr")
    (finding,) = doctor_packages._look(package, True, None)
    assert (finding.state, finding.stops) == ("missing", True)
    assert ("python3.12" if sys.version_info >= (3, 13) else "basicsr==1.4.2") in finding.mend


@pytest.mark.parametrize(
    ("distribution", "version", "wanted"),
    [
        ("basicsr", "1.3.5", "1.4.2"),
        ("basicsr", "1.4.2", ""),
        ("torch", "2.3.1+cu121", "2.4 or newer"),
        ("torch", "1.13.0", "2.4 or newer"),
        ("torch", "2.14.1", ""),
        ("numpy", "1.26", ""),
    ],
)
def test_versions_that_do_not_do(distribution: str, version: str, wanted: str) -> None:
    assert doctor_packages._wanted_version(distribution, version) == wanted


def test_a_probe_that_hangs_is_ended() -> None:
    with pytest.raises(ProbeError, match=r"did not end within 0\.01 seconds"):
        ask("torch_facts", seconds=0.01)


def test_a_failing_look_is_a_finding() -> None:
    def look() -> list[Finding]:
        raise RuntimeError("two\nlines")

    (finding,) = guarded("disk", look)
    assert (finding.state, finding.said) == ("broken", "RuntimeError: two lines")


def test_damaged_and_missing_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "degflow_aug" / "weights"
    weights.mkdir(parents=True)
    for name in SHIPPED[1:]:
        (weights / f"{name}.safetensors").touch()
    monkeypatch.setattr(doctor_generator, "WEIGHTS", weights)
    answers = {SHIPPED[1]: ["ok", "Nikon"], SHIPPED[2]: ["broken", "no bundle"], SHIPPED[3]: ["ok", "simulator"]}
    asked = []

    def answering(probe: str, *arguments: str) -> object:
        asked.append((probe, *arguments))
        return answers if probe == "bundles" else "made"

    monkeypatch.setattr(doctor_generator, "ask", answering)
    found = doctor_generator.bundle_findings()
    assert [finding.state for finding in found] == ["missing", "ok", "broken", "ok", "ok"]
    assert [finding.stops for finding in found] == [True, False, True, False, False]
    assert asked == [("bundles", *SHIPPED[1:]), ("render", SHIPPED[1])]


def test_a_wrong_picture_is_no_render() -> None:
    import numpy as np

    from degflow_aug.commands.doctor.probes import _check_rendered

    hr = np.full((128, 128, 3), 100, np.uint8)
    _check_rendered(hr, np.full((64, 64, 3), 101, np.uint8))
    with pytest.raises(RuntimeError, match="64x64"):
        _check_rendered(hr, np.full((63, 64, 3), 100, np.uint8))
    with pytest.raises(RuntimeError, match="100 gray levels"):
        _check_rendered(hr, np.zeros((64, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "what"}, None),
        ({}, None),
    ],
)
def test_the_containers_limit_is_read(files: dict[str, str], cores: float | None, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="ascii")
    assert doctor_machine.cgroup_cores(tmp_path) == cores


def test_more_threads_than_cores_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_machine, "_cores", lambda: 8)
    monkeypatch.setattr(doctor_machine, "cgroup_cores", lambda: 1.5)
    (few,), (many,) = doctor_machine.thread_findings(2), doctor_machine.thread_findings(3)
    assert (few.state, many.state, many.stops) == ("ok", "broken", False)
    assert many.mend == "export OMP_NUM_THREADS=2"


def test_small_disks_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for free, state in ((1, "broken"), (3, "ok")):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: Usage(10 * GIB, 0, free * GIB))
        assert [finding.state for finding in doctor_machine.folder_findings()] == [state, state]
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(64 * 2**20, 0, 64 * 2**20))
    monkeypatch.setattr(doctor_machine, "SHARED_MEMORY", tmp_path)
    (finding,) = doctor_machine.shared_memory_finding()
    assert (finding.state, finding.stops) == ("broken", False)
    assert "--shm-size" in finding.mend


def test_folders_that_cannot_be_written_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    working, _ = doctor_machine.folder_findings()
    assert working.stops
    assert "not writable" in working.said
    assert doctor_machine.cache_finding(tmp_path / "not" / "there")[0].state == "broken"


def test_the_command_calls_the_python_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: sys.executable)
    assert doctor_finding.python_command() == "python"
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert shlex.split(doctor_finding.pip_install("torch>=2.4")) == [
        sys.executable,
        "-m",
        "pip",
        "install",
        "torch>=2.4",
    ]
    assert doctor_child.SECONDS > 60
