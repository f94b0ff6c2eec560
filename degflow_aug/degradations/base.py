"""What a degradation is: a map from (HR, scale) to LR, with no trainer and no option dict behind it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from degflow_aug.degradations.grid import check_scale, join, resize, to_hr_grid
from degflow_aug.degradations.image_check import ValueCheck, check_image, odd_kind
from degflow_aug.draws import fresh_seed, rank_of_process, tell_rank

_RANK = "_pickled_by_rank"


class Degradation(nn.Module):
    """Maps HR images in [0, 1] and a scale to the LR images a camera would have taken.

    Subclasses write ``forward``; one whose samples can share a batched pass also overrides ``lr_patches``.
    Nothing here builds a graph. After ``seed`` random draws come from a stream of its own, so that a training step's
    other randomness does not depend on the degradation. Without a seed each draw takes one from torch's global stream:
    workers, epochs and ranks draw differently, and ``torch.manual_seed`` makes them repeat.

    Attributes:
        scale_range: the scales it was made for, (lowest, highest).
        needs_values: whether the meta device, where tensors have shapes alone, is refused.
    """

    scale_range: tuple[float, float] = (1.0, math.inf)
    needs_values: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._generators: dict[torch.device, torch.Generator] = {}
        self._seed: int | None = None
        self._check_values = ValueCheck()

    def seed(self, seed: int) -> None:
        """Restart the random stream; the same seed and calls give the same LR on one device, in every copy.

        Raises:
            ValueError: no whole number, or one beyond 64 bits.
        """
        if isinstance(seed, bool) or not isinstance(seed, Integral) or not -(2**63) <= seed < 2**64:
            raise ValueError(
                f"expected a whole number of at most 64 bits as seed, got {seed!r}; take the step of your loop"
            )
        self._seed = int(seed)
        self._generators.clear()

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: for a worker that starts anew, as after ``torch.multiprocessing.spawn``, the rank too."""
        return {**self.__dict__, _RANK: rank_of_process()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if _RANK in state:
            tell_rank(state.pop(_RANK))
        super().__setstate__(state)

    def generator(self, device: torch.device) -> torch.Generator:
        """The random stream on ``device``, made on first use from the seed; without a seed another one per call."""
        if self._seed is None:
            return torch.Generator(device=device).manual_seed(fresh_seed())
        if device not in self._generators:
            # Of two threads at once both get the one that was first.
            self._generators.setdefault(device, torch.Generator(device=device).manual_seed(self._seed))
        return self._generators[device]

    def check_hr(self, hr: Tensor) -> None:
        """Look whether ``hr`` can be degraded, without waiting for a GPU; see :class:`ValueCheck`.

        Raises:
            ValueError: no float tensor (B, 3, H, W), an empty batch, or values that are not numbers or far from [0, 1].
        """
        check_image(hr)
        home = next(self.parameters(), hr).device
        if home.type != hr.device.type or (self.needs_values and hr.is_meta):
            wanted = f"on {home}, where this {type(self).__name__} is" if home.type != hr.device.type else "with values"
            raise ValueError(f"expected HR {wanted}, got a tensor on {hr.device}; move one of them")
        self._check_values(hr)

    def check(self, hr: Tensor, scale: float) -> float:
        """Return ``scale`` if ``hr`` (B, 3, H, W) and it can be degraded.

        Raises:
            ValueError: as :meth:`check_hr`, or no number, or one outside ``scale_range``.
        """
        self.check_hr(hr)
        return check_scale(scale, *self.scale_range)

    def sample_scales(self, hr: Tensor, scales: Tensor) -> Tensor:
        """The scales (B,) of the samples of ``hr``, checked where that costs nothing.

        Scales on the CPU are checked and brought inside the range by what float32 has rounded; scales on an
        accelerator are trusted, because reading them would wait for it.

        Raises:
            ValueError: as :meth:`check_hr`, or scales of another shape or kind, or one on the CPU that is outside
                ``scale_range``.
        """
        self.check_hr(hr)
        if not isinstance(scales, Tensor):
            kind = type(scales).__name__
            raise ValueError(f"expected scales as a tensor ({hr.shape[0]},), got {kind}; make one by torch.tensor")
        if odd := odd_kind(scales):
            raise ValueError(f"expected scales as a dense tensor ({hr.shape[0]},), got {odd}")
        if scales.shape != hr.shape[:1]:
            raise ValueError(f"expected one scale a sample, shape ({hr.shape[0]},), got {tuple(scales.shape)}")
        if scales.is_meta and not hr.is_meta:
            raise ValueError("expected scales with values, got a tensor on meta; make it on the CPU")
        if scales.device.type != "cpu":
            return scales
        return torch.tensor([check_scale(scale, *self.scale_range) for scale in scales.tolist()], dtype=torch.float64)

    def check_patches(self, hr: Tensor, scales: Tensor, lr_size: int) -> tuple[Tensor, Tensor]:
        """The scales (B,) of LR patches of ``hr``, and the sides (B,) of the HR squares behind them, round(L * s_i).

        Both are on the scales' device, checked and brought inside the range as by :meth:`sample_scales`.

        Raises:
            ValueError: as :meth:`sample_scales`, no LR size, or HR patches too small for the largest scale on the CPU.
        """
        if isinstance(lr_size, bool) or not isinstance(lr_size, Integral) or lr_size < 1:
            raise ValueError(f"expected an LR size of at least 1, got {lr_size!r}")
        scales = self.sample_scales(hr, scales)
        sides = patch_sides(scales, lr_size)
        if sides.device.type == "cpu" and sides.numel() and int(sides.max()) > min(hr.shape[-2:]):
            raise ValueError(
                f"expected HR patches of at least {int(sides.max())} pixels for scale {float(scales.max()):g} and LR "
                f"size {lr_size}, got {hr.shape[-2]}x{hr.shape[-1]}; raise gt_size or lower the highest scale"
            )
        return scales, sides

    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1]."""
        raise NotImplementedError

    @torch.no_grad()
    def render(self, hr: Tensor, scale: float) -> Tensor:
        """View of ``hr`` at ``scale``: the LR image brought back to the HR grid, (B, 3, H, W) in [0, 1]."""
        lr = self(hr, scale)
        return to_hr_grid(lr, (hr.shape[-2], hr.shape[-1]))

    @torch.no_grad()
    def render_scales(self, hr: Tensor, scales: Sequence[float]) -> list[Tensor]:
        """Views of ``hr`` (B, 3, H, W) at several scales."""
        return [self.render(hr, scale) for scale in self.check_scales(scales)]

    @torch.no_grad()
    def views(self, hr: Tensor, scales: Tensor) -> Tensor:
        """View of every sample of ``hr`` (B, 3, H, W) at a scale of its own, ``scales`` (B,): (B, 3, H, W) in [0, 1].

        Raises:
            ValueError: as :meth:`sample_scales`.
        """
        scales = self.sample_scales(hr, scales)
        return join([self.render(hr[i : i + 1], scale) for i, scale in enumerate(scales.tolist())])

    def check_scales(self, scales: Sequence[float]) -> list[float]:
        """The scales, brought inside the range by what float32 has rounded.

        Raises:
            ValueError: no list of numbers, or one outside ``scale_range``, which is named.
        """
        if not isinstance(scales, Iterable):
            raise ValueError(f"expected a list of scales, got {scales!r}; [{scales!r}] has one")
        return [check_scale(scale, *self.scale_range) for scale in scales]

    @torch.no_grad()
    def lr_patches(self, hr: Tensor, scales: Tensor, lr_size: int) -> Tensor:
        """LR patches of one size at a scale per sample, as an arbitrary-scale training step takes them.

        Scales belong on the CPU: there they are checked, without touching the device of ``hr``. Scales on an
        accelerator are trusted. Here samples are degraded one by one, which has to read such scales back; the
        degradations with a batched pass never do.

        Args:
            hr: (B, 3, P, P) in [0, 1] with P >= round(lr_size * max(scales)).
            scales: (B,), sample i is degraded at ``scales[i]``.
            lr_size: side L of every patch.

        Returns:
            (B, 3, L, L) in [0, 1]; patch i covers the top-left round(L * s_i) square of its HR image, and does not
            depend on the other samples but for the order of random draws.

        Raises:
            ValueError: wrong shapes; for scales on the CPU, one outside ``scale_range`` or too large for P.
        """
        low, high = self.scale_range
        sides = self.check_patches(hr, scales, lr_size)[1]
        # A side is a whole number of pixels, so side / L can pass the range by a rounding.
        patches = [
            self(hr[i : i + 1, :, :side, :side], min(max(side / lr_size, low), high))
            for i, side in enumerate(sides.tolist())
        ]
        return join([resize(patch, (lr_size, lr_size)).clamp(0, 1) for patch in patches]).contiguous()


def patch_sides(scales: Tensor, lr_size: int) -> Tensor:
    """round(L * s_i) as whole numbers (B,) on the scales' device, halves to even as Python rounds them."""
    # Apple's devices have no float64; there a product within 1e-7 of a half may round to the other side.
    wide = scales.float() if scales.device.type == "mps" else scales.double()
    return (wide * lr_size).round().long()
