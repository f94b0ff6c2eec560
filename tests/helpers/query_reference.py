"""What the arbitrary-scale networks compute, one query at a time in NumPy and float64; written from the formulas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float64]

EDSR = {"name": "edsr-baseline", "args": {"n_resblocks": 1, "n_feats": 4}}


def random_queries(seed: int, batch: int, count: int) -> tuple[Tensor, Tensor]:
    """Coordinates anywhere in the image, a quarter of them near its border, and cells that differ by query."""
    rng = np.random.default_rng(seed)
    coord = rng.uniform(-0.99, 0.99, (batch, count, 2))
    coord[:, : count // 4] = np.sign(coord[:, : count // 4]) * rng.uniform(0.97, 0.999, (batch, count // 4, 2))
    cell = rng.uniform(0.02, 0.3, (batch, count, 2))
    return torch.from_numpy(coord), torch.from_numpy(cell)


def images(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


def run_mlp(network: nn.Module, x: Array) -> Array:
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    for number, layer in enumerate(linear):
        x = layer.weight.detach().numpy() @ x + layer.bias.detach().numpy()
        x = x if number == len(linear) - 1 else np.maximum(x, 0)
    return x


def centres(count: int, first: int, last: int) -> Array:
    """Coordinates of the pixels first ... last - 1 of a side of ``count``, those beyond the image included."""
    return np.array([-1 + (2 * pixel + 1) / count for pixel in range(first, last)])


def nearest_pixels(c: float, count: int, side: int) -> list[int]:
    """The ``side`` pixels nearest to a coordinate, in order, of a grid without end; then held inside the image."""
    distances = np.abs(centres(count, -side - 1, count + side + 1) - c)
    chosen = np.sort(np.argsort(distances)[:side]) - side - 1
    return [int(np.clip(pixel, 0, count - 1)) for pixel in chosen]


def around(features: Array, row: int, column: int) -> Array:
    """The 3x3 features around a pixel as a vector, channel by channel, zeros beyond the border."""
    padded = np.pad(features, ((0, 0), (1, 1), (1, 1)))
    return padded[:, row : row + 3, column : column + 3].reshape(-1)


def convolve(layer: nn.Conv2d, features: Array, row: int, column: int) -> Array:
    """A 3x3 convolution with padding 1 at one pixel."""
    weight = layer.weight.detach().numpy().reshape(layer.out_channels, -1)
    return weight @ around(features, row, column) + layer.bias.detach().numpy()


def bilinear_at(image: Array, y: float, x: float) -> Array:
    """Bilinear interpolation of (C, h, w) at a coordinate, the border continued."""
    height, width = image.shape[1:]
    p = np.clip((y + 1) * height / 2 - 0.5, 0, height - 1)
    q = np.clip((x + 1) * width / 2 - 0.5, 0, width - 1)
    tents = np.outer(np.maximum(0, 1 - np.abs(np.arange(height) - p)), np.maximum(0, 1 - np.abs(np.arange(width) - q)))
    return (image * tents).sum((1, 2))


def encoded(network: nn.Module, image: Tensor) -> Array:
    """The encoder's features (C, h, w) of a normalised image (3, h, w)."""
    with torch.no_grad():
        return network.encoder(image.unsqueeze(0))[0].numpy()


def check_queries(
    network: nn.Module,
    lq: Tensor,
    reference: Callable[..., Array],
    mean: Tensor | float = 0.5,
    std: float = 0.5,
    atol: float = 1e-9,
) -> None:
    """Compare colours with ``reference(network, features, image, coord, cell)`` of every query of every sample."""
    coord, cell = random_queries(2, len(lq), 24)
    found = network(lq, coord, cell).detach().numpy()
    for sample, image in enumerate((lq - mean) / std):
        features = encoded(network, image)
        for query in range(24):
            where = coord[sample, query].numpy(), cell[sample, query].numpy()
            expected = reference(network, features, image.numpy(), *where)
            np.testing.assert_allclose(found[sample, query], expected, atol=atol)
