"""Notices are plain text on one line, in one's own code as on the command line."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from degflow_aug.files.notice import notice


def test_a_notice_stays_on_its_line(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        notice("left out a\x1b[2J\n\u202e.txt of this test")
    assert caplog.messages == [r"left out a\x1b[2J\n\u202e.txt of this test"]


@pytest.mark.parametrize(("kept", "logger"), [("printed", "degflow_aug"), ("file", "basicsr"), ("errors", "basicsr")])
def test_a_run_has_it_where_it_keeps_a_log(
    kept: str, logger: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("basicsr")
    handler = logging.FileHandler(tmp_path / "run.log") if kept == "file" else logging.StreamHandler()
    monkeypatch.setattr(log, "handlers", [handler])
    # BasicSR turns it off for its logger, and then nothing reaches the handler that looks.
    monkeypatch.setattr(log, "propagate", True)
    caplog.set_level(logging.ERROR if kept == "errors" else logging.INFO, "basicsr")
    notice(f"a folder of {tmp_path}")
    handler.close()
    # What is no error stays unsaid where errors alone are kept.
    assert [record.name for record in caplog.records] == ([] if kept == "errors" else [logger])
