"""What residual noise is made of: random fields of a given correlation, and the terms of an LR image they go with.

Fields are fine or smooth, correlated over neighbours and channels. The noise of a pixel depends on its level, on its
local contrast and on its derivatives.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PITCH = 8
"""Distance in pixels of the nodes between which smooth fields are interpolated."""
WINDOW = 5
"""Side in pixels of the windows that local contrast is measured in."""


def sample_fields(kernels: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
    """White noise through filters: field[b, o] = sum_i kernels[b, o, i] * n[b, i], n of mean 0 and variance 1.

    Args:
        kernels: (B, O, I, k, k), k odd.
        height, width: of the fields.
        generator: on the device of ``kernels``.

    Returns:
        (B, O, height, width), stationary up to its borders.
    """
    batch, fields, sources, side, _ = kernels.shape
    size = (1, batch * sources, height + side - 1, width + side - 1)
    white = torch.randn(size, dtype=kernels.dtype, device=kernels.device, generator=generator)
    return F.conv2d(white, kernels.flatten(0, 1), groups=batch).view(batch, fields, height, width)


def sample_smooth_fields(kernels: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
    """As :func:`sample_fields` with a node every ``PITCH`` pixels, bilinear between them."""
    nodes = sample_fields(kernels, -(-height // PITCH) + 1, -(-width // PITCH) + 1, generator)
    return _between_nodes(height, nodes) @ nodes @ _between_nodes(width, nodes).T


def _between_nodes(size: int, like: Tensor) -> Tensor:
    """Weights (size, nodes) of the two nodes around every pixel."""
    pixels, nodes = (torch.arange(count, device=like.device) for count in (size, -(-size // PITCH) + 1))
    return (1 - (pixels[:, None] / PITCH - nodes).abs()).clamp(min=0).to(like.dtype)


def smooth_variance(kernels: Tensor) -> Tensor:
    """Variance (B, O) of :func:`sample_smooth_fields`, its mean over pixels: less than at the nodes.

    Of the weights (1 - t, t) along an axis, the products of equal ones have the mean 2/3, those of the others 1/3.
    """
    share = torch.tensor([1 / 6, 2 / 3, 1 / 6]).to(kernels, non_blocking=True)
    flat = kernels.flatten(0, 2)[:, None]
    smoothed = F.conv2d(flat, (share[:, None] * share)[None, None], padding=1)
    return (flat * smoothed).sum((1, 2, 3)).view(kernels.shape[:3]).sum(2)


def kernels_of(covariance: Tensor, side: int) -> Tensor:
    """The filters whose fields have a covariance: the Hermitian square root of its spectrum.

    What is negative in the spectrum of an estimate counts as 0, and the variance is kept.

    Args:
        covariance: (C, C, n, n), entry [c, d, y, x] that of channel c at a pixel and d at the one y - n // 2 below and
            x - n // 2 to the right of it, periodic.
        side: of the filters, odd, below n.

    Returns:
        (C, C, side, side).
    """
    size = covariance.shape[-1]
    spectrum = torch.fft.fft2(torch.fft.ifftshift(covariance.double(), dim=(-2, -1))).permute(2, 3, 0, 1)
    values, vectors = torch.linalg.eigh((spectrum + spectrum.mH) / 2)
    root = (vectors * values.clamp(min=0).sqrt()[..., None, :]) @ vectors.mH
    full = torch.fft.fftshift(torch.fft.ifft2(root.permute(2, 3, 0, 1)).real, dim=(-2, -1))
    start = size // 2 - side // 2
    kernels = full[..., start : start + side, start : start + side]
    wanted = covariance[..., size // 2, size // 2].diagonal().double().clamp(min=0)
    got = kernels.square().sum((1, 2, 3)).clamp(min=1e-30)
    return (kernels * (wanted / got).sqrt()[:, None, None, None]).float()


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
    profile = torch.tensor([0.25, 0.5, 0.25]).to(image, non_blocking=True)
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
