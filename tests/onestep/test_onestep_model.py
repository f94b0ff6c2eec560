"""What a step of the one-step models moves, which gradients go where, and what their options are refused for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_sr import build, hr_batch, register, train

pytest.importorskip("basicsr", reason="training needs BasicSR")
pytest.importorskip("diffusers", reason="the extra onestep is not installed")
register()

from benchmarks.onestep.tiny import tiny_options  # noqa: E402
from degflow_aug.models.checks.training_options import check_training_options  # noqa: E402
from degflow_aug.models.sr.lr_source import LRBatch  # noqa: E402
from degflow_aug.onestep.networks.noise_levels import sigma_of_step  # noqa: E402

BATCHES = [hr_batch(2, 32, seed=seed) for seed in range(3)]


@pytest.fixture
def model(tiny_backbones: Path, photograph_pairs: Path, tmp_path: Path) -> Callable[..., Any]:
    """Builds a system's model in a folder of its own; its LR is bicubic."""

    def make(system: str, change: Callable[[dict[str, Any]], None] | None = None, **degflow: Any) -> Any:
        opt = tiny_options(system, tiny_backbones, photograph_pairs, **degflow)
        opt["degradation"] = {"type": "Bicubic"}
        if change:
            change(opt)
        return build(opt, tmp_path)

    return make


def fed(model: Any) -> LRBatch:
    model.feed_data(dict(BATCHES[0]))
    return model.batch


@pytest.mark.parametrize("system", ["omgsr_s", "omgsr_f", "fluxsr", "flowsr_1"])
def test_published_weights_never_move(system: str, model: Callable[..., Any]) -> None:
    trained = model(system)
    network = trained.net_g
    before = {name: value.clone() for name, value in network.named_parameters()}
    train(trained, BATCHES)
    moved = {name for name, value in network.named_parameters() if not torch.equal(value, before[name])}
    assert moved <= set(network.trained_names)
    assert len(moved) > 0.8 * len(network.trained_names)


@pytest.mark.parametrize("system", ["omgsr_s", "omgsr_f"])
def test_refinement_reaches_the_encoder_alone(system: str, model: Callable[..., Any]) -> None:
    trained = model(system)
    batch = fed(trained)
    (losses,) = trained.loss_groups(batch)
    losses["l_ldr"].backward()
    reached = {name for name, value in trained.net_g.named_parameters() if value.grad is not None}
    assert reached
    assert all(name.startswith("latents.vae.encoder") for name in reached)


def test_distillation_and_image_reach_the_transformer(model: Callable[..., Any]) -> None:
    trained = model("fluxsr")
    batch = fed(trained)
    for losses in trained.loss_groups(batch):
        trained.optimizer_g.zero_grad()
        sum(losses.values()).backward()
        reached = {name.split(".")[0] for name, value in trained.net_g.named_parameters() if value.grad is not None}
        assert reached == {"backbone"}


def test_distillation_is_the_error_of_latents(model: Callable[..., Any]) -> None:
    """With LoRA at its start and T_L given: the loss by hand, from the noise and latents that the batch brings."""
    trained = model("fluxsr", lr_time=0.4)
    space, network = trained.net_g.latents, trained.net_g
    noise, latents = torch.randn(2, 2, 16, 4, 4).unbind()
    trained.feed_data({**BATCHES[0], "eps": noise, "z0": latents})
    torch.manual_seed(5)
    groups = trained.loss_groups(trained.batch)
    found = next(groups)["l_ftd"]
    torch.manual_seed(5)
    times = 0.4 + 0.6 * torch.rand(2)
    with torch.no_grad():
        lr = space.encode(trained.enlarged(trained.batch)[0])
        share = ((times - 0.4) / 0.6).reshape(2, 1, 1, 1)
        velocity = network.predict((1 - share) * lr + share * noise, times)
        expected = ((lr - latents) - 0.4 * velocity).square().mean()
    assert torch.allclose(found, expected, atol=1e-6)


def test_a_trajectory_of_another_size_is_refused(model: Callable[..., Any]) -> None:
    trained = model("fluxsr", lr_time=0.4)
    with pytest.raises(ValueError, match="eps and z0"):
        trained.feed_data({**BATCHES[0], "eps": torch.zeros(2, 16, 8, 8), "z0": torch.zeros(2, 16, 8, 8)})


@pytest.mark.parametrize("system", ["omgsr_s", "fluxsr", "flowsr_1"])
def test_parts_add_up_to_the_batch(system: str, model: Callable[..., Any]) -> None:
    """Without what is drawn for a batch as a whole: times, noise, a discriminator's augmentation."""

    def plain(opt: dict[str, Any]) -> None:
        opt.pop("network_d", None)
        for key in ("gan_opt", "optim_d"):
            opt["train"].pop(key, None)
        opt["train"]["optim_g"] = {"type": "SGD", "lr": 0.1}
        opt["degflow"] |= {"omgsr_s": {"refinement_weight": 0}, "fluxsr": {"distillation_weight": 0}}.get(system, {})

    states = []
    for parts in (1, 2):
        trained = model(system, plain, accumulate=parts)
        if system == "flowsr_1":
            trained.loss_groups = at_the_end(trained)
        train(trained, BATCHES)
        states.append(trained.net_g.trained_state())
    for key, value in states[0].items():
        assert torch.allclose(value, states[1][key], atol=1e-5), key


