"""How the networks of a generator are run: in which precision, compiled or not, on images of which range and size."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from degflow_aug.degradations.convolution import pad_to_multiple
from degflow_aug.degradations.grid import at_least_float32

# Not those that take CUDA graphs: the next call of a network would overwrite outputs that a path still needs.
COMPILE_MODES = ("default", "max-autotune-no-cudagraphs")


def check_execution(amp: str, compile: bool | str) -> None:
    """Raise a ValueError for an unknown precision or mode of compilation."""
    if isinstance(compile, str) and compile not in COMPILE_MODES:
        raise ValueError(f"expected compile as true, false or out of {', '.join(COMPILE_MODES)}, got {compile!r}")
    if amp not in ("none", "bf16"):
        raise ValueError(f"expected amp to be none or bf16, got {amp!r}")


def autocast(amp: str, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Networks in bfloat16 for ``amp`` bf16, else in the precision of the surroundings."""
    if amp == "bf16" and torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def compile_networks(networks: Iterable[nn.Module], compile: bool | str) -> None:
    """Pass networks through ``torch.compile`` in place, in the mode of that name, or do nothing where it is false."""
    if compile:
        for network in networks:
            network.compile(mode=None if compile is True else compile)


def to_network(image: Tensor, dtype: torch.dtype, multiple: int) -> Tensor:
    """An image in [0, 1] as networks take it: in [-1, 1], mirrored until its sides are multiples of ``multiple``."""
    return pad_to_multiple(image.to(dtype).mul(2).sub_(1), multiple)


def from_network(views: Sequence[Tensor], hr: Tensor) -> list[Tensor]:
    """Views in [-1, 1], changed in place, as images in [0, 1] of the size and dtype of ``hr``."""
    height, width = hr.shape[-2:]
    cut = (at_least_float32(view[:, :, :height, :width]) for view in views)
    return [view.mul_(0.5).add_(0.5).clamp_(0, 1).to(hr.dtype) for view in cut]
