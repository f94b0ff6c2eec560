"""What ``--model`` names, as one function of images and sizes, whichever kind of network it is."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from degflow_aug.console.progress import note

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from degflow_aug.models.inference.trained_network import TrainedNetwork

LARGEST_SCALE = 16.0
DEFAULT_MEMORY = 2048.0


class Enlarge(Protocol):
    """LR (1, 3, h, w) in [0, 1] and (height, width) of the result -> (3, height, width) in [0, 1]."""

    def __call__(self, lq: Tensor, size: tuple[int, int], /) -> Tensor: ...


@dataclass(frozen=True)
class Upscaler:
    """A trained network on its device.

    Attributes:
        name: what the network is called.
        enlarge: what it makes of an image.
        device: where LR is handed in.
        scale: what it enlarges by; None where ``box`` says.
        box: (height, width) into which results fit.
        settings: what results depend on beside the photographs.
        said: a line about it.
    """

    name: str
    enlarge: Enlarge
    device: torch.device
    scale: float | None
    box: tuple[int, int] | None
    settings: Mapping[str, Any]
    said: str = ""

    def size_of(self, height: int, width: int, image: Path) -> tuple[int, int]:
        """(height, width) of the result of ``image``, its own proportions kept.

        Raises:
            ValueError: a box that is smaller than the image, or far larger; or more pixels than images may have.
        """
        from degflow_aug.files.image_decoder import PIXEL_LIMIT

        scale = self.scale
        if scale is None:
            assert self.box is not None
            scale = min(self.box[0] / height, self.box[1] / width)
            if not 1 <= scale <= LARGEST_SCALE:
                raise ValueError(
                    f"{image}: expected --size of 1 to {LARGEST_SCALE:g} times its {width}x{height} pixels, got "
                    f"{self.box[1]}x{self.box[0]}, which is x{scale:.3g}"
                )
        size = max(1, round(height * scale)), max(1, round(width * scale))
        if size[0] * size[1] > PIXEL_LIMIT:
            raise ValueError(
                f"{image}: expected a result of at most {PIXEL_LIMIT} pixels, got {size[1]}x{size[0]}; lower the scale"
            )
        return size


def find_upscaler(args: argparse.Namespace, device: torch.device, shown: bool) -> Upscaler:
    """Load what ``args.model`` names.

    Args:
        args: of the command.
        device: where it works.
        shown: show the progress through the tiles of an image.

    Raises:
        ValueError: nothing that enlarges images, or options that do not go with it.
    """
    if _is_one_step(args.model):
        return _one_step(args, device)
    for name in ("tile", "colour", "pretrained"):
        if getattr(args, name) is not None:
            raise ValueError(f"expected --{name} with a one-step system only, got it with {args.model}; leave it out")
    from degflow_aug import register

    register()
    from degflow_aug.models.inference.enlarger import Enlarger
    from degflow_aug.models.inference.trained_network import load_trained

    trained = load_trained(args.model)
    scale = _scale_for(trained, args.scale, args.size)
    memory = DEFAULT_MEMORY if args.memory_mb is None else args.memory_mb
    reach = "any scale" if trained.scale is None else f"x{trained.scale}"
    weights = f"{'EMA weights' if 'ema' in trained.part.lower() else 'weights'} ({trained.part or 'bare'})"
    said = f"{trained.file}: {trained.kind}, {reach}, {weights}"
    if scale is not None and trained.highest is not None and scale > trained.highest:
        said += f"; trained up to x{trained.highest:g}"
    enlarge = Enlarger(trained.network.to(device), trained.scale, memory, shown)
    settings = {"model": _digest(trained.file), "weights": trained.part, "memory_mb": memory}
    return Upscaler(trained.kind, enlarge, device, scale, args.size, {**_asked(scale, args.size), **settings}, said)


def _asked(scale: float | None, box: tuple[int, int] | None) -> dict[str, Any]:
    """Where a box says, files have no scale in common."""
    return {"scales": [scale or 0.0], **({"size": list(box)} if box else {})}


def _is_one_step(model: str) -> bool:
    """Tell a checkpoint of a one-step system from those of other networks, and from none."""
    from degflow_aug.files.tensor_file import load_tensors
    from degflow_aug.models.training.checkpoint import network_file
    from degflow_aug.onestep.onestep_checkpoint import NETWORKS

    try:
        file = network_file(model)
    except ValueError:
        return False
    content = load_tensors(file)
    spec = content.get("spec") if isinstance(content, Mapping) else None
    section = spec.get("network") if isinstance(spec, Mapping) else None
    return isinstance(section, Mapping) and section.get("type") in NETWORKS


def _scale_for(trained: TrainedNetwork, asked: float | None, box: tuple[int, int] | None) -> float | None:
    """The scale of an image's result; None where ``box`` says.

    Raises:
        ValueError: another one than a network of a fixed scale has, or none for one of any scale.
    """
    if trained.scale is not None:
        if box is not None or asked not in (None, trained.scale):
            got = f"--scale {asked:g}" if asked is not None else "--size"
            raise ValueError(
                f"expected no other scale than the x{trained.scale} of {trained.kind}, got {got}; leave it out"
            )
        return float(trained.scale)
    if asked is None and box is None:
        raise ValueError(f"expected --scale or --size for {trained.kind}, which enlarges to any, got neither; name one")
    return asked


def _one_step(args: argparse.Namespace, device: torch.device) -> Upscaler:
    if args.memory_mb is not None:
        raise ValueError(f"expected --tile for the one-step system {args.model}, got --memory-mb; leave it out")
    tile = _tile(args.tile or "auto")
    from degflow_aug.onestep.onestep_checkpoint import load_system
    from degflow_aug.onestep.restoration.restoration import Restorer

    system = load_system(args.model, pretrained=args.pretrained or "")
    network = system.network.to(device)
    restorer = Restorer(network, args.colour or system.colour_fix, enlargement=system.enlargement)
    if tile is not None:
        restorer = replace(restorer, tile=tile // network.latents.factor, autoencoder_tile=tile)

    told = False

    def enlarge(lq: Tensor, size: tuple[int, int], /) -> Tensor:
        nonlocal told
        if tile and tile >= max(size) and not told:
            told = True
            note(f"the result of {max(size)} pixels is no larger than a tile of {tile}, and is made in one piece")
        made: Tensor = restorer(lq, size)[0]
        return made

    scale = None if args.size else float(args.scale or system.scale)
    settings = {
        **_asked(scale, args.size),
        "published": {key: network.spec.get(key) for key in ("pretrained", "vae", "dtype")},
        "model": _digest(system.file),
        "colour": restorer.colour_fix,
        "tile": restorer.tile,
    }
    return Upscaler(type(network).__name__, enlarge, device, scale, args.size, settings)


def _tile(text: str) -> int | None:
    """Parse ``--tile``: None for auto, or pixels of the result."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit()) or not (int(text) == 0 or 64 <= int(text) <= 2**16):
        raise ValueError(f"expected --tile as auto, 0 or pixels from 64 on, got '{text}'")
    return int(text)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
