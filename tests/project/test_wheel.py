"""The wheel holds what an installed package needs, says what it is, and works where there is no checkout."""

from __future__ import annotations

import email
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from helpers.documents import ROOT

import degflow_aug
from degflow_aug.bundles.spec import SHIPPED
from degflow_aug.cli import main
from degflow_aug.commands.shared import option_files

pytestmark = pytest.mark.skipif(importlib.util.find_spec("setuptools") is None, reason="setuptools builds the wheel")
SOURCES = ("degflow_aug", "basicsr_options", "setup.py", "README.md")
ENVIRONMENT = {**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of a copy of the sources, built without network."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q"]
    done = subprocess.run(
        [*command, "-w", str(out), str(source)], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (file,) = out.glob("*.whl")
    assert file.name == f"degflow_aug-{degflow_aug.__version__}-py3-none-any.whl"
    return zipfile.ZipFile(file)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    """What the wheel says of itself."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def test_nothing_is_left_out_or_packed_by_mistake(wheel: zipfile.ZipFile) -> None:
    package = {
        f"degflow_aug/{file.relative_to(ROOT / 'degflow_aug').as_posix()}"
        for file in (ROOT / "degflow_aug").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    option_files = {f"degflow_aug/basicsr_options/{file.name}" for file in (ROOT / "basicsr_options").glob("*.yml")}
    held = {name for name in wheel.namelist() if ".dist-info/" not in name and not name.endswith("/")}
    assert held == package | option_files
    assert {"degflow_aug/py.typed", "degflow_aug/LICENSE", "degflow_aug/THIRD_PARTY_NOTICES.md"} <= held
    assert {f"degflow_aug/weights/{name}.safetensors" for name in SHIPPED} <= held


def test_the_metadata_says_what_it_is(wheel: zipfile.ZipFile, metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("degflow_aug", degflow_aug.__version__)
    assert (metadata["License"] or metadata["License-Expression"]) == "MIT"
    assert metadata["Requires-Python"] == ">=3.10"
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert any(re.match(r"basicsr==1\.4\.2; *python_version", line) for line in metadata.get_all("Requires-Dist"))
    licences = [
        name for name in wheel.namelist() if re.search(r"\.dist-info/.*(LICENSE|THIRD_PARTY_NOTICES\.md)$", name)
    ]
    assert len(licences) == 2
    (entry,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert b"degflow = degflow_aug.cli:main" in wheel.read(entry)


def test_an_unpacked_wheel_works_alone(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    code = (
        "import torch, degflow_aug\n"
        "from degflow_aug.cli import main\n"
        "print(degflow_aug.__file__)\n"
        "lr = degflow_aug.load_generator('simulator')(torch.rand(1, 3, 48, 64), 2.0)\n"
        "assert lr.shape == (1, 3, 24, 32), lr.shape\n"
        "assert main(['bundles']) == 0\n"
        "assert main(['options', 'liif_degflow']) == 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, said = done.stdout.split("\n", 1)
    assert Path(first).is_relative_to(tmp_path / "site")
    assert said.endswith((ROOT / "basicsr_options/liif_degflow.yml").read_text(encoding="utf-8"))
    assert all(re.search(rf"^{name} ", said, flags=re.MULTILINE) for name in SHIPPED)


def test_option_files_are_listed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(file.stem for file in (ROOT / "basicsr_options").glob("*.yml"))
    assert all(len(line.split()) > 4 for line in lines)
    assert main(["options", "rae_city100.yml"]) == 0
    assert capsys.readouterr().out == (ROOT / "basicsr_options/rae_city100.yml").read_text(encoding="utf-8")
    assert main(["options", "rae_city10"]) == 2
    assert "did you mean 'rae_city100'?" in capsys.readouterr().err


def test_a_bare_name_is_a_file_here_or_one_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = ROOT / "basicsr_options/liif_cpu.yml"
    assert Path(option_files.named_file("liif_cpu")).samefile(shipped)
    for name in ("liif_cpu.yml", "basicsr_options/liif_cpu", "mine.yml"):
        assert option_files.named_file(name) == name
    with pytest.raises(ValueError, match="got 'lif_cpu'; did you mean 'liif_cpu'"):
        option_files.named_file("lif_cpu")
    for name in ("liif_cpu.yml", "liif_cpu"):
        (tmp_path / name).write_text("name: mine")
        assert option_files.named_file("liif_cpu") == name


def test_no_option_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(option_files, "PACKAGE", tmp_path / "degflow_aug")
    with pytest.raises(ValueError, match="install degflow_aug anew"):
        option_files.option_files()
