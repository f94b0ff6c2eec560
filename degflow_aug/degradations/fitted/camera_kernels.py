"""The fitted cameras of several devices, chosen by sample, and the anchor: the camera that a generator adds to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from degflow_aug.bundles.bundle import State
from degflow_aug.degradations.camera_choice import one_hot
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel, ViewParameters
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.degradations.grid import at_least_float32, without_autocast


class CameraKernels(nn.ModuleList):
    """One :class:`FittedKernel` or one :class:`FittedPipeline` a camera, at the same knots and of the same size.

    Raises:
        ValueError: none, or other knots, sizes or kinds.
    """

    def __init__(self, kernels: Sequence[FittedKernel]) -> None:
        super().__init__(kernels)
        first = kernels[0] if kernels else None
        if first is None or any(
            type(each) is not type(first)
            or each.kernels.shape != first.kernels.shape
            or not torch.allclose(each.knots, first.knots)
            for each in kernels
        ):
            knots = [each.knots.tolist() for each in kernels]
            raise ValueError(
                f"expected kernels of one kind and size at the same knots for all cameras, got the knots {knots}; name "
                "knots that every camera has pairs at"
            )

    @property
    def knots(self) -> Tensor:
        """(K,), those of all cameras."""
        return self[0].knots  # type: ignore[return-value]

    def view_parameters(self, scales: Tensor, weights: Tensor) -> ViewParameters:
        """What makes views at scales (B,), of what weights (B, cameras) mix of the cameras."""
        return _mixed([each.view_parameters(scales) for each in self], weights)  # type: ignore[operator]

    def views(self, hr: Tensor, scales: Tensor, weights: Tensor) -> Tensor:
        """Views of ``hr`` (B, 3, H, W) in [0, 1] at scales (B,), of what weights (B, cameras) mix of the cameras."""
        return self.view_parameters(scales, weights).views(hr)

    def of(self, cameras: Tensor) -> SampleKernels:
        """The kernel of each sample's camera; ``cameras`` (B,) on the device of the kernels."""
        return SampleKernels(self, cameras)


class SampleKernels:
    """A fitted camera that is another one for every sample, as ``pseudo_views`` takes it, with weights (B, cameras).

    Args:
        kernels: of all cameras.
        cameras: (B,), which of them each sample is of.
    """

    def __init__(self, kernels: CameraKernels, cameras: Tensor) -> None:
        self._kernels, self.weights = kernels, one_hot(cameras, len(kernels))
        first: FittedKernel = kernels[0]  # type: ignore[assignment]
        self.knots, self.scale_range = first.knots, first.scale_range
        self.side, self.fade = first.side, first.fade

    def view_parameters(self, scales: Tensor) -> ViewParameters:
        """As :meth:`FittedKernel.view_parameters`, of these samples."""
        return self._kernels.view_parameters(scales, self.weights)

    def views(self, hr: Tensor, scales: Tensor) -> Tensor:
        """As :meth:`FittedKernel.views`, of these samples."""
        return self.view_parameters(scales).views(hr)


def _mixed(parameters: Sequence[ViewParameters], weights: Tensor) -> ViewParameters:
    """Those of one camera after the other, all of one kind, mixed by the weights (B, cameras) of the cameras."""

    def mix(values: Sequence[Tensor | None]) -> Tensor | None:
        known = [part for part in values if part is not None]
        if len(known) < len(values):
            return None
        stacked = torch.stack(known, 1)
        return (stacked * weights.to(stacked).reshape(*weights.shape, *[1] * (stacked.ndim - 2))).sum(1)

    blur, exponent, sharpening = (mix(part) for part in zip(*parameters, strict=True))
    assert blur is not None
    return ViewParameters(blur, exponent, sharpening)


FittedCamera = FittedKernel | CameraKernels
"""A kernel or pipeline, or one per camera."""


class Anchor(nn.Module):
    """V_s(HR), which the output of an anchored autoencoder is added to.

    Left for its networks is what is not the same everywhere in an image.

    Args:
        kernel: the fitted kernel or pipeline, or one per camera.
    """

    def __init__(self, kernel: FittedCamera) -> None:
        super().__init__()
        self.kernel = kernel

    def forward(self, hr: Tensor, scales: Tensor, weights: Tensor | None = None) -> Tensor:
        """Views (B, 3, H, W) of ``hr`` (B, 3, H, W) in [0, 1], in float32 at least, borders reflected, not clamped.

        Args:
            scales: (B,) on the device of ``hr``; beyond the last knot the camera stays as it is there.
            weights: (B, cameras) of the cameras, where the kernel is of several, by which they are mixed.
        """
        with without_autocast(hr.device):
            if isinstance(self.kernel, CameraKernels):
                assert weights is not None
                return self.kernel.views(at_least_float32(hr), scales, weights)
            return self.kernel.views(at_least_float32(hr), scales)


def kind_of(state: State) -> type[FittedKernel]:
    """Which of the two this is the state of; a part that got lost does not make a linear kernel of a pipeline."""
    return FittedPipeline if set(state) - set(FittedKernel.state_keys) else FittedKernel


def kernel_of(states: Sequence[State]) -> FittedCamera | None:
    """The kernel or pipeline with this state, or those of several cameras; None of no state.

    Raises:
        ValueError: states of something else, or that do not belong together.
    """
    fitted = [kind_of(state).of_state(state) for state in states]
    return CameraKernels(fitted) if len(fitted) > 1 else next(iter(fitted), None)


def states_of(kernel: FittedCamera | None) -> list[State]:
    """The inverse of :func:`kernel_of`."""
    if isinstance(kernel, CameraKernels):
        return [each.state_dict() for each in kernel]
    return [] if kernel is None else [kernel.state_dict()]


def anchor_at(kernel: FittedCamera | None, knots: Sequence[float]) -> Anchor:
    """The anchor of an autoencoder that is trained on one.

    Raises:
        ValueError: no kernel, or one at other knots.
    """
    if kernel is None:
        raise ValueError("expected the fitted kernel of an anchored autoencoder, got none; give it as kernel")
    if [round(knot, 4) for knot in kernel.knots.tolist()] != [round(float(knot), 4) for knot in knots]:
        raise ValueError(f"expected a kernel at the knots {list(knots)}, got one at {kernel.knots.tolist()}")
    return Anchor(kernel)
