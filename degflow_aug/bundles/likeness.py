"""How near the views of a student come to real ones beside its generator's, as the header of their bundle says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from degflow_aug.bundles.spec import GeneratorSpec, KernelSpec

FACT = "student"
LARGEST_LOSS = 0.1


@dataclass(frozen=True)
class Likeness:
    """Means over scenes that the student was not taught by, and over the training scales.

    Attributes:
        psnr_y, generator_psnr_y: of the student's and of the generator's views, in dB.
        scenes: how many there were.
    """

    psnr_y: float
    generator_psnr_y: float
    scenes: int

    @property
    def holds(self) -> bool:
        """Whether the student loses at most 0.1 dB, so that training may take it for the generator."""
        return self.psnr_y >= self.generator_psnr_y - LARGEST_LOSS

    def __str__(self) -> str:
        """In one line."""
        on = f"{self.scenes} scene{'s' * (self.scenes > 1)} held out"
        return f"Y-PSNR {self.psnr_y:.2f} dB, its generator {self.generator_psnr_y:.2f}, on {on}"


def with_likenesses(spec: GeneratorSpec, found: Sequence[Likeness | None]) -> GeneratorSpec:
    """The header that says this of the students, one per camera; None of one that was not compared."""
    return replace(spec, training={**spec.training, FACT: [each and asdict(each) for each in found]})


def read_likenesses(spec: GeneratorSpec | KernelSpec) -> list[Likeness | None]:
    """What the header says of the student of each camera; None where it says nothing that can be read."""
    cameras, found = spec.cameras or (spec.camera,), spec.training.get(FACT)
    known = found if isinstance(found, list) and len(found) == len(cameras) else [None] * len(cameras)
    return [_read(values) for values in known]


def students_in_words(spec: GeneratorSpec | KernelSpec) -> str:
    """The same in one line for people; empty of a bundle without students."""
    if FACT not in spec.training:
        return ""
    told = [str(each or "not compared with real views") for each in read_likenesses(spec)]
    if not spec.cameras:
        return told[0]
    return " / ".join(f"{camera}: {words}" for camera, words in zip(spec.cameras, told, strict=True))


def _read(values: object) -> Likeness | None:
    try:
        known = values if isinstance(values, dict) else {}
        return Likeness(float(known["psnr_y"]), float(known["generator_psnr_y"]), int(known["scenes"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
