"""Of which camera samples and pairs are, the fitted kernel of each sample, and the pairs that kernels are fitted to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset

from degflow_aug.data.aligned_scales_dataset import AlignedScales
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


class WholePairs:
    """HR (3, H, W) and its views by scale, of a data set of aligned scales without crops.

    Args:
        dataset: its items as :class:`AlignedScales` makes them.
        device: of the images.
        looked_at: called after every pair, as often as it is read; may end the work by raising.
    """

    def __init__(
        self,
        dataset: Dataset[dict[str, Any]],
        device: torch.device | str = "cpu",
        looked_at: Callable[[], None] = lambda: None,
    ) -> None:
        self.dataset, self.device, self.looked_at = dataset, device, looked_at

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[Tensor, dict[float, Tensor]]]:
        for index in range(len(self)):
            item = self.dataset[index]
            views = {
                round(float(scale), 6): view.to(self.device)
                for scale, view, there in zip(item["scales"], item["views"], item["available"], strict=True)
                if there
            }
            yield item["hr"].to(self.device), views
            self.looked_at()


def pairs_of_camera(pairs: AlignedScales, cameras: Sequence[str], camera: int) -> WholePairs:
    """Whole pairs of a data set: all, or those of number ``camera`` of the cameras.

    Raises:
        ValueError: none of that camera, or some of one that is not among them.
    """
    if not cameras:
        return WholePairs(pairs)
    found = [index for index, scene in enumerate(pairs.scenes) if known_camera(scene.camera, cameras) == camera]
    if not found:
        there = ", ".join(dict.fromkeys(scene.camera for scene in pairs.scenes))
        raise ValueError(f"expected pairs of every camera of degflow.cameras, got none of {cameras[camera]}: {there}")
    return WholePairs(Subset(pairs, found))
