"""HR is cut to what LR shows, by the sizes of a set, and sizes that fit no way of making LR are refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import trees

from degflow_aug.data.aligned_scales_dataset import AlignedScales
from degflow_aug.data.any_scale_pair_dataset import AnyScalePairs
from degflow_aug.data.layouts.common_part import pair_sizes
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.data.layouts.scene_pairs import Pair
from degflow_aug.files.image_tree import FORMAT, MANIFEST


def _pairs(root: Path, scale: float, *sizes: tuple[tuple[int, int], tuple[int, int]]) -> list[Pair]:
    made = []
    for number, (hr, lr) in enumerate(sizes):
        paths = [root / "HR" / f"{number}.png", root / f"{scale:g}" / f"{number}.png"]
        for path, size in zip(paths, (hr, lr), strict=True):
            trees.save(path, trees.coordinates(*size, 0))
        made.append(Pair(f"{number}", scale, *paths))
    return made


@pytest.mark.parametrize(("scale", "hr", "lr", "part"), [
    (2.0, (48, 64), (24, 32), ((48, 64), (24, 32))),
    (2.0, (49, 65), (49, 65), ((49, 65), (49, 65))),
    (4.0, (125, 181), (31, 45), ((124, 180), (31, 45))),
    (3.0, (50, 64), (16, 21), ((48, 63), (16, 21))),
    (4.0, (125, 181), (32, 46), ((124, 180), (31, 45))),
    (2.5, (100, 99), (40, 40), ((100, 99), (40, 40))),
    (2.5, (102, 99), (41, 40), ((102, 99), (41, 40))),
    (2.5, (102, 104), (40, 41), ((100, 102), (40, 41))),
    (1.5, (61, 61), (41, 41), ((61, 61), (41, 41))),
])  # fmt: skip
def test_the_part_that_lr_shows(
    tmp_path: Path, scale: float, hr: tuple[int, int], lr: tuple[int, int], part: tuple[tuple[int, int], ...]
) -> None:
    assert pair_sizes(_pairs(tmp_path, scale, (hr, lr))) == [part]


@pytest.mark.parametrize(("scale", "lr"), [
    (2.0, (23, 32)), (2.0, (25, 33)), (2.0, (24, 30)), (2.0, (48, 32)), (2.0, (96, 128)), (4.0, (13, 16)),
    (2.5, (22, 26)), (2.5, (19, 24)),
])  # fmt: skip
def test_other_sizes_are_refused(tmp_path: Path, scale: float, lr: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"0\.png: expected 48x64 pixels .* or \d+x\d+ at scale .*align the pair"):
        pair_sizes(_pairs(tmp_path, scale, ((48, 64), lr)))


def test_sizes_that_only_rounding_explains_show_all_of_hr(tmp_path: Path) -> None:
    rounded = [((125, 127), (31, 32)), ((125, 125), (31, 31))]
    assert pair_sizes(_pairs(tmp_path / "a", 4, *rounded)) == rounded
    floors_and_ceilings = [((126, 127), (31, 31)), ((127, 125), (32, 32))]
    assert pair_sizes(_pairs(tmp_path / "b", 4, *floors_and_ceilings)) == [((124, 124), (31, 31))] * 2


def test_generated_lr_shows_all_of_hr(tmp_path: Path) -> None:
    pairs = _pairs(tmp_path, 4, ((125, 181), (31, 45)))
    (tmp_path / MANIFEST).write_text(json.dumps({"format": FORMAT, "settings": {}}))
    assert pair_sizes(pairs) == [((125, 181), (31, 45))]


def test_it_is_said_once_per_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            pair_sizes(_pairs(tmp_path, 3, ((50, 64), (16, 21)), ((49, 64), (16, 21))))
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}/3: LR images at scale 3 show HR images cut to whole LR pixels, so these are cut to 3 times LR"
    ]


def _means(image: np.ndarray, scale: int) -> np.ndarray:
    rows, columns = (side // scale for side in image.shape[:2])
    squares = image[: rows * scale, : columns * scale].reshape(rows, scale, columns, scale, 3)
    return squares.mean((1, 3)).round().astype(np.uint8)


@pytest.mark.parametrize("size", [(125, 181), (126, 183), (127, 180)])
def test_whole_pairs_crops_and_views_lie_on_one_another(tmp_path: Path, size: tuple[int, int]) -> None:
    ramp = trees.coordinates(*size, 0)
    hr, lr = trees.save(tmp_path / "hr.png", ramp), trees.save(tmp_path / "lr.png", _means(ramp, 4))
    pair = Pair("a_x4", 4.0, hr, lr)
    for crop in (None, 64):
        item = AnyScalePairs([pair], crop=crop)[0]
        assert item["gt"].shape[-1] == 4 * item["lq"].shape[-1]
        assert float((torch.nn.functional.avg_pool2d(item["gt"], 4) - item["lq"]).abs().max()) <= 0.6 / 255
    patches = AnyScalePairs([pair], lr_size=8, gt_size=32)
    for _ in range(4):
        item = patches[0]
        assert float((torch.nn.functional.avg_pool2d(item["gt"].float(), 4) - item["lq"].float()).abs().max()) <= 0.6
    whole = AlignedScales([Scene("a", "b", hr, {4.0: lr})])[0]
    assert whole["hr"].shape[1:] == (4 * (size[0] // 4), 4 * (size[1] // 4))
    inside = (slice(None), slice(12, -12), slice(12, -12))
    assert float((whole["views"][0][inside] - whole["hr"][inside]).abs().max()) <= 1.6 / 255
