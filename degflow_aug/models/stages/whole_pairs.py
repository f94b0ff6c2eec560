"""Whole images of pairs as a kernel is fitted to them, as often as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset


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
