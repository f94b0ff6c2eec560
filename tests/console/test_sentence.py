"""An error is one sentence, whoever raised it and whatever a file has put into it."""

from __future__ import annotations

import pytest

from degflow_aug.console.sentence import sentence


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("a.png: expected an image, got ValueError: half of one"), None),
        (FileNotFoundError(2, "No such file or directory", "a.png"), "No such file or directory: 'a.png'"),
        (KeyError("lq"), "'lq'"),
    ],
)
def test_errors_of_workers_are_told_as_they_were_there(error: Exception, said: str | None) -> None:
    from torch._utils import ExceptionWrapper

    try:
        try:
            raise TypeError("the reason behind it")
        except TypeError as reason:
            raise error from reason
    except Exception:
        wrapped = ExceptionWrapper(where="in DataLoader worker process 0")
    with pytest.raises(type(error)) as caught:
        wrapped.reraise()
    assert "Traceback" in str(caught.value)
    assert sentence(caught.value) == (said or str(error))


def test_errors_of_the_system_are_told_without_numbers() -> None:
    assert sentence(FileNotFoundError(2, "No such file or directory", "x.yml")) == "No such file or directory: x.yml"
    assert sentence(OSError(28, "No space left on device")) == "No space left on device"
    assert sentence(ValueError("two\n  lines")) == "two lines"
    assert sentence(ValueError()) == "ValueError"


def test_what_a_file_says_cannot_write_to_the_terminal() -> None:
    assert sentence(ValueError("got \x1b[2J\x07 and \u202e")) == "got \\x1b[2J\\x07 and \\u202e"
    assert len(sentence(ValueError("x" * 100_000))) < 2100
