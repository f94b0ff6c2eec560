"""The embedding of cameras in the velocity network."""

from __future__ import annotations

import pytest
import torch
from helpers.random_networks import randomise
from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.degradations.camera_choice import one_hot

SIZES = {"base_channels": 8, "multipliers": [1, 2], "blocks": 1, "dropout": 0.0}


def inputs(batch: int = 3, side: int = 8) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    return torch.randn(batch, 4, side, side, generator=random), torch.rand(batch, generator=random)


@pytest.mark.parametrize("more", [{}, {"local": True}, {"end_time": True}])
@pytest.mark.parametrize("cameras", [2, 5])
def test_network_with_cameras_begins_as_the_plain_one(cameras: int, more: dict[str, bool]) -> None:
    plain = randomise(NCSNpp(**SIZES, **more))
    several = NCSNpp(**SIZES, **more, cameras=cameras)
    missing, unexpected = several.load_state_dict(plain.state_dict(), strict=False)
    assert (missing, unexpected) == (["camera"], [])
    assert several.camera.shape == (cameras, 32)
    z, t = inputs()
    end = t + 0.1 if more.get("end_time") else None
    weights = torch.softmax(torch.randn(3, cameras), 1)
    assert torch.equal(several.eval()(z, t, None, end, weights), plain(z, t, None, end))
    assert not any("camera" in key for key in plain.state_dict())


def test_gradients_reach_the_rows_of_the_batch_s_cameras_alone() -> None:
    network = randomise(NCSNpp(**SIZES, cameras=4)).train()
    z, t = inputs()
    network(z, t, camera=one_hot(torch.tensor([3, 1, 3]), 4)).square().sum().backward()
    norms = network.camera.grad.norm(dim=1)
    assert norms[[0, 2]].tolist() == [0, 0]
    assert (norms[[1, 3]] > 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_are_a_sample_s_own(dtype: torch.dtype) -> None:
    network = randomise(NCSNpp(**SIZES, cameras=2)).to(dtype)
    z, t = (value.to(dtype) for value in inputs())
    weights = torch.tensor([[1.0, 0.0], [0.25, 0.75], [0.0, 1.0]])
    together = network(z, t, camera=weights)
    for row in range(3):
        one = slice(row, row + 1)
        torch.testing.assert_close(together[one], network(z[one], t[one], camera=weights[one]), atol=1e-5, rtol=1e-5)
    # The embedding of a mixture is the mixture of the embeddings.
    mixed = NCSNpp(**SIZES, cameras=2).to(dtype).eval()
    between = weights[1].to(dtype) @ network.camera.detach()
    mixed.load_state_dict({**network.state_dict(), "camera": between.expand(2, -1)})
    torch.testing.assert_close(mixed(z, t, camera=weights)[1], together[1], atol=1e-5, rtol=1e-5)
    assert (together[0] - network(z, t, camera=weights.flip(0))[0]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("cameras", "camera", "sentence"),
    [
        (0, torch.ones(3, 1), "no camera for a network that knows one"),
        (2, None, r"weights \(3, 2\) of this network's cameras, got none"),
        (2, torch.ones(3, 3), r"got weights \(3, 3\)"),
        (2, torch.ones(1, 2), r"got weights \(1, 2\)"),
    ],
)
def test_weights_of_other_cameras_are_refused(cameras: int, camera: Tensor | None, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        NCSNpp(**SIZES, cameras=cameras)(*inputs(), camera=camera)


@pytest.mark.parametrize("cameras", [1, -2])
def test_one_camera_is_none_to_tell_apart(cameras: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        NCSNpp(**SIZES, cameras=cameras)
