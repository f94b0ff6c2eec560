"""Ten steps of both stages against the official code's own: losses, gradients, learning rates and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.seeded_vgg import write_seeded_vgg
from helpers.tiny_camera import in_memory, stage_options
from torch import Tensor

import degflow_aug
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.models import lfm_model

pytest.importorskip("basicsr", reason="training needs BasicSR")
degflow_aug.register()

KNOTS = {2: 0.3333660409266936}
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def load(official: Path, stage: str) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(official / f"training_{stage}.pt", weights_only=True)
    return found


def options(stage: str, reference: dict[str, Any], folder: Path, **degflow: Any) -> dict[str, Any]:
    """The options of a run of the reference, without its data."""
    config = reference["config"]
    opt = in_memory(stage_options(stage, _no_pairs(folder), folder, **degflow), folder)
    network = (
        {"type": "ResidualAutoencoder", "base_channels": config["base_dim"], "latent_channels": config["latent_dim"]}
        if stage == "rae"
        else {
            "type": "NCSNpp", "latent_channels": config["latent_dim"], "base_channels": config["nf"],
            "multipliers": list(config["ch_mult"]), "blocks": config["num_res_blocks"], "dropout": config["dropout"],
        }
    )  # fmt: skip
    cosine = {
        "type": "CosineAnnealingRestartLR", "periods": [config["T_max"]], "restart_weights": [1],
        "eta_min": config["eta_min"], "peak_iter": max(config["warmup"], 1),
    }  # fmt: skip
    train = {
        "optim_g": {"type": "Adam", "lr": config["lr"], "betas": list(config["betas"]), "eps": config["eps"]},
        "scheduler": cosine, "ema_decay": 0, "total_iter": 10, "warmup_iter": config["warmup"],
        "pixel_opt": {"type": "MSELoss", "loss_weight": 1.0, "reduction": "mean"},
    }  # fmt: skip
    return {**opt, "network_g": network, "train": train}


def _no_pairs(folder: Path) -> Path:
    (folder / "pattern.yml").write_text('{"hr": "{id}.png", "views": {"2": "{id}x2.png", "4": "{id}x4.png"}}')
    return folder


def in_unit_range(images: Tensor, dtype: torch.dtype) -> Tensor:
    return images.to(dtype) / 255


def compare(model: Any, reference: dict[str, Any], dtype: torch.dtype, feed: Any, tolerance: float) -> dict[str, Any]:
    """Take the reference's ten steps; losses and gradients are those of it, and in float64 the last weights."""
    losses, norms, rates = [], [], []
    for step in range(10):
        model.update_learning_rate(step + 1, warmup_iter=reference["config"]["warmup"])
        rates += model.get_current_learning_rate()
        feed(step)
        model.optimize_parameters(step + 1)
        losses.append(float(model.get_current_log()["total"]))
        gradients = [value.grad for value in model.net_g.parameters() if value.grad is not None]
        norms.append(float(torch.stack([each.double().square().sum() for each in gradients]).sum().sqrt()))
    np.testing.assert_allclose(rates, reference["lr"].numpy(), rtol=1e-9)
    if dtype == torch.float32:
        np.testing.assert_allclose(losses, reference["loss_float32"].numpy(), rtol=1e-4)
        return {}
    np.testing.assert_allclose(losses, reference["loss"].numpy(), rtol=tolerance)
    np.testing.assert_allclose(norms, reference["gradient_norm"].numpy(), rtol=10 * tolerance)
    state: dict[str, Any] = model.net_g.state_dict()
    for key, value in reference.get("weights_end", {}).items():
        if key != "sigmas":
            torch.testing.assert_close(state[key], value, rtol=tolerance, atol=tolerance)
    for key, (total, norm) in reference["weights_end_sum_norm"].items():
        if key in state:
            found = (float(state[key].sum()), float(state[key].norm()))
            assert found == pytest.approx((float(total), float(norm)), rel=tolerance, abs=10 * tolerance)
    return state


def start(model: Any, weights: dict[str, Tensor], dtype: torch.dtype) -> None:
    """Begin with the reference's weights; ours have statistics of latents beside them, and no ``sigmas``."""
    known = {key: value for key, value in weights.items() if key != "sigmas"}
    found = model.net_g.to(dtype).load_state_dict(known, strict=False)
    assert set(found.missing_keys) <= {"latent_mean", "latent_std"}
    assert not found.unexpected_keys


@DTYPES
def test_stage_1(dtype: torch.dtype, official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from degflow_aug.models.rae_model import RAEModel

    reference = load(official, "rae")
    model = RAEModel(options("rae", reference, tmp_path, standardise=False))
    start(model, reference["weights_start"], dtype)

    def feed(step: int) -> None:
        gt, lq = (in_unit_range(reference[key][step], dtype) for key in ("gt", "lq"))
        model.feed_data({"hr": gt, "views": lq[:, None], "available": torch.ones(len(gt), 1, dtype=torch.bool)})
        monkeypatch.setattr(model, "draw_targets", lambda: (lq, reference["scale"][step]))

    compare(model, reference, dtype, feed, 1e-10)


@DTYPES
@pytest.mark.parametrize("lpips", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["", "lpips"])
def test_stage_2(
    lpips: bool, dtype: torch.dtype, official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = load(official, "lfm")
    write_rae(reference, tmp_path)
    more: dict[str, Any] = {"trajectory": "spline", "times": KNOTS}
    if lpips:
        reference |= reference["with_lpips"]
        del reference["weights_end"]
        vgg = write_seeded_vgg(reference, tmp_path / "vgg.pth", monkeypatch)
        more |= {"lpips_weight": reference["scale"], "lpips_vgg": str(vgg)}
    model = lfm_model.LFMModel(options("lfm", reference, tmp_path, **more))
    start(model, reference["weights_start"], dtype)
    model.rae.to(dtype)
    if model.perceptual is not None:
        model.perceptual.to(dtype)
    assert model.times.tolist() == pytest.approx(reference["knots"][[0, 1, 3]].tolist(), rel=1e-7)
    assert model.generator().time_map == model.time_map

    def feed(step: int) -> None:
        gt, *views = (in_unit_range(reference[key][step], dtype) for key in ("gt", "lr2", "lr4"))
        there = torch.ones(len(gt), 2, dtype=torch.bool)
        model.feed_data({"hr": gt, "views": torch.stack(views, 1), "available": there})
        monkeypatch.setattr(lfm_model, "draw_times", lambda count, device: reference["t"][step].to(dtype))

    compare(model, reference, dtype, feed, 1e-6)


def write_rae(reference: dict[str, Any], folder: Path) -> None:
    """The reference's autoencoder as the last checkpoint of a run of stage 1."""
    config = reference["config"]
    rae = ResidualAutoencoder(base_channels=config["base_dim"], latent_channels=config["latent_dim"])
    for part in ("encoder", "decoder"):
        rae.get_submodule(part).load_state_dict(reference["rae"][part])
    models = folder / "experiments/rae/models"
    models.mkdir(parents=True)
    torch.save({"params": rae.state_dict(), "spec": rae.spec}, models / "net_g_latest.pth")
