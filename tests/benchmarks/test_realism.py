"""The realism benchmark ranks what is known to be nearer before what is not, and its table is its JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.random_networks import random_noise, random_rae, random_velocity
from helpers.tiny_camera import write_pairs
from scipy.ndimage import gaussian_filter

from benchmarks.realism import __main__ as realism
from benchmarks.realism.methods import CEILING, NOISY, OURS, REALESRGAN, Rendered, build_methods
from benchmarks.realism.metrics import METRICS, Likeness
from benchmarks.realism.report import as_json, summarise, tables
from benchmarks.realism.strips import SIDE, ZOOM, Strips, busiest
from degflow_aug import compat, load_generator
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.evaluation.scenes import EvaluationScene
from degflow_aug.files.image_file import read_image
from degflow_aug.metrics.fidelity import psnr_y

needs_basicsr = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
SIZE = 208


def image(seed: int) -> torch.Tensor:
    """Smooth texture with fine grain, 8 bit: (1, 3, 208, 208) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 20, 20, generator=generator)
    fine = 0.2 * torch.randn(1, 3, SIZE, SIZE, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bicubic")
    return ((0.25 + smooth / 2 + fine).clamp(0, 1) * 255).round() / 255


def blurred(hr: torch.Tensor, sigma: float) -> torch.Tensor:
    return torch.from_numpy(gaussian_filter(hr.numpy(), (0, 0, sigma, sigma)))


def scene(name: str, seed: int) -> EvaluationScene:
    hr = image(seed)
    return EvaluationScene(name, "camera", hr, {2.0: blurred(hr, 1.0), 4.0: blurred(hr, 2.0)})


def bundle(path: Path, seed: int, knots: tuple[float, ...] = (1.0, 2.0, 4.0), **parts: Any) -> Path:
    rae, velocity = random_rae(residual=True, seed=seed), random_velocity(seed=seed + 1)
    spec = GeneratorSpec(rae.spec, velocity.spec, knots, 4.0, solver="euler", steps=1, training={"seed": seed})
    save_bundle(path, Bundle(spec, rae, velocity, **parts))
    return path


def kernels() -> dict[str, torch.Tensor]:
    """An impulse at 1, boxes of 3 and 5 pixels at 2 and 4."""
    values = torch.zeros(3, 3, 5, 5)
    values[0, :, 2, 2], values[1, :, 1:4, 1:4], values[2] = 1, 1 / 9, 1 / 25
    return {"knots": torch.tensor([1.0, 2.0, 4.0]), "kernels": values}


def deterministic(view: torch.Tensor, scale: float) -> Rendered:
    return Rendered(view, to_lr_grid(view, scale), to_lr_grid(view, scale))


def blur_method(sigma_of: Any) -> Any:
    def method(hr: torch.Tensor, scale: float, real: torch.Tensor) -> Rendered:
        return deterministic(blurred(hr, sigma_of(scale)), scale)

    return method


@needs_basicsr
def test_the_real_view_is_perfect_and_nearer_blur_is_better() -> None:
    methods = {
        "real": [lambda hr, scale, real: deterministic(real, scale)],
        "near": [blur_method(lambda scale: 0.45 * scale)],
        "far": [blur_method(lambda scale: 0.25 * scale)],
        "none": [lambda hr, scale, real: None],
    }
    likeness = Likeness(None, lambda text: None)
    likeness.leave_out("noise_kld", "methods that draw nothing have no noise")
    rows = realism.measure(methods, [scene("a", 0), scene("b", 1)], likeness, Strips([2.0, 4.0]))
    assert len(rows) == 2 * 2 * 3
    for row in rows:
        if row["method"] == "real":
            assert (row["psnr_y"], row["gradient"], row["spectrum"], row["niqe_shift"]) == (math.inf, 0, 0, 0)
            assert row["ssim_y"] == pytest.approx(1)
    summary = summarise(rows, likeness.metrics)
    for metric in likeness.metrics:
        if metric.key == "niqe_shift":
            continue
        for scale in (2.0, 4.0):
            values = [summary[metric.key][name][scale].mean for name in ("real", "near", "far")]
            assert values == sorted(values, reverse=metric.higher_is_better), metric.key
            assert len(set(values)) == 3
    assert as_json(summary)["psnr_y"]["real"]["2"] == {"mean": None, "spread": None}
    assert "| real | inf | inf |" in tables(summary, likeness.metrics)


def test_means_over_scenes_then_spread_over_seeds() -> None:
    metrics = [METRICS[0], METRICS[3]]
    values = {0: (30.0, 34.0), 1: (31.0, 37.0)}
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
    assert summary["psnr_y"]["single"][2.0] == (30.0, None)
    text = tables(summary, metrics)
    assert "| ours | 33.00 ± 1.00 | 3.300 ± 0.100 |" in text
    assert "| single | 30.00 | - |" in text


@needs_basicsr
def test_rows_of_bundles(tmp_path: Path) -> None:
    noise = random_noise().state_dict()
    ours = [bundle(tmp_path / f"ours_{seed}.safetensors", seed, kernels=kernels(), noise=noise) for seed in (0, 1)]
    ceiling = [bundle(tmp_path / "all.safetensors", 5, knots=(1.0, 2.0))]
    notes: list[str] = []
    methods = build_methods(ours, [], ceiling, None, notes.append)
    assert {name: len(seeds) for name, seeds in methods.items()} == {
        "bicubic": 1, "fitted kernel": 1, REALESRGAN: 4, OURS: 2, NOISY: 2, "all-scales ceiling": 1, CEILING: 2,
    }  # fmt: skip
    assert [note.partition(":")[0] for note in notes] == ["Gaussian, fitted", "fitted pipeline"]
    hr, real = image(0)[..., :64, :80], blurred(image(0), 2.0)[..., :64, :80]
    generators = [load_generator(path) for path in ours]
    plain = [method(hr, 4.0, real) for method in methods[OURS]]
    for found, generator in zip(plain, generators, strict=True):
        assert torch.equal(found.view, generator.render(hr, 4.0))
        assert torch.equal(found.lr, found.reference)
    # Residuals are taken from the same seed; Real-ESRGAN's from bicubic, and those of what draws nothing are 0.
    noisy, drawn = methods[NOISY][1](hr, 4.0, real), methods[REALESRGAN][2](hr, 4.0, real)
    bicubic = methods["bicubic"][0](hr, 4.0, real)
    assert torch.equal(noisy.reference, plain[1].lr)
    assert torch.equal(drawn.reference, bicubic.lr)
    assert torch.equal(bicubic.reference, bicubic.lr)
    deviation = float((noisy.lr - noisy.reference).std())
    assert 0.01 < deviation < 0.06
    again = to_lr_grid(noisy.view, 4.0) - to_lr_grid(plain[1].view, 4.0)
    assert float(torch.corrcoef(torch.stack([again.flatten(), (noisy.lr - noisy.reference).flatten()]))[0, 1]) > 0.8
    assert torch.equal(methods[CEILING][1](hr, 4.0, real).view, generators[1].reconstruct(hr, real, 4.0))
    assert methods["all-scales ceiling"][0](hr, 4.0, real) is None
    assert methods["all-scales ceiling"][0](hr, 2.0, real) is not None


def test_noise_is_compared_by_residuals_to_the_reference() -> None:
    fidelity = pytest.importorskip("benchmarks.realism.noise_fidelity", reason="noise is not measured without it")
    likeness = Likeness(None, lambda text: None)
    likeness.leave_out("niqe_shift", "it is slow")
    reference = (blurred(image(3), 2.0) * 255).round() / 255
    generator = torch.Generator().manual_seed(0)
    real, alike, loud = (
        ((reference + deviation * torch.randn(reference.shape, generator=generator)).clamp(0, 1) * 255).round() / 255
        for deviation in (0.02, 0.02, 0.06)
    )

    def kld(lr: torch.Tensor) -> float:
        return likeness(Rendered(lr, lr, reference), real, 1.0)["noise_kld"]

    assert kld(real) == 0
    assert kld(alike) < 0.05 < kld(loud)
    assert kld(loud) == pytest.approx(fidelity.residual_kld([real - reference], [loud - reference]))
    assert kld(alike) < kld(reference)


def test_rows_without_bundles_are_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compat, "has_basicsr", lambda: False)
    notes: list[str] = []
    assert list(build_methods([], [], [], None, notes.append)) == ["bicubic"]
    bare = bundle(tmp_path / "bare.safetensors", 0)
    assert list(build_methods([bare], [], [], None, notes.append)) == ["bicubic", OURS, CEILING]
    assert sum("`degflow noise` learns it" in note for note in notes) == 1
    assert sum("the first bundle holds none" in note for note in notes) == 2


