"""Networks for LR on the HR grid: BasicSR's own, fed blocks of pixels as channels, and spandrel's."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from helpers.random_networks import randomise
from torch import nn

from degflow_aug import compat, register
from degflow_aug.archs.fixed_scale.spandrel_arch import SpandrelNetwork
from degflow_aug.archs.fixed_scale.unshuffled_arch import Unshuffled

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)
register()

from degflow_aug.models.checks.images import side_multiple  # noqa: E402

RCAN = {"type": "RCAN", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 16, "num_group": 1, "num_block": 1}
SWINIR = {
    "type": "SwinIR", "img_size": 8, "window_size": 4, "embed_dim": 8, "depths": [2], "num_heads": [2], "upscale": 4,
    "upsampler": "pixelshuffle",
}  # fmt: skip
HAT = {
    "type": "SpandrelNetwork", "architecture": "HAT", "img_size": 16, "window_size": 8, "embed_dim": 12, "depths": [2],
    "num_heads": [2], "upscale": 4, "squeeze_factor": 4,
}  # fmt: skip


@pytest.mark.parametrize("factor", [2, 4])
def test_blocks_of_pixels_are_the_channels_of_the_first_convolution(factor: int) -> None:
    """By a loop over the blocks, and BasicSR's network from its first convolution on."""
    network = randomise(Unshuffled(network={**RCAN, "upscale": factor, "img_range": 1.0}, factor=factor))
    assert isinstance(network, Unshuffled)
    inner, image = network.network, torch.rand(2, 3, 3 * factor, 5 * factor)
    shifted = image - torch.tensor([0.4488, 0.4371, 0.4040]).reshape(3, 1, 1)
    blocks = torch.zeros(2, 3 * factor**2, 3, 5)
    for channel in range(3 * factor**2):
        row, column = channel % factor**2 // factor, channel % factor
        blocks[:, channel] = shifted[:, channel // factor**2, row::factor, column::factor]
    assert isinstance(inner.conv_first, nn.Sequential)
    with torch.no_grad():
        found = network(image)
        first = inner.conv_first[1](blocks)
        deep = inner.conv_after_body(inner.body(first)) + first
        truth = inner.conv_last(inner.upsample(deep)) + (image - shifted)[..., :1, :1]
    torch.testing.assert_close(found, truth, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("section", "multiple"), [({**RCAN, "upscale": 4}, 4), (SWINIR, 16), (HAT, 32)])
def test_an_image_keeps_its_size(section: dict[str, Any], multiple: int) -> None:
    if section is HAT:
        pytest.importorskip("spandrel", reason="the extra networks is not installed")
    network = Unshuffled(network=section)
    assert side_multiple(network) == multiple
    image = torch.rand(1, 3, multiple, 2 * multiple)
    found = network(image)
    assert found.shape == image.shape
    found.mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_networks_of_spandrel_keep_their_names() -> None:
    spandrel = pytest.importorskip("spandrel", reason="the extra networks is not installed")
    from spandrel.architectures.HAT import HAT as Theirs

    arguments = {key: value for key, value in HAT.items() if key != "type"}
    network = randomise(SpandrelNetwork(**arguments))
    assert isinstance(network, Theirs)
    assert spandrel.ModelLoader().load_from_state_dict(network.state_dict()).architecture.id == "HAT"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": RCAN, "factor": 0}, "expected a factor of at least 1"),
        ({"network": RCAN, "factor": 2.5}, "expected factor of Unshuffled to be a whole number"),
        ({"network": "RCAN"}, "a section network: {type: RCAN, ...}, got 4 and 'RCAN'"),
        ({"network": {"type": "ECBSR", "num_in_ch": 3, "num_out_ch": 3, "num_block": 1, "num_channel": 4,
                      "with_idt": False, "act_type": "relu", "scale": 4}}, "conv_first, got ECBSR"),
    ],
)  # fmt: skip
def test_other_networks_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        Unshuffled(**arguments)
    assert message in str(error.value)


def test_what_spandrel_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("spandrel", reason="the extra networks is not installed")
    for name in ("HAN", "MambaIR", "", 3, None):
        with pytest.raises(ValueError, match="expected a network of spandrel, such as HAT, got"):
            SpandrelNetwork(architecture=name)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(ValueError, match=r"expected the package spandrel .* pip install 'degflow_aug\[networks\]'"):
        SpandrelNetwork(architecture="HAT")
