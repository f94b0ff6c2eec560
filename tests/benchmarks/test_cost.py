"""Benchmarks of cost: equal work, sums that are right, and whole runs at their smallest size."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.random_networks import random_rae, random_velocity
from helpers.tiny_camera import write_pairs
from helpers.tiny_sr import LIIF, write_random_bundle
from torch import Tensor, nn

pytest.importorskip("basicsr", reason="its Real-ESRGAN is what the others are compared with")
import benchmarks.cost.__main__ as cost
from benchmarks.cost import solver_curve, step_share
from benchmarks.cost.growth import linear_fit
from benchmarks.cost.methods import OURS, SHIPPED, STOCK, Batch, StockRealESRGAN, generator_entries, plain_entries
from benchmarks.cost.report import add_ratios, cost_table, make_row
from benchmarks.shared.generators import (
    Networks,
    evaluations,
    gaussian_kernel,
    host_rk45,
)
from benchmarks.shared.measurement import Timing
from benchmarks.shared.step_models import step_options
from degflow_aug.flow.solver import SOLVERS
from degflow_aug.metrics.fidelity import psnr_y

CPU = torch.device("cpu")


def tiny_networks(solver: str = "heun", steps: int = 1, *, anchored: bool = False) -> Networks:
    rae, knots = random_rae(residual=anchored, anchored=anchored), (1.0, 2.0, 4.0)
    kernel = gaussian_kernel(knots, 15) if anchored else None
    made = Networks(rae, random_velocity(), knots, 4.0, solver, steps, "random", kernel)
    # Without quick features of time, of which RK45 would take hundreds of steps.
    made.velocity.all_modules[0].weight.data *= 0
    return made


def noise(count: int, side: int) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def calls(network: nn.Module) -> list[int]:
    seen: list[int] = []
    network.register_forward_hook(lambda *_: seen.append(1))
    return seen


def test_line_is_found_and_deviations_are_parts_of_the_times() -> None:
    bent = linear_fit([0.0, 1.0, 2.0], [1.0, 1.0, 4.0])
    # By hand: slope 1.5, intercept 0.5, residuals 0.5, -1, 0.5.
    assert (bent.slope, bent.intercept) == (pytest.approx(1.5), pytest.approx(0.5))
    assert (bent.r2, bent.largest_deviation) == (pytest.approx(1 - 1.5 / 6), pytest.approx(1.0))


def test_ratios_are_to_the_stock_row_of_the_same_size() -> None:
    seconds = {(STOCK, 8): [1.0, 2.0, 6.0], ("x", 8): [0.5, 1.0, 1.5], (STOCK, 1): [0.1], ("x", 1): [0.2]}
    rows = [make_row(name, batch, 256, Timing(values), {}) for (name, batch), values in seconds.items()]
    rows += [make_row("y", 8, 256, Timing(skipped="31 s a call"), {}), make_row("x", 8, 128, Timing([1.0]), {})]
    add_ratios(rows)
    assert [row.get("ratio_of_medians") for row in rows] == [1, pytest.approx(0.5), 1, pytest.approx(2), None, None]
    assert rows[1]["ratio_of_means"] == pytest.approx(1 / 3)
    text = cost_table(rows, 256)
    assert "| x | 8 | 1e+03 (1e+03) | 125 | 0.5 (0.333) |" in text
    assert "| y | 8 | skipped: 31 s a call |" in text


def test_all_methods_do_equal_work_and_stock_draws_anew() -> None:
    hr = noise(2, 80)
    stock = StockRealESRGAN(CPU, 4, usm=False)
    first, again, other = (stock.prepare(hr, 80, number)() for number in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    entries = plain_entries(CPU, 4) | generator_entries("tiny", tiny_networks(), 4, {}, 600.0)
    for name, entry in entries.items():
        assert entry.prepare(Batch(hr, noise(2, 400)), 0)().shape == (2, 3, 20, 20), name
    assert torch.equal(entries[STOCK].prepare(Batch(hr), 1)(), other)
    shipped = [name for name, entry in entries.items() if entry.shipped]
    assert shipped == [f"{STOCK}, {SHIPPED}", f"{STOCK}, USM, {SHIPPED}"]


@pytest.mark.parametrize("solver", [*SOLVERS, "jump"])
def test_evaluations_are_those_that_are_made(solver: str) -> None:
    networks = tiny_networks() if solver != "jump" else tiny_networks().student()
    count = calls(networks.velocity)
    networks.degflow(solver, 3)(noise(1, 32), 4.0)
    assert len(count) == evaluations(solver, 3)


@pytest.mark.parametrize("anchored", [False, True])
def test_host_rk45_is_the_path_that_fine_steps_take(anchored: bool) -> None:
    networks, hr = tiny_networks(anchored=anchored), noise(2, 36)
    count = calls(networks.velocity)
    views, nfe = host_rk45(networks, hr, [2.0, 4.0])
    assert nfe == len(count)
    fine = networks.degflow("rk4", 64)
    for view, scale in zip(views, (2.0, 4.0), strict=True):
        torch.testing.assert_close(view, fine.render(hr, scale), atol=2e-3, rtol=0)


def test_whole_run_of_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "preset_networks", lambda *_: tiny_networks("euler", 2))
    monkeypatch.setattr(cost, "DRAWS", 1)
    arguments = "--device cpu --batches 1 --patches 80 --presets tiny --growing tiny --seconds 0 --threads 1 --seed 3"
    arguments += f" --scales 1 2 --side 64 --largest 256 --minutes 60 --longest 600 --out {tmp_path / 'cost'}"
    cost.main(arguments.split())
    content = json.loads((tmp_path / "cost.json").read_text())
    assert (content["facts"]["threads"], content["facts"]["seed"]) == (1, 3)
    assert content["facts"]["torch"] == torch.__version__
    rows = {row["method"]: row for row in content["methods"]}
    assert {STOCK, OURS, "bicubic", "DegFlow tiny, one step"} < set(rows)
    assert all(row["median"] > 0 for row in rows.values())
    assert rows[STOCK]["ratio_of_means"] == 1
    assert [row["scales"] for row in content["scales"]["tiny"]] == [1, 2]
    assert "| DegFlow tiny, euler-2 (default) | 1 |" in (tmp_path / "cost.md").read_text()


def curve_arguments(tmp_path: Path) -> list[str]:
    pattern = write_pairs(tmp_path / "pairs", scenes=2, size=80)
    return ["--pairs", str(tmp_path / "pairs"), "--layout", "pattern", "--pattern", str(pattern), "--crop", "48"]


def test_a_row_of_the_solver_curve_is_what_the_sampler_reaches(tmp_path: Path) -> None:
    made = tiny_networks()
    images = list(solver_curve.pairs(solver_curve.parse(["--bundle", "x", *curve_arguments(tmp_path)])))
    rows = {solver_curve.name_of(row): row for row in solver_curve.curve(made, iter(images), CPU)}
    assert [rows[name]["nfe"] for name in ("euler-8", "midpoint-4", "heun-1", "rk4-2")] == [8, 8, 2, 8]
    views = [made.degflow("heun", 2).render(hr, 2.0) for hr, _ in images]
    psnr = [float(psnr_y(view, truth[2.0], eight_bit=True)) for view, (_, truth) in zip(views, images, strict=True)]
    assert rows["heun-2"]["psnr"]["2"] == pytest.approx(sum(psnr) / 2, abs=1e-4)
    students = solver_curve.curve(made.student(), iter(images), CPU)
    assert [(row["solver"], row["nfe"]) for row in students] == [("jump", 1), ("jump", 2), ("jump", 4)]
    assert all("mean_to_rk45" not in row for row in students)


def test_cheapest_sampler_is_within_a_fifth_of_a_decibel() -> None:
    values = {("euler", 1): (1, 30.0), ("euler", 2): (2, 39.96), ("heun", 1): (2, 39.97), ("rk4", 2): (8, 40.0)}
    rows: list[dict[str, Any]] = [
        {"solver": solver, "steps": steps, "nfe": nfe, "mean": mean, "psnr": {"2": mean}}
        for (solver, steps), (nfe, mean) in values.items()
    ]
    chosen = {within: solver_curve.cheapest_on_plateau(rows, within) for within in (0.2, 0.001, 20)}
    assert [solver_curve.name_of(row) for row in chosen.values()] == ["heun-1", "rk4-2", "euler-1"]


def test_whole_run_of_the_solver_curve(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "camera.safetensors")
    arguments = ["--bundle", str(bundle), *curve_arguments(tmp_path), "--scenes", "000"]
    solver_curve.main([*arguments, "--device", "cpu", "--threads", "1", "--out", str(tmp_path / "curve")])
    content = json.loads((tmp_path / "curve.json").read_text())
    assert content["cheapest"] in content["rows"]
    assert f"{solver_curve.name_of(content['cheapest'])}, " in (tmp_path / "curve.md").read_text()


def test_shares_of_a_step_and_what_is_added() -> None:
    share, ready = step_share.Share, step_share.READY
    found = {"x": share([4.0, 5.0, 9.0], [0.2, 0.3, 0.1]), ready: share([4.0, 4.0, 3.0], [0.0, 0.0, 0.0])}
    made = step_share.row("net", "x", found, {"batch_size_per_gpu": 2, "gt_size": 64})
    assert (made["seconds"], made["share"], made["added"]) == (5.0, 0.2, pytest.approx(0.2))
    assert "| net | x | 2 | 64 | 5000.0 | 20.0% | 20.0% |  |" in step_share.table([made])


def test_whole_run_of_step_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def small_options(network: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
        return {**step_options(network, args, folder), "network_g": LIIF}

    monkeypatch.setattr(step_share, "step_options", small_options)
    bundle = write_random_bundle(tmp_path / "camera.safetensors")
    arguments = ["--device", "cpu", "--rounds", "1", "--steps", "1", "--threads", "1", "--batch", "1", "--size", "32"]
    step_share.main([*arguments, "--networks", "EDSR-LIIF", "--bundle", str(bundle), "--out", str(tmp_path / "share")])
    rows = json.loads((tmp_path / "share.json").read_text())["rows"]
    assert [row["degradation"] for row in rows] == ["bicubic", "Real-ESRGAN", "DegFlow camera", step_share.READY]
    assert all(0 < row["share"] < 1 for row in rows)
    assert "| EDSR-LIIF | DegFlow camera | 1 | 32 |" in (tmp_path / "share.md").read_text()
