"""Folders tell their layout by what lies in them, and what does not is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import trees

from degflow_aug.data.any_scale_pair_dataset import AnyScalePairDataset
from degflow_aug.data.layouts.guess import guess_layout

GRID = (48, 64)


def pattern(root: Path) -> Path:
    """What ``degflow align`` writes."""
    for number in (1, 2):
        trees.save(root / f"HR/{number}.png", trees.coordinates(*GRID, 10))
        trees.save(root / f"LR2/{number}.png", trees.coordinates(*GRID, 20))
    (root / "pattern.yml").write_text("hr: HR/{id}.png\nviews:\n  2: LR2/{id}.png\n", encoding="utf-8")
    return root


def realarbisr(root: Path) -> Path:
    for kind, size in (("HR", GRID), ("LR", (32, 43))):
        trees.save(root / f"Train/{kind}1dot5/1.png", trees.coordinates(*size, 10))
    return root


def cameras_of_city100(root: Path) -> Path:
    trees.city100(root / "iPhoneX")
    return root


TREES: dict[str, Callable[[Path], Path]] = {
    "pattern": pattern, "city100": trees.city100, "city100 by camera": cameras_of_city100, "realsr": trees.realsr,
    "realsr_v3": trees.realsr_v3, "realarbisr": realarbisr,
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_each_layout_is_known(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root, layout = TREES[name](tmp_path), name.partition(" ")[0]
    assert guess_layout(root) == (layout, root / "pattern.yml" if layout == "pattern" else None)
    assert f"{root}: layout {layout}, by " in caplog.text


@pytest.mark.parametrize("name", TREES)
def test_data_sets_of_pairs_find_the_same_with_and_without_it(name: str, tmp_path: Path) -> None:
    root, layout = TREES[name](tmp_path), name.partition(" ")[0]
    section = {"type": "AnyScalePairDataset", "phase": "val", "split": "Train", "dataroot_gt": str(root)}
    section = section if layout.startswith("real") else {**section, "split": None}
    given = {"layout": layout, **({"pattern": str(root / "pattern.yml")} if layout == "pattern" else {})}
    assert AnyScalePairDataset(dict(section)).pairs == AnyScalePairDataset({**section, **given}).pairs
    if layout == "pattern":
        assert AnyScalePairDataset({**section, "layout": layout}).pairs


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (
            lambda root: trees.realsr(trees.city100(root)),
            r"got 001H\.PNG and 001L\.PNG \(city100\) and Canon.* \(realsr\)",
        ),
        (lambda root: trees.save(root / "HR/1.png", trees.coordinates(*GRID, 0)), "got HR; name its layout"),
        (lambda root: trees.save(root / "001H.png", trees.coordinates(*GRID, 0)), r"got 001H\.png; name its layout"),
        (lambda root: [(root / f"{name}").mkdir() for name in "abcdef"], "got a, b, c, d and 2 more; name its layout"),
        (lambda root: None, "got nothing; name its layout"),
    ],
)
def test_what_tells_nothing_is_named(build: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(ValueError, match=said):
        guess_layout(tmp_path)


def test_there_has_to_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected the folder of a data set, got nothing"):
        guess_layout(tmp_path / "nowhere")
