"""The camera as a linear kernel, fitted to pairs: a cheap degradation, and an opponent that is hard to beat.

:class:`ViewParameters` makes its views; those of a fitted pipeline have a tone curve and sharpening as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch
from torch import Tensor

from degflow_aug.bundles.bundle import Bundle, KernelBundle, State
from degflow_aug.degradations.camera_choice import check_only_camera, find_camera
from degflow_aug.degradations.convolution import convolve
from degflow_aug.degradations.fitted.kernel_estimation import Pairs, estimate_kernels
from degflow_aug.degradations.fitted.kernel_interpolation import interpolate_kernels
from degflow_aug.degradations.grid import resample_patches, to_lr_grid
from degflow_aug.degradations.noise.noisy_degradation import Noise, NoisyDegradation, noise_from_state

if TYPE_CHECKING:
    from typing_extensions import Self

TOE = 0.01
"""Added to display values before they become light, so that the curve has a finite slope at black."""


class ViewParameters(NamedTuple):
    """What makes each view of a batch, one row per sample.

    Attributes:
        blur: (B, 3, k, k) kernels of sum 1, of display values or, with an exponent, of light.
        exponent: (B,), light = (display value)^exponent; None: there is no tone curve, and no sharpening either.
        sharpening: (B, 3, m, m) kernels of sum 1, of display values.
    """

    blur: Tensor
    exponent: Tensor | None = None
    sharpening: Tensor | None = None

    def to(self, device: torch.device) -> ViewParameters:
        """The same on another device."""
        return self.each(lambda values: values.to(device))

    def each(self, change: Callable[[Tensor], Tensor]) -> ViewParameters:
        """The same with every tensor changed."""
        exponent, sharpening = (None if part is None else change(part) for part in (self.exponent, self.sharpening))
        return ViewParameters(change(self.blur), exponent, sharpening)

    def views(self, hr: Tensor) -> Tensor:
        """S * (K * HR^g)^(1 / g), the camera's pipeline: (B, 3, H, W) in [0, 1] -> the same, not clamped.

        Optics and pixels blur light, the tone curve makes display values of it, and these are sharpened. Borders are
        reflected; 16-bit floats are computed in 32 bits.
        """
        if self.exponent is None or self.sharpening is None:
            return convolve(hr, self.blur)
        wide = hr if hr.dtype == torch.float64 else hr.float()
        exponent = self.exponent.to(wide).view(-1, 1, 1, 1)
        shown = from_light(convolve(to_light(wide, exponent), self.blur), exponent)
        return convolve(shown, self.sharpening).to(hr.dtype)


class FittedKernel(NoisyDegradation):
    """A camera's blur as one kernel per knot and channel, interpolated in scale between the knots.

    Attributes:
        knots: (K,) buffer, the scales of the kernels; the first is 1, HR itself.
        kernels: (K, 3, k, k) buffer, point-spread functions of sum 1; the first is a unit impulse.
    """

    knots: Tensor
    kernels: Tensor
    fade = 1.0
    # What makes one, in the order of its arguments.
    state_keys: ClassVar[tuple[str, ...]] = ("knots", "kernels")

    def __init__(self, knots: Tensor, kernels: Tensor, *, residual: Noise | None = None, noise: float = 0.0) -> None:
        """Take the knots (K,) and their kernels (K, 3, k, k), k odd, scale 1 included; noise as in the base class.

        Raises:
            ValueError: no tensors, shapes that do not match, knots that do not ascend from 1, or noise without its
                statistics.
        """
        super().__init__(residual, noise)
        if not isinstance(knots, Tensor) or not isinstance(kernels, Tensor):
            kinds = f"{type(knots).__name__} and {type(kernels).__name__}"
            raise ValueError(f"expected knots and kernels as tensors, got {kinds}; make them by torch.tensor")
        values = [round(value, 6) for value in knots.flatten().tolist()]
        if len(values) < 2 or values[0] != 1 or sorted(set(values)) != values:
            raise ValueError(f"expected at least two knots that ascend from 1, got {values}; HR is the first knot")
        side = kernels.shape[-1] if kernels.ndim == 4 and kernels.is_floating_point() else 0
        if kernels.shape != (len(values), 3, side, side) or side % 2 == 0:
            raise ValueError(
                f"expected kernels of shape ({len(values)}, 3, k, k) with k odd, got {tuple(kernels.shape)}; "
                "give one kernel per knot and channel"
            )
        if not torch.allclose(kernels[0].detach().float().cpu(), _impulse(side), atol=1e-6):
            raise ValueError("expected a unit impulse as the kernel of knot 1, got another; HR is its own view there")
        self.register_buffer("knots", torch.tensor(values, dtype=torch.float32, device=kernels.device))
        self.register_buffer("kernels", kernels.detach().float().clone())
        self.scale_range = (1.0, values[-1])

    @property
    def side(self) -> int:
        """Side k of the square of HR pixels that a pixel of a view depends on."""
        return self.kernels.shape[-1]

    @classmethod
    def fit(cls, pairs: Pairs, size: int = 31, regularisation: float = 1e-3, *, robust: bool = True) -> Self:
        """Fit one kernel per scale and channel to pairs.

        Args:
            pairs: HR images (3, H, W) in [0, 1], each with its views (3, H, W) by scale; 32 pixels a side at least.
                Read several times where ``robust``, and then an iterator is read into memory.
            size: odd side of the kernels in pixels.
            regularisation: power added to every frequency, relative to the mean power of HR.
            robust: take the shifts of windows out and weigh them, see :func:`estimate_kernels`. On City100's real pairs
                both are as strong an opponent (Y-PSNR of held-out scenes, iPhone 33.77 against 33.76 dB plainly, Nikon
                39.12 against 39.12), and on registered views of the simulator too; where views are shifted by up to
                a pixel, pseudo-views of the robust kernel come nearer to the truth. So it serves for everything.

        Raises:
            ValueError: no pairs, or pairs that cannot be fitted.
        """
        fitted = estimate_kernels(pairs, size, regularisation, robust=robust)
        kernels = [kernel.cpu() for kernel in fitted.values()]
        return cls(torch.tensor([1.0, *fitted], dtype=torch.float64), torch.stack([_impulse(size), *kernels]))

    @classmethod
    def from_bundle(cls, bundle: Bundle | KernelBundle, *, noise: float = 0.0, camera: str | None = None) -> Self:
        """What was fitted of this kind in a bundle, that of ``camera`` where it knows several.

        The noise of a bundle is what the LR of its best generator lacks, which is less than what simpler ones lack: it
        is not taken for theirs.

        Raises:
            ValueError: a bundle without this kind, or without noise of its own where noise is asked for, or a camera
                that it does not know.
        """
        index, cameras = 0, bundle.spec.cameras
        if cameras:
            index = find_camera(camera or "", cameras)
        else:
            check_only_camera(camera, bundle.spec.camera)
        state = bundle.kernels[index] if index < len(bundle.kernels) else {}
        name = cls.__name__
        if not state.keys() >= set(cls.state_keys):
            raise ValueError(f"expected a bundle with a {name}, got one without; degflow fit puts one in")
        own = isinstance(bundle, KernelBundle) and state.keys() == set(cls.state_keys)
        if noise and not own:
            raise ValueError(
                f"expected a bundle of a {name} alone for its noise, got one with the noise of a better generator; "
                f"make one with degflow fit --preset {name.removeprefix('Fitted').lower()}"
            )
        residual = noise_from_state(bundle.noise[0]) if noise and bundle.noise else None
        return cls.of_state(state, residual=residual, noise=noise)

    @classmethod
    def of_state(cls, state: State, *, residual: Noise | None = None, noise: float = 0.0) -> Self:
        """The one with this state.

        Raises:
            ValueError: it is the state of something else.
        """
        missing = [key for key in cls.state_keys if key not in state]
        if missing:
            raise ValueError(f"expected the state of a {cls.__name__}, got one without {missing[0]}")
        return cls(*(state[key] for key in cls.state_keys), residual=residual, noise=noise)

    @torch.no_grad()
    def render(self, hr: Tensor, scale: float) -> Tensor:
        """View of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1], borders reflected."""
        scales = self.knots.new_full((1,), self.check(hr, scale))
        return self._placed(scales, hr).views(hr).clamp(0, 1)

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1]."""
        lr = to_lr_grid(self.render(hr, scale), float(scale))
        return self.with_noise(lr, torch.full(hr.shape[:1], float(scale)))

    @torch.no_grad()
    def lr_patches(self, hr: Tensor, scales: Tensor, lr_size: int) -> Tensor:
        """As :meth:`Degradation.lr_patches`, blurred in one pass and before the squares are cut: no border shows."""
        scales, sides = self.check_patches(hr, scales, lr_size)
        views = self._placed(scales.to(self.knots, non_blocking=True), hr).views(hr).clamp(0, 1)
        return self.with_noise(resample_patches(views, sides, lr_size).clamp(0, 1), scales)

    def _placed(self, scales: Tensor, hr: Tensor) -> ViewParameters:
        """Those of views at scales (B,), on the device of ``hr``."""
        return self.view_parameters(scales).to(hr.device)

    def view_parameters(self, scales: Tensor) -> ViewParameters:
        """What makes views at scales (B,), clamped to the range of the knots."""
        inside = scales.to(self.knots).float().clamp(*self.scale_range)
        return ViewParameters(interpolate_kernels(self.knots.float(), self.kernels.float(), inside))

    def views(self, hr: Tensor, scales: Tensor) -> Tensor:
        """Views of ``hr`` (B, 3, H, W) in [0, 1] at scales (B,), borders reflected, not clamped."""
        return self.view_parameters(scales).views(hr)


def _impulse(size: int) -> Tensor:
    """The kernel (3, size, size) that changes nothing."""
    impulse = torch.zeros(3, size, size, dtype=torch.float32)
    impulse[:, size // 2, size // 2] = 1
    return impulse


def to_light(shown: Tensor, exponent: Tensor) -> Tensor:
    """((v + toe) / (1 + toe))^g of display values v in [0, 1]."""
    return ((shown.clamp_min(0) + TOE) / (1 + TOE)) ** exponent


def from_light(light: Tensor, exponent: Tensor) -> Tensor:
    """The inverse of :func:`to_light`; light below half of what black has stays at that."""
    darkest = (0.5 * TOE / (1 + TOE)) ** exponent
    return torch.maximum(light, darkest) ** (1 / exponent) * (1 + TOE) - TOE