def at_the_end(trained: Any) -> Callable[[LRBatch], Any]:
    """FlowSR's first stage at time 1 only."""

    def groups(batch: LRBatch) -> Any:
        lr, hr = trained.enlarged(batch)
        latents = trained.net_g.latents.encode(lr).detach()
        yield trained.image_losses(trained.net_g.latents.decode(trained.net_g.clean(latents, torch.ones(len(lr)))), hr)

    return groups


@pytest.mark.parametrize("system", ["omgsr_s", "fluxsr"])
def test_checkpointing_and_offload_change_no_step(system: str, model: Callable[..., Any]) -> None:
    states = []
    for saves in (False, True):

        def change(opt: dict[str, Any], saves: bool = saves) -> None:
            opt["network_g"]["gradient_checkpointing"] = opt["degflow"]["offload"] = saves
            opt["train"]["optim_g"] = {"type": "SGD", "lr": 0.1}

        trained = model(system, change)
        train(trained, BATCHES[:2])
        states.append(trained.net_g.trained_state())
    for key, value in states[0].items():
        assert torch.allclose(value, states[1][key], atol=1e-5), key


def test_the_time_is_matched_or_named(model: Callable[..., Any]) -> None:
    assert model("omgsr_s", mid_timestep=273).net_g.time == 273
    assert model("omgsr_f", mid_timestep=244).net_g.time == pytest.approx(sigma_of_step(244))
    assert model("fluxsr", lr_time=0.3).net_g.time == 0.3
    first, second = (model("fluxsr").net_g.time for _ in range(2))
    assert first == second
    assert 0 < first < 1


def set_in(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Changes one option."""

    def change(opt: dict[str, Any]) -> None:
        for key in keys[:-1]:
            opt = opt[key]
        opt[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("system", "change", "said"),
    [
        ("omgsr_s", set_in("datasets", "train", "gt_size", value=40), "multiple of 16"),
        ("omgsr_s", set_in("network_g", "encoder_rank", value=0), "encoder_rank"),
        ("omgsr_s", set_in("network_g", "prediction", value="velocity"), "prediction: noise"),
        ("omgsr_s", set_in("network_g", "pretrained", value="nowhere/at-all"), "nowhere/at-all"),
        ("omgsr_s", set_in("network_g", "rnak", value=3), "rank"),
        ("omgsr_s", set_in("train", "ema_decay", value=0.99), "ema_decay"),
        ("omgsr_s", set_in("degflow", "mid_timestep", value="midway"), "mid_timestep"),
        ("omgsr_s", set_in("degflow", "mid_timestep", value=1000), "mid_timestep"),
        ("omgsr_s", set_in("network_d", "blocks", value=[9]), "blocks below 3"),
        ("omgsr_s", set_in("degflow", "colour_fix", value="adian"), "colour_fix"),
        ("omgsr_s", set_in("network_d", value={"type": "UNetDiscriminatorSN", "num_in_ch": 3}), "OverlapChunked"),
        ("omgsr_s", set_in("train", "gan_opt", value=None), "gan_opt"),
        ("flowsr_2", set_in("degflow", "caption_model", value="nowhere/at-all"), "nowhere/at-all"),
        ("fluxsr", set_in("network_g", "encoder_rank", value=4), "encoder_rank"),
        ("flowsr_1", set_in("network_g", "encoder_rank", value=4), "no network_g.encoder_rank for FlowSRModel"),
        ("fluxsr", set_in("degflow", "lr_time", value=1.0), "lr_time"),
        ("fluxsr", set_in("network_g", "type", value="OneStepUNet"), "unet"),
        ("flowsr_1", set_in("network_g", "prediction", value="noise"), "prediction: velocity"),
        ("flowsr_1", set_in("degflow", "stage", value=2), "teacher"),
        ("flowsr_2", set_in("degflow", "teacher", value="no_such_run"), "no_such_run"),
        ("flowsr_2", set_in("degflow", "slow_steps", value=999), "multiple of fast_steps"),
    ],
)  # fmt: skip
def test_mistakes_are_named(
    system: str,
    change: Callable[[dict[str, Any]], None],
    said: str,
    tiny_backbones: Path,
    photograph_pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    opt = tiny_options(system, tiny_backbones, photograph_pairs)
    change(opt)
    with pytest.raises(ValueError, match=said) as error:
        check_training_options(opt, "options.yml")
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(("expected ", "unknown "))
