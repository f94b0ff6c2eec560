"""Noise that a small network makes of Gaussian noise and of the LR image that it lies on, taught by the energy score.

With noise n of :class:`ResidualNoise` and white noise w_i beside the input of every layer,

    x_0 = n, lr, scale;  x_i+1 = silu(conv_i(x_i, w_i));  noise = n + conv_k(x_k, w_k),

so that what demosaicing, denoising and compression leave can take the place of what is Gaussian.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degflow_aug.degradations.noise.residual_noise import ResidualNoise, SampledNoise

WIDTH, LAYERS, WHITE = 16, 4, 3
INPUTS = 7
GAIN, LARGEST_SCALE = 0.1, 4.0


class LearnedNoise(SampledNoise):
    """Noise for LR images: a Gaussian field, and what convolutions of 3x3 add to it.

    Args:
        field: at whose scales it was taught. Below the first all falls to 0 at scale 1, above the last it stays.
        width: features of a layer.
        layers: convolutions.
        white: channels of white noise beside the input of each.
    """

    def __init__(self, field: ResidualNoise, width: int = WIDTH, layers: int = LAYERS, white: int = WHITE) -> None:
        super().__init__()
        self.field = field
        inputs = [INPUTS] + [width] * (layers - 1)
        outputs = [width] * (layers - 1) + [3]
        made = [nn.Conv2d(before + white, after, 3) for before, after in zip(inputs, outputs, strict=True)]
        # It begins as little more than the field.
        nn.init.normal_(made[-1].weight, std=0.01)
        self.layers, self.white = nn.ModuleList(made), white

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> LearnedNoise:
        """The noise whose ``state_dict`` this is, frozen.

        Raises:
            ValueError: it is the state of something else.
        """
        weights = [state[key] for key in sorted(state) if key.startswith("layers.") and key.endswith(".weight")]
        try:
            field = ResidualNoise.from_state({key.removeprefix("field."): value for key, value in state.items()})
            width, white = weights[0].shape[0], weights[0].shape[1] - INPUTS
            # On meta nothing is drawn, so that torch's stream stays as it was.
            with torch.device("meta"):
                noise = cls(field, width, len(weights), white)
            noise.load_state_dict({key: value.detach().clone() for key, value in state.items()}, assign=True)
        except (KeyError, IndexError, RuntimeError, ValueError):
            raise ValueError("expected the state of a learned noise, got another; run `degflow noise` again") from None
        return noise.requires_grad_(False)

    def sample(self, lr: Tensor, scales: Tensor, generator: torch.Generator) -> Tensor:
        """The noise alone, (B, 3, h, w), of LR images (B, 3, h, w) at scales (B,), made in float32."""
        marks = self.field.scales.float()
        # Below the first real scale the noise is weaker, not of another kind.
        known = torch.minimum(torch.maximum(scales, marks[0]), marks[-1])
        field = self.field.sample(lr, known, generator)
        place = (known / LARGEST_SCALE).view(-1, 1, 1, 1).expand(-1, 1, *lr.shape[-2:])
        x = torch.cat([field / GAIN, 2 * lr - 1, place], 1)
        for number, layer in enumerate(self.layers):
            x = F.pad(F.silu(x) if number else x, (1,) * 4, mode="replicate")
            size = (x.shape[0], self.white, *x.shape[-2:])
            white = torch.randn(size, dtype=x.dtype, device=x.device, generator=generator)
            joined = torch.cat([x, white], 1).contiguous(memory_format=torch.channels_last)
            weight, bias = (part.float() for part in layer.parameters())
            x = F.conv2d(joined, weight, bias)
        fade = ((scales - 1) / (marks[0] - 1)).clamp(0, 1)
        return fade.view(-1, 1, 1, 1) * (field + GAIN * x)
