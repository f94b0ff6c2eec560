"""What is restored of an item of a data set that says no scale."""

from __future__ import annotations

import pytest
import torch

from degflow_aug.models.validation.validation_item import read_item


@pytest.mark.parametrize(("scale", "hr", "lr", "part"), [
    (2, (49, 65), (25, 33), ((48, 64), (24, 32))),
    (2, (49, 64), (25, 32), ((48, 64), (24, 32))),
    (4, (125, 181), (31, 45), ((124, 180), (31, 45))),
    (4, (124, 180), (31, 45), ((124, 180), (31, 45))),
    (1, (49, 65), (49, 65), ((49, 65), (49, 65))),
    (None, (49, 65), (25, 33), ((49, 65), (25, 33))),
])  # fmt: skip
def test_pairs_are_cut_to_what_both_show(
    scale: int | None, hr: tuple[int, int], lr: tuple[int, int], part: tuple[tuple[int, int], ...]
) -> None:
    gt, lq = torch.rand(1, 3, *hr), torch.rand(1, 3, *lr)
    item = read_item({"gt": gt, "lq": lq, "lq_path": ["a.png"]}, scale)
    (height, width), (rows, columns) = part
    assert item.gt is not None
    assert torch.equal(item.gt, gt[..., :height, :width])
    assert torch.equal(item.lq, lq[..., :rows, :columns])
    assert item.size == (height, width)
    assert scale is None or item.scale == scale
