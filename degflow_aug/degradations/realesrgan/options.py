"""The ``degradation:`` section of ``type: RealESRGAN``."""

from __future__ import annotations

from dataclasses import dataclass

from degflow_aug.degradations.options import ScaleRange, as_base
from degflow_aug.degradations.realesrgan.realesrgan import RealESRGAN
from degflow_aug.degradations.realesrgan.settings import RealESRGANSettings


@dataclass(frozen=True)
class RealESRGANOptions(RealESRGANSettings):
    """Real-ESRGAN's settings under BasicSR's names."""

    scale_range: ScaleRange | None = None

    def build(self, where: str) -> RealESRGAN:
        """The degradation with these settings; needs BasicSR."""
        return RealESRGAN(as_base(self, RealESRGANSettings))
