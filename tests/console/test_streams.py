"""stdout and stderr of commands: plain text, and an end that is told from success where nothing could be written."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from degflow_aug.console.streams import PlainStream

DEGFLOW = [sys.executable, "-m", "degflow_aug"]


class Terminal(io.StringIO):
    """A stream that is one."""

    def isatty(self) -> bool:
        return True


def written(stream: io.StringIO, *texts: str) -> str:
    for text in texts:
        PlainStream(stream).write(text)
    return stream.getvalue()


def test_bars_move_on_a_terminal_and_names_in_them_do_not() -> None:
    moves = ("\r", "\n\n\x1b[A\x1b[A", "\r 50%|##  | ")
    assert written(Terminal(), *moves) == "".join(moves)
    assert written(Terminal(), "\rTest a\rb\x1b[A", "\x1b[A!") == "\rTest a\\rb\\x1b[A\\x1b[A!"
    assert written(io.StringIO(), "\r 50%", "\x1b[A") == " 50%\\x1b[A"


def test_letters_that_the_encoding_lacks_are_written_out() -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as stream:
        PlainStream(stream).write("2\xd73 \udcff")
        stream.flush()
        assert raw.getvalue() == rb"2\xd73 \xff"


@pytest.mark.parametrize("arguments", [("--help",), ("options", "liif_cpu"), ("generate", "--help")])
def test_a_full_disk_under_stdout_is_told(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*DEGFLOW, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("degflow: expected to write to stdout, got: No space left on device")
    assert done.stderr.count("\n") == 1


def test_a_reader_who_has_gone_is_told_nothing() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*DEGFLOW, "options", "liif_cpu"], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full", "2> >(:)"])
@pytest.mark.parametrize(("arguments", "code"), [("no-such-command", 2), ("options", 0)])
def test_what_nobody_hears_changes_nothing(closed: str, arguments: str, code: int) -> None:
    """With stderr closed, what is said must neither come on stdout nor land in the next file that is opened."""
    command = ["bash", "-c", f'"$0" -m degflow_aug {arguments} {closed}', sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "degflow: " not in done.stdout


def test_closed_stdout_is_told() -> None:
    command = ["bash", "-c", '"$0" -m degflow_aug options >&-', sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "expected to write to stdout, got: Bad file descriptor" in done.stderr
