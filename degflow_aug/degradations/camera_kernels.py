"""The fitted kernels of several cameras, chosen by sample, and the state of one camera among that of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from degflow_aug.degradations.fitted_kernel import FittedKernel


class CameraKernels(nn.ModuleList):
    """One :class:`FittedKernel` a camera, at the same knots and of the same size.

    Raises:
        ValueError: no kernels, or other knots or sizes.
    """

    def __init__(self, kernels: Sequence[FittedKernel]) -> None:
        super().__init__(kernels)
        first = kernels[0] if kernels else None
        if first is None or any(
            each.kernels.shape != first.kernels.shape or not torch.allclose(each.knots, first.knots) for each in kernels
        ):
            knots = [each.knots.tolist() for each in kernels]
            raise ValueError(
                f"expected kernels of one size at the same knots for all cameras, got the knots {knots}; name knots "
                "that every camera has pairs at"
            )

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> CameraKernels:
        """The kernels with this state, ``0.knots``, ``0.kernels``, ``1.knots``, ...

        Raises:
            KeyError, ValueError: it is the state of something else.
        """
        parts = [camera_part(state, index) for index in range(count_cameras(state))]
        return cls([FittedKernel(part["knots"], part["kernels"]) for part in parts])

    @property
    def knots(self) -> Tensor:
        """(K,), those of all cameras."""
        return self[0].knots  # type: ignore[return-value]

    def view_kernels(self, scales: Tensor, weights: Tensor) -> Tensor:
        """Kernels (B, 3, k, k) at scales (B,), mixed by the weights (B, cameras) of the cameras."""
        found = torch.stack([each.view_kernels(scales) for each in self], 1)  # type: ignore[operator]
        return (found * weights.to(found)[:, :, None, None, None]).sum(1)

    def of(self, cameras: Tensor) -> SampleKernels:
        """The kernel of each sample's camera; ``cameras`` (B,) on the device of the kernels."""
        return SampleKernels(list(self), cameras)  # type: ignore[arg-type]


class SampleKernels:
    """A fitted kernel that is another one for every sample, as ``pseudo_views`` takes it.

    Args:
        kernels: one a camera, at the same knots.
        cameras: (B,), which of them each sample is of.
    """

    def __init__(self, kernels: Sequence[FittedKernel], cameras: Tensor) -> None:
        self._kernels, self.cameras = kernels, cameras
        self.knots, self.scale_range, self.side = kernels[0].knots, kernels[0].scale_range, kernels[0].side

    def pseudo_view_kernels(self, scales: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`FittedKernel.pseudo_view_kernels`, for scales (B,) of these samples."""
        found = [each.pseudo_view_kernels(scales) for each in self._kernels]
        rows = torch.arange(len(scales), device=scales.device)
        _, weight, low = found[0]
        return torch.stack([kernels for kernels, _, _ in found])[self.cameras, rows], weight, low

    def view_kernels(self, scales: Tensor) -> Tensor:
        """As :meth:`FittedKernel.view_kernels`, for scales (B,) of these samples."""
        found = torch.stack([each.view_kernels(scales) for each in self._kernels])
        return found[self.cameras, torch.arange(len(scales), device=scales.device)]


StageKernel = FittedKernel | CameraKernels


def join_cameras(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """States of all cameras as one, whose keys begin with the camera's number."""
    return {f"{index}.{key}": value for index, state in enumerate(states) for key, value in state.items()}


def camera_part(state: Mapping[str, Tensor], index: int) -> dict[str, Tensor]:
    """The state of one camera out of what :func:`join_cameras` gave; empty where it has none."""
    return {key.partition(".")[2]: value for key, value in state.items() if key.partition(".")[0] == str(index)}


def count_cameras(state: Mapping[str, Tensor]) -> int:
    """Of how many cameras this is the state; 0 for that of a single one, whose keys have no number."""
    numbers = {key.partition(".")[0] for key in state}
    return len(numbers) if numbers and all(number.isdecimal() for number in numbers) else 0


def kernel_in(state: Mapping[str, Tensor]) -> StageKernel | None:
    """The kernels in the state of one or of several cameras' kernels, where there are any."""
    if count_cameras(state):
        return CameraKernels.from_state(state)
    return FittedKernel(state["knots"], state["kernels"]) if {"knots", "kernels"} <= set(state) else None
