"""Real pairs on the HR grid, as RealSR's files are: HR and one of its views, the same crop and the same flip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from degflow_aug.data import dataset_keys as keys
from degflow_aug.data.aligned_scales_dataset import AlignedScales
from degflow_aug.data.cached_images import CACHE_BYTES
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.data.layouts.scene_pairs import list_pairs
from degflow_aug.data.tensors import to_8_bits, to_tensor
from degflow_aug.draws import SampleDraw, resolve_draw

_KIND = "ViewPairDataset"
_KEYS = {
    "layout", "split", "cameras", "pattern", "scenes", "scales", "lq", "gt_size", "use_hflip", "use_rot", "cache_mb",
    "io_backend",
}  # fmt: skip
_REFUSED_KEYS = {
    **keys.UNSCALED,
    **dict.fromkeys(("meta_info", "meta_info_file"), "scenes: selects by id"),
    "dataroot_lq": "the layout says where LR images are, or with layout: folders lq: {4: folder}",
    "lr_size": "LR has the size of HR",
}


class ViewPairs(AlignedScales):
    """HR images with their views, one item per scene and scale; LR files of LR size are brought to the HR grid.

    Args:
        scenes: HR images and what goes with them.
        scales: those to take, all by default.
        crop_size: side P of training patches, a multiple of 8; None gives whole pairs, neither cut nor flipped.
        flip, rotate, cache_bytes: as for :class:`AlignedScales`.

    Raises:
        ValueError: as :class:`AlignedScales`, or no pair has one of the ``scales``.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        scales: Sequence[float] | None = None,
        *,
        crop_size: int | None = None,
        flip: bool = False,
        rotate: bool = False,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.pairs = list_pairs(scenes, scales)
        knots = [1.0, *sorted({pair.scale for pair in self.pairs})]
        super().__init__(
            scenes, knots, crop_size=crop_size, flip=flip, rotate=rotate, incomplete="keep", cache_bytes=cache_bytes
        )
        self._size_of = {scene.hr: size for scene, size in zip(self.scenes, self._sizes, strict=True)}

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def gt_size(self) -> int | None:
        """Side of the patches; that of LR is the same."""
        return self.crop_size

    lr_size = gt_size

    @property
    def frames(self) -> list[tuple[float, tuple[int, int]]]:
        """Scale and (height, width) of every pair."""
        return [(pair.scale, self._size_of[pair.hr]) for pair in self.pairs]

    def __getitem__(self, index: int | SampleDraw) -> dict[str, Any]:
        """Return one item; the same draw gives the same item whichever process makes it.

        Returns:
            lq and gt, both (3, P, P) in uint8, 16-bit images rounded; or whole, (3, H, W) in float32, [0, 1], with
            name and camera. scale () in float32; lq_path, gt_path.
        """
        number, seed = resolve_draw(index)
        pair = self.pairs[number]
        size = self._size_of[pair.hr]
        window = self._draw_crop(size, np.random.default_rng(seed))
        images = {key: window(self._on_hr_grid(path, size)) for key, path in (("lq", pair.lr), ("gt", pair.hr))}
        whole = self.crop_size is None
        tensors = {key: to_tensor(image) if whole else _in_8_bits(image) for key, image in images.items()}
        named = {"name": pair.name, "camera": pair.camera} if whole else {}
        scale = torch.tensor(pair.scale, dtype=torch.float32)
        return {**tensors, **named, "scale": scale, "lq_path": str(pair.lr), "gt_path": str(pair.hr)}


class ViewPairDataset(ViewPairs):
    """:class:`ViewPairs` as BasicSR builds it, from a dataset section of an option file.

    .. code-block:: yaml

        train:
          type: ViewPairDataset
          dataroot_gt: datasets/RealSR_v2_ordered
          layout: realsr          # as for AnyScalePairDataset, with split, cameras, scenes, pattern and lq
          scales: [2, 4]          # all by default
          gt_size: 128            # train phase only, as use_hflip and use_rot
          use_hflip: true
          use_rot: true
          cache_mb: 2048          # a process, shared by its workers

    Raises:
        ValueError: an unknown key, or what :class:`ViewPairs` and :func:`find_pair_scenes` refuse.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        self.opt = opt
        keys.check_keys(opt, _KIND, _KEYS, _REFUSED_KEYS)
        training = keys.is_training(opt)
        if not training:
            keys.check_training_only(opt, _KIND, ("gt_size",), "whole images are validated")
        scenes = keys.found_pairs(opt, _KIND, training)
        super().__init__(
            scenes,
            keys.pair_scales(opt, scenes),
            crop_size=keys.whole_number(opt, "gt_size", _KIND) if training else None,
            **keys.turns_and_cache(opt),
        )


def _in_8_bits(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(to_8_bits(image).transpose(2, 0, 1)))
