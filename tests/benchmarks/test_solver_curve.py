"""The solver curve compares what it says, and names the cheapest sampler on the plateau."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.random_networks import random_rae, random_velocity
from helpers.tiny_camera import write_pairs

from benchmarks.cost import solver_curve
from benchmarks.cost.solver_curve import JUMPS, SAMPLERS, cheapest_on_plateau, curve, name_of, pairs, parse, table
from benchmarks.shared.generators import Networks
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.files.image_file import read_image
from degflow_aug.metrics.fidelity import psnr_y

CPU = torch.device("cpu")


def networks(knots: tuple[float, ...] = (1.0, 2.0, 4.0)) -> Networks:
    made = Networks(random_rae(), random_velocity(), knots, 4.0, "heun", 2, "random")
    # A bent path without quick features of time, so that all solvers go to the same end, the better ones sooner.
    made.velocity.all_modules[0].weight.data *= 0
    made.velocity.all_modules[-1].weight.data *= 30
    return made


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    pattern = write_pairs(tmp_path / "pairs", scenes=2, size=80)
    return ["--pairs", str(tmp_path / "pairs"), "--layout", "pattern", "--pattern", str(pattern), "--crop", "48"]


def test_pairs_are_the_middles_of_the_photographs(arguments: list[str], tmp_path: Path) -> None:
    found = list(pairs(parse(["--bundle", "x", *arguments])))
    hr = read_image(tmp_path / "pairs" / "HR" / "000.png")
    view = read_image(tmp_path / "pairs" / "x2" / "000.png")
    assert len(found) == 2
    assert sorted(found[0][1]) == [2.0, 4.0]
    for tensor, image in ((found[0][0], hr), (found[0][1][2.0], view)):
        middle = torch.from_numpy(image[16:64, 16:64]).permute(2, 0, 1)[None]
        torch.testing.assert_close(tensor * 255, middle.float())


def test_rows_are_what_each_sampler_reaches(arguments: list[str]) -> None:
    made, images = networks(), list(pairs(parse(["--bundle", "x", *arguments])))
    rows = {name_of(row): row for row in curve(made, iter(images), CPU)}
    assert len(rows) == sum(map(len, SAMPLERS.values())) + 1
    assert [rows[name]["nfe"] for name in ("euler-8", "midpoint-4", "heun-1", "rk4-2")] == [8, 8, 2, 8]
    views = [made.degflow("heun", 2).render(hr, 2.0) for hr, _ in images]
    psnr = [float(psnr_y(view, truth[2.0], eight_bit=True)) for view, (_, truth) in zip(views, images, strict=True)]
    assert rows["heun-2"]["psnr"]["2"] == pytest.approx(sum(psnr) / 2, abs=1e-4)
    assert rows["heun-2"]["mean"] == pytest.approx(sum(rows["heun-2"]["psnr"].values()) / 2)
    near = {name: row["mean_to_rk45"] for name, row in rows.items() if name != "rk45"}
    for better in (["euler-1", "euler-2", "euler-4", "euler-8"], ["euler-2", "heun-1", "heun-2", "heun-4", "rk4-2"]):
        assert [near[name] for name in better] == sorted(near[name] for name in better)
    assert rows["rk45"]["mean"] == pytest.approx(rows["rk4-2"]["mean"], abs=0.1)
    assert "mean_to_rk45" not in rows["rk45"]


def test_students_have_jumps_and_no_reference(arguments: list[str]) -> None:
    images = list(pairs(parse(["--bundle", "x", *arguments])))
    rows = curve(networks().student(), iter(images), CPU)
    assert [(row["solver"], row["nfe"]) for row in rows] == [("jump", steps) for steps in JUMPS["jump"]]
    assert all("mean_to_rk45" not in row for row in rows)
    # The student begins as its teacher.
    euler = next(row for row in curve(networks(), iter(images), CPU) if name_of(row) == "euler-2")
    assert rows[1]["mean"] == pytest.approx(euler["mean"], abs=1e-3)


def test_scales_beyond_the_last_knot_are_left_out(arguments: list[str]) -> None:
    rows = curve(networks((1.0, 2.0)), pairs(parse(["--bundle", "x", *arguments])), CPU)
    assert {tuple(row["psnr"]) for row in rows} == {("2",)}


def test_cheapest_is_within_a_twentieth_of_a_decibel() -> None:
    values = {("euler", 1): (1, 30.0), ("euler", 2): (2, 39.96), ("heun", 1): (2, 39.97), ("rk4", 2): (8, 40.0)}
    rows: list[dict[str, Any]] = [
        {"solver": solver, "steps": steps, "nfe": nfe, "mean": mean, "psnr": {"2": mean}}
        for (solver, steps), (nfe, mean) in values.items()
    ]
    assert name_of(cheapest_on_plateau(rows)) == "heun-1"
    assert name_of(cheapest_on_plateau(rows, within=0.001)) == "rk4-2"
    assert name_of(cheapest_on_plateau(rows, within=20)) == "euler-1"
    assert table(rows[::-1]).splitlines()[2].startswith("| euler-1 | 1 | 30.00 |")


def test_whole_run_writes_its_results(arguments: list[str], tmp_path: Path) -> None:
    made = networks()
    spec = GeneratorSpec(made.rae.spec, made.velocity.spec, made.knots, 4.0, solver="euler", steps=3)
    save_bundle(tmp_path / "camera.safetensors", Bundle(spec, made.rae, made.velocity))
    solver_curve.main(
        ["--bundle", str(tmp_path / "camera.safetensors"), *arguments, "--device", "cpu", "--threads", "1", "--scenes",
         "000", "--out", str(tmp_path / "curve")]
    )  # fmt: skip
    content = json.loads((tmp_path / "curve.json").read_text())
    assert (content["facts"]["images"], content["facts"]["default"]) == (1, "euler-3")
    assert content["cheapest"] in content["rows"]
    assert f"{name_of(content['cheapest'])}, " in (tmp_path / "curve.md").read_text()
    assert read_image(tmp_path / "curve.png").shape == (560, 1160, 3)
