"""Real pairs among HR images that bring no LR: each draw is one or the other, by chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from degflow_aug.data.any_scale_pairs import AnyScalePairs
from degflow_aug.data.hr_crops import HRCrops
from degflow_aug.draws import SampleDraw, resolve_draw


class MixedPairs(Dataset[dict[str, Any]]):
    """Training items of two data sets, with one set of keys so that they make a batch.

    An epoch is as long as the larger data set. Of either, all items are drawn equally often.

    Args:
        real: training patches of pairs.
        hr: crops of the same size.
        real_share: probability of a real pair, from 0 to 1.

    Raises:
        ValueError: the data sets have no patches of one size, or ``real_share`` is no probability.
    """

    accepts_draws = True

    def __init__(self, real: AnyScalePairs, hr: HRCrops, *, real_share: float) -> None:
        if real.lr_size is None or real.gt_size is None or real.gt_size != hr.crop_size:
            raise ValueError(
                f"expected real pairs and HR images as patches of one gt_size, got {real.gt_size} and {hr.crop_size}"
            )
        if not 0 <= real_share <= 1:
            raise ValueError(f"expected real_share from 0 to 1, got {real_share}")
        self.real, self.hr, self.real_share = real, hr, real_share
        self._no_lq = (3, real.lr_size, real.lr_size)

    def __len__(self) -> int:
        return max(len(self.real), len(self.hr))

    def __getitem__(self, index: int | SampleDraw) -> dict[str, Any]:
        """One item; the same draw gives the same item whichever process makes it.

        Returns:
            gt (3, P, P) in uint8, gt_path, has_lq () in bool; lq (3, L, L) in uint8, scale () in float32 and lq_path:
            zeros, 0 and '' where has_lq is false.
        """
        number, seed = resolve_draw(index)
        rng = np.random.default_rng(seed)
        is_real = bool(rng.random() < self.real_share)
        size = len(self.real) if is_real else len(self.hr)
        chance, inner_seed = int(rng.integers(size)), int(rng.integers(2**62))
        # Numbers beyond the smaller data set fall on any of its items, so that all remain equally likely.
        draw = SampleDraw(number if number < size else chance, inner_seed)
        if is_real:
            return {**self.real[draw], "has_lq": torch.tensor(True)}
        return {
            **self.hr[draw],
            "lq": torch.zeros(self._no_lq, dtype=torch.uint8),
            "scale": torch.tensor(0, dtype=torch.float32),
            "lq_path": "",
            "has_lq": torch.tensor(False),
        }
