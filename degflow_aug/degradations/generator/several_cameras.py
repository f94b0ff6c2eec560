"""A degradation that knows one camera or several: the choice among them, and the kernel and noise of the chosen one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from degflow_aug.bundles.bundle import State
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.camera_choice import CameraChoice, CameraLike, check_only_camera
from degflow_aug.degradations.noise.noisy_degradation import CameraNoise, Noise, NoisyDegradation


class SeveralCameras(NoisyDegradation):
    """Keeps the choice of a camera.

    Args:
        cameras: those that are told apart, in their order; empty for one.
        camera: of several the one to be: a name, in any case and perhaps without its first words (iPhoneX for
            City100_iPhoneX); weights by name for a camera between; ``any`` for one drawn per sample under the
            degradation's seed; None where every call names one. Of one, its name.
        residual, noise: see :class:`NoisyDegradation`.

    Attributes:
        cameras: their names.
        camera: the one that is chosen, in words.
        fitted: states of the kernel or pipeline fitted to the same pairs, one per camera; empty without.
        taught: states of the corrections of students, one per camera; empty without.

    Raises:
        ValueError: see :class:`CameraChoice` and :class:`NoisyDegradation`.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        camera: CameraLike | None,
        residual: Noise | CameraNoise | None = None,
        noise: float = 0.0,
    ) -> None:
        super().__init__(residual, noise)
        self.cameras = tuple(cameras)
        self._choice: CameraChoice | None = None
        self.fitted: Sequence[State] = ()
        self.taught: Sequence[State] = ()
        if self.cameras:
            self.use_camera(None if camera == "" else camera)
        else:
            self.camera = camera if isinstance(camera, str) else ""

    def use_camera(self, camera: CameraLike | None) -> None:
        """Be another of the cameras from now on.

        Raises:
            ValueError: see :class:`CameraChoice`; another name than its own for one that knows one camera.
        """
        if not self.cameras:
            check_only_camera(camera, self.camera)
            return
        self._choice = CameraChoice(self.cameras, camera)
        if self._seed is not None:
            self._choice.seed(self._seed)
        self.camera = str(self._choice)

    def seed(self, seed: int) -> None:
        """Restart the random streams; the same seed and calls give the same LR on one device."""
        super().seed(seed)
        if self._choice is not None:
            self._choice.seed(seed)

    def camera_weights(self, hr: Tensor, camera: CameraLike | Tensor | None = None) -> Tensor | None:
        """Weights (B, cameras) for the samples of ``hr`` (B, ...), of ``camera`` or of the one chosen; None where one
        camera is known.

        Raises:
            ValueError: no camera chosen, or one that is not known.
        """
        if self._choice is None:
            check_only_camera(camera if not isinstance(camera, Tensor) else {}, self.camera)
            return None
        return self._choice.weights(hr.shape[0], camera)

    @property
    def kernels(self) -> State:
        """State of the kernel or pipeline fitted to the same pairs, to those of the chosen one of several cameras
        (of the nearest in a mixture); empty without one."""
        return self._own(self.fitted)

    @property
    def student(self) -> State:
        """State of the student's correction, as :attr:`kernels`."""
        return self._own(self.taught)

    def _own(self, states: Sequence[State]) -> State:
        index = 0 if self._choice is None else self._choice.index
        return states[index] if index is not None and index < len(states) else {}


def cameras_to_name(degradation: Degradation) -> tuple[str, ...]:
    """The cameras out of which every call has to name one; empty where one is known or chosen."""
    if isinstance(degradation, SeveralCameras) and not degradation.camera:
        return degradation.cameras
    return ()
