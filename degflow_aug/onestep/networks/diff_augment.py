"""Differentiable augmentation of what a discriminator sees: colour, translation and cutout, drawn for every sample."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(images: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1], changed as real and fake images alike; draws from torch's random state."""
    return cutout(translate(change_colours(images)))


def change_colours(images: Tensor) -> Tensor:
    """Brightness by up to a half, saturation from 0 to 2 and contrast from 0.5 to 1.5."""
    brightness, saturation, contrast = torch.rand(3, len(images), 1, 1, 1, device=images.device).unbind()
    images = images + (brightness - 0.5)
    gray = images.mean(dim=1, keepdim=True)
    images = gray + (images - gray) * (2 * saturation)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (images - mean) * (contrast + 0.5)


def translate(images: Tensor, share: float = 0.125) -> Tensor:
    """Move every image by up to ``share`` of its sides; zeros come in."""
    count, _, height, width = images.shape
    reach = [int(side * share + 0.5) for side in (height, width)]
    padded = F.pad(images, (reach[1], reach[1], reach[0], reach[0]))
    rows, columns = (
        torch.randint(0, 2 * most + 1, (count, 1), device=images.device) + torch.arange(side, device=images.device)
        for most, side in zip(reach, (height, width), strict=True)
    )
    sample = torch.arange(count, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(images: Tensor, share: float = 0.5) -> Tensor:
    """Blank a rectangle of ``share`` of the sides anywhere, which may reach beyond the border."""
    count, _, height, width = images.shape
    masks = []
    for side in (height, width):
        size = int(side * share + 0.5)
        first = torch.randint(0, side + (1 - size % 2), (count, 1), device=images.device) - size // 2
        place = torch.arange(side, device=images.device)
        masks.append((place >= first) & (place < first + size))
    hole = masks[0][:, None, :, None] & masks[1][:, None, None, :]
    return images * ~hole
