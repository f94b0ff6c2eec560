"""What the noise of an LR image depends on: its level, its local contrast, and its derivatives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 5


def luma(image: Tensor) -> Tensor:
    """Mean of the channels: (B, 3, h, w) -> (B, 1, h, w)."""
    return image.mean(1, keepdim=True)


def local_contrast(image: Tensor) -> Tensor:
    """Standard deviation of luma, the mean of the channels, in windows of 5x5: (B, 3, h, w) -> (B, 1, h, w)."""
    level = luma(image)
    padded = F.pad(level, (WINDOW // 2,) * 4, mode="replicate")
    mean = F.avg_pool2d(padded, WINDOW, 1)
    # Around the mean of the image, where float32 keeps the difference of two squares apart from rounding.
    centre = level.mean((2, 3), keepdim=True)
    square = F.avg_pool2d((padded - centre).square(), WINDOW, 1)
    return (square - (mean - centre).square()).clamp(min=0).sqrt()


def derivatives(image: Tensor) -> Tensor:
    """d/dx, d/dy (central differences) and the Laplacian (five points) of luma: (B, 3, h, w) -> (B, 3, h, w).

    What an image gains by a displacement of a pixel to the left or up, and by a sharper focus with the opposite sign.
    """
    padded = F.pad(luma(image), (1,) * 4, mode="replicate")
    left, right = padded[..., 1:-1, :-2], padded[..., 1:-1, 2:]
    above, below = padded[..., :-2, 1:-1], padded[..., 2:, 1:-1]
    laplacian = left + right + above + below - 4 * padded[..., 1:-1, 1:-1]
    return torch.cat([(right - left) / 2, (below - above) / 2, laplacian], 1)


def finest(image: Tensor) -> Tensor:
    """What of every channel is finer than a binomial window of 3x3: (B, 3, h, w) of the same shape."""
    profile = image.new_tensor([0.25, 0.5, 0.25])
    window = (profile[:, None] * profile).expand(3, 1, 3, 3)
    return image - F.conv2d(F.pad(image, (1,) * 4, mode="replicate"), window, groups=3)


def place(image: Tensor, contrasts: Tensor) -> tuple[Tensor, Tensor]:
    """Where the pixels of (B, 3, h, w) lie in a table of level and contrast: two (B, 1, h, w) in [0, 1].

    Levels go from 0 to 1. Contrasts go from the first to the second of ``contrasts`` (2,), in equal ratios.
    """
    contrast = torch.minimum(torch.maximum(local_contrast(image), contrasts[0]), contrasts[1])
    return luma(image).clamp(0, 1), (contrast / contrasts[0]).log() / (contrasts[1] / contrasts[0]).log()


def look_up(tables: Tensor, image: Tensor, contrasts: Tensor) -> Tensor:
    """Tables (B, n, L, T) of level and contrast at every pixel of their image, bilinear: (B, n, h, w)."""
    level, contrast = place(image, contrasts)
    grid = torch.stack([contrast[:, 0], level[:, 0]], -1).mul(2).sub(1)
    return F.grid_sample(tables, grid, mode="bilinear", padding_mode="border", align_corners=True)


def table_sums(image: Tensor, values: Tensor, shape: tuple[int, int], contrasts: Tensor) -> Tensor:
    """Sums (n, L, T) of values (1, n, h, w) over the entries of a table, with the weights of :func:`look_up`."""
    level, contrast = place(image, contrasts)
    sums = torch.zeros(values.shape[1], shape[0] * shape[1], dtype=torch.float64)
    (row, down), (column, across) = (_cell(each, n) for each, n in ((level, shape[0]), (contrast, shape[1])))
    for below, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (down if below else 1 - down) * (across if right else 1 - across)
        index = ((row + below) * shape[1] + column + right).flatten()
        sums.index_add_(1, index, (weight * values)[0].flatten(1).double())
    return sums.unflatten(1, shape)


def _cell(position: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Index of the mark below positions in [0, 1] among ``count`` marks, and the share of the next one."""
    exact = position * (count - 1)
    lower = exact.floor().clamp(max=count - 2)
    return lower.long(), exact - lower
