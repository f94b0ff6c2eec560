"""Pairs of which BasicSR's data set would keep a corner of HR are refused before training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import trees

from degflow_aug.models.checks.basicsr_pairs import check_scale_of_pairs


def _section(root: Path, hr: tuple[int, int], lr: tuple[int, int], template: str = "{}") -> dict[str, str]:
    trees.save(root / "gt/a.png", np.zeros((*hr, 3), np.uint8))
    trees.save(root / "lq" / f"{template.format('a')}.png", np.zeros((*lr, 3), np.uint8))
    return {
        "type": "PairedImageDataset", "dataroot_gt": str(root / "gt"), "dataroot_lq": str(root / "lq"),
        "filename_tmpl": template,
    }  # fmt: skip


@pytest.mark.parametrize(("scale", "hr", "lr"), [
    (1, (48, 64), (48, 64)), (2, (49, 65), (24, 32)), (2, (49, 65), (25, 33)), (4, (51, 67), (12, 16)),
    (4, (48, 64), (48, 64)),
])  # fmt: skip
def test_pairs_of_the_scale(tmp_path: Path, scale: int, hr: tuple[int, int], lr: tuple[int, int]) -> None:
    check_scale_of_pairs(_section(tmp_path, hr, lr, "{}x4"), scale, "datasets.val")


@pytest.mark.parametrize(("scale", "lr"), [(1, (24, 32)), (2, (12, 16)), (2, (16, 21)), (3, (12, 16))])
def test_pairs_of_another_scale(tmp_path: Path, scale: int, lr: tuple[int, int]) -> None:
    with pytest.raises(
        ValueError, match=rf"expected pairs of scale {scale} .* in datasets\.val, got .*a\.png of 48x64"
    ):
        check_scale_of_pairs(_section(tmp_path, (48, 64), lr), scale, "datasets.val")


def test_what_cannot_be_told_is_left_to_basicsr(tmp_path: Path) -> None:
    section = _section(tmp_path, (48, 64), (24, 32))
    (tmp_path / "lq/a.png").rename(tmp_path / "lq/b.png")
    check_scale_of_pairs(section, 1, "datasets.val")
    check_scale_of_pairs({**section, "dataroot_gt": str(tmp_path / "none")}, 1, "datasets.val")
