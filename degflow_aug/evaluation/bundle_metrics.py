"""What a bundle's header says was measured: a score a test scene, scale and method, and how to measure it again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from degflow_aug.bundles.bundle import GeneratorSpec, KernelSpec
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.evaluation.evaluation import FITTED, EvaluationScene, evaluate_views, methods_for
from degflow_aug.evaluation.rows import Row

GENERATOR = "DegFlow"
METHODS = ("bicubic", *FITTED, GENERATOR)


class Score(NamedTuple):
    """Y-PSNR in dB and Y-SSIM of one method on the view of one scene at one scale."""

    method: str
    scale: float
    scene: str
    psnr_y: float
    ssim_y: float


@dataclass(frozen=True)
class Measurement:
    """Scores on one data set.

    Attributes:
        data: its name.
        rerun: the command that measures the same.
        scores: of full frames rounded to 8 bits, borders included.
    """

    data: str
    rerun: str
    scores: tuple[Score, ...]

    @property
    def scenes(self) -> list[str]:
        """Names of the scenes, in their order."""
        return list(dict.fromkeys(score.scene for score in self.scores))

    def rows(self, scenes: Sequence[str] | None = None) -> list[Row]:
        """Means over ``scenes``, all by default: a row for each scale and method."""
        groups: dict[tuple[float, str], list[Score]] = {}
        for score in self.scores:
            if scenes is None or score.scene in scenes:
                groups.setdefault((score.scale, score.method), []).append(score)
        return [
            Row(method, self.data, scale, _mean(found, "psnr_y"), _mean(found, "ssim_y"), len(found))
            for (scale, method), found in sorted(groups.items(), key=lambda item: item[0][0])
        ]

    def plain(self) -> dict[str, Any]:
        """The same for JSON, with a tenth of a thousandth of a dB."""
        scores = [[*score[:3], round(score.psnr_y, 4), round(score.ssim_y, 5)] for score in self.scores]
        return {"data": self.data, "rerun": self.rerun, "columns": list(Score._fields), "scores": scores}


def measure(generator: DegFlow, scenes: Iterable[EvaluationScene], data: str, rerun: str) -> Measurement:
    """Score the views of a generator, of bicubic and of the kernel and pipeline in its bundle against the real ones."""
    methods = {name: method for name, method in methods_for(generator).items() if name in METHODS}
    scores = [
        Score(row.method, row.scale, scene.name, row.psnr_y, row.ssim_y)
        for scene in scenes
        for row in evaluate_views(methods, [scene])
    ]
    return Measurement(data, rerun, tuple(scores))


def read_measurements(spec: GeneratorSpec | KernelSpec) -> list[Measurement]:
    """What the header of a bundle says was measured; nothing for bundles that say nothing.

    Raises:
        ValueError: content of another form.
    """
    try:
        return [
            Measurement(str(item["data"]), str(item["rerun"]), tuple(_score(values) for values in item["scores"]))
            for item in spec.metrics
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"expected metrics as Measurement.plain makes them, got other content: {error!r}") from None


def largest_difference(before: Measurement, now: Measurement, scenes: Sequence[str] | None = None) -> float:
    """The largest difference between means over ``scenes`` in dB of Y-PSNR; infinite where ``now`` lacks a row."""
    found = {(row.method, row.scale): row.psnr_y for row in now.rows(scenes)}
    pairs = [(row.psnr_y, found.get((row.method, row.scale), math.nan)) for row in before.rows(scenes)]
    # Equal images have an infinite Y-PSNR, which differs by nothing from itself.
    return max((_gap(expected, value) for expected, value in pairs), default=math.inf)


def _gap(expected: float, value: float) -> float:
    if expected == value:
        return 0.0
    return abs(expected - value) if math.isfinite(expected) and math.isfinite(value) else math.inf


def _score(values: Sequence[Any]) -> Score:
    method, scale, scene, psnr_y, ssim_y = values
    score = Score(str(method), float(scale), str(scene), float(psnr_y), float(ssim_y))
    # Equal images have an infinite Y-PSNR.
    if not (math.isfinite(score.scale) and score.psnr_y > -math.inf and math.isfinite(score.ssim_y)):
        raise ValueError(f"no number in {list(score)}")
    return score


def _mean(scores: Sequence[Score], column: str) -> float:
    return sum(getattr(score, column) for score in scores) / len(scores)
