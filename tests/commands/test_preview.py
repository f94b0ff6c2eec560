"""``degflow preview``: the page holds what the generator rendered, within its room, and mistakes are one sentence."""

from __future__ import annotations

import html
import shlex
from pathlib import Path

import numpy as np
import pytest
from helpers.page_data import OUTSIDE, page_data, pixels_of, without_data_uris
from helpers.photographs import photograph
from helpers.random_networks import random_noise, random_rae, random_velocity

from degflow_aug import compat, load_generator
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.cli import main
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.files.image_file import read_image, write_image
from degflow_aug.metrics.fidelity import psnr_y

SIDE = 48


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views to choose from that random networks render in a moment."""
    from degflow_aug.commands.preview import frames as preview_frames

    monkeypatch.setattr(preview_frames, "CANDIDATES", 9)


@pytest.fixture(scope="module")
def noisy_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with noise, whose name would be markup."""
    rae, velocity = random_rae(residual=True), random_velocity()
    path = tmp_path_factory.mktemp("bundle") / "<b>.safetensors"
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=(1.0, 2.0, 4.0), s_max=4.0, camera="<i>Lab</i>")
    save_bundle(path, Bundle(spec, rae, velocity, noise=[random_noise().state_dict()]))
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A photograph whose right half alone has detail."""
    pixels = photograph(3, height=60, width=140)
    pixels[:, :70] = 128
    write_image(tmp_path / "photo.png", pixels)
    return tmp_path / "photo.png"


def preview(image: Path, bundle: Path, *more: str) -> Path:
    page = image.parent / "page.html"
    options = ("--side", str(SIDE), "--frames", "7", "--device", "cpu", "--out", str(page))
    assert main(["preview", str(image), "--bundle", str(bundle), *options, *more]) == 0
    return page


def shown(page: Path) -> dict[str, dict[float, np.ndarray]]:
    """Images by series and scale."""
    data = page_data(page.read_text(encoding="utf-8"))
    found = {}
    for series in data["series"]:
        scales = [1.0] if series["fixed"] else data["scales"]
        pairs = zip(scales, series["frames"], strict=True)
        found[series["name"]] = {scale: pixels_of(uri) for scale, uri in pairs if uri}
    return found


@pytest.fixture
def hr(image: Path) -> np.ndarray:
    return read_image(image)[6 : 6 + SIDE, 80 : 80 + SIDE]


def test_a_bare_image_is_shown_with_the_shipped_camera(
    image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(image.parent)
    assert main(["preview", image.name, "--side", "32", "--frames", "5"]) == 0
    assert "degflow: takes the bundle city100-iphone" in capsys.readouterr().err
    assert "--bundle city100-iphone" in (image.parent / "photo_preview.html").read_text(encoding="utf-8")


def test_every_image_is_what_was_rendered(image: Path, noisy_bundle: Path, hr: np.ndarray) -> None:
    page = preview(image, noisy_bundle, "--window", "80,6", "--seed", "5")
    found = shown(page)
    tensor = to_tensor(np.ascontiguousarray(hr))[None]
    np.testing.assert_array_equal(found["HR"][1.0], hr)
    noisy = load_generator(noisy_bundle, noise=1.0)
    for name, degradation in (
        ("learned", load_generator(noisy_bundle)),
        ("learned + noise", noisy),
        ("bicubic", Bicubic()),
    ):
        assert {1.0, 2.0, 4.0} <= set(found[name])
        for scale, frame in found[name].items():
            degradation.seed(5)
            np.testing.assert_array_equal(frame, to_array(degradation(tensor, scale)[0]))
    assert ("Real-ESRGAN" in found) == compat.has_basicsr()
    assert len({tuple(frames) for name, frames in found.items() if name != "HR"}) == 1


def test_the_window_is_where_the_detail_is(image: Path, noisy_bundle: Path) -> None:
    found = shown(preview(image, noisy_bundle))["HR"][1.0]
    pixels = read_image(image)
    places = [
        left for left in range(140 - SIDE + 1) for top in range(60 - SIDE + 1)
        if np.array_equal(pixels[top : top + SIDE, left : left + SIDE], found)
    ]  # fmt: skip
    assert places
    assert min(places) >= 68


def test_real_lr_stands_at_its_scale_and_is_measured(image: Path, noisy_bundle: Path, hr: np.ndarray) -> None:
    """The view is the generator's own, so that its distance is known: that of 8-bit rounding, or none."""
    whole = to_tensor(read_image(image))[None]
    view = image.parent / "real.png"
    write_image(view, to_array(Bicubic().render(whole, 2.5)[0]))
    page = preview(image, noisy_bundle, "--window", "80,6", "--real", f"2.5={view}")
    found = shown(page)
    assert set(found["real LR"]) == {2.5}
    real = to_tensor(found["real LR"][2.5])[None]
    text = page.read_text(encoding="utf-8")
    for name in ("learned", "bicubic"):
        expected = float(psnr_y(to_tensor(found[name][2.5])[None], real, eight_bit=True))
        assert f"<td>{name}</td><td>{expected:.2f}</td>" in text
    assert page_data(text)["pair"] == [list(found).index("learned"), list(found).index("real LR")]


