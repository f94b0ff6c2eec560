"""``degflow upscale`` with networks that runs have trained: files in and out, scales, tiles, the page, refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.page_data import OUTSIDE, pixels_of, without_data_uris
from helpers.photographs import photograph
from helpers.refusals import refused
from helpers.tiny_sr import EDSR, LIIF
from helpers.trained_runs import write_run
from PIL import Image, ImageCms

pytest.importorskip("basicsr", reason="networks are BasicSR's")

import degflow_aug
from degflow_aug.cli import main
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.grid import to_hr_grid
from degflow_aug.files.image_file import read_image, write_image
from degflow_aug.models.inference.enlarger import enlarge_whole
from degflow_aug.models.inference.trained_network import load_trained

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs ``liif`` and ``edsr`` (x2), and photographs of every kind in ``photos``."""
    monkeypatch.chdir(tmp_path)
    write_run(Path("experiments/liif"), LIIF)
    write_run(Path("experiments/edsr"), EDSR, scale=2)
    Path("photos/deep").mkdir(parents=True)
    write_image(Path("photos/deep/b16.png"), photograph(1, 30, 41, np.uint16))
    pixels = Image.fromarray(photograph(2, 31, 26))
    exif = pixels.getexif()
    exif.update({271: "Maker", 274: 6})
    exif.get_ifd(34665).update({33437: (18, 10), 40962: 26, 40963: 31})
    pixels.save("photos/turned.jpg", exif=exif, icc_profile=SRGB)
    pixels.convert("L").save("photos/gray.png")
    pixels.convert("RGBA").save("photos/opaque.png")


def upscale(*words: object) -> int:
    return main(["upscale", *map(str, words)])


def made_of(model: str, path: str, size: tuple[int, int]) -> np.ndarray:
    """What validation would make of an image file."""
    trained, lr = load_trained(model), read_image(path)
    return to_array(enlarge_whole(trained.network, to_tensor(lr)[None], size, trained.scale)[0], lr.dtype)


