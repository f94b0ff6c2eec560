"""The LPIPS metric against the ``lpips`` package."""

from __future__ import annotations

import math
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
import torchvision

from degflow_aug.metrics.lpips_metric import calculate_lpips, calculate_lpips_interflow, check_weights


@pytest.fixture(scope="module")
def vgg(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    network = torchvision.models.vgg16(weights=None).features
    torch.save({f"features.{key}": value for key, value in network.state_dict().items()}, path)
    return str(path)


def test_equals_the_package(vgg: str) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 40, 48, 3)).astype(np.float64)
    reference = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
    state = torch.load(vgg, weights_only=True)
    reference.net.load_state_dict(
        {key: state[f"features.{key.split('.', 1)[1]}"] for key in reference.net.state_dict()}
    )
    as_tensor = [lpips.im2tensor(image[4:-4, 4:-4, ::-1].astype(np.uint8)) for image in (first, second)]
    with torch.no_grad():
        expected = float(reference(*as_tensor))
    assert calculate_lpips(first, second, vgg_path=vgg, crop_border=4) == pytest.approx(expected, rel=1e-4)
    assert calculate_lpips(first, first, vgg_path=vgg) == 0
    # As InterFlow measures: all of 39x46 pixels but what lies beyond multiples, not rounded.
    first, second = (image[:39, :46] + 0.3 for image in (first, second))
    for multiple, (height, width) in {4: (36, 44), 3: (39, 45)}.items():
        as_tensor = [lpips.im2tensor(image[:height, :width, ::-1]) for image in (first, second)]
        with torch.no_grad():
            expected = float(reference(*as_tensor))
        found = calculate_lpips_interflow(first, second, vgg_path=vgg, multiple=multiple)
        assert found == pytest.approx(expected, rel=1e-4)


def test_mistakes_are_named(vgg: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="of one size"):
        calculate_lpips(np.zeros((8, 8, 3)), np.zeros((9, 8, 3)), vgg_path=vgg)
    with pytest.raises(ValueError, match="VGG16 weights"):
        calculate_lpips(np.zeros((32, 32, 3)), np.zeros((32, 32, 3)), vgg_path=str(tmp_path / "none.pth"))


def test_too_small_an_image_is_nan_and_said(vgg: str) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 256, (2, 24, 24, 3), dtype=np.uint8)
    assert calculate_lpips(first, second, vgg_path=vgg, crop_border=4, device="cpu") > 0
    with pytest.warns(UserWarning, match=r"not defined on 14x14 pixels"):
        assert math.isnan(calculate_lpips(first, second, vgg_path=vgg, crop_border=5))


def test_weights_are_looked_for_before_they_are_needed(
    vgg: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_weights(vgg)
    with pytest.raises(ValueError, match=r"calculate_lpips at .*none\.pth, got none"):
        check_weights(str(tmp_path / "none.pth"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    with pytest.raises(ValueError, match=r"vgg16-397923af\.pth, got none"):
        check_weights()
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth").touch()
    check_weights()
