"""Whether HR images can be degraded: their shape and kind at once, their values without ever waiting for a GPU."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from degflow_aug.degradations.grid import check_scale, to_lr_grid

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
LOWEST, HIGHEST = -0.35, 1.35
"""Values beyond are refused. Resampling may overshoot [0, 1]; 8-bit values, [-1, 1], [-0.5, 0.5] and standardised
ones go beyond."""


def check_image(hr: Tensor) -> None:
    """Raise a ValueError unless ``hr`` is a float tensor (B, 3, H, W) of at least one image of 8x8 pixels."""
    if not isinstance(hr, Tensor):
        raise ValueError(
            f"expected HR as a float tensor (B, 3, H, W) in [0, 1], got {type(hr).__name__}; torch.from_numpy(image)"
            ".permute(2, 0, 1)[None] / 255 makes one of an 8-bit NumPy array (H, W, 3)"
        )
    if odd := odd_kind(hr):
        raise ValueError(f"expected HR as a dense float tensor (B, 3, H, W) in [0, 1], got {odd}")
    if hr.ndim != 4 or hr.shape[1] != 3 or hr.dtype not in FLOATS:
        advice = "divide 8-bit values by 255, and convert to float32 what is of another kind"
        if hr.ndim != 4:
            advice = "stack images along the first axis, image[None] where there is one"
        elif hr.shape[1] != 3:
            advice = "put channels second, repeat a gray one and leave alpha out"
        raise ValueError(
            f"expected HR as a float tensor (B, 3, H, W) in [0, 1], got {hr.dtype} {tuple(hr.shape)}; {advice}"
        )
    if not hr.shape[0]:
        raise ValueError("expected HR of at least one image, got an empty batch; leave empty batches out")
    if min(hr.shape[-2:]) < 8:
        raise ValueError(f"expected HR of at least 8x8 pixels, got {hr.shape[-2]}x{hr.shape[-1]}; use a larger crop")


def odd_kind(tensor: Tensor) -> str:
    """Name what torch has beside plain tensors, with what to do about it; empty for a plain one, also on meta."""
    if tensor.is_nested:
        return "a nested one; pad its parts to one size and stack them"
    if tensor.layout != torch.strided:
        return f"a tensor of layout {str(tensor.layout).removeprefix('torch.')}; to_dense() makes it one"
    if not torch.compiler.is_compiling() and torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        return "one inside of vmap, grad or another of torch.func; degrade whole batches outside of it"
    return ""


class ValueCheck:
    """Looks at the values of HR images: on the CPU at once, on a GPU at the first call for which they have arrived.

    The GPU reduces a batch to its extremes and copies them beside its other work, one batch at a time. So a batch that
    cannot be is told a call or a few later; where it holds NaN its LR images do too, so that no loss hides it. Other
    accelerators are trusted, and so is what ``torch.compile`` or a CUDA graph captures.
    """

    def __init__(self) -> None:
        self._coming: tuple[Tensor, torch.cuda.Event] | None = None

    def __call__(self, hr: Tensor) -> None:
        """Look at ``hr`` (B, 3, H, W), or at an earlier batch and then at this one.

        Raises:
            ValueError: NaN, infinity, or values far from [0, 1].
        """
        # Fake tensors, and others that stand for some, have no values; classes that mark images, as torchvision's, do.
        if type(hr).__torch_dispatch__ is not Tensor.__torch_dispatch__ or torch.compiler.is_compiling():
            return
        hr = hr.detach().as_subclass(Tensor)
        if hr.is_cpu:
            said = _mistake(*(value.item() for value in torch.aminmax(hr)))
            if said:
                raise ValueError(f"expected HR in [0, 1], got {said}")
        elif hr.is_cuda and not torch.cuda.is_current_stream_capturing():
            self._look_later(hr)

    def _look_later(self, hr: Tensor) -> None:
        coming = self._coming
        if coming is not None:
            extremes, arrived = coming
            if not arrived.query():
                return
            self._coming = None
            said = _mistake(*extremes.tolist())
            if said:
                raise ValueError(f"expected HR in [0, 1] in an earlier batch, got {said}")
        extremes = torch.stack(torch.aminmax(hr)).float().to("cpu", non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record(torch.cuda.current_stream(hr.device))
        self._coming = extremes, arrived

    def __reduce__(self) -> tuple[type[ValueCheck], tuple[()]]:
        """A copy has seen nothing yet: what is on its way to this one cannot be copied."""
        return ValueCheck, ()


_check_views = ValueCheck()


def checked_lr_grid(view: Tensor, scale: float) -> Tensor:
    """:func:`to_lr_grid` of a view (B, 3, H, W) in [0, 1] that may come from anywhere, for callers outside.

    Raises:
        ValueError: as :meth:`Degradation.check`, of any scale from 1.
    """
    check_image(view)
    _check_views(view)
    return to_lr_grid(view, check_scale(scale))


def _mistake(low: float, high: float) -> str:
    """What is wrong with images of these extremes; empty where nothing is."""
    if low >= LOWEST and high <= HIGHEST:
        return ""
    if not math.isfinite(low) or not math.isfinite(high):
        return "pixels that are NaN or infinite; look at what reads or changes the images"
    return f"values from {low:g} to {high:g}; divide 8-bit values by 255, and undo other normalisation"
