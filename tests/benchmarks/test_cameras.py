"""The benchmark of several cameras, end to end, and its measures in closed form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.random_networks import random_rae, randomise
from helpers.two_cameras import CAMERAS, write_two_cameras
from torch import Tensor

from benchmarks.realism import cameras
from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.files.image_file import read_image


def test_everything_is_compared_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_two_cameras(tmp_path / "pairs", scenes=2, size=48)
    rae, network = random_rae(residual=True), NCSNpp(base_channels=8, multipliers=[1, 2], blocks=1, cameras=2)
    randomise(network)
    network.camera.data *= 40
    spec = GeneratorSpec(rae=rae.spec, velocity=network.spec, knots=(1.0, 2.0), s_max=2.0, cameras=CAMERAS)
    save_bundle(tmp_path / "both.safetensors", Bundle(spec, rae, network))
    cameras.main([
        "--bundle", str(tmp_path / "both.safetensors"), "--pairs", str(tmp_path / "pairs"), "--layout", "pattern",
        "--pattern", str(tmp_path / "pairs/pattern.yml"), "--scenes", "Lab_Sharp/000-001,Lab_Soft/001", "--steps", "4",
        "--device", "cpu", "--out", str(tmp_path / "results"),
    ])  # fmt: skip
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [(row["pairs"], row["as"], row["scenes"]) for row in found["rows"]] == [
        ("Lab_Sharp", "Lab_Sharp", 2), ("Lab_Sharp", "Lab_Soft", 2), ("Lab_Soft", "Lab_Sharp", 1),
        ("Lab_Soft", "Lab_Soft", 1),
    ]  # fmt: skip
    assert found["rows"][0]["psnr_y"] != found["rows"][1]["psnr_y"]
    path = found["sweep"]
    assert path["images"] == 3
    assert path["to_first"][0] == path["to_last"][-1] == cameras.CEILING_DB
    assert len(path["to_first"]) == 5
    assert max(path["to_first"][1:]) < cameras.CEILING_DB
    assert (tmp_path / "results.md").read_text(encoding="utf-8").strip() in capsys.readouterr().out
    assert read_image(tmp_path / "results.png").shape == (3 * 48, 6 * 48, 3)


class Straight:
    """Views that move evenly, but for one pixel that overshoots by 0.1 half way."""

    def render(self, hr: Tensor, scale: float, camera: dict[str, float]) -> Tensor:
        view = hr * (1 - 0.5 * camera["b"])
        if camera["b"] == 0.5:
            view = view.clone()
            view[..., 0, 0] = hr[..., 0, 0] + 0.1
        return view


def test_measures_of_a_way_are_those_of_its_closed_form() -> None:
    hr = torch.full((1, 3, 10, 10), 0.4)
    _, row = cameras.sweep(Straight(), hr, 2.0, ("a", "b"), 4)  # type: ignore[arg-type]
    assert row["weights"] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert row["between_ends"] == pytest.approx(255 * 0.2, rel=1e-4)
    assert row["beyond_both_ends"] == pytest.approx(255 * 0.1, rel=1e-4)
    assert row["beyond_both_ends_mean"] == pytest.approx(255 * 0.1 / 100, rel=1e-4)
    # 0.35, 0.5, 0.25 around the middle.
    assert row["second_difference"] == pytest.approx(255 * 0.4, rel=1e-4)
    luma = np.array([65.481, 128.553, 24.966]).sum() / 255
    assert row["to_last"][0] == pytest.approx(-20 * np.log10(0.2 * luma), abs=0.02)


def test_a_bundle_of_one_camera_is_refused(tmp_path: Path) -> None:
    rae, network = random_rae(), NCSNpp(base_channels=8, multipliers=[1, 2], blocks=1)
    spec = GeneratorSpec(rae=rae.spec, velocity=network.spec, knots=(1.0, 2.0), s_max=2.0)
    save_bundle(tmp_path / "one.safetensors", Bundle(spec, rae, network))
    with pytest.raises(SystemExit, match="knows several cameras"):
        cameras.main(["--bundle", str(tmp_path / "one.safetensors"), "--pairs", str(tmp_path)])
