"""What people read holds nothing that a terminal obeys or that cannot be seen."""

from __future__ import annotations

import logging
import os
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from degflow_aug.console.plain_text import PlainRecords, one_line, plain_text, say

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("a\x9b31mb\x7f", r"a\x9b31mb\x7f"),
        ("a\u202egnp.exe", r"a\u202egnp.exe"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("over\rwritten", r"over\rwritten"),
        (os.fsdecode(b"lr\xff\xfe"), r"lr\xff\xfe"),
        ("Übung_写真 (1) \U0001f4f7.png", "Übung_写真 (1) \U0001f4f7.png"),
    ],
)
def test_it_is_written_out(given: str, shown: str) -> None:
    assert plain_text(given) == one_line(given) == shown


def test_lines_stay_lines_where_they_are_the_texts_own() -> None:
    assert plain_text("a\n\tb") == "a\n\tb"
    assert one_line("a\n\tb") == r"a\n\tb"


@given(st.text(st.characters()))
def test_nothing_that_is_obeyed_is_left(given: str) -> None:
    assert not OBEYED.search(plain_text(given))
    assert one_line(given).isprintable()
    assert one_line(one_line(given)) == one_line(given)


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_what_can_be_seen_is_left_as_it_is(given: str) -> None:
    seen = "".join(letter for letter in given if unicodedata.category(letter) != "Cn" and letter.isprintable())
    assert plain_text(seen) == seen


def test_each_line_that_is_said_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\nb", "c")
    say("d\re", error=True)
    assert capsys.readouterr() == ("a\\nb\nc\n", "d\\re\n")


def test_logs_get_it_too(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("plain")
    logger.addFilter(PlainRecords())
    logger.warning("%s\nis %d", "\x1b[2J", 7)
    assert caplog.messages == ["\\x1b[2J\nis 7"]
