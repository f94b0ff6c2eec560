"""Image files below a folder, and the names they get."""

from __future__ import annotations

from pathlib import Path

import pytest

from degflow_aug.files.image_tree import find_images


def touch(root: Path, *names: str) -> Path:
    """Empty files below ``root``."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names(root: Path, skip: Path | None = None) -> list[str]:
    """Names of the images found."""
    return [image.name for image in find_images(root, skip)]


def test_names_are_relative_and_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.JPG", "c/a.tif", "c/d/x.y.png", "notes.txt", ".hidden.png", ".git/z.png")
    assert names(tmp_path) == ["a", "b", "c/a", "c/d/x.y"]
    assert next(image.path for image in find_images(tmp_path)) == tmp_path / "a.JPG"


def test_one_file(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.png")
    assert names(tmp_path / "b.png") == ["b"]


def test_a_folder_can_be_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "out/2/a.png")
    assert names(tmp_path, tmp_path / "c" / ".." / "out") == ["a"]


def test_two_suffixes_of_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "sub/a.png", "sub/a.jpg")
    with pytest.raises(ValueError, match=r"a\.png: expected one image a name, got a\.jpg as well"):
        find_images(tmp_path)


def test_links_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "x.png")
    hr = touch(tmp_path / "hr", "a.png")
    (hr / "linked").symlink_to(tmp_path / "elsewhere")
    (hr / "round").symlink_to(hr)
    assert names(hr) == ["a", "linked/x"]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=f"{name}: expected .*images"):
        find_images(tmp_path / name)
