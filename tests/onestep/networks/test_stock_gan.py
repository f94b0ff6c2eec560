"""BasicSR's own SRGANModel trains with our discriminator and our GAN loss, named in its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_sr import build, pair_batch, register, sr_options, train, with_discriminator

pytest.importorskip("basicsr", reason="training needs BasicSR")
pytest.importorskip("transformers", reason="the extra onestep is not installed")
register()


@pytest.mark.parametrize("model_type", ["SRGANModel", "ESRGANModel"])
def test_a_stock_model_trains_the_heads(model_type: str, tiny_backbones: Path, tmp_path: Path) -> None:
    judge: dict[str, Any] = {
        "type": "OverlapChunkedDiscriminator", "pretrained": str(tiny_backbones / "dino"), "blocks": [0, 2],
        "chunk": 28, "width": 8,
    }  # fmt: skip
    opt = with_discriminator(sr_options("fixed", tmp_path), judge, gan_opt={"type": "OverlapChunkedGANLoss"})
    opt |= {"model_type": model_type}
    del opt["degflow"]
    model = build(opt, tmp_path)
    network = model.get_bare_model(model.net_d)
    heads = {key: value.clone() for key, value in network.trained_state().items()}
    published = {key: value.clone() for key, value in network.features.state_dict().items()}
    logs = train(model, [pair_batch(seed=step) for step in range(2)])
    assert all(log["l_g_gan"] > 0 for log in logs)
    assert any(not torch.equal(value, heads[key]) for key, value in network.trained_state().items())
    assert all(torch.equal(value, published[key]) for key, value in network.features.state_dict().items())
    model.save(0, 2)
    saved = torch.load(tmp_path / "experiments/fixed/models/net_d_2.pth", weights_only=True)["params"]
    assert all(key.startswith("heads.") for key in saved)
