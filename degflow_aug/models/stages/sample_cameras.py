"""Of which camera each sample of a batch is, and the fitted kernel that goes with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from degflow_aug.degradations.camera_choice import find_camera
from degflow_aug.degradations.fitted.camera_kernels import CameraKernels, FittedCamera
from degflow_aug.degradations.fitted.pseudo_views import FittedViews


def camera_numbers(data: Mapping[str, Any], cameras: Sequence[str], device: torch.device) -> Tensor | None:
    """Numbers (B,) of the samples' cameras in the order of ``cameras``; None where those are not told apart.

    Args:
        data: a batch with ``camera``, a name a sample.

    Raises:
        ValueError: no names, or one that is not among ``cameras``.
    """
    if not cameras:
        return None
    if "camera" not in data:
        raise ValueError(
            "expected the camera of each sample, because degflow.cameras tells them apart, got a data set without; "
            "take AlignedScalesDataset"
        )
    numbers = [known_camera(name, cameras) for name in data["camera"]]
    return torch.tensor(numbers).to(device, non_blocking=True)


def known_camera(name: str, cameras: Sequence[str]) -> int:
    """The number of a camera of the data among those of the options.

    Raises:
        ValueError: it is none of them.
    """
    try:
        return find_camera(name, cameras)
    except ValueError:
        raise ValueError(
            f"expected pairs of the cameras {', '.join(cameras)}, as in degflow.cameras, got those of {name!r}; add it "
            "or leave its pairs out"
        ) from None


def sample_kernel(kernel: FittedCamera | None, numbers: Tensor | None) -> FittedViews | None:
    """The kernel of each sample's camera, or the only one."""
    if isinstance(kernel, CameraKernels):
        assert numbers is not None
        return kernel.of(numbers)
    return kernel
