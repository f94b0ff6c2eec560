"""The cost benchmark measures what it says: in turns, equal work, and sums that are right."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.random_networks import random_rae, random_velocity
from torch import Tensor, nn

pytest.importorskip("basicsr", reason="its Real-ESRGAN is what the others are compared with")
from benchmarks.cost import __main__ as degradation_cost
from benchmarks.cost import traffic as cost_traffic
from benchmarks.cost.growth import against_scales, against_size, linear_fit, scales_of
from benchmarks.cost.methods import OURS, SHIPPED, STOCK, Batch, StockRealESRGAN, generator_entries, plain_entries
from benchmarks.cost.options import bundles, parse
from benchmarks.cost.report import add_ratios, cost_table, make_row
from benchmarks.shared import measurement as cost_measurement
from benchmarks.shared.generators import (
    Networks,
    evaluations,
    fresh_networks,
    gaussian_kernel,
    host_rk45,
    preset_networks,
)
from benchmarks.shared.measurement import Plan, Timing, TooLong, interleaved, repetitions, rounds
from benchmarks.shared.photographs import patches
from benchmarks.shared.plot import Axis, write_plot
from benchmarks.shared.results import device_slug
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.files.image_file import read_image
from degflow_aug.flow.solver import SOLVERS

CPU = torch.device("cpu")


def tiny_networks(solver: str = "heun", steps: int = 1, *, anchored: bool = False) -> Networks:
    rae, knots = random_rae(residual=anchored, anchored=anchored), (1.0, 2.0, 4.0)
    kernel = gaussian_kernel(knots, 15) if anchored else None
    made = Networks(rae, random_velocity(), knots, 4.0, solver, steps, "random", kernel)
    # Without quick features of time, of which RK45 would take hundreds of steps.
    made.velocity.all_modules[0].weight.data *= 0
    return made


def noise(count: int, side: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Calls take the time that is written here for what they return, and are made all the same."""
    lengths: dict[str, float] = {}
    monkeypatch.setattr(cost_measurement, "measure", lambda call, device: lengths[call()])
    return lengths


def test_methods_take_turns_and_each_repetition_is_prepared(clock: dict[str, float]) -> None:
    clock |= {"quick": 0.1, "slow": 0.5}
    called: list[tuple[str, int]] = []

    def method(name: str) -> Any:
        def prepare(repetition: int) -> Any:
            called.append((name, repetition))
            return lambda: name

        return prepare

    timings = interleaved({name: method(name) for name in clock}, CPU, Plan(seconds=4.0, least=2, most=50))
    assert {name: timing.seconds for name, timing in timings.items()} == {"quick": [0.1] * 20, "slow": [0.5] * 4}
    assert called[:2] == [("quick", 0), ("slow", 0)]
    measured = called[2:]
    assert [each for each in measured if each[0] == "quick"] == [("quick", number) for number in range(20)]
    # The slow one once in every five rounds, never twice on end.
    assert [place for place, (name, _) in enumerate(measured) if name == "slow"] == [5, 11, 17, 23]


@pytest.mark.parametrize("counts", [{"a": 6, "b": 2, "c": 5}, {"a": 1, "b": 1}, {"a": 100, "b": 3, "c": 99}])
def test_rounds_hold_every_method_as_often_as_it_should(counts: dict[str, int]) -> None:
    made = list(rounds(counts))
    assert Counter(name for names in made for name in names) == counts
    for name, count in counts.items():
        gaps = np.diff([number for number, names in enumerate(made) if name in names])
        assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1
        assert len(gaps) == 0 or abs(gaps.mean() - len(made) / count) < 1


def test_repetitions_fit_the_share_of_time() -> None:
    assert repetitions(10.0, 0.5, 3, 100) == 20
    assert repetitions(10.0, 20.0, 3, 100) == 3
    assert repetitions(10.0, 1e-6, 3, 100) == 100


