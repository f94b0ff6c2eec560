"""Image quality as CLIP sees it: nearer to a caption of a good photograph than to one of a bad one (FlowSR).

The paper names the two captions and CLIP; the resizing, the scale of 100 and the softmax are our inference.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degflow_aug.onestep.networks.judges import judge_configuration, load_judge
from degflow_aug.onestep.networks.packages import in_one_line, need_packages

GOOD = "a sharp, detailed, clean photo of high quality"
BAD = "a blurry, noisy photo of low quality, with artifacts"
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_SCALE = 100.0
_WHAT = "a CLIP of transformers for degflow.caption_model"


class CaptionAlignment(nn.Module):
    """-log p(good caption), a softmax over the cosines of an image to both captions, times 100.

    Args:
        pretrained: folder or hub id of a CLIP of transformers.
        good: the caption to be near to.
        bad: the caption to be far from.

    Raises:
        ValueError: no extra, or nothing there.
    """

    captions: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, pretrained: str, good: str = GOOD, bad: str = BAD) -> None:
        super().__init__()
        self.check_arguments(pretrained)
        from transformers import CLIPModel, CLIPTokenizer

        self.clip: Any = load_judge(CLIPModel, pretrained, _WHAT)
        try:
            tokenizer = CLIPTokenizer.from_pretrained(pretrained)
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"expected the tokenizer of {_WHAT} at {pretrained}, got {in_one_line(error)}") from None
        self.side = int(self.clip.config.vision_config.image_size)
        self.register_buffer("captions", self._encode_texts(tokenizer([good, bad], padding=True, return_tensors="pt")))
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).reshape(1, 3, 1, 1))

    @classmethod
    def check_arguments(cls, pretrained: str) -> None:
        """Look at CLIP's configuration without reading its weights.

        Raises:
            ValueError: as the constructor.
        """
        need_packages(_WHAT, ("transformers",))
        from transformers import CLIPConfig

        judge_configuration(CLIPConfig, pretrained, _WHAT)

    @torch.no_grad()
    def _encode_texts(self, tokens: Any) -> Tensor:
        states = self.clip.text_model(**tokens).pooler_output
        return F.normalize(self.clip.text_projection(states), dim=-1)

    def forward(self, images: Tensor) -> Tensor:
        """Mean over (B, 3, H, W) in [0, 1]; the gradient passes through CLIP to the images."""
        size = (self.side, self.side)
        seen = F.interpolate(images, size=size, mode="bicubic", antialias=True, align_corners=False)
        states = self.clip.vision_model(pixel_values=(seen - self.mean) / self.std).pooler_output
        embedded = self.clip.visual_projection(states)
        # What counts is a small difference of large numbers, which half precision does not tell.
        with torch.autocast(images.device.type, enabled=False):
            cosines = F.normalize(embedded.float(), dim=-1) @ self.captions.T
            return -F.log_softmax(_SCALE * cosines, dim=-1)[:, 0].mean()

    def train(self, mode: bool = True) -> CaptionAlignment:
        """Stay in evaluation mode: CLIP is fixed."""
        return super().train(False)
