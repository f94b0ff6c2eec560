"""DegFlow behind the degradation interface, with networks whose random weights make every part count."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.random_networks import random_noise, random_rae, random_velocity, randomise
from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec
from degflow_aug.degradations.generator.degflow import DegFlow


def generator(
    *, conditioned: bool = False, residual: bool = True, levels: int = 2, smooth: bool = False, **settings: object
) -> DegFlow:
    """A random generator; ``smooth`` weakens how its velocity depends on time, so that solvers converge soon."""
    rae = random_rae(4, residual=residual)
    velocity = random_velocity(multipliers=(1, 2, 2, 2)[:levels], rae_channels=4 if conditioned else 0)
    if smooth:
        for name, parameter in velocity.named_parameters():
            if "Dense_0.weight" in name:
                parameter.data *= 0.05
    return DegFlow(rae, velocity, **{"solver": "heun", "steps": 2, **settings})


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def close(found: Tensor, truth: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(found, truth, rtol=0, atol=tolerance)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "conditioned"])
def degflow(request: pytest.FixtureRequest) -> DegFlow:
    return generator(conditioned=request.param)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 64), (9, 23), (33, 31), (64, 64), (65, 40), (101, 57)])
@pytest.mark.parametrize("scale", [1.0, 1.37, 2.0, 4.0])
def test_lr_and_view_have_the_sizes_of_their_grids(degflow: DegFlow, height: int, width: int, scale: float) -> None:
    hr = images(2, 3, height, width)
    lr, view = degflow(hr, scale), degflow.render(hr, scale)
    assert lr.shape == (2, 3, round(height / scale), round(width / scale))
    assert view.shape == hr.shape
    assert lr.dtype == view.dtype == hr.dtype
    for image in (lr, view):
        assert image.min() >= 0
        assert image.max() <= 1
    assert torch.isfinite(view).all()


def test_four_levels_take_images_of_8_pixels() -> None:
    assert generator(levels=4)(images(1, 3, 8, 11), 2.0).shape == (1, 3, 4, 6)


def test_rendering_is_encode_flow_decode(degflow: DegFlow) -> None:
    hr, scale = images(2, 3, 32, 48), 2.5
    with torch.no_grad():
        latent, features = degflow.rae.encode(hr * 2 - 1)
        condition = None
        if degflow.velocity.condition is not None:
            stacked = torch.cat([features.levels[3], F.pixel_unshuffle(features.levels[2], 2)], 1)
            mean, variance = stacked.mean(1, keepdim=True), stacked.var(1, correction=0, keepdim=True)
            condition = (stacked - mean) / (variance + 1e-5).sqrt()
        mean, std = degflow.rae.latent_mean[:, None, None], degflow.rae.latent_std[:, None, None]
        z, dt = (latent - mean) / std, 0.5 / 2
        for step in range(2):
            start = degflow.velocity(z, torch.full((2,), step * dt), condition)
            end = degflow.velocity(z + dt * start, torch.full((2,), (step + 1) * dt), condition)
            z = z + dt / 2 * (start + end)
        view = ((degflow.rae.decode(z * std + mean, features) + 1) / 2).clamp(0, 1)
    close(degflow.render(hr, scale), view)
    lr = F.interpolate(view, (13, 19), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    close(degflow(hr, scale), lr)
    assert (view - hr).abs().mean() > 0.02
    assert ((view > 0) & (view < 1)).float().mean() > 0.6


@pytest.mark.parametrize(("height", "width"), [(33, 31), (16, 23), (9, 64)])
def test_other_sizes_are_mirrored_at_the_bottom_and_right(degflow: DegFlow, height: int, width: int) -> None:
    hr = images(1, 3, height, width)
    edges = ((0, 0), (0, 0), (0, -height % 16), (0, -width % 16))
    padded = torch.from_numpy(np.pad(hr.numpy(), edges, mode="reflect"))
    close(degflow.render(hr, 2.2), degflow.render(padded, 2.2)[..., :height, :width])
    close(degflow.reconstruct(hr, hr, 2.0), degflow.reconstruct(padded, padded, 2.0)[..., :height, :width])


def test_a_scale_per_sample_is_one_at_a_time(degflow: DegFlow) -> None:
    hr, scales = images(4, 3, 40, 24), torch.tensor([1.0, 1.6, 2.9, 4.0])
    together = degflow.render(hr, scales)
    for sample in range(4):
        close(together[sample], degflow.render(hr[sample : sample + 1], float(scales[sample]))[0])
    close(degflow.render(hr, torch.tensor(2.0)), degflow.render(hr, 2.0), 0)
    close(degflow.views(hr, scales), together, 0)


def test_lr_patches_are_cut_from_the_views_of_the_samples_alone(degflow: DegFlow) -> None:
    hr, scales = images(4, 3, 64, 64), torch.tensor([1.0, 1.63, 2.9, 4.0])
    together = degflow.lr_patches(hr, scales, 16)
    assert together.shape == (4, 3, 16, 16)
    for sample, scale in enumerate(scales.tolist()):
        side = round(16 * scale)
        view = degflow.render(hr[sample : sample + 1], scale)[..., :side, :side]
        close(together[sample], F.interpolate(view, (16, 16), mode="bicubic", antialias=True).clamp(0, 1)[0])


@pytest.mark.parametrize(
    ("sizes", "side", "decoded"),
    [
        ({}, 64, 136),
        ({"unshuffle": 2, "multipliers": (1, 1, 2), "decoder_blocks": 1}, 30, 80),
        ({"unshuffle": 4, "multipliers": (1, 1), "encoder_blocks": 1, "decoder_blocks": 1}, 17, 64),
    ],
)
def test_only_what_the_largest_square_needs_is_decoded(sizes: dict[str, Any], side: int, decoded: int) -> None:
    rae = random_rae(2, residual=True, **sizes)
    velocity = randomise(
        NCSNpp(base_channels=8, multipliers=(1, 2), blocks=1, condition_channels=rae.condition_channels)
    )
    hr = images(2, 3, 192, 192)
    shown: list[tuple[int, ...]] = []
    rae.decoder.register_forward_hook(lambda module, inputs, output: shown.append(tuple(output.shape[-2:])))
    degradation, scales = DegFlow(rae, velocity), torch.tensor([1.0, side / 16])
    windowed = degradation.lr_patches(hr, scales, 16)
    assert shown == [(decoded, decoded)]
    degradation.whole_patches = True
    close(windowed, degradation.lr_patches(hr, scales, 16))
    assert shown[1] == (192, 192)
    # Scales on an accelerator are not read; here the meta device stands for one.
    shown.clear()
    degradation.to("meta").lr_patches(hr.to("meta"), scales.to("meta"), 16)
    assert shown == [(192, 192)]


@pytest.mark.parametrize("conditioned", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_tiles_change_nothing(conditioned: bool, residual: bool) -> None:
    whole, tiled = (generator(conditioned=conditioned, residual=residual, tile=tile) for tile in (1024, 256))
    hr, view = images(1, 3, 400, 360), images(1, 3, 400, 360, seed=1)
    close(tiled.render(hr, 2.3), whole.render(hr, 2.3))
    close(tiled.reconstruct(hr, view, 2.0), whole.reconstruct(hr, view, 2.0))
    if conditioned and residual:
        for one, other in zip(tiled.render_scales(hr, [1.5, 3.0]), whole.render_scales(hr, [1.5, 3.0]), strict=True):
            close(one, other)


def test_reconstruct_is_the_autoencoder_alone(degflow: DegFlow) -> None:
    hr, view = images(2, 3, 32, 48), images(2, 3, 32, 48, seed=1)
    with torch.no_grad():
        truth = (degflow.rae(view * 2 - 1, hr * 2 - 1)[0] + 1) / 2
    close(degflow.reconstruct(hr, view, 2.0), truth.clamp(0, 1))
    assert degflow.reconstruct(hr[..., :19, :33], view[..., :19, :33], 2.0).shape == (2, 3, 19, 33)


def test_scales_from_one_encoding_equal_single_renders() -> None:
    hr, scales = images(2, 3, 32, 32), [3.1, 1.2, 4.0, 3.1]
    for solver in ("euler", "midpoint", "heun", "rk4"):
        degradation = generator(solver=solver, steps=2)
        for view, scale in zip(degradation.render_scales(hr, scales), scales, strict=True):
            close(view, degradation.render(hr, scale))


def test_an_end_of_path_time_is_one_at_s_max() -> None:
    seen: list[Tensor] = []
    degradation = generator(s_max=2.9, knots=(1.0, 2.9), solver="euler", steps=2)
    degradation.velocity.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[1]))
    degradation.render(images(2, 3, 16, 16), torch.tensor([2.9, 1.95]))
    close(torch.stack(seen), torch.tensor([[0.0, 0.0], [0.5, 0.25]]), 1e-6)


def test_the_last_scale_may_come_through_float32() -> None:
    hr, degradation = images(1, 3, 32, 32), generator(s_max=2.9, knots=(1.0, 2.9))
    last = torch.tensor([2.9])
    assert last.item() > 2.9
    close(degradation.render(hr, last), degradation.render(hr, 2.9), 1e-6)
    close(degradation.render(hr, last[0]), degradation.render(hr, 2.9), 1e-6)
    assert degradation.lr_patches(hr, last, 11).shape == (1, 3, 11, 11)


@pytest.mark.parametrize("scale", [0.99, 4.01, -1.0, math.nan, math.inf, 0.0])
def test_scales_outside_the_range_are_refused(degflow: DegFlow, scale: float) -> None:
    hr = images(2, 3, 16, 16)
    message = "expected a scale from 1 to 4"
    for call in (
        lambda: degflow(hr, scale),
        lambda: degflow.render(hr, scale),
        lambda: degflow.render(hr, torch.tensor([2.0, scale])),
        lambda: degflow.render_scales(hr, [2.0, scale]),
        lambda: degflow.check_scales([1.0, scale]),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_extrapolation_is_allowed_where_it_is_asked_for() -> None:
    hr, far = images(1, 3, 32, 32), generator(extrapolate=True)
    assert far(hr, 5.0).shape == (1, 3, 6, 6)
    assert torch.isfinite(far.render_scales(hr, [2.0, 6.0])[1]).all()
    far.check_scales([1.0, 9.0])
    with pytest.raises(ValueError, match="expected a scale from 1 to inf"):
        far(hr, 0.5)


def test_views_of_another_size_are_refused(degflow: DegFlow) -> None:
    with pytest.raises(ValueError, match="view of the HR image's shape"):
        degflow.reconstruct(images(1, 3, 32, 32), images(1, 3, 16, 16), 2.0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.1), (torch.float16, 0.02), (torch.float64, 1e-4)])
def test_other_dtypes_of_the_networks_and_of_the_image_work(dtype: torch.dtype, tolerance: float) -> None:
    hr, truth = images(1, 3, 24, 40), generator(conditioned=True, smooth=True)
    other = generator(conditioned=True, smooth=True).to(dtype)
    for image in (hr, hr.to(dtype)):
        view = other.render(image, 2.0)
        assert view.dtype == image.dtype
        close(view.float(), truth.render(hr, 2.0), tolerance)
    assert other(hr, 2.0).dtype == hr.dtype
    assert other.lr_patches(hr, torch.tensor([2.0]), 8).shape == (1, 3, 8, 8)


def test_the_networks_keep_float32_for_a_half_precision_image(degflow: DegFlow) -> None:
    hr = images(1, 3, 16, 16)
    assert degflow.render(hr.half(), 2.0).dtype == torch.float16
    close(degflow.render(hr.half(), 2.0).float(), degflow.render(hr.half().float(), 2.0), 1e-3)


@pytest.mark.parametrize("conditioned", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_autocast_reaches_the_networks_and_not_the_path(conditioned: bool, residual: bool) -> None:
    hr, scales = images(3, 3, 48, 48), torch.tensor([1.0, 2.3, 4.0])
    plain, amp = (
        generator(conditioned=conditioned, residual=residual, smooth=True, amp=amp) for amp in ("none", "bf16")
    )
    truth = plain.lr_patches(hr, scales, 12)
    seen: list[torch.dtype] = []

    def look(module: torch.nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        assert arguments[0].dtype == arguments[1].dtype == torch.float32
        seen.append(output.dtype)

    for degradation in (plain, amp):
        degradation.velocity.register_forward_hook(look)
    with torch.autocast("cpu", torch.bfloat16):
        around = plain.lr_patches(hr, scales, 12)
    assert around.dtype == torch.float32
    # Eight bits of mantissa in every layer; the step of an 8-bit image is 0.004.
    close(around, truth, 0.03)
    assert (around - truth).abs().mean() < 0.004
    assert torch.equal(amp.lr_patches(hr, scales, 12), around)
    assert amp.lr_patches(hr.double(), scales, 12).dtype == torch.float64
    assert set(seen) == {torch.bfloat16}
    close(amp.reconstruct(hr, hr, 2.0), plain.reconstruct(hr, hr, 2.0), 0.06)
    assert amp.render_scales(hr, [2.0])[0].dtype == torch.float32


def test_tiles_work_under_autocast() -> None:
    hr = images(1, 3, 264, 264)
    tiled, truth = generator(tile=256, amp="bf16", smooth=True), generator(smooth=True)
    close(tiled.render(hr, 2.3), truth.render(hr, 2.3), 0.05)


def test_networks_stay_in_evaluation_mode_whatever_the_parent_does() -> None:
    degradation, hr = DegFlow(random_rae(4).train(), random_velocity().train()), images(1, 3, 16, 16)
    assert degradation.velocity.all_modules[3].Dropout_0.p > 0
    expected = degradation(hr, 2.0)
    for switch in (torch.nn.ModuleList([degradation]).train, degradation.train, degradation.eval):
        switch()
        assert not any(module.training for module in (*degradation.rae.modules(), *degradation.velocity.modules()))
        assert torch.equal(degradation(hr, 2.0), expected)
    assert degradation.train() is degradation


def test_a_generator_out_of_a_bundle_is_frozen_and_one_made_of_networks_in_training_leaves_them_so() -> None:
    rae, velocity = random_rae(4), random_velocity()
    bundle = Bundle(GeneratorSpec(rae.spec, velocity.spec, (1.0, 4.0), 4.0), rae, velocity)
    DegFlow(rae, velocity)
    assert all(parameter.requires_grad for parameter in velocity.parameters())
    degradation = DegFlow.from_bundle(bundle)
    assert not any(parameter.requires_grad for parameter in degradation.parameters())


def test_compiled_networks_give_the_same_and_keep_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_module, hr, scales = torch.nn.Module.compile, images(2, 3, 32, 32), torch.tensor([1.5, 4.0])
    modes = []

    def compile_eagerly(self: torch.nn.Module, mode: str | None) -> None:
        # The graph is captured as for any backend; the one that generates code takes minutes on a small machine.
        modes.append(mode)
        compile_module(self, backend="eager", fullgraph=True)

    monkeypatch.setattr(torch.nn.Module, "compile", compile_eagerly)
    compiled, plain = generator(conditioned=True, compile=True), generator(conditioned=True)
    try:
        close(compiled.lr_patches(hr, scales, 8), plain.lr_patches(hr, scales, 8))
        assert compiled.state_dict().keys() == plain.state_dict().keys()
        assert compiled.rae.encoder._compiled_call_impl is not None
        assert modes == 3 * [None]
        generator(compile="max-autotune-no-cudagraphs")
        assert modes[3:] == 3 * ["max-autotune-no-cudagraphs"]
    finally:
        torch.compiler.reset()


def test_nothing_is_random_and_no_graph_is_built() -> None:
    degradation, hr = generator(conditioned=True), images(2, 3, 16, 16).requires_grad_(True)
    assert any(parameter.requires_grad for parameter in degradation.parameters())
    before, untouched = torch.random.get_rng_state(), hr.detach().clone()
    scales = torch.tensor([1.5, 3.0])
    calls = (
        lambda: degradation(hr, 2.0),
        lambda: degradation.render(hr, scales),
        lambda: degradation.lr_patches(hr, scales, 5),
        lambda: torch.stack(degradation.render_scales(hr, [1.5, 3.0])),
        lambda: degradation.reconstruct(hr, hr, 2.0),
    )
    for call in calls:
        first, second = call(), call()
        assert torch.equal(first, second)
        assert not first.requires_grad
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(hr, untouched)


@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "rk"}, {"steps": 0}, {"steps": -1}, {"s_max": 1.0}, {"s_max": math.nan}, {"tile": 100},
        {"amp": "x"}, {"solver": ""}, {"solver": 0}, {"solver": False}, {"solver": [1]}, {"steps": False},
        {"steps": ""}, {"extrapolate": "no"}, {"extrapolate": 0}, {"compile": 2}, {"compile": [1]}, {"amp": []},
    ],
)  # fmt: skip
def test_settings_that_make_no_generator_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        generator(**settings)


def test_the_number_of_evaluations_is_steps_times_the_solver_s() -> None:
    degradation, calls = generator(solver="heun", steps=2), []
    degradation.velocity.register_forward_hook(lambda *_: calls.append(1))
    degradation.render(images(3, 3, 16, 16), torch.tensor([1.0, 2.0, 4.0]))
    assert len(calls) == 4
    # Paths to several scales have their first velocity in common.
    degradation.render_scales(images(1, 3, 16, 16), [1.0, 2.0, 4.0])
    assert len(calls) == 4 + 1 + 3 * 3


def test_noise_is_in_lr_and_never_in_views() -> None:
    quiet, noisy = (DegFlow(random_rae(), random_velocity(), residual=random_noise(), noise=level) for level in (0, 1))
    hr, scales = torch.rand(2, 3, 48, 48), torch.tensor([1.0, 3.0], dtype=torch.float64)
    assert torch.equal(noisy.render(hr, 3.0), quiet.render(hr, 3.0))
    noisy.seed(0)
    clean, lr = quiet(hr, 3.0), noisy(hr, 3.0)
    assert 0.01 < float((lr - clean).std()) < 0.06
    assert not torch.equal(noisy(hr, 3.0), lr)
    noisy.seed(0)
    assert torch.equal(noisy(hr, 3.0), lr)
    patches = noisy.lr_patches(hr, scales, 16)
    clean = quiet.lr_patches(hr, scales, 16)
    assert torch.equal(patches[0], clean[0])
    assert 0.01 < float((patches[1] - clean[1]).std()) < 0.06
    noisy.seed(7)
    with torch.autocast("cpu", torch.bfloat16):
        assert noisy.lr_patches(hr, scales, 16).dtype == hr.dtype


def test_noise_that_was_not_learned_is_refused() -> None:
    with pytest.raises(ValueError, match="expected noise of 0 for a generator that has learned none, got 1; `degflow"):
        DegFlow(random_rae(), random_velocity(), noise=1.0)
    for strength in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="expected a number from 0 to 100 in noise"):
            DegFlow(random_rae(), random_velocity(), residual=random_noise(), noise=strength)
