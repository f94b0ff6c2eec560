"""``degflow generate`` for code of others: the official layout, and HR beside LR under one name."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.photographs import photograph
from helpers.refusals import refused
from PIL import Image

from degflow_aug import load_generator
from degflow_aug.bundles.bundle import load_bundle, save_bundle
from degflow_aug.cli import main
from degflow_aug.data.layouts.find import find_pair_scenes
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.files.image_file import read_image

SCALES = (1.5, 2.0)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two photographs whose sides are no multiples of 64."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number, (name, size) in enumerate((("a.png", (70, 130)), ("b.jpg", (64, 90)))):
        Image.fromarray(photograph(number, *size)).save(folder / name)
    return folder


def generate(source: Path, out: Path, bundle: Path, *more: str) -> int:
    return main(["generate", str(source), "--bundle", str(bundle), "--scales", "1.5,2", "--out", str(out), *more])


def read_official(root: Path) -> dict[tuple[str, str, str], list[Path]]:
    """HR and LR by camera, scale and number, as the official generator's listing names them."""
    found: dict[tuple[str, str, str], list[Path]] = {}
    for hr in sorted(root.glob("*/version0/*/*_HR.png")):
        scale, camera = hr.parent.name, hr.parents[2].name
        prefix = hr.name.removesuffix("_HR.png")
        others = [path for path in hr.parent.glob(f"{prefix}_*.png") if path != hr]
        assert [path.name for path in others] == [f"{prefix}_LR{scale}.png"]
        found[camera, scale, prefix] = [hr, *others]
    return found


def test_official_layout(bundle: Path, photographs: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert generate(photographs, tmp_path / "out", bundle, "--layout", "official") == 0
    generator = load_generator(bundle)
    pairs = read_official(tmp_path / "out")
    camera = generator.camera or "camera"  # type: ignore[union-attr]
    # Readers may list it for the scales.
    assert {each.name for each in (tmp_path / "out" / camera / "version0").iterdir()} == {"1.5", "2"}
    assert sorted(pairs) == [(camera, scale, f"Canon_00{number}") for scale in ("1.5", "2") for number in (1, 2)]
    for (_, scale, prefix), files in pairs.items():
        whole = read_image(photographs / {"Canon_001": "a.png", "Canon_002": "b.jpg"}[prefix])
        hr, lr = map(read_image, files)
        assert np.array_equal(hr, whole[:64, : whole.shape[1] // 64 * 64])
        (view,) = generator.render_scales(to_tensor(hr)[None], [float(scale)])
        assert np.array_equal(lr, to_array(view[0]))


def test_names_are_those_of_the_official_generator(
    bundle: Path, photographs: Path, tmp_path: Path, official: Path
) -> None:
    listed = (official / "generation_files.txt").read_text(encoding="utf-8").split()
    wanted = {name for name in listed if name.split("/")[2] in ("1.5", "2")}
    assert generate(photographs, tmp_path / "out", bundle, "--layout", "official") == 0
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    # The listing is of a camera named Canon.
    assert {re.sub("^[^/]*", "Canon", name) for name in found} == wanted


def test_mistakes_in_the_official_layout(
    bundle: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(out: str, *more: str, made_by: Path = bundle) -> str:
        words = ["generate", photographs, "--bundle", made_by, "--scales", "1.5,2", "--out", tmp_path / out, *more]
        return refused(capsys, *words)

    assert "without HR in them" in said("HR_views", "--layout", "official")
    assert "--format folder with --layout official" in said("out", "--layout", "official", "--format", "lmdb")
    assert "expected no --grid lr with --layout official" in said("out", "--layout", "official", "--grid", "lr")
    assert "expected no --with-hr with --layout official" in said("out", "--layout", "official", "--with-hr")
    assert "--format folder with --with-hr" in said("out", "--with-hr", "--format", "lmdb")
    for camera in (".", ".."):
        named, known = tmp_path / "named.safetensors", load_bundle(bundle)
        save_bundle(named, replace(known, spec=replace(known.spec, camera=camera)))
        assert "expected the name of a camera" in said("out", "--layout", "official", made_by=named)
    assert not (tmp_path / "out").exists()
    generate(photographs, tmp_path / "out", bundle, "--layout", "official")
    Image.fromarray(photograph(3, 64, 64)).save(photographs / "aa.png")
    assert "expected to continue with images" in said("out", "--layout", "official")


def test_hr_beside_lr_is_paired_by_name(
    bundle: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("basicsr"), "handlers", [])
    out = tmp_path / "out"
    assert generate(photographs, out, bundle, "--with-hr") == 0
    said = capsys.readouterr().err
    assert "HR as PNG under the names of LR" in said
    assert "HR in .png as LR is" not in said
    for name in ("a.png", "b.jpg"):
        hr = read_image(out / "HR" / f"{Path(name).stem}.png")
        assert np.array_equal(hr, read_image(photographs / name))
    for scale in ("1.5", "2"):
        assert {path.name for path in (out / scale).iterdir()} == {path.name for path in (out / "HR").iterdir()}
    (out / "HR" / "a.png").unlink()
    assert generate(photographs, out, bundle, "--with-hr") == 0
    assert (out / "HR" / "a.png").is_file()


def test_hr_is_never_written_over_photographs(
    bundle: Path, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = photographs.rename(tmp_path / "HR")
    before = {path.name: path.read_bytes() for path in named.iterdir()}
    words = ["generate", named, "--bundle", bundle, "--scales", "2", "--out", tmp_path, "--with-hr"]
    assert "expected --out apart from the HR images" in refused(capsys, *words)
    assert {path.name: path.read_bytes() for path in named.iterdir()} == before


def test_lr_is_never_named_hr(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number, name in enumerate(("Canon_001_HR.png", "b_HR_HR.png", "c.png")):
        Image.fromarray(photograph(number, 32, 48)).save(folder / name)
    assert generate(folder, tmp_path / "out", bundle) == 0
    assert sorted(path.name for path in (tmp_path / "out" / "2").iterdir()) == ["Canon_001.png", "b.png", "c.png"]
    for path in (folder / "b_HR_HR.png", tmp_path / "out" / "2" / "b.png"):
        path.unlink()
    scenes = find_pair_scenes(folder, "folders", lq={2: tmp_path / "out" / "2"})
    assert [scene.name for scene in scenes] == ["Canon_001_HR", "c"]
    (folder / "Canon_001.png").write_bytes((folder / "c.png").read_bytes())
    words = ["generate", folder, "--bundle", bundle, "--scales", "2", "--out", tmp_path / "other"]
    assert "got 'Canon_001' and 'Canon_001_HR', whose results would have the same name" in refused(capsys, *words)
