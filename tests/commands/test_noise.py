"""``degflow noise`` finds the noise that was put into the real views, and says what it cannot use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.photographs import photograph
from helpers.random_networks import random_noise

from degflow_aug import load_generator
from degflow_aug.bundles.bundle import load_bundle, read_spec, save_bundle
from degflow_aug.cli import main
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.grid import resize, to_lr_grid
from degflow_aug.files import notice
from degflow_aug.files.image_file import read_image, write_image

SIZE = 160


def write_noisy_pairs(root: Path, bundle: Path, scenes: int = 4) -> Path:
    """Photographs and what the bundle makes of them at 2 and 4, with known noise on the LR grid; the pattern file."""
    generator, noise = load_generator(bundle), random_noise()
    for number in range(scenes):
        hr = to_tensor(photograph(number, SIZE, SIZE))[None]
        (root / "HR").mkdir(parents=True, exist_ok=True)
        write_image(root / "HR" / f"{number}.png", to_array(hr[0]))
        for scale in (2.0, 4.0):
            lr = to_lr_grid(generator.render(hr, scale), scale)
            noisy = noise(lr, torch.tensor([scale]), 1.0, torch.Generator().manual_seed(number))
            (root / f"x{scale:g}").mkdir(exist_ok=True)
            write_image(root / f"x{scale:g}" / f"{number}.png", to_array(resize(noisy, (SIZE, SIZE)).clamp(0, 1)[0]))
    file = root / "pairs.yml"
    file.write_text("hr: HR/{id}.png\nviews: {2: 'x2/{id}.png', 4: 'x4/{id}.png'}\n", encoding="utf-8")
    return file


def test_the_noise_of_the_pairs_gets_into_the_bundle(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = write_noisy_pairs(tmp_path / "pairs", bundle)
    out = tmp_path / "noisy.safetensors"
    arguments = ["--pairs", str(tmp_path / "pairs"), "--layout", "pattern", "--pattern", str(pattern)]
    before = bundle.read_bytes()
    assert main(["noise", str(bundle), *arguments, "--out", str(out)]) == 0
    assert bundle.read_bytes() == before
    said = capsys.readouterr().out
    assert f"{out}: noise at x2 of" in said
    assert f"{out}: noise: Gaussian; of scenes held out (energy score): none" in said
    assert str(read_spec(out).training["noise"]).startswith("Gaussian; of scenes held out (energy score): none")
    (found,) = load_bundle(out).noise
    assert found["scales"].tolist() == [2, 4]
    # The detour of the pairs over the HR grid takes something from the views, too, which counts as noise.
    hr, view = (to_tensor(read_image(tmp_path / "pairs" / name / "0.png"))[None] for name in ("HR", "x2"))
    clean, noisy = load_generator(out)(hr, 2.0), load_generator(out, noise=1.0)(hr, 2.0)
    assert float((noisy - clean).std()) == pytest.approx(float((to_lr_grid(view, 2.0) - clean).std()), rel=0.1)


def test_views_that_teach_nothing_are_said(
    bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_SAID", set())
    known, near = load_bundle(bundle), tmp_path / "near.safetensors"
    save_bundle(near, replace(known, spec=replace(known.spec, knots=(1.0, 2.0))))
    pattern = write_noisy_pairs(tmp_path / "pairs", bundle)
    arguments = ["--pairs", str(tmp_path / "pairs"), "--layout", "pattern", "--pattern", str(pattern)]
    assert main(["noise", str(near), *arguments]) == 0
    assert "views at x4 teach nothing: the training scales of the bundle are x2" in caplog.text


@pytest.mark.parametrize(("camera", "said"), [("pairs", False), ("Sony + pairs", False), ("Sony", True), ("", False)])
def test_pairs_of_another_camera_are_said(
    camera: str, said: bool, bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(notice, "_SAID", set())
    known, named = load_bundle(bundle), tmp_path / "named.safetensors"
    save_bundle(named, replace(known, spec=replace(known.spec, camera=camera)))
    pattern = write_noisy_pairs(tmp_path / "pairs", bundle)
    arguments = ["--pairs", str(tmp_path / "pairs"), "--layout", "pattern", "--pattern", str(pattern)]
    assert main(["noise", str(named), *arguments]) == 0
    assert (f"pairs of pairs teach a bundle of {camera};" in caplog.text) == said


@pytest.mark.parametrize("name", ["camera.pth", "folder.safetensors", ""])
def test_no_work_is_done_for_an_output_that_is_no_bundle(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    out = str(tmp_path / name) if name else ""
    # The pairs, which are not there either, come later.
    assert main(["noise", str(bundle), "--pairs", str(tmp_path / "none"), "--layout", "city100", "--out", out]) == 2
    assert "expected --out to name a .safetensors file, got" in capsys.readouterr().err


def test_images_too_small_are_one_sentence(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("HR", "x2", "x4"):
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "0.png", photograph(0, 96, 96))
    pattern, before = tmp_path / "pairs.yml", bundle.read_bytes()
    arguments = ["--pairs", str(tmp_path), "--layout", "pattern", "--pattern", str(pattern)]
    for views, said in (
        ("2: 'x2/{id}.png', 4: 'x4/{id}.png'", "expected LR images of at least 32x32 pixels at x4 to learn noise from"),
        ("4: 'x4/{id}.png'", "expected pairs at every training scale of the bundle, got none at x2; add them"),
    ):
        pattern.write_text(f"hr: HR/{{id}}.png\nviews: {{{views}}}\n", encoding="utf-8")
        assert main(["noise", str(bundle), *arguments]) == 2
        assert said in capsys.readouterr().err
        assert bundle.read_bytes() == before
