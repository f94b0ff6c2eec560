"""Notices are plain text on one line, in one's own code as on the command line."""

from __future__ import annotations

import pytest

from degflow_aug.files.notice import notice


def test_a_notice_stays_on_its_line(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        notice("left out a\x1b[2J\n\u202e.txt of this test")
    assert caplog.messages == [r"left out a\x1b[2J\n\u202e.txt of this test"]
