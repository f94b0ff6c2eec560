"""Simulated pairs on disk: what the demo and the benchmark train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from helpers.photographs import photograph

from degflow_aug.commands.demo.simulated_pairs import bundled_photographs, write_simulated_pairs
from degflow_aug.commands.shared.contact_sheet import draw_contact_sheet
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.simulator.phone import SimulatedPhone
from degflow_aug.files.image_file import read_image
from degflow_aug.options.yaml_file import load_yaml


def test_what_is_written_is_what_the_phone_saw(tmp_path: Path) -> None:
    hr = photograph(1, 48, 64)
    reports: list[tuple[str, int, int]] = []
    described = write_simulated_pairs({"one": hr}, (1.5, 4.0), tmp_path, lambda *state: reports.append(state[:3]))
    (scene,) = find_scenes(tmp_path, "pattern", pattern=load_yaml(described))
    assert scene.scales == (1.5, 4.0)
    assert np.array_equal(read_image(scene.hr), hr)
    phone = SimulatedPhone()
    phone.seed(0)
    expected = to_array(phone.render(to_tensor(hr)[None], 1.5)[0])
    assert np.array_equal(read_image(scene.views[1.5]), expected)
    assert reports == [("simulated photographs", 1, 1)]


def test_files_that_are_whole_are_kept(tmp_path: Path) -> None:
    hr = photograph(1, 48, 64)
    write_simulated_pairs({"one": hr}, (2.0,), tmp_path, lambda *state: None)
    (tmp_path / "HR" / "one.png").write_bytes((tmp_path / "HR" / "one.png").read_bytes()[:-1])
    before = (tmp_path / "x2" / "one.png").stat().st_mtime_ns
    write_simulated_pairs({"one": hr}, (2.0,), tmp_path, lambda *state: None)
    assert (tmp_path / "x2" / "one.png").stat().st_mtime_ns == before
    assert np.array_equal(read_image(tmp_path / "HR" / "one.png"), hr)
    assert not list(tmp_path.rglob("*.partial"))


def test_photographs_of_the_package_need_no_network() -> None:
    training, held_out = bundled_photographs()
    assert not training.keys() & held_out.keys()
    for image in (*training.values(), *held_out.values()):
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert min(image.shape[:2]) >= 300


def test_contact_sheet_shows_every_crop_where_it_belongs() -> None:
    colours = {"a": (255, 0, 0), "b": (0, 255, 0), "c": (0, 0, 255)}
    row = {column: np.full((20, 30, 3), colour, np.uint8) for column, colour in colours.items()}
    rows = {"x": row, "y": row}
    sheet = draw_contact_sheet(rows)
    for colour in colours.values():
        assert (sheet == colour).all(axis=2).sum() == 2 * 20 * 30
    columns = [(sheet == colour).all(axis=2).any(axis=0).argmax() for colour in colours.values()]
    assert columns == sorted(columns)


def test_captions_stand_beneath_the_crops() -> None:
    row = {column: np.full((20, 60, 3), 128, np.uint8) for column in "ab"}
    plain, said = (draw_contact_sheet({"x": row}, captions) for captions in (None, {"x": {"b": "31.2 dB"}}))
    height, half = plain.shape[0], plain.shape[1] // 2
    assert np.array_equal(said[: height - 4], plain[: height - 4])
    beneath = said[height - 4 :]
    assert (beneath[:, :half] == 255).all(), "a has none"
    assert (beneath[:, half:] < 255).any()
