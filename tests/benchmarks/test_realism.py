"""Benchmarks of realism: what is known to be nearer ranks before what is not, and whole runs at their smallest size."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.photographs import photograph
from helpers.random_networks import random_noise, random_rae, random_velocity, randomise
from helpers.tiny_camera import write_pairs
from helpers.two_cameras import CAMERAS, write_two_cameras
from scipy.ndimage import gaussian_filter
from torch import Tensor

import benchmarks.realism.__main__ as realism
from benchmarks.realism import cameras, noise, real_cameras
from benchmarks.realism.methods import BSRGAN, CEILING, NOISY, OURS, REALESRGAN, Rendered, build_methods
from benchmarks.realism.metrics import METRICS, Likeness
from benchmarks.realism.report import as_json, summarise, tables
from benchmarks.realism.samples import AUC, CHROMA, Samples
from benchmarks.realism.strips import Strips
from benchmarks.shared.gaussian_baseline import GaussianBlur, blur, fit_gaussian
from degflow_aug import compat, load_generator
from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, load_bundle, save_bundle
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.grid import resize, to_lr_grid
from degflow_aug.evaluation.evaluation import EvaluationScene
from degflow_aug.files.image_file import read_image, write_image
from degflow_aug.metrics import two_sample

needs_basicsr = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
SIZE = 208


def image(seed: int) -> Tensor:
    """Smooth texture with fine grain, 8 bit: (1, 3, 208, 208) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 20, 20, generator=generator)
    fine = 0.2 * torch.randn(1, 3, SIZE, SIZE, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bicubic")
    return ((0.25 + smooth / 2 + fine).clamp(0, 1) * 255).round() / 255


def blurred(hr: Tensor, sigma: float) -> Tensor:
    return torch.from_numpy(gaussian_filter(hr.numpy(), (0, 0, sigma, sigma)))


def bundle(path: Path, seed: int, knots: tuple[float, ...] = (1.0, 2.0, 4.0), **parts: Any) -> Path:
    rae, velocity = random_rae(residual=True, seed=seed), random_velocity(seed=seed + 1)
    spec = GeneratorSpec(rae.spec, velocity.spec, knots, 4.0, solver="euler", steps=1, training={"seed": seed})
    save_bundle(path, Bundle(spec, rae, velocity, **parts))
    return path


def kernels() -> dict[str, Tensor]:
    """An impulse at 1, boxes of 3 and 5 pixels at 2 and 4."""
    values = torch.zeros(3, 3, 5, 5)
    values[0, :, 2, 2], values[1, :, 1:4, 1:4], values[2] = 1, 1 / 9, 1 / 25
    return {"knots": torch.tensor([1.0, 2.0, 4.0]), "kernels": values}


def deterministic(view: Tensor, scale: float) -> Rendered:
    return Rendered(view, to_lr_grid(view, scale), to_lr_grid(view, scale))


@needs_basicsr
def test_the_real_view_is_perfect_and_nearer_blur_is_better() -> None:
    methods: Any = {
        "real": [lambda hr, scale, real: deterministic(real, scale)],
        "near": [lambda hr, scale, real: deterministic(blurred(hr, 0.45 * scale), scale)],
        "far": [lambda hr, scale, real: deterministic(blurred(hr, 0.25 * scale), scale)],
        "none": [lambda hr, scale, real: None],
    }
    likeness = Likeness(None, lambda text: None)
    for key in ("noise_kld", "niqe_shift"):
        likeness.leave_out(key, "it does not rank blur")
    hr = image(0)
    scene = EvaluationScene("a", "camera", hr, {2.0: blurred(hr, 1.0), 4.0: blurred(hr, 2.0)})
    rows = realism.measure(methods, [scene], likeness, Strips([2.0, 4.0]), Samples())
    real = [row for row in rows if row["method"] == "real"]
    assert all((row["psnr_y"], row["gradient"], row["spectrum"]) == (math.inf, 0, 0) for row in real)
    summary = summarise(rows, likeness.metrics)
    for metric in likeness.metrics:
        for scale in (2.0, 4.0):
            values = [summary[metric.key][name][scale].mean for name in ("real", "near", "far")]
            assert values == sorted(values, reverse=metric.higher_is_better), metric.key
            assert len(set(values)) == 3
    assert as_json(summary)["psnr_y"]["real"]["2"] == {"mean": None, "spread": None}
    assert "| real | inf | inf |" in tables(summary, likeness.metrics)


def test_a_sample_is_that_of_all_seeds_and_says_why_it_has_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_sample, "STEPS", 2)
    samples, notes = Samples(), list[str]()
    for seed in range(two_sample.LEAST_SCENES):
        view, real, other = image(seed), image(seed + 20), image(seed + 40)
        lr = [to_lr_grid(each, 2.0) for each in (view, real, other)]
        samples.add("drawn", 2.0, real, [Rendered(view, lr[0], lr[2]), Rendered(view, lr[1], lr[2])])
        samples.add("never", 2.0, real, [])
        if seed:
            samples.add("drawn", 4.0, real, [deterministic(view, 4.0)])
    metrics, summary = samples.summary(notes.append)
    assert (metrics, list(summary["auc"])) == ([AUC, CHROMA], ["drawn"])
    assert list(summary["auc"]["drawn"]) == [2.0]
    assert list(summary["edge_chroma"]["drawn"]) == [2.0], "at 4 there is no noise"
    assert len(notes) == 1
    assert notes[0].startswith("two-sample AUC: not measured at x4; expected")


