"""The script that makes the shipped bundles: facts and scores in the header, resumed, checked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.release import model_cards, train_shipped
from benchmarks.release.recipes import RECIPES, Recipe
from degflow_aug import compat
from degflow_aug.bundles.bundle import load_bundle, read_spec, save_bundle
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.evaluation.bundle_metrics import METHODS, read_measurements
from degflow_aug.files.image_file import write_image

needs_basicsr = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
SIDE, TRAINED, TESTED = 104, 2, 1


@pytest.fixture(scope="module")
def city100(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes of each of City100's cameras, with views a bit darker than bicubic ones."""
    root, rng = tmp_path_factory.mktemp("data") / "City100", np.random.default_rng(0)
    for camera in ("City100_iPhoneX", "City100_NikonD5500"):
        for scene in range(1, TRAINED + TESTED + 1):
            hr = rng.integers(0, 256, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
            (root / camera).mkdir(parents=True, exist_ok=True)
            write_image(root / camera / f"{scene:03}H.png", hr)
            view = 0.95 * Bicubic().render(to_tensor(hr)[None], 2.9)[0]
            write_image(root / camera / f"{scene:03}L.png", to_array(view))
    return root


def shortened(recipe: Recipe) -> Recipe:
    """The recipe on the first scenes only, and without scikit-image's photographs, which take longer."""
    scenes = f"{TRAINED + 1:03}-{TRAINED + TESTED:03}"
    training = tuple((camera, 1, TRAINED) for camera, _, _ in recipe.training)
    tests = tuple(
        replace(held_out, scenes=scenes, rerun=held_out.rerun.replace(held_out.scenes, scenes))
        for held_out in recipe.tests
        if held_out.camera
    )
    return replace(recipe, training=training, tests=tests)


@pytest.fixture(autouse=True)
def short_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, recipe in list(RECIPES.items()):
        monkeypatch.setitem(RECIPES, name, shortened(recipe))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What has been trained by one test need not be trained again by the next."""
    return tmp_path_factory.mktemp("work")


def make(name: str, city100: Path, work: Path, out: Path, *more: str) -> int:
    """Run the script on three iterations."""
    return train_shipped.main([
        name, "--city100", str(city100), "--iters", "3", "--preset", "tiny", "--device", "cpu",
        "--work", str(work), "--out", str(out), *more,
    ])  # fmt: skip


@pytest.mark.slow
@needs_basicsr
@pytest.mark.parametrize("name", ["city100", "simulator"])
def test_a_bundle_is_made_and_says_how_good_it_is(
    name: str, city100: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, recipe = tmp_path / f"{name}.safetensors", RECIPES[name]
    assert make(name, city100, work, out) == 0
    spec = read_spec(out)
    assert spec.knots == ((1.0, 2.0, 4.0) if name == "simulator" else (1.0, 2.9))
    assert spec.licence == recipe.licence
    assert sorted(spec.training["scenes"]) == sorted(recipe.scenes.split(","))
    measurements = read_measurements(spec)
    assert [measurement.data for measurement in measurements] == [each.data for each in recipe.tests]
    monkeypatch.setattr(model_cards, "bundle_path", lambda name: out)
    card = model_cards.card(name, spec)
    for measurement in measurements:
        rows = measurement.rows()
        # Few steps of the search find no pipeline that is worth it.
        assert {row.method for row in rows} | {"fitted pipeline"} == set(METHODS)
        assert measurement.scenes == [f"{TRAINED + 1:03}"]
        assert all(f"{row.psnr_y:.2f} / {row.ssim_y:.4f}" in card for row in rows)
        assert f"`{measurement.rerun}`" in card
    assert all(f"{TRAINED} scenes of {camera} (001 to 002)" in card for camera, _, _ in recipe.training)
    assert all(warning in card for warning in recipe.not_good_for)


@pytest.mark.slow
@needs_basicsr
def test_other_scores_fail_the_check(city100: Path, work: Path, tmp_path: Path) -> None:
    out = tmp_path / "iphone.safetensors"
    make("city100-iphone", city100, work, out)
    trained = {path: path.stat().st_mtime_ns for path in (work / "city100-iphone").rglob("net_g_latest.pth")}
    assert make("city100-iphone", city100, work, out, "--check") == 0
    bundle = load_bundle(out)
    metrics = json.loads(json.dumps(bundle.spec.metrics))
    metrics[0]["scores"][-1][3] += 0.06
    save_bundle(out, replace(bundle, spec=replace(bundle.spec, metrics=metrics)))
    assert make("city100-iphone", city100, work, out, "--check") == 1
    # What is trained is not trained again.
    assert trained == {path: path.stat().st_mtime_ns for path in trained}