def test_long_calls_are_left_out_and_say_so(clock: dict[str, float]) -> None:
    clock |= {"short": 1.0, "long": 31.0}

    def refuse(repetition: int) -> Any:
        def call() -> None:
            raise TooLong("over 9 s after 7 evaluations")

        return call

    methods = {"short": lambda number: lambda: "short", "long": lambda number: lambda: "long", "stops": refuse}
    timings = interleaved(methods, CPU, Plan(seconds=5.0, longest=30.0), {"short": 8})
    assert {name: timing.skipped for name, timing in timings.items()} == {
        "short": "", "long": "31 s a call", "stops": "over 9 s after 7 evaluations",
    }  # fmt: skip
    assert len(timings["short"].seconds) == 8
    nothing = interleaved(methods, CPU, Plan(until=0.0))
    assert {timing.skipped for timing in nothing.values()} == {"no time left"}


def test_line_is_found_and_deviations_are_parts_of_the_times() -> None:
    pixels = [256.0**2, 512.0**2, 1024.0**2, 4096.0**2]
    fit = linear_fit(pixels, [0.02 + 3e-7 * count for count in pixels])
    assert fit.slope == pytest.approx(3e-7)
    assert fit.intercept == pytest.approx(0.02)
    assert fit.r2 == pytest.approx(1)
    assert fit.largest_deviation == pytest.approx(0, abs=1e-9)
    bent = linear_fit([0.0, 1.0, 2.0], [1.0, 1.0, 4.0])
    # By hand: slope 1.5, intercept 0.5, residuals 0.5, -1, 0.5.
    assert (bent.slope, bent.intercept) == (pytest.approx(1.5), pytest.approx(0.5))
    assert bent.r2 == pytest.approx(1 - 1.5 / 6)
    assert bent.largest_deviation == pytest.approx(1.0)


def test_ratios_are_to_the_stock_row_of_the_same_size() -> None:
    seconds = {(STOCK, 8): [1.0, 2.0, 6.0], ("x", 8): [0.5, 1.0, 1.5], (STOCK, 1): [0.1], ("x", 1): [0.2]}
    rows = [make_row(name, batch, 256, Timing(values), None, {}) for (name, batch), values in seconds.items()]
    rows.append(make_row("y", 8, 256, Timing(skipped="31 s a call"), None, {}))
    rows.append(make_row("x", 8, 128, Timing([1.0]), None, {}))
    add_ratios(rows)
    assert [row.get("ratio_of_medians") for row in rows] == [1, pytest.approx(0.5), 1, pytest.approx(2), None, None]
    assert rows[1]["ratio_of_means"] == pytest.approx(1 / 3)
    text = cost_table(rows, 256)
    assert "| x | 8 | 1e+03 (1e+03) | 125 | 0.5 (0.333) |" in text
    assert "| y | 8 | skipped: 31 s a call |" in text
    assert text.count("\n") == 6


