"""The bundles in the package: small, complete, loaded by name, and as good as they say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import degflow_aug
from benchmarks.release import model_cards
from benchmarks.release.data import measure_on
from benchmarks.release.recipes import RECIPES, HeldOut
from benchmarks.release.train_shipped import LARGEST, TOLERANCE
from degflow_aug.bundles.bundle import load_bundle, read_spec
from degflow_aug.bundles.spec import SHIPPED, WEIGHTS, bundle_path, shipped_names
from degflow_aug.evaluation.bundle_metrics import GENERATOR, METHODS, largest_difference, read_measurements

NAMES = shipped_names()


def test_the_four_bundles_are_there_and_have_a_recipe() -> None:
    assert shipped_names() == list(SHIPPED) == list(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_no_recipe_is_tested_on_what_it_is_trained_on(recipe: object) -> None:
    trained = {(camera, number) for camera, first, last in recipe.training for number in range(first, last + 1)}
    for held_out in recipe.tests:
        if held_out.camera:
            first, last = map(int, held_out.scenes.split("-"))
            assert not trained & {(held_out.camera, number) for number in range(first, last + 1)}
    assert recipe.scenes.count(",") + 1 == len(trained)


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_is_small_and_says_what_it_is(name: str) -> None:
    assert bundle_path(name).stat().st_size <= LARGEST
    spec, recipe = read_spec(name), RECIPES[name]
    assert spec.licence == recipe.licence
    assert spec.camera
    assert spec.training.keys() >= {"preset", "recipe", "iterations", "seconds", "scenes", "seed", "device", "torch"}
    assert spec.training["preset"] == "small"
    assert sorted(spec.training["scenes"]) == sorted(recipe.scenes.split(","))
    measurements = read_measurements(spec)
    assert [(found.data, found.rerun) for found in measurements] == [(each.data, each.rerun) for each in recipe.tests]
    for measurement in measurements:
        # A pipeline is kept where it explains most of what a kernel leaves.
        left_out = {"fitted pipeline"} if name != "simulator" else set()
        assert {row.method for row in measurement.rows()} == set(METHODS) - left_out


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_renders_by_its_name(name: str) -> None:
    generator = degflow_aug.load_generator(name, noise=1.0)
    hr = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    choices = [(scale, camera) for scale in (1.0, 1.3, *generator.knots[1:]) for camera in generator.cameras or (None,)]
    for scale, camera in choices:
        lr = generator(hr, scale, camera=camera)
        assert lr.shape[-2:] == (round(48 / scale), round(64 / scale))
        assert torch.isfinite(lr).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_is_ahead_of_bicubic_on_every_data_set(name: str) -> None:
    for measurement in read_measurements(read_spec(name)):
        found = {(row.method, row.scale): row.psnr_y for row in measurement.rows()}
        assert all(found[GENERATOR, scale] > found["bicubic", scale] for _, scale in found)


@pytest.mark.parametrize(
    ("name", "held_out"),
    [pytest.param(name, each, id=f"{name} on {each.data}") for name in NAMES for each in RECIPES[name].tests],
)
def test_a_bundle_reproduces_its_header(
    name: str, held_out: HeldOut, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    city100 = request.getfixturevalue("city100") if held_out.camera else None
    (before,) = (each for each in read_measurements(read_spec(name)) if each.data == held_out.data)
    # Views of large images by the simulator take most of the time.
    scenes = 1 if held_out.simulated and held_out.camera else 2
    now = measure_on(held_out, load_bundle(name), city100, tmp_path, limit=scenes)
    assert now.scenes == before.scenes[:scenes]
    assert largest_difference(before, now, now.scenes) <= TOLERANCE


def test_model_cards_have_the_numbers_of_the_headers() -> None:
    assert (WEIGHTS / "README.md").read_text(encoding="utf-8") == model_cards.cards()