def test_means_over_scenes_then_spread_over_seeds() -> None:
    metrics, values = [METRICS[0], METRICS[3]], {0: (30.0, 34.0), 1: (31.0, 37.0)}
    rows = [
        {"method": name, "seed": seed, "scale": 2.0, "scene": str(number), "psnr_y": value, "gradient": value / 10}
        for name in ("ours", REALESRGAN)
        for seed, pair in values.items()
        for number, value in enumerate(pair)
    ]
    summary = summarise([*rows, {**rows[0], "method": "single", "gradient": math.nan}], metrics)
    assert summary["psnr_y"]["ours"][2.0] == (33.0, 1.0)
    assert summary["psnr_y"][f"{REALESRGAN}, best seed"][2.0] == (34.0, None)
    assert summary["gradient"][f"{REALESRGAN}, best seed"][2.0].mean == pytest.approx(3.2)
    text = tables(summary, metrics)
    assert "| ours | 33.00 ± 1.00 | 3.300 ± 0.100 |" in text
    assert "| single | 30.00 | - |" in text


@needs_basicsr
def test_each_row_has_the_residual_to_what_it_would_be_without_its_draws(tmp_path: Path) -> None:
    parts: dict[str, Any] = {"kernels": [kernels()], "noise": [random_noise().state_dict()]}
    ours = [bundle(tmp_path / f"ours_{seed}.safetensors", seed, **parts) for seed in (0, 1)]
    notes: list[str] = []
    methods = build_methods(ours, [], [bundle(tmp_path / "all.safetensors", 5, (1.0, 2.0))], None, notes.append)
    assert {name: len(seeds) for name, seeds in methods.items()} == {
        "bicubic": 1, "fitted kernel": 1, REALESRGAN: 4, BSRGAN: 4, OURS: 2, NOISY: 2, "all-scales ceiling": 1,
        CEILING: 2,
    }  # fmt: skip
    assert [note.partition(":")[0] for note in notes] == ["Gaussian, fitted", "fitted pipeline"]
    hr, real = image(0)[..., :64, :80], blurred(image(0), 2.0)[..., :64, :80]
    plain, generator = methods[OURS][1](hr, 4.0, real), load_generator(ours[1])
    noisy, drawn = methods[NOISY][1](hr, 4.0, real), methods[REALESRGAN][2](hr, 4.0, real)
    bicubic = methods["bicubic"][0](hr, 4.0, real)
    assert torch.equal(plain.view, generator.render(hr, 4.0))
    assert torch.equal(plain.lr, plain.reference)
    assert torch.equal(noisy.reference, plain.lr)
    assert torch.equal(drawn.reference, bicubic.lr)
    assert not torch.equal(noisy.lr, noisy.reference)
    assert methods["all-scales ceiling"][0](hr, 4.0, real) is None


@needs_basicsr
def test_whole_run_of_realism(tmp_path: Path) -> None:
    pattern = write_pairs(tmp_path / "pairs", scenes=3, size=SIZE)
    ours = bundle(tmp_path / "ours.safetensors", 0, kernels=[kernels()], noise=[random_noise().state_dict()])
    arguments = [
        "--pairs", str(tmp_path / "pairs"), "--layout", "pattern", "--pattern", str(pattern), "--scenes", "002",
        "--train", "000-001", "--ours", str(ours), "--threads", "1", "--out", str(tmp_path), "--name", "tiny",
    ]  # fmt: skip
    realism.main(arguments)
    content, text = json.loads((tmp_path / "tiny.json").read_text()), (tmp_path / "tiny.md").read_text()
    assert (content["facts"]["scenes"], content["facts"]["scales"]) == (["002"], [2.0, 4.0])
    assert list(content["facts"]["gaussian_sigmas"]) == ["2", "4"]
    assert {OURS, NOISY, CEILING, REALESRGAN, "Gaussian, fitted"} <= {row["method"] for row in content["rows"]}
    assert all((metric.key in content["summary"]) == (f"| {metric.title} " in text) for metric in METRICS)
    assert read_image(tmp_path / "tiny.png").std() > 5
    assert read_image(tmp_path / "tiny_strips.png").std() > 5


