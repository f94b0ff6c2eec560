"""The fenced blocks of README, each with the HTML comment above it, which names what it is for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(
    r"(?:<!-- (?P<name>[^\n]*) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)


class Block(NamedTuple):
    """A fenced block; ``name`` is empty where there is no comment above it."""

    language: str
    name: str
    text: str


BLOCKS = [Block(match["language"], match["name"] or "", match["text"]) for match in _BLOCK.finditer(README)]


def block(name: str, language: str = "python") -> str:
    """The text of the one block of that name."""
    (text,) = (each.text for each in BLOCKS if (each.name, each.language) == (name, language))
    return text


def of_language(language: str, name: str = "") -> list[str]:
    """The texts of the blocks of a language, by default of those without a name."""
    return [each.text for each in BLOCKS if (each.language, each.name) == (language, name)]
