"""The pages of the project, and their fenced blocks, each with the HTML comment above it, which is its name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "degflow_aug"
FILES = (
    ROOT / "README.md", ROOT / ".github/CONTRIBUTING.md", PACKAGE / "weights/README.md",
    *sorted((ROOT / "benchmarks").glob("*.md")), *sorted((PACKAGE / "docs").glob("*.md")),
)  # fmt: skip
TEXTS = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in FILES}
_BLOCK = re.compile(
    r"(?:<!-- (?P<name>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


class Block(NamedTuple):
    """A fenced block of a page; ``name`` is empty where there is no comment above it."""

    page: str
    language: str
    name: str
    text: str


BLOCKS = [
    Block(page, match["language"], match["name"] or "", match["text"])
    for page, text in TEXTS.items()
    for match in _BLOCK.finditer(text)
]


def block(page: str, name: str) -> str:
    """The text of the one block of that name on a page of ``degflow_aug/docs``."""
    (text,) = (each.text for each in BLOCKS if (each.page, each.name) == (f"degflow_aug/docs/{page}.md", name))
    return text


def of_language(language: str, name: str | None = None) -> list[Block]:
    """The blocks of a language, of all names or of one."""
    return [each for each in BLOCKS if each.language == language and name in (None, each.name)]


def lines_of_bash() -> list[str]:
    """The commands of all pages, a line each, continued lines joined."""
    text = "\n".join(each.text for each in of_language("bash")).replace("\\\n", " ")
    return list(dict.fromkeys(line for line in text.splitlines() if line.strip()))


def commands(lines: Iterable[str]) -> list[list[str]]:
    """What follows ``degflow`` or ``-m degflow_aug``, up to where its output goes."""
    split = (shlex.split(line, comments=True) for line in lines)
    starts = [(words, word) for words in split for word in ("degflow", "degflow_aug") if word in words]
    following = (words[words.index(start) + 1 :] for words, start in starts)
    return [words[: words.index(">")] if ">" in words else words for words in following]
