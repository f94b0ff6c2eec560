"""One sentence about the downstream benchmark, made of nothing but its numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence

from benchmarks.downstream.kinds import BICUBIC, OURS, REALESRGAN, TRUE_PAIRS
from benchmarks.downstream.scores import Scores

TARGET = 0.9


def percent(share: float) -> str:
    """A share in per cent, rounded down, so that no share reads as more than it is."""
    return f"{math.floor(100 * share + 1e-9)} %"


def conclusion(scores: Scores, knots: Collection[float] = ()) -> str:
    """What the generators recover of the true pairs' gain, and how the best of ours stands to the other kinds.

    Args:
        scores: the numbers.
        knots: scales that the generators were fitted to; others are called unseen.
    """
    ours = [kind for kind in OURS if kind in scores.kinds]
    parts = _recovered(scores, knots)
    if ours:
        leader = max(ours, key=lambda kind: statistics.mean(scores.spread(kind, scale).mean for scale in scores.scales))
        parts += [*_target(scores, leader), *_against_realesrgan(scores, leader), *_against_truth(scores, leader)]
    if not parts:
        return "These kinds of LR are compared in the table alone."
    text = "; ".join(parts)
    if scores.seeds < 2:
        text += "; one seed, so that no difference is told from chance"
    return text[0].upper() + text[1:] + "."


def _recovered(scores: Scores, knots: Collection[float]) -> list[str]:
    """The range of shares of each kind, over knots and over unseen scales where there are both."""
    told = [scale for scale in scores.scales if scores.share(BICUBIC, scale) is not None] if _has_ends(scores) else []
    seen = [scale for scale in told if float(scale) in knots]
    unseen = [scale for scale in told if float(scale) not in knots]
    groups = [(seen, "at the knots"), (unseen, "at unseen scales")] if seen and unseen else [(told, "")]
    between = [kind for kind in scores.kinds if kind not in (BICUBIC, REALESRGAN, TRUE_PAIRS)]
    between.sort(key=lambda kind: kind not in OURS)
    parts = []
    if told and between:
        ranges = [
            f"{kind} {'' if number else 'recovers '}"
            + " and ".join(f"{_range(scores, kind, group)} {where}".strip() for group, where in groups)
            for number, kind in enumerate(between)
        ]
        parts.append(f"of what true pairs gain over bicubic, {', '.join(ranges)}")
    untold = [scale for scale in scores.scales if scale not in told]
    if untold and _has_ends(scores):
        parts.append(f"at {_scales(untold)} true pairs gain nothing over bicubic that seeds do not explain")
    return parts


def _target(scores: Scores, leader: str) -> list[str]:
    shares = {scale: scores.share(leader, scale) for scale in scores.scales}
    told = {scale: share for scale, share in shares.items() if share is not None}
    if not told:
        return []
    below = [scale for scale, share in told.items() if share < TARGET]
    if not below:
        return [f"{leader} reaches {percent(TARGET)} wherever there is a gain"]
    if len(below) == len(told):
        return [f"{leader} reaches {percent(TARGET)} nowhere"]
    return [f"{leader} reaches {percent(TARGET)} but for {_scales(below)}"]


def _against_realesrgan(scores: Scores, leader: str) -> list[str]:
    if REALESRGAN not in scores.kinds or scores.seeds < 2:
        return []
    parts = []
    for other in (leader, *([BICUBIC] if BICUBIC in scores.kinds else [])):
        found = {scale: scores.compare(REALESRGAN, other, scale) for scale in scores.scales}
        places = {mark: [scale for scale in found if found[scale] == mark] for mark in "<=>"}
        said = [
            f"{word} {other} {_where(places[mark], scores)}"
            for mark, word in (("<", "below"), ("=", "within the seeds of"), (">", "above"))
            if places[mark]
        ]
        parts.append(f"{REALESRGAN} is {_listed(said)}")
    return parts


def _against_truth(scores: Scores, leader: str) -> list[str]:
    if TRUE_PAIRS not in scores.kinds or scores.seeds < 2:
        return []
    found = {scale: scores.compare(leader, TRUE_PAIRS, scale) for scale in scores.scales}
    equal, above = ([scale for scale in found if found[scale] == mark] for mark in "=>")
    parts = []
    if equal:
        parts.append(f"{leader} and true pairs differ by no more than the seeds {_where(equal, scores)}")
    if above:
        parts.append(f"{leader} is above true pairs {_where(above, scores)}")
    return parts


def _has_ends(scores: Scores) -> bool:
    return {BICUBIC, TRUE_PAIRS} <= set(scores.kinds)


def _range(scores: Scores, kind: str, scales: Sequence[str]) -> str:
    shares = sorted(share for scale in scales if (share := scores.share(kind, scale)) is not None)
    low, high = percent(shares[0]), percent(shares[-1])
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def _where(scales: Sequence[str], scores: Scores) -> str:
    return "at every scale" if len(scales) == len(scores.scales) > 1 else f"at {_scales(scales)}"


def _scales(scales: Sequence[str]) -> str:
    return _listed([f"x{scale}" for scale in scales])


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1]