def test_crops_are_where_the_detail_is() -> None:
    flat = torch.full((1, 3, 200, 150), 0.5)
    flat[..., 120:160, 20:60] = torch.rand(40, 40, generator=torch.Generator().manual_seed(0))
    top, left = busiest(flat, 40)
    assert abs(top - 120) <= 20
    assert abs(left - 20) <= 20


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    pattern = write_pairs(tmp_path / "pairs", scenes=4, size=SIZE)
    noise = random_noise().state_dict()
    ours = [bundle(tmp_path / f"ours_{seed}.safetensors", seed, kernels=kernels(), noise=noise) for seed in (0, 1)]
    paper = bundle(tmp_path / "paper.safetensors", 7)
    return [
        "--pairs", str(tmp_path / "pairs"), "--layout", "pattern", "--pattern", str(pattern), "--scenes", "002-003",
        "--train", "000-001", "--ours", *map(str, ours), "--paper", str(paper), "--threads", "1",
        "--out", str(tmp_path / "out"), "--name", "tiny",
    ]  # fmt: skip


@needs_basicsr
def test_whole_run_writes_tables_that_agree_with_its_json(arguments: list[str], tmp_path: Path) -> None:
    realism.main([*arguments, "--limit", "1"])
    content = json.loads((tmp_path / "out" / "tiny.json").read_text())
    text = (tmp_path / "out" / "tiny.md").read_text()
    known = content["facts"]
    assert (known["scenes"], known["scales"]) == (["002"], [2.0, 4.0])
    assert [each["seed"] for each in known["bundles"]["ours"]] == [0, 1]
    assert list(known["gaussian_sigmas"]) == ["2", "4"]
    seeds = {(row["method"], row["seed"]) for row in content["rows"]}
    assert len(content["rows"]) == 2 * len(seeds)
    assert {(OURS, 1), (NOISY, 1), (CEILING, 0), (REALESRGAN, 3), ("Gaussian, fitted", 0)} <= seeds
    assert "LPIPS (VGG16): not measured" in text
    assert any("LPIPS" in note for note in content["notes"])
    for metric in METRICS:
        assert (metric.key in content["summary"]) == (f"| {metric.title} " in text)
    # Every number of the table of PSNR is the mean over what the JSON keeps.
    lines = text.split("| Y-PSNR, dB")[1].split("\n\n")[0].splitlines()[2:]
    assert len(lines) == len(content["summary"]["psnr_y"]) == 9
    for line in lines:
        method, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for scale, cell in zip(("2", "4"), cells, strict=True):
            values = [
                math.inf if row["psnr_y"] is None else row["psnr_y"]
                for row in content["rows"]
                if (row["method"], f"{row['scale']:g}") == (method.removesuffix(", best seed"), scale)
            ]
            expected = max(values) if method.endswith("best seed") else sum(values) / len(values)
            assert float(cell.split(" ± ")[0]) == pytest.approx(expected, abs=0.0051)
            kept = content["summary"]["psnr_y"][method][scale]["mean"]
            assert (math.inf if kept is None else kept) == pytest.approx(expected)
    sheet = read_image(tmp_path / "out" / "tiny_strips.png")
    assert sheet.shape[1] // (SIDE * ZOOM) == 10
    assert read_image(tmp_path / "out" / "tiny.png").std() > 5


def test_bicubic_pairs_are_what_bicubic_makes(arguments: list[str], tmp_path: Path) -> None:
    """The tiny pairs are bicubic views: the row of bicubic is exact but for rounding, on both grids."""
    args = realism.parse(arguments)
    (first, *_), methods = realism.held_out_scenes(args), build_methods([], [], [], None, lambda text: None)
    hr, real = (torch.from_numpy(read_image(path)).permute(2, 0, 1)[None] / 255 for path in (first.hr, first.views[2]))
    found = methods["bicubic"][0](hr, 2.0, real)
    assert float(psnr_y(found.view, real, eight_bit=True)) > 60
    assert float(psnr_y(found.lr, to_lr_grid(real, 2.0), eight_bit=True)) > 60


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--train", "000-002"), "got 002 which is also in --train"),
        (("--scenes", "900"), "expected scenes to select by '900'"),
        (("--ours", "nothing.safetensors"), "expected a bundle file"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str], change: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        realism.main([*arguments, *change])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
