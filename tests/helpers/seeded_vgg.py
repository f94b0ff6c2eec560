"""VGG16 with the weights of a seed, as the official results of LPIPS have it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
WIDTHS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)


def vgg_features() -> nn.Sequential:
    """The layers of VGG16 that LPIPS has."""
    return torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"], batch_norm=False)


def spare_classifier(patch: pytest.MonkeyPatch) -> None:
    """Spare building VGG16's classifier, 120 million weights that LPIPS throws away."""
    patch.setattr(torchvision.models, "vgg16", lambda **settings: SimpleNamespace(features=vgg_features()))


def write_seeded_vgg(reference: dict[str, Any], file: Path, patch: pytest.MonkeyPatch) -> Path:
    """Write the convolutions of the seed ``vgg_seed``, whose bytes the reference knows."""
    spare_classifier(patch)
    random, digest, state = np.random.RandomState(reference["vgg_seed"]), hashlib.sha256(), {}
    inputs = 3
    for layer, width in zip(CONVOLUTIONS, WIDTHS, strict=True):
        for name, shape, size in (
            ("weight", (width, inputs, 3, 3), (6 / (9 * inputs)) ** 0.5), ("bias", (width,), 0.1),
        ):  # fmt: skip
            values = ((2 * random.random_sample(shape) - 1) * size).astype("<f4")
            digest.update(values.tobytes())
            state[f"features.{layer}.{name}"] = torch.from_numpy(values)
        inputs = width
    assert digest.hexdigest() == reference["vgg_sha256"]
    torch.save(state, file)
    return file
