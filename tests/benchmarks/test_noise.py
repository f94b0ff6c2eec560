"""The noise benchmark: LR whose noise is known to be in the pairs comes nearer than LR without."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from helpers.photographs import photograph
from helpers.random_networks import random_noise, random_rae, random_velocity

from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, load_bundle, save_bundle
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.grid import resize, to_lr_grid
from degflow_aug.files.image_file import write_image

SIZE = 160


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    from benchmarks.realism import noise

    return noise


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """A bundle, and photographs with views from it that hold its noise."""
    rae, velocity, noise = random_rae(residual=True), random_velocity(), random_noise((2.0,))
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=(1.0, 2.0), s_max=2.0)
    bundle = Bundle(spec, rae, velocity, noise=noise.state_dict())
    save_bundle(tmp_path / "camera.safetensors", bundle)
    generator = DegFlow.from_bundle(bundle)
    for number in range(3):
        hr = to_tensor(photograph(number, SIZE, SIZE))[None]
        lr = to_lr_grid(generator.render(hr, 2.0), 2.0)
        noisy = noise(lr, torch.tensor([2.0]), 1.0, torch.Generator().manual_seed(50 + number))
        for folder, image in (("HR", hr), ("x2", resize(noisy, (SIZE, SIZE)).clamp(0, 1))):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_image(tmp_path / folder / f"{number}.png", to_array(image[0]))
    pattern = tmp_path / "pairs.yml"
    pattern.write_text("hr: HR/{id}.png\nviews: {2: 'x2/{id}.png'}\n", encoding="utf-8")
    return [
        "--bundle", str(tmp_path / "camera.safetensors"), "--pairs", str(tmp_path), "--layout", "pattern",
        "--pattern", str(pattern), "--threads", "1", "--device", "cpu", "--out", str(tmp_path / "results" / "noise"),
    ]  # fmt: skip


def test_known_noise_is_near_the_real_one(
    benchmark: ModuleType, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark.main([*arguments, "--seeds", "0", "3"])
    content = json.loads((tmp_path / "results" / "noise.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in content["rows"]}
    assert list(rows) == ["deterministic", "noise 1, seed 0", "noise 1, seed 3", benchmark.SPLIT]
    for name in ("noise 1, seed 0", "noise 1, seed 3"):
        assert rows[name]["kld"] < rows["deterministic"]["kld"] / 10
        for measure in ("kld_each", "by_level", "by_contrast", "spectrum"):
            assert rows[name][measure] < rows["deterministic"][measure] / 2
    assert content["facts"]["images"] == 3
    assert {"torch", "device", "threads", "seeds"} <= set(content["facts"])
    text = (tmp_path / "results" / "noise.md").read_text(encoding="utf-8")
    assert text.strip() == capsys.readouterr().out.strip()
    plots = sorted(path.name for path in (tmp_path / "results").glob("*.png"))
    assert plots == [f"noise_{name}.png" for name in ("autocorrelation", "contrast", "level", "spectrum")]


def test_a_bundle_without_noise_is_refused(benchmark: ModuleType, arguments: list[str], tmp_path: Path) -> None:
    path = tmp_path / "camera.safetensors"
    save_bundle(path, replace(load_bundle(path), noise={}))
    with pytest.raises(ValueError, match="`degflow noise` learns it"):
        benchmark.main(arguments)
