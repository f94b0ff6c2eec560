"""Whether networks take the images that training will give them, found out on images of zeros."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from basicsr.models.hifacegan_model import HiFaceGANModel
from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from torch import nn

from degflow_aug.console.sentence import sentence
from degflow_aug.models.checks.registered_types import is_arbitrary_scale, outline_network

# Others are of what stands here, such as kernels that are for GPUs alone.
_OF_IMAGES = re.compile(r"channel|size|shape|dimension", re.IGNORECASE)


def is_of_pairs(model: type) -> bool:
    """Whether a model of BasicSR's, or one that extends it, passes LR images to its network, one at a time."""
    return issubclass(model, SRModel) and not issubclass(model, (HiFaceGANModel, VideoBaseModel))


def side_multiple(network: nn.Module) -> int:
    """What both sides of LR have to be multiples of: SwinIR's windows, the blocks that RRDBNet unshuffles below x4."""
    if isinstance(network, RRDBNet):
        return {1: 4, 2: 2}.get(network.scale, 1)
    # BasicSR's SwinIR tells its blocks only.
    sizes = [getattr(part, "window_size", None) for part in network.modules()]
    return math.lcm(*(size for size in sizes if isinstance(size, int)))


def check_channels(opt: Mapping[str, Any], hr_side: Any) -> None:
    """Look whether ``network_g`` takes the images of every data set, of which those of BasicSR may be of Y alone.

    Args:
        opt: the options.
        hr_side: as for :func:`check_enlarges`.

    Raises:
        ValueError: it does not take those of one, which is named, or is asked for coordinates.
    """
    if is_arbitrary_scale(opt["network_g"]):
        kind, model = opt["network_g"]["type"], opt["model_type"]
        raise ValueError(
            f"expected a network of a fixed scale in network_g for {model}, got {kind}; use ArbitraryScaleSRModel"
        )
    of_y = [phase for phase, section in opt["datasets"].items() if section.get("color") == "y"]
    for channels, phases in ((1, of_y), (3, [phase for phase in opt["datasets"] if phase not in of_y])):
        if phases:
            try:
                check_enlarges(opt["network_g"], opt.get("scale", 1), hr_side, channels)
            except ValueError as mistake:
                if not of_y:
                    raise
                gives = "Y alone" if channels == 1 else "three channels"
                raise ValueError(f"{mistake}; datasets.{phases[0]} gives {gives}, see its color") from None


def check_enlarges(section: Mapping[str, Any], scale: int, hr_side: Any, channels: int = 3) -> None:
    """Look whether ``network_g`` takes LR of training's side and channels, and enlarges it by ``scale``.

    Args:
        section: its section of the option file.
        scale: the scale of the options.
        hr_side: side of the HR crops; anything but a whole number where it is not known.
        channels: of the images.

    Raises:
        ValueError: it does not.
    """
    network = outline_network(section, "network_g")
    multiple = side_multiple(network)
    if isinstance(hr_side, int) and hr_side // scale % multiple:
        raise ValueError(
            f"expected datasets.train.gt_size to be a multiple of {multiple * scale}, because {section['type']} takes "
            f"LR of a multiple of {multiple}, got {hr_side}"
        )
    sides = [multiple * math.ceil(16 / multiple), *([hr_side // scale] if isinstance(hr_side, int) else [])]
    found = _answer(network, section, "network_g", channels, sides)
    if found is None:
        return
    side, shape = found
    if shape != (1, channels, side * scale, side * scale):
        raise ValueError(
            f"expected an image of {side * scale}x{side * scale} for LR of {side}x{side} from {section['type']} in "
            f"network_g, got {shape}; give it the scale {scale} of the options, and {channels} channels"
        )


def check_judges(section: Mapping[str, Any] | None, side: Any, channels: int = 3) -> None:
    """Look whether ``network_d``, where there is one, takes images of a side, where that is known.

    Raises:
        ValueError: it does not.
    """
    if section and isinstance(side, int) and side:
        _answer(outline_network(section, "network_d"), section, "network_d", channels, [side])


def _answer(
    network: nn.Module, section: Mapping[str, Any], where: str, channels: int, sides: Sequence[int]
) -> tuple[int, Any] | None:
    """The first side that a network takes, and the shape of what it answers; None where that cannot be told here."""
    mistake: Exception | None = None
    for side in sides:
        try:
            with torch.no_grad():
                image = torch.zeros(1, channels, side, side, device=next(network.parameters()).device)
                answer = network.eval()(image)
            return side, tuple(getattr(answer, "shape", ()))
        except Exception as error:
            mistake = error
    if mistake is None or not _OF_IMAGES.search(str(mistake)):
        return None
    raise ValueError(
        f"expected a network in {where} that takes images of {channels} channels and {sides[-1]}x{sides[-1]} pixels, "
        f"got {section['type']}, which says: {sentence(mistake)}"
    )