def test_whole_run_of_cameras(tmp_path: Path) -> None:
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
    assert found["sweep"]["to_first"][0] == found["sweep"]["to_last"][-1] == cameras.CEILING_DB
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
    assert row["between_ends"] == pytest.approx(255 * 0.2, rel=1e-4)
    assert row["beyond_both_ends"] == pytest.approx(255 * 0.1, rel=1e-4)
    # 0.35, 0.5, 0.25 around the middle.
    assert row["second_difference"] == pytest.approx(255 * 0.4, rel=1e-4)
    luma = np.array([65.481, 128.553, 24.966]).sum() / 255
    assert row["to_last"][0] == pytest.approx(-20 * np.log10(0.2 * luma), abs=0.02)


def test_whole_run_of_noise_finds_the_known_one_near_the_real_one(tmp_path: Path) -> None:
    rae, velocity, known = random_rae(residual=True), random_velocity(), random_noise((2.0,))
    spec, path, side = GeneratorSpec(rae.spec, velocity.spec, (1.0, 2.0), 2.0), tmp_path / "camera.safetensors", 160
    save_bundle(path, Bundle(spec, rae, velocity, noise=[known.state_dict()]))
    generator = DegFlow.from_bundle(load_bundle(path))
    for number in range(2):
        hr = to_tensor(photograph(number, side, side))[None]
        lr = to_lr_grid(generator.render(hr, 2.0), 2.0)
        noisy = known(lr, torch.tensor([2.0]), 1.0, torch.Generator().manual_seed(50 + number))
        for folder, made in (("HR", hr), ("x2", resize(noisy, (side, side)).clamp(0, 1))):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_image(tmp_path / folder / f"{number}.png", to_array(made[0]))
    (tmp_path / "pairs.yml").write_text("hr: HR/{id}.png\nviews: {2: 'x2/{id}.png'}\n", encoding="utf-8")
    arguments = [
        "--bundle", str(path), "--pairs", str(tmp_path), "--layout", "pattern",
        "--pattern", str(tmp_path / "pairs.yml"), "--threads", "1", "--device", "cpu",
        "--out", str(tmp_path / "noise"), "--seeds", "0",
    ]  # fmt: skip
    noise.main(arguments)
    rows = {row["name"]: row for row in json.loads((tmp_path / "noise.json").read_text())["rows"]}
    assert list(rows) == ["deterministic", "noise 1, seed 0", noise.SPLIT]
    assert rows["noise 1, seed 0"]["kld"] < rows["deterministic"]["kld"] / 10
    assert len(list(tmp_path.glob("noise_*.png"))) == 4


def textures(count: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(3, 64, 72, generator=generator) for _ in range(count)]


def test_gaussian_finds_the_sigma_of_the_pairs_at_every_scale() -> None:
    pairs = [(hr, {2.0: blur(hr, 0.6), 2.5: blur(hr, 1.3), 4.0: blur(hr, 3.0)}) for hr in textures()]
    assert fit_gaussian(pairs).sigmas == {
        2.0: pytest.approx(0.6, abs=0.01), 2.5: pytest.approx(1.3, abs=0.01), 4.0: pytest.approx(3.0, abs=0.01),
    }  # fmt: skip


def test_variance_of_the_gaussian_is_linear_in_the_square_of_the_scale() -> None:
    fitted, hr = GaussianBlur({4.0: 3.0, 2.0: 1.0}), torch.stack(textures())
    assert fitted.sigma(1.0) == 0
    assert fitted.sigma(1.5) ** 2 == pytest.approx((1.5**2 - 1) / 3)
    assert fitted.sigma(3.0) ** 2 == pytest.approx(1 + 8 * (9 - 4) / 12)
    expected = gaussian_filter(hr.numpy(), (0, 0, *[fitted.sigma(3.0)] * 2), truncate=6.0, mode="reflect")
    torch.testing.assert_close(fitted.render(hr, 3.0), torch.from_numpy(expected))
    assert torch.equal(fitted.render(hr, 1.0), hr)


@pytest.mark.slow
@needs_basicsr
def test_real_cameras_from_pairs_to_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_sample, "STEPS", 2)
    folders = {"Group_A": 9, "Group_B": 12}
    for name, scenes in folders.items():
        write_pairs(tmp_path / name, scenes=scenes, size=128, scales=(2.0,))
    real_cameras.main([
        "--pairs", *(str(tmp_path / name) for name in folders), "--preset", "small", "--iters", "4", "--threads", "1",
        "--work", str(tmp_path / "work"), "--out", str(tmp_path / "real"),
    ])  # fmt: skip
    content = json.loads((tmp_path / "real.json").read_text(encoding="utf-8"))
    assert {row["method"] for row in content["rows"]} >= {"bicubic", "fitted kernel", "fitted pipeline", OURS}
    assert content["facts"]["scenes"]["Group_A"] == {"train": 6, "test": 3}
    # Three scenes of one camera are too few for a two-sample test; the seven of the group are not.
    assert OURS in content["realism"]["Group"][AUC.key]
