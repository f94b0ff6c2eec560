"""LPIPS with VGG16 and average pooling, as DegFlow trains with; the metric itself is the ``lpips`` package's."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from degflow_aug.files.tensor_file import bare, check_weights, load_tensors

VGG_FILE = "vgg16-397923af.pth"


class LPIPSLoss(nn.Module):
    """Learned perceptual distance of images in [-1, 1].

    Args:
        loss_weight: factor of the mean distance.
        vgg_path: torchvision's VGG16 weights; default: torchvision's cache.
        average_pooling: average instead of max pooling between VGG's stages, as the official DegFlow has it.
        unit_range: images are in [0, 1], as super-resolution models give them to ``perceptual_opt``.

    Raises:
        ValueError: the VGG16 weights are not there, or are not VGG16's.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        vgg_path: str | Path | None = None,
        average_pooling: bool = True,
        unit_range: bool = False,
    ) -> None:
        super().__init__()
        import lpips

        self.loss_weight, self.unit_range = loss_weight, unit_range
        state = read_vgg(vgg_path)
        # The package announces itself on stdout and builds VGG through a deprecated argument.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.distance = lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False)
        load_vgg(self.distance.net, state)
        if average_pooling:
            replace_pooling(self.distance.net)
        self.eval().requires_grad_(False)

    def per_sample(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Measure the distances (B,) between (B, 3, H, W) images."""
        if self.unit_range:
            prediction, target = 2 * prediction - 1, 2 * target - 1
        return self.distance(prediction, target).flatten()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Measure the weighted mean distance between (B, 3, H, W) images."""
        return self.loss_weight * self.per_sample(prediction, target).mean()

    def train(self, mode: bool = True) -> LPIPSLoss:
        """Stay in evaluation mode: the networks inside are fixed."""
        return super().train(False)


def vgg_file(path: str | Path | None) -> Path:
    """Return where torchvision's VGG16 weights are expected: at ``path``, or in torchvision's cache."""
    return Path(path) if path else Path(torch.hub.get_dir()) / "checkpoints" / VGG_FILE


def read_vgg(path: str | Path | None) -> dict[str, Tensor]:
    """Read the convolution weights of torchvision's VGG16 from a file or from torchvision's cache.

    Raises:
        ValueError: nothing there, or another kind of file.
    """
    file = vgg_file(path)
    if not file.is_file():
        raise ValueError(
            f"expected torchvision's VGG16 weights for LPIPS at {file}, got none; place {VGG_FILE} there, name it by "
            "--lpips-vgg or degflow.lpips_vgg; --lpips-vgg none or degflow.lpips_weight: 0 train without LPIPS"
        )
    state = load_tensors(file)
    if not isinstance(state, dict):
        raise ValueError(f"expected torchvision's VGG16 weights in {file}, got another kind of file")
    found = {
        key: value
        for key, value in bare(state, file).items()
        if key.startswith("features.") and isinstance(value, Tensor)
    }
    check_weights(found, file)
    return found


def load_vgg(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Fill the five slices of the package's VGG16, whose layers keep torchvision's numbers."""
    wanted = {key: key.split(".", 1)[1] for key in network.state_dict()}
    missing = [name for name in wanted.values() if f"features.{name}" not in state]
    if missing:
        raise ValueError(f"expected VGG16 weights with features.{missing[0]}, got none; use torchvision's {VGG_FILE}")
    try:
        network.load_state_dict({key: state[f"features.{name}"] for key, name in wanted.items()})
    except RuntimeError:
        raise ValueError(f"expected weights of VGG16's widths, got others; use torchvision's {VGG_FILE}") from None


def replace_pooling(network: nn.Module) -> None:
    """Turn every max pooling into average pooling of the same window."""
    for parent in network.modules():
        for name, layer in parent.named_children():
            if isinstance(layer, nn.MaxPool2d):
                setattr(parent, name, nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding))
