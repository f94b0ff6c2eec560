"""DegFlow by the official solver: its views, samples that do not depend on their batch, and mistakes."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.random_networks import random_rae, random_velocity
from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp, hr_condition
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, load_bundle, save_bundle
from degflow_aug.bundles.official import convert_official
from degflow_aug.degradations.build import build_degradation
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.files import notice
from degflow_aug.flow.solver import integrate_rk45

HR = torch.rand(2, 3, 48, 32, generator=torch.Generator().manual_seed(0))


def generator(**settings: object) -> DegFlow:
    return DegFlow(random_rae(residual=True), random_velocity(), **{"solver": "rk45", **settings})


@pytest.mark.parametrize("name", ["Canon_001", "Canon_002"])
def test_views_of_the_official_generator(name: str, official: Path, tmp_path: Path) -> None:
    reference = torch.load(official / "generation.pt", weights_only=True)
    for part in ("ae", "flow"):
        torch.save(reference[part], tmp_path / f"{part}.pth")
    converted = convert_official(tmp_path / "ae.pth", tmp_path / "flow.pth")
    assert (converted.spec.solver, converted.spec.tolerance) == ("rk45", 1e-5)
    image = reference["images"][name]
    height, width = image["size"]
    hr = image["hr"][None, :, :height, :width].float() / 255
    views = DegFlow.from_bundle(converted).render_scales(hr, reference["scales"].tolist())
    wanted = torch.load(official / f"generation_views_{name}.pt", weights_only=True)["views"]
    difference = ((torch.cat(views) * 255).round() - wanted.float()).abs()
    assert difference.max() <= 1
    assert (difference > 0).float().mean() < 0.015


def test_a_sample_is_solved_by_itself_to_its_own_time() -> None:
    # In double precision, as the step control of these random networks turns on the last digits of single.
    degradation, hr, scales = generator().double(), HR.double(), torch.tensor([1.7, 3.9])
    together = degradation.render(hr, scales)
    for index, scale in enumerate(scales.tolist()):
        alone = degradation.render(hr[index : index + 1], scale)
        torch.testing.assert_close(together[index : index + 1], alone, rtol=0, atol=1e-5)
    several = degradation.render_scales(hr[:1], [3.9, 1.7])
    torch.testing.assert_close(several[1], together[:1], rtol=0, atol=1e-5)
    patches = degradation.lr_patches(hr, torch.tensor([1.1, 1.9]), 16)
    assert patches.shape == (2, 3, 16, 16)


@pytest.mark.parametrize("scale", [1.0, 2.3, 5.5])
def test_a_view_is_what_the_reference_solver_gives(scale: float) -> None:
    """Also before the first time of the solve, and beyond the last knot."""
    rae, velocity = random_rae(residual=True), random_velocity(rae_channels=4)
    degradation = DegFlow(rae, velocity, solver="rk45", tolerance=1e-3, extrapolate=True)
    image = HR[:1] * 2 - 1
    with torch.no_grad():
        latent, features = rae.encode(image)
        condition = hr_condition(features)

        def field(z: Tensor, t: Tensor) -> Tensor:
            return velocity(z, t, condition)

        start, time = rae.standardise(latent), (scale - 1) / 3
        end = integrate_rk45(field, start, [time, max(time, 1.0)], 1e-3)[0][0] if time else start
        expected = (rae.decode(rae.unstandardise(end), features) + 1) / 2
    torch.testing.assert_close(degradation.render(HR[:1], scale), expected.clamp(0, 1), rtol=0, atol=1e-5)


def test_a_line_says_once_that_it_is_slow(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "_SAID", set())
    with caplog.at_level(logging.WARNING):
        generator(), generator()
    assert caplog.text.count("solver rk45 is slow") == 1


def test_mistakes_are_one_sentence() -> None:
    with pytest.raises(ValueError, match="expected no steps for the solver rk45, which chooses them, got 3"):
        generator(steps=3)
    with pytest.raises(ValueError, match=r"expected no tolerance for the solver heun, got 0\.001; rk45 takes one"):
        generator(solver="heun", tolerance=1e-3)
    with pytest.raises(ValueError, match="from 1e-12 to 1 in tolerance, got 0"):
        generator(tolerance=0)
    student = NCSNpp(**{**random_velocity().spec, "end_time": True})
    with pytest.raises(ValueError, match=r"the solver jump .* \(a one-step student\), got 'rk45'"):
        DegFlow(random_rae(), student, solver="rk45")


def test_a_bundle_and_an_option_file_name_it(tmp_path: Path) -> None:
    rae, velocity = random_rae(residual=True), random_velocity()
    spec = GeneratorSpec(rae.spec, velocity.spec, (1.0, 4.0), 4.0, solver="rk45", tolerance=1e-3)
    path = tmp_path / "camera.safetensors"
    save_bundle(path, Bundle(spec, rae, velocity))
    assert load_bundle(path).spec == spec
    section = {"type": "DegFlow", "bundle": str(path)}

    def sampler(**options: object) -> tuple[str, int, float]:
        made = build_degradation({**section, **options})
        assert isinstance(made, DegFlow)
        return made.sampler.name, made.sampler.steps, made.sampler.tolerance

    assert sampler() == ("rk45", 1, 1e-3)
    assert sampler(tolerance=1e-4) == ("rk45", 1, 1e-4)
    assert sampler(solver="heun") == ("heun", 2, 1e-5)
    save_bundle(path, Bundle(replace(spec, solver="heun", steps=3), rae, velocity))
    assert sampler(solver="rk45") == ("rk45", 1, 1e-3)
    with pytest.raises(ValueError, match="expected a tolerance above 0, at most 1, got 0"):
        replace(spec, tolerance=0.0)