def test_stock_is_seeded_draws_anew_and_gives_the_shapes_of_the_others() -> None:
    hr = noise(2, 80)
    stock = StockRealESRGAN(CPU, 4, usm=False)
    first, again, other = (stock.prepare(hr, 80, number)() for number in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    batch = Batch(hr, noise(2, 400))
    entries = plain_entries(CPU, 4) | generator_entries("tiny", tiny_networks(), 4, {}, 60.0)
    for name, entry in entries.items():
        lr = entry.prepare(batch, 0)()
        assert lr.shape == (2, 3, 20, 20), name
        assert 0 <= float(lr.min()) <= float(lr.max()) <= 1, name
    assert torch.equal(entries[STOCK].prepare(batch, 1)(), other)
    assert [name for name, entry in entries.items() if entry.shipped] == [
        f"{STOCK}, {SHIPPED}",
        f"{STOCK}, USM, {SHIPPED}",
    ]


def test_stock_sharpens_where_it_should() -> None:
    hr = noise(1, 80)
    plain, sharp = StockRealESRGAN(CPU, 4, usm=False), StockRealESRGAN(CPU, 4, usm=True)
    plain.prepare(hr, 80, 0)()
    sharp.prepare(hr, 80, 0)()
    assert torch.equal(plain.model.gt, hr)
    assert torch.equal(sharp.model.gt, sharp.model.usm_sharpener(hr))


@pytest.mark.parametrize("solver", [*SOLVERS, "jump"])
def test_evaluations_are_those_that_are_made(solver: str) -> None:
    networks = tiny_networks() if solver != "jump" else tiny_networks().student()
    count = calls(networks.velocity)
    networks.degflow(solver, 3)(noise(1, 32), 4.0)
    assert len(count) == evaluations(solver, 3)


def test_entries_say_how_often_they_evaluate() -> None:
    networks = tiny_networks("euler", 2)
    entries = generator_entries("tiny", networks, 4.0, {}, 60.0)
    assert list(entries) == [
        "DegFlow tiny, RK45 on the host", "DegFlow tiny, heun-2", "DegFlow tiny, euler-4",
        "DegFlow tiny, euler-2 (default)", "DegFlow tiny, one step",
    ]  # fmt: skip
    for entry in entries.values():
        entry.prepare(Batch(noise(1, 32)), 0)()
    nfe = [entry.facts["nfe"] for entry in entries.values()]
    assert nfe[1:] == [4, 4, 2, 1]
    assert nfe[0] >= 14
    student = generator_entries("tiny", networks.student(), 4.0, {}, 60.0)
    assert list(student) == ["DegFlow tiny, one step (default)"]


def calls(network: nn.Module) -> list[int]:
    seen: list[int] = []
    network.register_forward_hook(lambda *_: seen.append(1))
    return seen


@pytest.mark.parametrize("anchored", [False, True])
def test_host_rk45_is_the_path_that_fine_steps_take(anchored: bool) -> None:
    networks = tiny_networks(anchored=anchored)
    hr = noise(2, 36)
    count = calls(networks.velocity)
    views, nfe = host_rk45(networks, hr, [2.0, 4.0])
    assert nfe == len(count)
    fine = networks.degflow("rk4", 64)
    for view, scale in zip(views, (2.0, 4.0), strict=True):
        torch.testing.assert_close(view, fine.render(hr, scale), atol=2e-3, rtol=0)
    with pytest.raises(TooLong, match="over 0 s after 0 evaluations"):
        host_rk45(networks, hr, [2.0], longest=0.0)


def test_an_anchored_decoder_adds_to_the_kernels_view() -> None:
    networks, hr = tiny_networks("euler", 2, anchored=True), 0.4 + 0.2 * noise(1, 36)
    # Small enough for no view to leave [0, 1], where it is clamped.
    networks.rae.decoder.refine[1].weight.data *= 0.1
    networks.rae.decoder.refine[1].bias.data *= 0.1
    view, on_hr = (each.degflow("euler", 2).render(hr, 4.0) for each in (networks, networks.unanchored()))
    assert networks.kernel is not None
    moved = networks.kernel.render(hr, 4.0) - hr
    assert moved.abs().max() > 0.05
    torch.testing.assert_close(view - on_hr, moved, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="fitted kernel of an anchored autoencoder"):
        host_rk45(replace(networks, kernel=None), hr, [4.0])


def test_student_begins_as_its_teacher() -> None:
    teacher = tiny_networks()
    teacher.velocity.eval()
    student = teacher.student()
    z, t = torch.randn(2, 4, 4, 4), torch.tensor([0.1, 0.6])
    torch.testing.assert_close(student.velocity(z, t, end=torch.ones(2)), teacher.velocity(z, t))


def test_traffic_counts_kernels_waits_and_memory() -> None:
    x = torch.ones(1000, 1000)

    def call() -> float:
        y = (x + 1).view(-1)
        z = torch.relu(y)
        del y
        return (z * 2).sum().item()

    found = cost_traffic.traffic(lambda repetition: call, CPU)
    assert (found.kernels, found.waits) == (4, 1)
    # Two of the three images of 4 MB at once, and the sum.
    assert found.peak_bytes == pytest.approx(8e6, rel=1e-3)


def test_peak_memory_of_a_convolution_holds_its_output() -> None:
    x, weight = torch.ones(1, 8, 64, 64), torch.ones(16, 8, 1, 1)
    found = cost_traffic.traffic(lambda repetition: lambda: torch.nn.functional.conv2d(x, weight), CPU)
    assert found.kernels >= 1
    assert 4 * 16 * 64 * 64 <= found.peak_bytes < 8 * 4 * 16 * 64 * 64


def test_growth_is_over_what_it_says() -> None:
    generator = tiny_networks().degflow("euler", 1, tile=224)
    assert scales_of(3, 4.0) == pytest.approx([2, 3, 4])
    assert len(scales_of(31, 4.0)) == 31
    encoded = calls(generator.rae.encoder)
    found = against_scales(generator, [1, 3], 32, CPU, Plan(seconds=0.0, least=1))
    # Two looks ahead, then a warm-up and a repetition; all scales from one encoding, or one for each.
    assert len(encoded) == 2 + 2 * (1 + 1 + 1 + 3)
    assert [row["scales"] for row in found] == [1, 3]
    assert all(row["ratio"] == pytest.approx(row["together"] / row["apart"]) for row in found)
    refused = against_scales(generator, [1, 10**9], 32, CPU, Plan(seconds=0.0, longest=60.0))
    assert [row["skipped"][:5] for row in refused] == ["", "expec"]
    sizes = against_size(generator, [64, 256], 2, CPU, Plan(seconds=0.0, least=1))
    assert [(row["pixels"], row["tiled"]) for row in sizes["rows"]] == [(4096, False), (65536, True)]
    slope = (sizes["rows"][1]["seconds"] - sizes["rows"][0]["seconds"]) / (65536 - 4096)
    assert sizes["fit"]["slope"] == pytest.approx(slope)


def test_patches_are_of_photographs_and_mirrored_where_those_end() -> None:
    few, large = patches(2, 40, 48, seed=1), patches(1, 1100, 520)
    assert few.shape == (2, 3, 40, 48)
    assert not torch.equal(few[0], few[1])
    assert torch.equal(few, patches(2, 40, 48, seed=1))
    # The first photograph has 512 pixels a side.
    assert torch.equal(large[:, :, 512:1024].flip(2), large[:, :, :512])


def test_networks_are_the_presets_and_bundles_have_to_fit(tmp_path: Path) -> None:
    fresh = fresh_networks("tiny")
    assert (fresh.solver, fresh.steps, fresh.rae.anchored) == ("euler", 2, True)
    assert (fresh.kernel.side, fresh.knots) == (31, (1.0, 4.0))  # type: ignore[union-attr]
    spec = GeneratorSpec(fresh.rae.spec, fresh.velocity.spec, (1.0, 2.9), 2.9, solver="euler", steps=3)
    kernel = gaussian_kernel((1.0, 2.9))
    save_bundle(tmp_path / "a.safetensors", Bundle(spec, fresh.rae, fresh.velocity, kernel.state_dict()))
    loaded = preset_networks("tiny", CPU, tmp_path / "a.safetensors")
    assert (loaded.solver, loaded.steps, loaded.knots, loaded.weights) == ("euler", 3, (1.0, 2.9), "a.safetensors")
    assert torch.equal(loaded.kernel.kernels, kernel.kernels)  # type: ignore[union-attr, arg-type]
    assert preset_networks("tiny", CPU, seed=5).weights == "random (seed 5)"
    plain = fresh.unanchored()
    save_bundle(tmp_path / "b.safetensors", Bundle(replace(spec, rae=plain.rae.spec), plain.rae, plain.velocity))
    assert preset_networks("tiny", CPU, tmp_path / "b.safetensors").kernel is None
    with pytest.raises(ValueError, match="of preset official"):
        preset_networks("official", CPU, tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--bundle", "huge=x"], "preset out of"), (["--bundle", "tiny"], "PRESET=FILE"), (["--patches", "64"], "80")],
)
def test_mistakes_are_found_before_anything_is_measured(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(None, arguments)
    assert message in capsys.readouterr().err
    assert bundles(["tiny=a.safetensors"]) == {"tiny": Path("a.safetensors")}


def test_folders_are_named_after_the_device() -> None:
    assert device_slug("cuda", "NVIDIA H200", 16) == "nvidia-h200"
    assert device_slug("cpu", "AMD EPYC", 2) == "cpu-amd-epyc-2-threads"
    assert device_slug("cpu", "Intel(R) Xeon(R) CPU @ 2.20GHz", 1) == "cpu-intel-xeon-cpu-1-thread"


def test_plot_marks_its_points(tmp_path: Path) -> None:
    write_plot(
        tmp_path / "plot.png", "a", {"b": [(1, 10.0), (100, 1000.0)], "none": []}, Axis("x", True), Axis("y", True)
    )
    image = read_image(tmp_path / "plot.png")
    blue = (image == np.array([0x1F, 0x77, 0xB4])).all(2)
    line = blue[:, :740]
    rows, columns = np.nonzero(line)
    # A line that rises with x: the leftmost of it is at the bottom.
    assert rows[columns.argmin()] > rows[columns.argmax()]
    assert columns.max() - columns.min() > 500
    with pytest.raises(ValueError, match="expected points"):
        write_plot(tmp_path / "empty.png", "a", {"b": []}, Axis("x"), Axis("y"))


def test_axes_place_and_mark_values() -> None:
    assert Axis("x").place(3.0, 1.0, 5.0) == pytest.approx(0.5)
    assert Axis("x", True).place(10.0, 1.0, 100.0) == pytest.approx(0.5)
    assert Axis("x").marked(0.0, 60.0) == pytest.approx([0, 10, 20, 30, 40, 50, 60])
    assert Axis("x", True).marked(1.0, 20.0) == pytest.approx([1, 2, 5, 10, 20])
    assert Axis("x", marks=(1.0, 8.0)).marked(0.5, 4.0) == [1.0]


def test_whole_run_writes_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(degradation_cost, "preset_networks", lambda *_: tiny_networks("euler", 2))
    monkeypatch.setattr(degradation_cost, "DRAWS", 5)
    arguments = "--device cpu --batches 2 --patches 80 --presets tiny --growing tiny --seconds 0 --threads 1 --seed 3"
    arguments += f" --scales 1 2 --side 64 --largest 256 --size-scales 2 --minutes 5 --out {tmp_path / 'cost'}"
    degradation_cost.main(arguments.split())
    content = json.loads((tmp_path / "cost.json").read_text())
    facts, rows = content["facts"], content["methods"]
    assert (facts["threads"], facts["seed"], facts["torch"]) == (1, 3, torch.__version__)
    assert facts["weights"] == {"tiny": "random"}
    assert len(rows) == 9
    assert {row["repetitions"] for row in rows if row["method"] in (STOCK, OURS)} == {5}
    assert {row["repetitions"] for row in rows if "DegFlow" in row["method"]} == {3}
    assert all(row["kernels"] > 0 and row["peak_mb"] > 0 and row["median"] > 0 for row in rows)
    assert next(row for row in rows if row["method"] == STOCK)["ratio_of_means"] == 1
    assert [row["scales"] for row in content["scales"]["tiny"]] == [1, 2]
    # One size is no line.
    assert "fit" not in content["sizes"]["tiny"]
    text = (tmp_path / "cost.md").read_text()
    assert "| DegFlow tiny, euler-2 (default) | 2 |" in text
    assert "NFE" in text
    assert read_image(tmp_path / "cost.png").shape == (560, 1160, 3)


def test_what_takes_too_long_is_foreseen_on_a_cpu() -> None:
    known = [
        {"method": "quick", "batch": 2, "patch": 100, "median": 0.1, "skipped": ""},
        {"method": "slow", "batch": 2, "patch": 100, "median": 4.0, "skipped": ""},
        {"method": "skipped", "batch": 2, "patch": 100, "skipped": "31 s a call"},
        {"method": "late", "batch": 2, "patch": 100, "skipped": cost_measurement.NO_TIME},
    ]
    foresight = degradation_cost.Foresight(CPU, 30.0)
    foresight.learn(known)
    assert set(foresight.too_long(2 * 100**2)) == {"skipped"}
    assert foresight.too_long(16 * 100**2) == dict.fromkeys(("slow", "skipped"), "expected to take over 30 s")
    on_gpu = degradation_cost.Foresight(torch.device("cuda"), 30.0)
    on_gpu.learn([row for row in known if "median" in row])
    assert on_gpu.too_long(10**9) == {}


def test_chosen_methods_come_with_the_measure_of_all() -> None:
    args = parse(None, ["--device", "cpu", "--methods", "one step", "bicubic", "--presets", "tiny"])
    assert list(degradation_cost.entries(args, {"tiny": tiny_networks()})) == [
        STOCK,
        "bicubic",
        "DegFlow tiny, one step",
    ]
