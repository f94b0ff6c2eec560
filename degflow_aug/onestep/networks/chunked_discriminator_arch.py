"""The image discriminator of OMGSR: frozen DINOv2 features of overlapping chunks, and small heads that are trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degflow_aug.onestep.losses.chunks import chunks
from degflow_aug.onestep.networks.diff_augment import augment
from degflow_aug.onestep.networks.heads import chunk_head, heads_state, load_heads, token_map
from degflow_aug.onestep.networks.judges import judge_configuration, load_judge
from degflow_aug.onestep.networks.packages import need_packages

_WHAT = "a DINOv2 of transformers for network_d"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class OverlapChunkedDiscriminator(nn.Module):
    """Logits of several levels for images (B, 3, H, W) in [0, 1]; for ``network_d``, with ``OverlapChunkedGANLoss``.

    An image no larger than a chunk is brought to its size by area; a larger one is cut into chunks that cover it.
    Colour, translation and cutout change what is seen, in training only.

    Args:
        pretrained: folder or hub id of a DINOv2 of transformers.
        blocks: whose outputs are looked at, counted from 0 [official code: 4, 8, 11 of ViT-B].
        chunk: side in pixels, a multiple of DINOv2's patches.
        width: channels of the heads (our choice).
        augmented: whether training sees changed images.

    Raises:
        ValueError: no extra, no such network, no such block, or a chunk of another multiple.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        pretrained: str,
        blocks: Sequence[int] = (4, 8, 11),
        chunk: int = 518,
        width: int = 256,
        augmented: bool = True,
    ) -> None:
        super().__init__()
        self.check_arguments(pretrained, blocks, chunk, width)
        from transformers import Dinov2Model

        # In a list and so no part of the module: whoever trains or saves all parameters must not find these.
        self._published = [load_judge(Dinov2Model, pretrained, _WHAT)]
        config = self.features.config
        self.blocks, self.chunk, self.augmented = tuple(blocks), chunk, augmented
        self.heads = nn.ModuleList(chunk_head(config.hidden_size, width) for _ in blocks)
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).reshape(1, 3, 1, 1), persistent=False)

    @classmethod
    def check_arguments(
        cls, pretrained: str, blocks: Sequence[int] = (4, 8, 11), chunk: int = 518, width: int = 256, **others: Any
    ) -> None:
        """Look at DINOv2's configuration without reading its weights.

        Raises:
            ValueError: as the constructor.
        """
        need_packages(_WHAT, ("transformers",))
        from transformers import Dinov2Config

        config = judge_configuration(Dinov2Config, pretrained, _WHAT)
        count, patch = config.num_hidden_layers, config.patch_size
        whole = isinstance(blocks, (list, tuple)) and all(type(block) is int for block in blocks)
        if not whole or not blocks or not all(0 <= block < count for block in blocks):
            raise ValueError(f"expected blocks below {count} of {pretrained}, got {blocks!r}")
        if type(chunk) is not int or chunk % patch or chunk < patch:
            raise ValueError(f"expected a chunk of a multiple of {patch} pixels, got {chunk!r}")
        if type(width) is not int or width < 1:
            raise ValueError(f"expected a width of at least 1 for heads, got {width!r}")

    @property
    def features(self) -> Any:
        """DINOv2, frozen."""
        return self._published[0]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (levels, B chunks, cells)."""
        if self.training and self.augmented:
            images = augment(images)
        pieces = F.interpolate(chunks(images, self.chunk), size=(self.chunk, self.chunk), mode="area")
        seen = self.features((pieces - self.mean) / self.std, output_hidden_states=True).hidden_states
        side = self.chunk // self.features.config.patch_size
        levels = zip(self.blocks, self.heads, strict=True)
        return torch.stack([head(token_map(seen[block + 1], side)).flatten(1) for block, head in levels])

    def _apply(self, fn: Any, recurse: bool = True) -> OverlapChunkedDiscriminator:
        """Takes the features along to devices."""
        super()._apply(fn, recurse)
        self.features._apply(fn)
        return self

    def trained_state(self) -> dict[str, Tensor]:
        """The heads; see :func:`heads_state`."""
        return heads_state(self.heads)

    def load_trained_state(self, state: dict[str, Tensor]) -> None:
        """The way back of :meth:`trained_state`.

        Raises:
            ValueError: heads of other widths.
        """
        load_heads(self.heads, state)
