"""The fenced blocks of README, each with the HTML comment above it, which names what it is for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(
    r"(?:<!-- (?P<name>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


class Block(NamedTuple):
    """A fenced block; ``name`` is empty where there is no comment above it."""

    language: str
    name: str
    text: str


def blocks_of(text: str) -> list[Block]:
    """The fenced blocks of a page."""
    return [Block(match["language"], match["name"] or "", match["text"]) for match in _BLOCK.finditer(text)]


BLOCKS = blocks_of(README)


def lines_of_bash(blocks: Sequence[Block] = BLOCKS) -> list[str]:
    """The commands in the blocks, a line each, continued lines joined."""
    text = "\n".join(each.text for each in blocks if each.language == "bash").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip()]


def commands(blocks: Sequence[Block] = BLOCKS) -> list[list[str]]:
    """What follows ``degflow`` or ``-m degflow_aug``, up to where its output goes."""
    split = (shlex.split(line, comments=True) for line in lines_of_bash(blocks))
    starts = [(words, word) for words in split for word in ("degflow", "degflow_aug") if word in words]
    following = (words[words.index(start) + 1 :] for words, start in starts)
    return [words[: words.index(">")] if ">" in words else words for words in following]


def block(name: str, language: str = "python") -> str:
    """The text of the one block of that name."""
    (text,) = (each.text for each in BLOCKS if (each.name, each.language) == (name, language))
    return text


def of_language(language: str, name: str = "") -> list[str]:
    """The texts of the blocks of a language, by default of those without a name."""
    return [each.text for each in BLOCKS if (each.language, each.name) == (language, name)]
