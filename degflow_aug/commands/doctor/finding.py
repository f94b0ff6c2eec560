"""One line of ``degflow doctor``: what was looked at, whether it works, and what to do where it does not."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["ok", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes:
        name: what was looked at.
        state: ok, missing (not there) or broken (there, and does not do what it is for).
        said: its version, size or error, on one line.
        lost: what does not work because of it; empty where it is ok.
        mend: the command that mends it; empty where it is ok or no command does.
        needed: whether ``generate``, ``fit`` or ``train`` cannot do without.
    """

    name: str
    state: State
    said: str
    lost: str = ""
    mend: str = ""
    needed: bool = False

    @property
    def stops(self) -> bool:
        """Whether something needed does not work."""
        return self.needed and self.state != "ok"

    def lines(self, width: int) -> list[str]:
        """The finding in words, names padded to ``width``."""
        lines = [f"{self.state:7}  {self.name:{width}}  {self.said}"]
        if self.state != "ok":
            lines += [
                f"{'':9}{title}: {text}" for title, text in (("without it", self.lost), ("mend", self.mend)) if text
            ]
        return lines


def guarded(name: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """What ``look`` finds; where it fails itself, that is the finding."""
    try:
        return look()
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return [Finding(name, "broken", said, f"knowing whether {name} works", needed=False)]


def python_command() -> str:
    """How a shell calls the Python that runs this: ``python`` where that is it, else its path."""
    found = shutil.which("python")
    same = found is not None and Path(found).absolute() == Path(sys.executable).absolute()
    return "python" if same else shlex.quote(sys.executable)


def pip_install(what: str, *options: str) -> str:
    """The command that installs ``what`` where this runs."""
    return " ".join((python_command(), "-m pip install", *options, shlex.quote(what)))
