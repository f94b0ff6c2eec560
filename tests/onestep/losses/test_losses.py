"""The losses of the one-step systems, on their own and as BasicSR builds them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degflow_aug.onestep.fluxsr.attention_diversification_loss import AttentionDiversificationLoss, token_similarity
from degflow_aug.onestep.losses.overlap_chunked_gan_loss import OverlapChunkedGANLoss
from degflow_aug.onestep.losses.overlap_chunked_lpips_loss import OverlapChunkedLPIPSLoss
from degflow_aug.onestep.losses.tv_lpips_loss import TVLPIPSLoss, total_variation


class Features(nn.Module):
    """A distance of random convolutions, frozen, of images in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 4, 3, padding=1).requires_grad_(False)
        self.seen: list[Tensor] = []

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        self.seen += [output.detach(), target.detach()]
        return F.mse_loss(self.convolution(output).tanh(), self.convolution(target).tanh())


def images(size: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    output, target = (torch.rand(2, 3, size, size, generator=generator) for _ in range(2))
    return output.requires_grad_(), target


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[0.0, 1.0, 3.0], [5.0, 8.0, 2.0], [1.0, 1.0, 1.0]])[None, None]
    assert torch.equal(total_variation(image), torch.tensor([[6.0, 9.0], [7.0, 13.0]])[None, None])
    assert total_variation(torch.full((1, 3, 9, 9), 0.4)).abs().max() == 0


def test_tv_lpips_is_both_distances() -> None:
    output, target = images()
    distance = Features()
    alone = distance(2 * output - 1, 2 * target - 1)
    variations = [2 * total_variation(image).clamp(0, 1) - 1 for image in (output, target)]
    both = alone + 0.5 * distance(*variations)
    assert torch.allclose(TVLPIPSLoss(2.0, gamma=0.5, distance=distance)(output, target), 2 * both)
    assert torch.allclose(TVLPIPSLoss(gamma=0.0, distance=distance)(output, target), alone)
    assert TVLPIPSLoss(distance=distance)(target, target) == 0


def test_chunked_lpips_sees_chunks_in_its_own_range() -> None:
    output, target = images()
    distance = Features()
    loss = OverlapChunkedLPIPSLoss(3.0, chunk=16, distance=distance)(output, target)
    assert [tuple(seen.shape) for seen in distance.seen] == [(18, 3, 16, 16)] * 2
    assert distance.seen[0].min() < -0.9
    assert torch.equal(distance.seen[1][:2], 2 * target[..., :16, :16] - 1)
    loss.backward()
    assert output.grad is not None
    assert bool((output.grad.abs().amax(dim=1) > 0).all())


def test_gan_loss_by_hand() -> None:
    levels = torch.tensor([[[0.3, -1.0]], [[2.0, 0.5]]])
    loss = OverlapChunkedGANLoss(0.5, real_label=0.8)

    def cross_entropy(logits: Tensor, label: float) -> Tensor:
        chance = logits.sigmoid()
        return -(label * chance.log() + (1 - label) * (1 - chance).log()).mean()

    for real, label in ((True, 0.8), (False, 0.0)):
        expected = sum(cross_entropy(level, label) for level in levels)
        assert torch.allclose(loss(levels, real), 0.5 * expected)
        assert torch.allclose(loss(levels, real, is_disc=True), 0.5 * expected)
    assert torch.allclose(OverlapChunkedGANLoss(2.0)(levels[0], True), 2 * cross_entropy(levels[0], 0.8))


def test_tokens_that_are_alike_have_the_highest_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    alike = torch.randn(2, 1, 16, generator=generator).expand(2, 9, 16)
    other = torch.randn(2, 9, 16, generator=generator)
    assert token_similarity(alike).item() == pytest.approx(1, abs=1e-6)
    assert token_similarity(other) < 0.6
    opposite = torch.cat((alike[:, :4], -alike[:, :5]), dim=1)
    assert token_similarity(opposite).abs() < 0.2
    loss = AttentionDiversificationLoss(0.1)
    assert loss([alike, other]).item() == pytest.approx(0.05 * (1 + token_similarity(other).item()), abs=1e-6)
    with pytest.raises(ValueError, match="at least one layer"):
        loss([])


def test_basicsr_builds_them() -> None:
    pytest.importorskip("basicsr", reason="registries are BasicSR's")
    import degflow_aug

    degflow_aug.register()
    from basicsr.losses import build_loss

    loss = build_loss({"type": "OverlapChunkedGANLoss", "loss_weight": 0.5})
    assert loss(torch.zeros(1, 4), True).item() == pytest.approx(0.5 * 0.693147, abs=1e-5)
    assert isinstance(build_loss({"type": "AttentionDiversificationLoss"}), AttentionDiversificationLoss)
    for kind in ("TVLPIPSLoss", "OverlapChunkedLPIPSLoss"):
        with pytest.raises(ValueError, match="VGG16"):
            build_loss({"type": kind, "vgg_path": "nowhere.pth"})
