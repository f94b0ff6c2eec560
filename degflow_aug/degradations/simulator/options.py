"""The ``degradation:`` sections of ``type: Camera`` and ``type: Phone``."""

from __future__ import annotations

from dataclasses import dataclass

from degflow_aug.degradations.options import ScaleRange, as_base
from degflow_aug.degradations.simulator.camera import SimulatedCamera
from degflow_aug.degradations.simulator.optics import CameraOptics
from degflow_aug.degradations.simulator.phone import SimulatedPhone
from degflow_aug.degradations.simulator.phone_settings import PhoneSettings


@dataclass(frozen=True)
class SimulatedCameraOptions(CameraOptics):
    """The simulated camera with its constants."""

    scale_range: ScaleRange | None = None

    def build(self, where: str) -> SimulatedCamera:
        """The camera."""
        return SimulatedCamera(as_base(self, CameraOptics))


@dataclass(frozen=True)
class SimulatedPhoneOptions(PhoneSettings):
    """The simulated phone with its constants."""

    scale_range: ScaleRange | None = None

    def build(self, where: str) -> SimulatedPhone:
        """The phone."""
        return SimulatedPhone(as_base(self, PhoneSettings))
