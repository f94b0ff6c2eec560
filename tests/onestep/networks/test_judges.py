"""Discriminators and the caption loss: what they see, what they train, and where their gradients go."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.onestep_networks import images, tiny_network

pytest.importorskip("diffusers", reason="the extra onestep is not installed")
pytest.importorskip("peft", reason="the extra onestep is not installed")

from degflow_aug.onestep.flowsr.caption_alignment import BAD, GOOD, CaptionAlignment
from degflow_aug.onestep.flowsr.latent_discriminator import LatentHeads, discriminator_hinge, generator_hinge
from degflow_aug.onestep.networks.chunked_discriminator_arch import OverlapChunkedDiscriminator
from degflow_aug.onestep.networks.diff_augment import augment, change_colours, cutout, translate


def judge(backbones: Path, chunk: int = 28) -> OverlapChunkedDiscriminator:
    torch.manual_seed(0)
    return OverlapChunkedDiscriminator(str(backbones / "dino"), blocks=[0, 2], chunk=chunk, width=8)


@pytest.mark.parametrize(("side", "count"), [(20, 1), (28, 1), (32, 4), (57, 9)])
def test_levels_and_chunks(side: int, count: int, tiny_backbones: Path) -> None:
    levels = judge(tiny_backbones).eval()(torch.rand(2, 3, side, side))
    assert levels.shape == (2, 2 * count, 1)


def test_heads_alone_are_trained_and_saved(tiny_backbones: Path) -> None:
    network = judge(tiny_backbones).train().requires_grad_(True)
    assert not network.features.training
    seen = torch.rand(1, 3, 30, 30, requires_grad=True)
    network(seen).sum().backward()
    assert seen.grad is not None
    assert {name.split(".")[0] for name, _ in network.named_parameters()} == {"heads"}
    assert all(each.grad is not None for each in network.parameters())
    assert all(each.grad is None for each in network.features.parameters())
    other = judge(tiny_backbones)
    torch.nn.init.normal_(other.heads[0][0].bias)
    other.load_trained_state(network.trained_state())
    image = torch.rand(1, 3, 30, 30)
    assert torch.equal(network.eval()(image), other.eval()(image))
    with pytest.raises(ValueError, match="heads of this discriminator"):
        OverlapChunkedDiscriminator(str(tiny_backbones / "dino"), blocks=[0], chunk=28).load_trained_state(
            network.trained_state()
        )


def test_augmentation_keeps_shapes_and_passes_gradients() -> None:
    torch.manual_seed(1)
    image = torch.rand(3, 3, 24, 20, requires_grad=True)
    made = augment(image)
    assert made.shape == image.shape
    made.sum().backward()
    assert image.grad is not None
    assert bool(image.grad.abs().sum() > 0)
    with torch.no_grad():
        blank = (cutout(torch.ones(50, 3, 24, 20)) == 0).float().mean(dim=(1, 2, 3))
        assert blank.min() > 0
        assert blank.max() <= 0.25
        moved = translate(torch.ones(50, 3, 24, 20))
        assert set(moved.unique().tolist()) == {0.0, 1.0}
        coloured = change_colours(torch.full((50, 3, 4, 4), 0.5))
        assert coloured.mean(dim=(1, 2, 3)).std() > 0.1


def test_latent_heads_see_the_encoder_of_the_unet(tiny_backbones: Path) -> None:
    network = tiny_network("flowsr", tiny_backbones)
    latents = network.latents.encode(images()).requires_grad_()
    features = network.backbone.encoder_features(latents, torch.zeros(2), network.prompt)
    assert [each.shape[1] for each in features] == network.backbone.encoder_channels()
    heads = LatentHeads(network.backbone.encoder_channels(), width=8)
    generator_hinge(heads(features)).backward()
    assert bool(latents.grad.abs().sum() > 0)
    with torch.no_grad():
        middle = network.backbone.model.mid_block
        kept = []
        hook = middle.register_forward_hook(lambda block, inputs, output: kept.append(output))
        network.backbone(latents, torch.zeros(2), network.prompt)
        hook.remove()
        assert torch.allclose(kept[0], features[-1], atol=1e-5)


def test_hinge_by_hand() -> None:
    real, fake = [torch.tensor([[0.5, 2.0]])], [torch.tensor([[-0.5, 0.5]])]
    assert discriminator_hinge(real, fake).item() == pytest.approx((0.5 + 0) / 2 + (0.5 + 1.5) / 2)
    assert generator_hinge(fake).item() == pytest.approx(0)


def test_captions_pull_and_push(tiny_backbones: Path) -> None:
    forward = CaptionAlignment(str(tiny_backbones / "clip"))
    backward = CaptionAlignment(str(tiny_backbones / "clip"), good=BAD, bad=GOOD)
    image = ((images() + 1) / 2).requires_grad_()
    chances = [torch.exp(-loss(image[:1])).item() for loss in (forward, backward)]
    assert sum(chances) == pytest.approx(1, abs=1e-4)
    loss = forward(image)
    (step,) = torch.autograd.grad(loss, image)
    assert bool(step.abs().sum() > 0)
    assert forward(image - 1e-3 * step / step.abs().max()) < loss
