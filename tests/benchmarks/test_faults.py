"""The fault campaign in small: each part hurts a command once, and finds what is spoiled on purpose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.photographs import photograph

from degflow_aug.files.image_file import encode_image, write_image
from degflow_aug.files.lmdb_store import LmdbWriter
from degflow_aug.models.training.checkpoint import write_checkpoint

pytest.importorskip("basicsr", reason="training needs BasicSR")
pytest.importorskip("fcntl", reason="the campaign is for systems with signals and locks of POSIX")
from benchmarks.faults import __main__ as faults
from benchmarks.faults.checks import different, left_behind, unsound
from benchmarks.faults.harm import clock as faults_clock
from benchmarks.faults.harm import disk as faults_disk
from benchmarks.faults.harm import files as faults_files
from benchmarks.faults.harm import kills as faults_kills
from benchmarks.faults.harm import locks as faults_locks
from benchmarks.faults.harm import signals as faults_signals
from benchmarks.faults.harm import soak as faults_soak
from benchmarks.faults.processes import close_server
from benchmarks.faults.tally import Tally

PARTS: dict[str, Any] = {
    "disk": lambda folder: faults_disk.tallies(folder, 1, 0, ["generate"]),
    "files": lambda folder: faults_files.tallies(folder, 1, 0, ["generate"]),
    "signals": lambda folder: faults_signals.tallies(folder, 1, 0, ["generate LMDB"]),
    "clock": lambda folder: faults_clock.tallies(folder, 1, 0, ["generate"]),
    "locks": lambda folder: faults_locks.tallies(folder, 1, 0, ["convert"]),
}


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """The server that all commands are forked from ends with these tests."""
    yield
    close_server()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_campaign_finds_nothing(part: str, tmp_path: Path) -> None:
    for tally in PARTS[part](tmp_path):
        assert tally.failures == []
        assert tally.cases == 1 or tally.skipped


@pytest.mark.parametrize(("name", "cases"), [("train", 1), ("generate", 2)])
def test_killed_and_resumed(name: str, cases: int, tmp_path: Path) -> None:
    (tally,) = faults_kills.tallies(tmp_path, cases, 0, [name])
    assert (tally.cases, tally.failures) == (cases, [])
    assert tally.figures["ends compared"] >= 1


def test_a_short_soak_is_the_same_twice(tmp_path: Path) -> None:
    (tally,) = faults_soak.tallies(tmp_path, 40, ["RealESRGAN"])
    assert tally.cases == 3
    assert [failure for failure in tally.failures if "MiB" not in failure and "slower" not in failure] == []
    assert tally.figures["steps in a CPU second"] > 0


def test_slopes_of_a_run_that_is_known() -> None:
    steps = np.arange(10, 3010, 10)
    # A step takes 10 ms at first and 0.002 ms more each time; each keeps 2 KiB.
    seconds, memory = 0.01 * steps + 1e-6 * steps**2, 500 + steps * 2 / 1024
    growth, slowdown = faults_soak.slopes(np.stack([steps, seconds, memory], 1))
    assert growth == pytest.approx(1000 * 2 / 1024)
    middle = 0.01 + 2e-6 * (steps[60] + steps[-1]) / 2
    assert slowdown == pytest.approx(0.002 / middle, rel=1e-6)


@pytest.mark.parametrize("name", ["net.pth", "state.state", "camera.safetensors", "image.png", "a.json", "b.jsonl"])
def test_half_a_file_is_found(name: str, tmp_path: Path) -> None:
    assert unsound(tmp_path) is None
    path = tmp_path / "below" / name
    path.parent.mkdir()
    path.write_bytes(encode_image(photograph(0))[:100] if name.endswith("png") else b'{"half": ')
    assert str(unsound(tmp_path)).startswith(f"below/{name} is not whole")
    path.rename(path.with_name(f".{name}.7.partial"))
    assert unsound(tmp_path) is None
    assert left_behind(tmp_path) == f"below/.{name}.7.partial is left behind"
    path.with_name(f".{name}.7.partial").rename(path.with_name("net.partial"))
    assert unsound(tmp_path) == "below/net.partial is visible"


def _write_all(folder: Path, *, names: tuple[str, ...] = ("a", "b"), weight: float = 1.0) -> None:
    folder.mkdir()
    write_checkpoint(folder / "net.pth", {"params": {"w": torch.tensor([weight])}})
    (folder / "files.jsonl").write_text("".join(json.dumps({"name": name}) + "\n" for name in names))
    for name in set(names):
        write_image(folder / f"{name}.png", photograph(0))
    with LmdbWriter(folder / "x.lmdb") as writer:
        for name in set(names):
            writer.put(name, encode_image(photograph(0)), (40, 48, 3))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, {}),
        ({"names": ("b", "a")}, {}),
        ({"weight": 1.0000001}, {"*.pth"}),
        ({"names": ("a", "b", "b")}, {"*.jsonl"}),
        ({"names": ("a",)}, {"*.jsonl", "*.png", "*/*.mdb"}),
    ],
)
def test_what_is_lost_doubled_or_other_is_found(change: dict[str, Any], found: set[str], tmp_path: Path) -> None:
    _write_all(tmp_path / "expected")
    _write_all(tmp_path / "found", **change)
    patterns = ("*.pth", "*.jsonl", "*.png", "*/*.mdb")
    said = {pattern for pattern in patterns if different(tmp_path / "expected", tmp_path / "found", pattern)}
    assert said == set(found)
    assert different(tmp_path / "expected", tmp_path / "found", "*.none") == "nothing of *.none was written"


def test_the_program_writes_what_it_found_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = Tally("good", figures={"seconds": 1.5}), Tally("bad")
    good.count()
    bad.count("half a file")
    monkeypatch.setattr(faults, "PARTS", {"good": lambda *_: [good], "bad": lambda *_: [bad]})
    monkeypatch.setattr(faults, "close_server", lambda: None)
    assert faults.main(["--parts", "good", "--out", str(tmp_path / "faults")]) == 0
    assert faults.main(["--parts", "good,bad", "--out", str(tmp_path / "faults"), "--seed", "5"]) == 1
    assert "| good | 1 | 0 | seconds 1.5 |" in capsys.readouterr().out
    content = json.loads((tmp_path / "faults.json").read_text())
    assert [part["tallies"][0]["failures"] for name, part in content.items() if name != "facts"] == [
        [],
        ["half a file"],
    ]
    assert content["bad"]["facts"]["seed"] == content["facts"]["seed"] == 5
    text = (tmp_path / "faults.md").read_text()
    assert "2 cases, 1 failures." in text
    assert "- bad: half a file" in text


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        faults.parse(["--parts", "kils"])
    assert "expected parts out of" in capsys.readouterr().err
