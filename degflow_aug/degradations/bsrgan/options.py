"""The ``degradation:`` section of ``type: BSRGAN``."""

from __future__ import annotations

from dataclasses import dataclass

from degflow_aug.degradations.bsrgan.bsrgan import BSRGAN
from degflow_aug.degradations.bsrgan.bsrgan_settings import BSRGANSettings
from degflow_aug.degradations.options import ScaleRange, as_base


@dataclass(frozen=True)
class BSRGANOptions(BSRGANSettings):
    """BSRGAN's degradation with the settings of its paper."""

    scale_range: ScaleRange | None = None

    def build(self, where: str) -> BSRGAN:
        """The degradation with these settings; needs BasicSR."""
        return BSRGAN(as_base(self, BSRGANSettings))
