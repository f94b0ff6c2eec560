"""One-step networks against diffusers' schedulers, and what is trained, saved and fused of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.onestep_networks import KINDS, TIMES, images, tiny_network

diffusers = pytest.importorskip("diffusers", reason="the extra onestep is not installed")
pytest.importorskip("peft", reason="the extra onestep is not installed")

from degflow_aug.onestep.fluxsr.token_features import token_features  # noqa: E402
from degflow_aug.onestep.networks.backbones import pack, positions, unpack  # noqa: E402
from degflow_aug.onestep.networks.noise_levels import one_step_along_velocity, one_step_from_noise  # noqa: E402


def test_packing_is_that_of_diffusers() -> None:
    latents = torch.rand(2, 16, 6, 8)
    pipeline = diffusers.FluxPipeline
    assert torch.equal(pack(latents), pipeline._pack_latents(latents, 2, 16, 6, 8))
    assert torch.equal(unpack(pack(latents), 6, 8), latents)
    ids = pipeline._prepare_latent_image_ids(2, 3, 4, torch.device("cpu"), torch.float32)
    assert torch.equal(positions(3, 4, torch.device("cpu")), ids)


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("step", [1, 273, 900])
def test_a_step_from_noise_is_that_of_the_scheduler(predicts: str, step: int) -> None:
    scheduler = diffusers.DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, prediction_type=predicts
    )
    latents, prediction = torch.rand(2, 1, 4, 4, 4).unbind()
    ours = one_step_from_noise(latents, prediction, scheduler.alphas_cumprod[step], predicts)
    theirs = scheduler.step(prediction, step, latents).pred_original_sample
    assert torch.allclose(ours, theirs, atol=1e-5)
    with pytest.raises(ValueError, match="sample"):
        one_step_from_noise(latents, prediction, scheduler.alphas_cumprod[step], "sample")


def test_a_step_along_the_velocity_is_that_of_the_scheduler() -> None:
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=1)
    scheduler.set_timesteps(sigmas=[0.42])
    latents, velocity = torch.rand(2, 1, 16, 4, 4).unbind()
    theirs = scheduler.step(velocity, scheduler.timesteps[0], latents).prev_sample
    assert torch.allclose(one_step_along_velocity(latents, velocity, torch.tensor(0.42)), theirs, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_inference_is_the_formula(kind: str, tiny_backbones: Path) -> None:
    network = tiny_network(kind, tiny_backbones)
    space = network.latents
    with torch.no_grad():
        latents = (space.vae.encode(images()).latent_dist.mode() - space.shift) * space.scaling
        times = torch.full((2,), TIMES[kind])
        if kind == "omgsr_s":
            noise = network.backbone.model(latents, times, network.prompt["embeds"].expand(2, -1, -1)).sample
            bar = network.backbone.alpha_bars[273]
            clean = (latents - (1 - bar).sqrt() * noise) / bar.sqrt()
        elif kind == "flowsr":
            prompt = network.prompt["embeds"].expand(2, -1, -1)
            clean = latents - network.backbone.model(latents, 1000 * times, prompt).sample
        else:
            clean = latents - times[0] * network.backbone(latents, times, network.prompt)
        expected = space.vae.decode(clean / space.scaling + space.shift).sample
        assert torch.allclose(network(images()), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_lora_alone(kind: str, tiny_backbones: Path) -> None:
    network = tiny_network(kind, tiny_backbones)
    network(images()).square().mean().backward()
    with_gradient = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert with_gradient == set(network.trained_names)
    assert all("lora_" in name for name in with_gradient)
    parts = {name.split(".")[0] for name in with_gradient}
    assert parts == ({"backbone", "latents"} if network.encoder_rank else {"backbone"})
    assert not any("decoder" in name for name in with_gradient)
    silent = [name for name in with_gradient if not bool(network.get_parameter(name).grad.abs().sum() > 0)]
    # The last text stream of FLUX's double block leads to no image.
    assert all("ff_context" in name or "add" in name for name in silent), silent


@pytest.mark.parametrize("kind", KINDS)
def test_saved_reloaded_and_fused_are_the_same(kind: str, tiny_backbones: Path) -> None:
    network = tiny_network(kind, tiny_backbones)
    with torch.no_grad():
        expected = network(images())
        start = tiny_network(kind, tiny_backbones, moved=False)
        assert not torch.allclose(start(images()), expected, atol=1e-4)
        again = tiny_network(kind, tiny_backbones, moved=False, prompt=None)
        again.load_trained_state(network.trained_state())
        assert torch.equal(again(images()), expected)
        assert torch.allclose(again.fuse()(images()), expected, atol=1e-5)
    assert not any("lora" in name for name, _ in again.named_parameters())


def test_lora_of_another_rank_is_refused(tiny_backbones: Path) -> None:
    state = tiny_network("fluxsr", tiny_backbones).trained_state()
    other = tiny_network("omgsr_f", tiny_backbones)
    with pytest.raises(ValueError, match="matrices of LoRA"):
        other.load_trained_state(state)


def test_the_original_encoder_is_there_beside_lora(tiny_backbones: Path) -> None:
    network = tiny_network("omgsr_s", tiny_backbones)
    plain = tiny_network("omgsr_s", tiny_backbones, encoder_rank=0)
    with torch.no_grad():
        assert torch.equal(network.latents.encode_original(images()), plain.latents.encode(images()))
        assert not torch.allclose(network.latents.encode(images()), plain.latents.encode(images()), atol=1e-4)
    network.latents.encode(images()).sum().backward()
    assert any(parameter.grad is not None for parameter in network.latents.parameters())


@pytest.mark.parametrize("checkpointing", [False, True])
def test_tokens_of_every_block_are_kept_once(checkpointing: bool, tiny_backbones: Path) -> None:
    network = tiny_network("fluxsr", tiny_backbones, gradient_checkpointing=checkpointing)
    with token_features(network.backbone) as features:
        made = network(images())
    made.sum().backward()
    # 32 pixels are 4x4 latent cells, and so 2x2 tokens.
    assert [tuple(each.shape) for each in features] == [(2, 4, 32), (2, 4, 32)]


def test_published_weights_in_half_precision(tiny_backbones: Path) -> None:
    network = tiny_network("omgsr_f", tiny_backbones, dtype="bf16")
    kinds = {parameter.dtype for name, parameter in network.named_parameters() if "lora_" not in name}
    assert kinds == {torch.bfloat16}
    assert {network.get_parameter(name).dtype for name in network.trained_names} == {torch.float32}
    made = network(images())
    assert made.dtype == torch.float32
    made.square().mean().backward()
    exact = tiny_network("omgsr_f", tiny_backbones)
    assert (made - exact(images())).abs().mean() < 0.05


def test_no_time_is_an_error(tiny_backbones: Path) -> None:
    network = tiny_network("fluxsr", tiny_backbones)
    network.time = None
    with pytest.raises(ValueError, match="expected a time for LR latents"):
        network(images())
