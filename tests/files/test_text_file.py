"""Lists and texts as editors, spreadsheets and other systems write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from degflow_aug.files.text_file import decode, read_lines, read_listed

LINES = ["IMG (1).png (64,80,3)", "写真.png", "b c.png"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_lines_are_read_however_they_are_written(encoding: str, end: str, tmp_path: Path) -> None:
    text = end.join(["", *LINES[:1], f"\t{LINES[1]}  ", "  ", *LINES[2:]])
    path = tmp_path / "list.txt"
    path.write_bytes((text if encoding == "utf-8-sig" or end != "\n" else text.lstrip()).lstrip().encode(encoding))
    assert read_lines(path) == LINES
    assert list(read_listed(path)) == ["IMG (1).png", *LINES[1:]]
    assert decode(path.read_bytes()).startswith("IMG")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("baboon.png (480,500,3)", "baboon.png"),
        ("baboon.png (480,500,3) 1", "baboon.png"),
        ("IMG (1).png (480, 500, 3)", "IMG (1).png"),
        ("IMG (1).png", "IMG (1).png"),
        ("a (2,3) b.png (480,500)", "a (2,3) b.png"),
        ("below/a.png", "below/a.png"),
        ("line\u2028separator\x85.png", "line\u2028separator\x85.png"),
    ],
)
def test_a_name_is_what_stands_before_the_shape(line: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{line}\n", encoding="utf-8")
    assert list(read_listed(tmp_path / "list.txt")) == [name]


@pytest.mark.parametrize("other", ["a/b.png", "a/b.png (9,9,3)", "a//b.png", "./a/b.png", "a/b.jpg"])
def test_an_image_that_is_listed_twice_is_named(other: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"a/b.png (64,80,3) 1\nb.png\n{other}\n")
    with pytest.raises(ValueError, match=r"list\.txt: expected each image once, got 'a/b\.png' and"):
        read_listed(tmp_path / "list.txt")


def test_shapes_are_read(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.png (64,80,3) 1\nb.png ( 64, 80 )\nc.png\n")
    assert read_listed(tmp_path / "list.txt") == {"a.png": (64, 80, 3), "b.png": (64, 80), "c.png": ()}


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"caf\xe9.png\n")
    assert [os.fsencode(name) for name in read_listed(tmp_path / "list.txt")] == [b"caf\xe9.png"]


@pytest.mark.parametrize("data", [b"\xff\xfea", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_is_no_text_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(data)
    with pytest.raises(ValueError, match=r"list\.txt: expected "):
        read_lines(tmp_path / "list.txt")
