"""Pairs at scales that nobody photographed: HR and its view, made smaller by one factor, are a pair at a lower scale.

Beside HR that is made smaller by r, an LR image of scale b is one of scale b / r, and what the camera does on the grid
of its sensor is in it as it was photographed: mosaic, denoising, sharpening, JPEG. A pseudo-view mixes that of two
grids and blurs it. Where HR has the blur of the camera too, the smaller HR has less of it, and such a pair is too
strong: the variance of what is between HR and view is larger by the share (r^2 - 1) / (b^2 - r^2), most near scale 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from degflow_aug.degradations.lanczos import sample


def zoom_pairs(images: Tensor, side: int, size: int) -> Tensor:
    """Make the top-left squares of HR and its views smaller, by Lanczos interpolation of four lobes.

    HR is low-pass filtered. Views are not: LR pixels are larger than those of the smaller HR, so that there is nothing
    to take away, and a filter would take from what a camera has sharpened.

    Args:
        images: (B, K, 3, H, W) in [0, 1], HR first.
        side: of the squares, at most H and W.
        size: of the results, at most ``side``.

    Returns:
        (B, K, 3, size, size) in [0, 1]: views at scales lower by side / size.
    """
    step = side / size
    offset = (step - 1) / 2

    def smaller(square: Tensor, width: float) -> Tensor:
        return sample(square.flatten(0, 1), (size, size), step, (offset, offset), width).unflatten(0, square.shape[:2])

    square = images[..., :side, :side]
    return torch.cat([smaller(square[:, :1], step), smaller(square[:, 1:], 1.0)], 1).clamp(0, 1)


def draw_zoom(side: int, smallest: int, multiple: int, largest: float) -> tuple[int, int]:
    """Draw a square and the size that it is made to, the inverse of their ratio evenly distributed.

    Args:
        side: of the crops.
        smallest: size that a network and the rim around it need.
        multiple: results are ``smallest`` pixels, or more by multiples of this.
        largest: ratio that is drawn at most.

    Returns:
        (square, size), size <= square <= side.
    """
    low = max(1 / largest, smallest / side)
    inverse = low + (1 - low) * float(torch.rand(()))
    size = smallest + int(max(0.0, side * inverse - smallest) // multiple * multiple)
    return min(side, round(size / inverse)), size