def test_spectra_of_lr_are_levels_per_hr_pixel(image: Path, noisy_bundle: Path) -> None:
    """Parseval: the mean power over the rings, weighed by their area and taken back to LR pixels, is the variance."""
    data = page_data(preview(image, noisy_bundle).read_text(encoding="utf-8"))
    series = next(one for one in data["series"] if one["name"] == "learned + noise")
    place = data["scales"].index(2.0)
    rows = 10 ** (np.array(series["spectra"][place]) / 10) / 4
    gray = pixels_of(series["frames"][place]) @ np.array([0.299, 0.587, 0.114])
    area = np.diff(np.pi * np.linspace(0, 0.5, len(rows) + 1) ** 2)
    assert (rows * area).sum() == pytest.approx(gray.var(), rel=0.35)


def test_the_page_is_whole_safe_and_within_its_room(image: Path, noisy_bundle: Path) -> None:
    page = preview(image, noisy_bundle)
    text = page.read_text(encoding="utf-8")
    assert not OUTSIDE.search(without_data_uris(text))
    assert "<b>" not in text.replace("\\u003cb>", "")
    assert "&lt;i&gt;Lab&lt;/i&gt;" in text
    full = page.stat().st_size
    assert len(page_data(text)["scales"]) == 7
    preview(image, noisy_bundle, "--megabytes", f"{0.9 * full / 1e6:.4f}")
    assert page.stat().st_size <= 0.9 * full
    assert 5 <= len(page_data(page.read_text(encoding="utf-8"))["scales"]) < 7
    assert not list(image.parent.glob(".*"))


def test_its_own_command_makes_the_same_page(image: Path, noisy_bundle: Path) -> None:
    page = preview(image, noisy_bundle, "--window", "80,6", "--solver", "euler", "--seed", "12345678")
    text = page.read_text(encoding="utf-8")
    words = shlex.split(html.unescape(text.partition("Made by <code>")[2].partition("</code>")[0]))
    page.unlink()
    assert words[0] == "degflow"
    assert main(words[1:]) == 0
    assert page.read_text(encoding="utf-8") == text


def test_the_sheet_has_a_row_a_scale_and_a_column_a_method(image: Path, noisy_bundle: Path) -> None:
    page = preview(image, noisy_bundle)
    sheet = read_image(page.with_suffix(".png"))
    columns = len(shown(page))
    assert sheet.shape[1] == columns * (SIDE + 4) + 4
    assert (sheet.shape[0] - 4) % (SIDE + 18 + 4) == 0
    np.testing.assert_array_equal(sheet[4 + 18 : 4 + 18 + SIDE, 4 : 4 + SIDE], shown(page)["HR"][1.0])


def test_the_photograph_is_never_written_over(
    image: Path, noisy_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = image.read_bytes()
    arguments = ["preview", str(image), "--bundle", str(noisy_bundle), "--out"]
    assert main([*arguments, str(image.with_suffix(".html"))]) == 2
    assert "expected --out apart from the images" in capsys.readouterr().err
    assert image.read_bytes() == before
    real = image.with_name("real.png")
    real.write_bytes(before)
    assert main([*arguments, str(real.with_suffix(".html")), "--real", f"2={real}"]) == 2
    assert real.read_bytes() == before
    (image.parent / "folder.png").mkdir()
    assert main([*arguments, str(image.parent / "folder.html")]) == 2
    assert "got a folder of that name" in capsys.readouterr().err
    assert not list(image.parent.glob("*.html"))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--window", "100,6"], "expected a window of 48 pixels inside the image of 140x60"),
        (["--window", "1;2"], "such as 120,80"),
        (["--real", "2.5"], "such as 2.9=lr.png"),
        (["--real", "9={image}"], "expected a scale from 1 to 4"),
        (["--real", "2={small}"], "expected real LR brought to the HR grid, 140x60"),
        (["--real", "2={image}", "--real", "2={image}"], "got two of the same"),
        (["--real", "2=/nowhere.png"], "expected an image file, got none"),
        (["--megabytes", "0.001"], "expected a page of at most 0.001 MB"),
        (["--side", "8"], "expected --side of at least 32"),
        (["--frames", "2"], "expected --frames of at least 5"),
        (["--out", "page.png"], "ends in .html"),
        (["--camera", "any"], "expected --camera to name one camera"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(
    image: Path, noisy_bundle: Path, more: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    small = image.parent / "small.png"
    write_image(small, photograph(0))
    named = [word.format(image=image, small=small) for word in more]
    page = ["--out", str(image.parent / "page.html")] if "--out" not in more else []
    side = ["--side", str(SIDE)] if "--side" not in more else []
    assert main(["preview", str(image), "--bundle", str(noisy_bundle), *side, *page, *named]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert sentence in said[-1]
    assert not (image.parent / "page.html").exists()
