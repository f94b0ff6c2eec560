"""The ``degradation:`` section of ``type: Camera``."""

from __future__ import annotations

from dataclasses import dataclass

from degflow_aug.degradations.options import ScaleRange, as_base
from degflow_aug.degradations.simulator.camera import SimulatedCamera
from degflow_aug.degradations.simulator.optics import CameraOptics


@dataclass(frozen=True)
class SimulatedCameraOptions(CameraOptics):
    """The simulated camera with its constants."""

    scale_range: ScaleRange | None = None

    def build(self, where: str) -> SimulatedCamera:
        """The camera."""
        return SimulatedCamera(as_base(self, CameraOptics))
