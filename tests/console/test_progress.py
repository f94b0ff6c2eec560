"""Progress on a terminal, which a pseudo-terminal stands for, and elsewhere: rate, time left, and silence."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from degflow_aug.console import progress
from degflow_aug.console.progress import Progress, track

ROOT = Path(__file__).resolve().parents[2]


def on_a_terminal(code: str) -> str:
    """What Python writes to stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", f"import time, math\nfrom degflow_aug import progress\n{code}"],
        stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
    )  # fmt: skip
    os.close(theirs)
    read, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                part = os.read(ours, 65536)
            except OSError:
                # The other end is closed.
                break
            if not part:
                break
            read += part
    os.close(ours)
    assert process.wait(timeout=60) == 0, read.decode()
    return read.decode()


def test_a_terminal_gets_a_bar_with_rate_and_time_left() -> None:
    said = on_a_terminal(
        "progress.DELAY = 0.2\nfor item in progress.track(range(40), 'encode', 'window'): time.sleep(0.03)"
    )
    states = re.findall(r"encode: +(\d+)%\|.*?\| (\d+)/40 \[(\d\d:\d\d)<(\d\d:\d\d), +([\d.]+)window/s\]", said)
    assert len(states) > 3
    assert states[-1][1] == "40"
    assert all(8 < float(rate) < 40 for *_, rate in states)
    assert said.count("\n") == 1


def test_work_below_the_delay_shows_nothing() -> None:
    code = (
        "for item in progress.track(range(5), 'short'): time.sleep(0.01)\n"
        "with progress.Progress() as shown:\n"
        "    for done in range(5): shown('other', done, 5, 0.5)\n"
    )
    assert on_a_terminal(code) == ""


def test_a_note_stands_on_a_line_of_its_own() -> None:
    said = on_a_terminal(
        "progress.DELAY = 0\n"
        "for item in progress.track(range(8), 'encode'):\n    time.sleep(0.15)\n"
        "    if item == 5: progress.note('skipped it')\n"
    )
    lines = [line.rpartition("\r")[2] for line in said.split("\r\n")]
    assert "degflow: skipped it" in lines


def test_a_resumed_stage_counts_what_was_done_but_not_as_fast() -> None:
    """900 of 1000 were there; 20 take 0.6 s more."""
    said = on_a_terminal(
        "progress.DELAY = 0\nwith progress.Progress() as shown:\n"
        "    for done in range(900, 921): shown('rae', done, 1000, 0.25); time.sleep(0.03)\n"
    )
    states = re.findall(r"\| (\d+)/1000 \[\S+<(\d\d):(\d\d), +([\d.]+)it/s, loss=0.2500\]", said)
    done, minutes, seconds, rate = states[-1]
    assert 915 <= int(done) <= 920
    assert 10 < float(rate) < 40
    assert 2 <= 60 * int(minutes) + int(seconds) <= 10


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of progress, started anew."""
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock.monotonic)
    monkeypatch.setattr(progress._minute, "last", clock.now)
    return clock


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_elsewhere_there_is_a_line_a_minute(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in track(range(100), "generate", "image"):
        clock.now += 5
    # 500 seconds: at 60, 120, ... 480.
    said = lines(capsys)
    assert len(said) == 8
    assert said[0] == "generate: 12/100 [01:00<07:20,  5.00s/image]"
    assert said[-1] == "generate: 96/100 [08:00<00:20,  5.00s/image]"


def test_short_work_is_silent_even_after_a_silent_minute(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    clock.now += 600
    for _ in track(range(10), "quick"):
        clock.now += 0.2
    assert lines(capsys) == []


def test_stages_share_the_minute(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as shown:
        for stage in ("rae", "encode", "lfm", "refine"):
            for done in range(1, 6):
                clock.now += 5
                shown(stage, done, 5, 0.5)
    (line,) = lines(capsys)
    assert line.startswith("lfm: 2/5 [")
    assert line.endswith("loss=0.5000]")


def test_the_rate_after_a_resume_is_that_of_now(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as shown:
        shown("rae", 9_000, 10_000)
        clock.now += 100
        shown("rae", 9_050, 10_000)
    assert lines(capsys) == ["rae: 9050/10000 [01:40<31:40,  2.00s/it]"]


def test_a_total_that_is_not_known_is_not_made_up(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in track(iter(range(30)), "read", "file"):
        clock.now += 3
    assert [line.partition(" [")[0] for line in lines(capsys)] == ["read: 20/?"]


def test_items_pass_unchanged_and_other_processes_are_silent(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    passed = []
    for item in track("abc", "letters", done=2, shown=False):
        clock.now += 100
        passed.append(item)
    assert passed == ["a", "b", "c"]
    assert lines(capsys) == []


def test_a_stage_that_begins_again_begins_at_its_beginning(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as shown:
        for _ in range(2):
            for done in range(1, 5):
                clock.now += 20
                shown("simulated camera", done, 4)
    assert lines(capsys) == [
        "simulated camera: 3/4 [00:40<00:20, 20.00s/it]",
        "simulated camera: 2/4 [00:20<00:40, 20.00s/it]",
    ]
