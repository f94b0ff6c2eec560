"""Pairs are found with a layout, without one, and by a pattern alone."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pytest
from helpers import trees
from helpers.tiny_camera import write_pairs

from degflow_aug.commands.shared.pairs_arguments import add_pairs_arguments, find_pairs


def parse(pairs: Path, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_pairs_arguments(parser, split="Train")
    return parser.parse_args(words, argparse.Namespace(pairs=str(pairs)))


def test_what_align_has_written_needs_no_description(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs", size=16)
    args = parse(tmp_path / "pairs")
    found = find_pairs(args)
    assert (args.layout, args.pattern) == ("pattern", str(tmp_path / "pairs/pattern.yml"))
    assert find_pairs(parse(tmp_path / "pairs", "--layout", "pattern")) == found
    shutil.move(tmp_path / "pairs/pattern.yml", tmp_path / "other.yml")
    assert find_pairs(parse(tmp_path / "pairs", "--pattern", str(tmp_path / "other.yml"))) == found
    with pytest.raises(ValueError, match=r"--pattern FILE\.yml with --layout pattern only, got no --pattern"):
        find_pairs(parse(tmp_path / "pairs", "--layout", "pattern"))


def test_data_sets_are_known_by_their_names(tmp_path: Path) -> None:
    args = parse(trees.realsr(tmp_path / "realsr", count=1))
    assert find_pairs(args) == find_pairs(parse(tmp_path / "realsr", "--layout", "realsr"))
    assert find_pairs(parse(trees.city100(tmp_path / "city100")))[0].scales == (2.9,)


def test_labels_have_true_scales(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    realsr = trees.realsr(tmp_path, count=1)
    assert find_pairs(parse(realsr, "--true-scales", "2=2.1,4=3.75"))[0].scales == (2.1, 3, 3.75)
    for text, said in (("2.1", "scales by label such as 2=2.1,4=3.75"), ("2=2.1,2=2.3", "each label once")):
        with pytest.raises(SystemExit):
            parse(realsr, "--true-scales", text)
        assert f"expected {said}, got '{text}'" in capsys.readouterr().err


def test_lr_of_its_own_size_is_not_for_commands(tmp_path: Path) -> None:
    for name in ("HR2", "LR2"):
        trees.save(tmp_path / "Train" / name / "1.png", trees.coordinates(8, 8, 1))
    with pytest.raises(ValueError, match=r"expected views on the HR grid \(realsr, .*\), got realarbisr"):
        find_pairs(parse(tmp_path))