@pytest.mark.parametrize(("model", "scale", "asked"), [("liif", 2.7, ["--scale", "2.7"]), ("edsr", 2, [])])
def test_a_folder_is_what_validation_makes_of_it(
    model: str, scale: float, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert upscale("photos", "large", "--model", model, *asked) == 0
    said = capsys.readouterr()
    assert f"4 images at x{scale:g} (0 were there), 0 skipped" in said.out
    assert f"net_g_2.pth: {model.upper()}, {'any scale' if model == 'liif' else 'x2'}, EMA weights" in said.err
    for name, size, dtype in (("deep/b16.png", (30, 41), np.uint16), ("turned.jpg", (26, 31), np.uint8),
                              ("gray.png", (31, 26), np.uint8), ("opaque.png", (31, 26), np.uint8)):  # fmt: skip
        found = read_image(Path("large", name).with_suffix(".png"))
        assert found.dtype == dtype
        wanted = (round(size[0] * scale), round(size[1] * scale))
        assert np.array_equal(found, made_of(model, f"photos/{name}", wanted))


def test_exif_and_profile_are_those_of_an_upright_image() -> None:
    assert upscale("photos", "large", "--model", "edsr") == 0
    with Image.open("large/turned.png") as image:
        exif = image.getexif()
        assert dict(exif.get_ifd(34665)) == {33437: (18, 10), 40962: 62, 40963: 52}
        assert (exif[271], exif.get(274), image.info["icc_profile"]) == ("Maker", None, SRGB)
    with Image.open("large/gray.png") as image:
        assert (dict(image.getexif()), image.info.get("icc_profile")) == ({}, None)


def test_a_folder_is_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("photos", "large", "--model", "experiments/edsr", "--json")
    Image.new("RGBA", (9, 9)).save("photos/transparent.png")
    assert upscale(*words) == 1
    made = {path: path.read_bytes() for path in Path("large").rglob("*.png")}
    Path("large/gray.png").write_bytes(b"cut")
    Path("photos/transparent.png").unlink()
    capsys.readouterr()
    assert upscale(*words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["there_before"], told["scale"]) == (1, 3, 2.0)
    assert made == {path: path.read_bytes() for path in Path("large").rglob("*.png")}
    write_run(Path("experiments/other"), EDSR, iterations=(4,), scale=2)
    assert "expected to continue with model" in refused(capsys, "upscale", "photos", "large", "--model", "other")


def test_checkpoints_of_the_authors_code_tell_their_network(fixtures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever option file lies beside them, or none."""
    shutil.copy(fixtures / "official_liif.pth", "experiments/edsr/models/edsr-baseline-liif.pth")
    Path("photos/turned.jpg").unlink()
    for file in ("experiments/edsr/models/edsr-baseline-liif.pth", fixtures / "official_liif.pth"):
        assert upscale("photos", "large", "--model", file, "--scale", "2.7") == 0
        assert f"{Path(file).name}: LIIF, any scale, weights (sd)" in capsys.readouterr().err
    network = degflow_aug.load_official(fixtures / "official_liif.pth")
    truth = degflow_aug.upscale(network, to_tensor(read_image("photos/gray.png"))[None], (84, 70))[0]
    assert np.array_equal(read_image("large/gray.png"), to_array(truth.clamp(0, 1)))
    content = torch.load(fixtures / "official_liif.pth", weights_only=True)
    del content["model"]["sd"]["imnet.layers.2.bias"]
    torch.save(content, "cut.pth")
    said = refused(capsys, "upscale", "photos", "other", "--model", "cut.pth", "--scale", "2")
    assert "an official LIIF with its tensors in cut.pth, got: Missing key(s) in state_dict: " in said


@pytest.mark.parametrize(("size", "expected"), [("70x70", (70, 51)), ("100x62", (62, 45)), ("400x300", (300, 219))])
def test_a_size_is_filled_without_changing_proportions(size: str, expected: tuple[int, int]) -> None:
    write_image(Path("one.png"), photograph(0, 48, 35))
    assert upscale("one.png", "large.png", "--model", "liif", "--size", size) == 0
    assert np.array_equal(read_image("large.png"), made_of("liif", "one.png", expected))


@pytest.mark.parametrize("model", ["liif", "edsr"])
def test_little_memory_changes_nothing_but_rounding(model: str) -> None:
    write_image(Path("wide.png"), photograph(0, 60, 90))
    asked = ["--scale", "1.7"] if model == "liif" else []
    assert upscale("wide.png", "whole.png", "--model", model, *asked) == 0
    assert upscale("wide.png", "tiles.png", "--model", model, *asked, "--memory-mb", "0.1") == 0
    assert np.abs(read_image("whole.png").astype(int) - read_image("tiles.png")).max() <= 1


def test_the_page_shows_what_was_made_beside_bicubic(capsys: pytest.CaptureFixture[str]) -> None:
    assert upscale("photos", "large", "--model", "edsr", "--compare", "pages/compare.html") == 0
    assert "comparison: pages/compare.html" in capsys.readouterr().err
    page = Path("pages/compare.html").read_text(encoding="utf-8")
    assert not OUTSIDE.search(without_data_uris(page).replace('src=""', ""))
    uris = [part.partition('"')[0] for part in page.split('src="')[1:]]
    assert len(uris) == 8
    bicubic = to_hr_grid(to_tensor(read_image("photos/gray.png"))[None], (62, 52))[0]
    assert np.array_equal(pixels_of(uris[2]), to_array(bicubic))
    assert np.array_equal(pixels_of(uris[3]), read_image("large/gray.png"))


def test_an_image_that_a_network_does_not_take_is_skipped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from basicsr.archs.edsr_arch import EDSR as Network

    usual = Network.forward

    def forward(self: Network, x: torch.Tensor) -> torch.Tensor:
        if x.shape[-1] == 41:
            raise RuntimeError("stack expects each tensor\nto be equal size")
        return usual(self, x)

    monkeypatch.setattr(Network, "forward", forward)
    assert upscale("photos", "large", "--model", "edsr") == 1
    said = capsys.readouterr()
    assert "b16.png: expected an image that EDSR takes, got one of 41x30, of which it says: stack expects" in said.err
    assert "3 images at x2 (0 were there), 1 skipped" in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "liif"], "expected --scale or --size for LIIF"),
        (["--model", "liif", "--scale", "0.5"], "--scale from 1 to 16"),
        (["--model", "liif", "--scale", "17"], "--scale from 1 to 16"),
        (["--model", "liif", "--size", "4000"], "such as 4000x3000"),
        (["--model", "liif", "--size", "999999x999999"], "expected --size of 1 to 16 times its"),
        (["--model", "liif", "--size", "20x20"], "expected --size of 1 to 16 times its"),
        (["--model", "liif", "--size", "99x99", "--scale", "2"], "--scale or --size, got both"),
        (["--model", "liif", "--scale", "2", "--tile", "64"], "--tile with a one-step system only"),
        (["--model", "liif", "--scale", "2", "--compare", "page.txt"], "ends in .html"),
        (["--model", "edsr", "--scale", "3"], "no other scale than the x2 of EDSR, got --scale 3"),
        (["--model", "edsr", "--size", "99x99"], "no other scale than the x2 of EDSR, got --size"),
        (["--model", "nowhere"], "expected --model as a checkpoint"),
        (["--model", "city100-iphone"], "the bundle city100-iphone, which makes LR"),
        (["--model", "photos/gray.png"], "expected a checkpoint of plain tensors"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(capsys, "upscale", "photos", "out", *words)
    assert not Path("out").exists()
