"""The student of a generator: a fitted camera, and what its LR lacks by a small network on the LR grid.

A generator encodes the HR image, carries its latent to t(s) and decodes it; but what comes out is a function of HR and
s alone. With the LR image l of the fitted camera, the student makes of HR

    LR = l + (1 - 1 / s^2) g(2 l - 1, s / 4),

g a few convolutions of 3x3, which ``degflow distill`` has taught by the LR images of the generator at any scale and by
real ones. It vanishes at s = 1, where LR is HR.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degflow_aug.bundles.bundle import Bundle
from degflow_aug.degradations.camera_choice import check_only_camera, find_camera
from degflow_aug.degradations.fitted.camera_kernels import kind_of
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.grid import at_least_float32, resize, to_lr_grid, without_autocast
from degflow_aug.degradations.noise.noisy_degradation import Noise, NoisyDegradation, noise_from_state

WIDTH, LAYERS = 32, 6
INPUTS, GAIN, LARGEST_SCALE = 4, 0.1, 4.0


class LRCorrection(nn.Module):
    """What is to be added to the LR image of a fitted camera.

    Args:
        width: features of a layer.
        layers: convolutions, at least two.
    """

    def __init__(self, width: int = WIDTH, layers: int = LAYERS) -> None:
        super().__init__()
        sides = [INPUTS] + [width] * (layers - 1) + [3]
        made = [nn.Conv2d(before, after, 3) for before, after in itertools.pairwise(sides)]
        # It begins as the fitted camera alone.
        nn.init.zeros_(made[-1].weight)
        nn.init.zeros_(made[-1].bias)  # type: ignore[arg-type]
        self.layers = nn.ModuleList(made)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> LRCorrection:
        """The one whose ``state_dict`` this is, frozen.

        Raises:
            ValueError: it is the state of something else.
        """
        weights = [value for key, value in state.items() if key.startswith("layers.") and key.endswith(".weight")]
        try:
            # On meta nothing is drawn, so that torch's stream stays as it was.
            with torch.device("meta"):
                found = cls(weights[0].shape[0] if len(weights) > 1 else 0, len(weights))
            found.load_state_dict({key: value.detach().clone() for key, value in state.items()}, assign=True)
        except (IndexError, RuntimeError, ValueError):
            raise ValueError("expected the state of a student, got another; run `degflow distill` again") from None
        return found.requires_grad_(False)

    def forward(self, lr: Tensor, scales: Tensor) -> Tensor:
        """(1 - 1 / s^2) g(2 l - 1, s / 4), computed in float32 at least.

        Args:
            lr: (B, 3, h, w) in [0, 1], of the fitted camera.
            scales: (B,), that of every image.

        Returns:
            (B, 3, h, w), not clamped.
        """
        with without_autocast(lr.device):
            wide = at_least_float32(lr)
            at = scales.to(wide, non_blocking=True).view(-1, 1, 1, 1)
            x = torch.cat([2 * wide - 1, (at / LARGEST_SCALE).expand(-1, 1, *lr.shape[-2:])], 1)
            x = x.contiguous(memory_format=torch.channels_last)
            for number, layer in enumerate(self.layers):
                weight, bias = (part.to(x.dtype) for part in layer.parameters())
                x = F.conv2d(F.silu(x) if number else x, weight, bias, padding=1)
            return GAIN * (1 - at**-2) * x


class Student(NoisyDegradation):
    """A fitted kernel or pipeline whose LR is corrected by a network that a generator has taught.

    Args:
        kernel: the fitted camera.
        correction: what its LR images lack.
        residual, noise: as in the base class.
    """

    def __init__(
        self, kernel: FittedKernel, correction: LRCorrection, *, residual: Noise | None = None, noise: float = 0.0
    ) -> None:
        super().__init__(residual, noise)
        self.kernel, self.correction = kernel, correction
        self.scale_range = kernel.scale_range

    @classmethod
    def from_bundle(cls, bundle: Bundle, *, noise: float = 0.0, camera: str | None = None) -> Student:
        """The student in a bundle, that of ``camera`` where it knows several, with the noise of its generator.

        Raises:
            ValueError: a bundle without a student, or without noise where it is asked for, or a camera that it does not
                know.
        """
        index = 0
        if bundle.spec.cameras:
            index = find_camera(camera or "", bundle.spec.cameras)
        else:
            check_only_camera(camera, bundle.spec.camera)
        if index >= len(bundle.students) or not bundle.students[index]:
            raise ValueError("expected a bundle with a student, got one without; `degflow distill` teaches it one")
        state = bundle.kernels[index]
        residual = noise_from_state(bundle.noise[index]) if noise and bundle.noise else None
        correction = LRCorrection.from_state(bundle.students[index])
        return cls(kind_of(state).of_state(state), correction, residual=residual, noise=noise)

    @torch.no_grad()
    def render(self, hr: Tensor, scale: float) -> Tensor:
        """View of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1], corrected from the LR grid."""
        view = self.kernel.render(hr, scale)
        lacking = self._lacking(to_lr_grid(view, float(scale)), float(scale))
        return (view + resize(lacking, (hr.shape[-2], hr.shape[-1]))).clamp(0, 1).contiguous()

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1]."""
        lr = self.kernel(hr, scale)
        made = (lr + self._lacking(lr, float(scale))).clamp(0, 1).contiguous()
        return self.with_noise(made, torch.full(hr.shape[:1], float(scale)))

    @torch.no_grad()
    def lr_patches(self, hr: Tensor, scales: Tensor, lr_size: int) -> Tensor:
        """As :meth:`Degradation.lr_patches`, in one batched pass."""
        lr = self.kernel.lr_patches(hr, scales, lr_size)
        made = (lr + self.correction(lr, scales).to(lr.dtype)).clamp(0, 1).contiguous()
        return self.with_noise(made, scales)

    def _lacking(self, lr: Tensor, scale: float) -> Tensor:
        return self.correction(lr, torch.full(lr.shape[:1], scale)).to(lr.dtype)
