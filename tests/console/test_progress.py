"""Progress on a terminal, which a pseudo-terminal stands for, and elsewhere: rate, time left, and silence."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tqdm.std

from degflow_aug.console.progress import Progress, track

ROOT = Path(__file__).resolve().parents[2]


def on_a_terminal(code: str) -> str:
    """What Python writes to stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", f"import time, math\nfrom degflow_aug.console import progress\n{code}"],
        stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    read = b""
    try:
        while part := os.read(ours, 65536):
            read += part
    except OSError:
        # The other end is closed.
        pass
    os.close(ours)
    assert process.wait() == 0, read.decode()
    return read.decode()


def test_a_terminal_gets_bars_with_what_was_done_before_and_notes_above_them() -> None:
    said = on_a_terminal(
        "progress.DELAY = 0\n"
        "for item in progress.track(range(20), 'encode', 'window', done=20):\n    time.sleep(0.15)\n"
        "    if item == 5: progress.note('skipped it')\n"
        "with progress.Progress() as shown:\n"
        "    for done in range(900, 905): shown('rae', done, 1000, 0.25); time.sleep(0.15)\n"
    )
    states = re.findall(r"encode: +(\d+)%\|.*?\| (\d+)/40 \[\d\d:\d\d<[\d:?]+, +\S+\]", said)
    assert states[0] == ("50", "20")
    assert states[-1] == ("100", "40")
    assert len(states) > 3
    assert re.search(r"rae: +90%\|.*\| 90[1-4]/1000 \[.*, loss=0\.2500\]", said)
    lines = [line.rpartition("\r")[2] for line in said.split("\r\n")]
    assert "degflow: skipped it" in lines


def test_work_below_the_delay_shows_nothing() -> None:
    code = (
        "progress.DELAY = 60\n"
        "for item in progress.track(range(5), 'short'): time.sleep(0.01)\n"
        "with progress.Progress() as shown:\n"
        "    for done in range(5): shown('other', done, 5, 0.5)\n"
    )
    assert on_a_terminal(code) == ""


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of tqdm."""
    clock = Clock()
    monkeypatch.setattr(tqdm.std, "time", clock.time)
    return clock


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    said = capsys.readouterr().err
    assert "\r" not in said
    return said.splitlines()


def test_elsewhere_there_is_a_line_a_minute_and_one_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in track(range(100), "generate", "image"):
        clock.now += 5
    # 500 seconds: at 60, 120, ... 480, and 500.
    said = lines(capsys)
    assert len(said) == 9
    assert said[0] == "generate: 12/100 [01:00<07:20,  5.00s/image]"
    assert said[-2] == "generate: 96/100 [08:00<00:20,  5.00s/image]"
    assert said[-1] == "generate: 100/100 [08:20<00:00,  5.00s/image]"


def test_stages_below_a_minute_are_silent(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as shown:
        for stage in ("rae", "encode", "lfm"):
            for done in range(1, 12):
                clock.now += 5
                shown(stage, done, 11, 0.5)
    assert lines(capsys) == []


def test_the_rate_after_a_resume_is_that_of_now(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as shown:
        shown("rae", 9_000, 10_000)
        clock.now += 100
        shown("rae", 9_050, 10_000, 0.5)
    assert lines(capsys)[0] == "rae: 9050/10000 [01:40<31:40,  2.00s/it, loss=0.5000]"


def test_a_total_that_is_not_known_is_not_made_up(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in track(iter(range(30)), "read", "file"):
        clock.now += 3
    assert [line.partition(" [")[0] for line in lines(capsys)] == ["read: 20/?", "read: 30/?"]


def test_items_pass_unchanged_and_other_processes_are_silent(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    passed = []
    for item in track("abc", "letters", done=2, shown=False):
        clock.now += 100
        passed.append(item)
    assert passed == ["a", "b", "c"]
    with Progress(shown=False) as silent:
        for done in range(3):
            clock.now += 100
            silent("rae", done, 3, 0.5)
    assert lines(capsys) == []


def test_a_stage_that_begins_again_begins_at_its_beginning(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as shown:
        for _ in range(2):
            for done in range(4):
                shown("simulated camera", done, 4)
                clock.now += 61
    assert [line.partition(" [")[0] for line in lines(capsys)] == [
        "simulated camera: 1/4", "simulated camera: 2/4", "simulated camera: 3/4", "simulated camera: 3/4",
    ] * 2  # fmt: skip
