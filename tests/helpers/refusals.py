"""What ``degflow`` says when it refuses."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from degflow_aug.cli import main


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one sentence on stderr by which ``degflow`` refuses ``words``, with exit code 2 and nothing on stdout."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("degflow: ")
    assert said.err.count("\n") == 1
    return said.err


def but_for(defaults: Sequence[object], more: Sequence[object]) -> list[object]:
    """``--name value --name value``, without those that ``more`` names: an option may be given once."""
    pairs = zip(defaults[::2], defaults[1::2], strict=True)
    return [word for name, value in pairs if name not in more for word in (name, value)]
