"""What a part of the fault campaign counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.shared.results import markdown_table


@dataclass
class Tally:
    """One fault tried ``cases`` times; ``failures`` says of each case that went wrong what did."""

    fault: str
    cases: int = 0
    failures: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    skipped: str = ""

    def count(self, failure: str | None = None) -> None:
        """Count a case, and what went wrong in it."""
        self.cases += 1
        if failure is not None:
            self.failures.append(failure)


def tally_table(tallies: Sequence[Tally]) -> str:
    """A Markdown table: fault, cases, failures, figures."""
    return markdown_table(
        ["fault", "cases", "failures", "figures"],
        [[tally.fault, str(tally.cases), str(len(tally.failures)), _figures(tally)] for tally in tallies],
    )


def tallies_as_data(tallies: Sequence[Tally]) -> list[dict[str, Any]]:
    """The same for JSON."""
    return [asdict(tally) for tally in tallies]


def _figures(tally: Tally) -> str:
    return tally.skipped or ", ".join(f"{name} {value:.3g}" for name, value in tally.figures.items())
