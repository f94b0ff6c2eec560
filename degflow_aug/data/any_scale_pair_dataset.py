"""Real pairs at any scale: aligned patches of one LR size for training, whole pairs for validation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from degflow_aug.data import dataset_keys as keys
from degflow_aug.data.cached_images import CACHE_BYTES, CachedImages
from degflow_aug.data.layouts.common_part import PairSize, pair_sizes
from degflow_aug.data.layouts.scene_pairs import Pair, list_pairs
from degflow_aug.data.pair_windows import PairWindow, centre_window, draw_window, patch_side
from degflow_aug.data.tensors import resize_frame, resize_window, round_to, to_tensor
from degflow_aug.draws import SampleDraw, resolve_draw
from degflow_aug.files.image_decoder import ImageHeader
from degflow_aug.files.image_file import read_header, read_image

_KIND = "AnyScalePairDataset"
_KEYS = {
    "layout", "split", "cameras", "pattern", "scenes", "scales", "lq", "crop", "lr_size", "gt_size", "use_hflip",
    "use_rot", "cache_mb", "io_backend",
}  # fmt: skip
_REFUSED_KEYS = {
    **keys.UNSCALED,
    "meta_info": "scenes: selects by id",
    "meta_info_file": "scenes: selects by id",
    "dataroot_lq": "the layout says where LR images are, or with layout: folders lq: {4: folder}",
    "filename_tmpl": "layout: pattern knows names that differ",
}


class AnyScalePairs(CachedImages):
    """HR images with their LR images, one item per scene and scale.

    LR files of HR size (views) are brought to the LR grid by antialiased bicubic interpolation; LR files of their own
    size are used as they are, with the part of HR that they show (:func:`pair_sizes`). A training patch of a view lies
    anywhere on the HR grid and is exactly aligned; that of an LR file lies on the LR grid; its centre is within half an
    HR pixel of that of its HR patch, and exactly there if s has one decimal, L s is whole and the image has room.

    Args:
        pairs: what :func:`list_pairs` made of scenes.
        lr_size: side L of training patches; None gives whole pairs, neither cut nor flipped.
        gt_size: side P of HR patches, at least round(L * s) at the highest scale; with ``lr_size`` only.
        crop: for whole pairs, take only the middle of about so many HR pixels per side.
        flip: mirror half of the patches left to right.
        rotate: mirror half of them top to bottom, and swap the axes of half.
        cache_bytes: memory for decoded images, shared by the workers.
        read, header: how an image and its header are read.

    Raises:
        ValueError: there is no pair, one does not fit together, or it is smaller than a patch; only headers are read.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        lr_size: int | None = None,
        gt_size: int | None = None,
        crop: int | None = None,
        flip: bool = False,
        rotate: bool = False,
        cache_bytes: int = CACHE_BYTES,
        read: Callable[[Path], np.ndarray] = read_image,
        header: Callable[[Path], ImageHeader] = read_header,
    ) -> None:
        if not pairs:
            raise ValueError("expected pairs of HR and LR images, got none")
        for name, value in (("lr_size", lr_size), ("crop", crop)):
            if value is not None and value < 1:
                raise ValueError(f"expected {name} of 1 or more, got {value}")
        super().__init__(
            None, flip=flip, rotate=rotate, cache_bytes=cache_bytes, read=read, eight_bits=lr_size is not None
        )
        self.pairs = list(pairs)
        self.lr_size, self.gt_size, self.crop = lr_size, gt_size, crop
        header = functools.cache(header)
        self._sizes = pair_sizes(self.pairs, header)
        self._check_patches()
        for pair in self.pairs:
            for path in (pair.hr, pair.lr):
                height, width, bits = header(path)
                self._admit(path, (height, width), bits)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int | SampleDraw) -> dict[str, Any]:
        """Return one item; the same draw gives the same item whichever process makes it.

        Returns:
            Patches: lq (3, L, L) and gt (3, P, P) in uint8. lq covers the top-left round(L * scale) square of gt, with
            zeros beyond; both are flipped alike.
            Whole pairs: lq (3, h, w) and gt (3, H, W) in float32, [0, 1]; name, camera.
            Both: scale () in float32; lq_path, gt_path.
        """
        number, seed = resolve_draw(index)
        pair, size = self.pairs[number], self._sizes[number]
        if self.lr_size is not None and self.gt_size is not None:
            images = self._patches(pair, size, self.lr_size, self.gt_size, np.random.default_rng(seed))
        else:
            images = self._whole(pair, size)
        scale = torch.tensor(pair.scale, dtype=torch.float32)
        return {**images, "scale": scale, "lq_path": str(pair.lr), "gt_path": str(pair.hr)}

    @property
    def frames(self) -> list[tuple[float, tuple[int, int]]]:
        """Scale and (height, width) of HR of every whole pair."""
        return [
            (pair.scale, centre_window(size, pair.scale, self.crop).sides)
            for pair, size in zip(self.pairs, self._sizes, strict=True)
        ]

    def _patches(
        self, pair: Pair, size: PairSize, lr_size: int, gt_size: int, rng: np.random.Generator
    ) -> dict[str, Any]:
        side = patch_side(lr_size, pair.scale)
        window = draw_window(size, side, lr_size, rng)
        turn = self._draw_turn(rng)
        gt = np.zeros((3, gt_size, gt_size), np.uint8)
        gt[:, :side, :side] = turn(_cut(self._load(pair.hr), window.start, window.sides)).transpose(2, 0, 1)
        lq = turn(self._lr(pair, size, window)).transpose(2, 0, 1)
        return {"lq": torch.from_numpy(np.ascontiguousarray(lq)), "gt": torch.from_numpy(gt)}

    def _lr(self, pair: Pair, size: PairSize, window: PairWindow) -> np.ndarray:
        """The LR patch of a window as an array of the type of its file."""
        image = self._load(pair.lr)
        if not size.is_view:
            return _cut(image, window.lr_start, window.lr_sides)
        return round_to(resize_window(image, window.start, window.sides, window.lr_sides), np.uint8)

    def _whole(self, pair: Pair, size: PairSize) -> dict[str, Any]:
        window = centre_window(size, pair.scale, self.crop)
        hr, lr = self._load(pair.hr), self._load(pair.lr)
        if not size.is_view:
            lq = to_tensor(_cut(lr, window.lr_start, window.lr_sides))
        else:
            whole = window.sides == size.hr
            pixels = (
                resize_frame(lr, window.lr_sides)
                if whole
                else resize_window(lr, window.start, window.sides, window.lr_sides)
            )
            lq = torch.from_numpy(pixels).permute(2, 0, 1).contiguous().div_(np.iinfo(lr.dtype).max)
        gt = to_tensor(_cut(hr, window.start, window.sides))
        return {"lq": lq, "gt": gt, "name": pair.name, "camera": pair.camera}

    def _check_patches(self) -> None:
        if self.lr_size is None:
            return
        highest = max(pair.scale for pair in self.pairs)
        least = patch_side(self.lr_size, highest)
        if self.gt_size is None or self.gt_size < least:
            raise ValueError(
                f"expected gt_size of {least} or more for lr_size {self.lr_size} and scale {highest:g}, got "
                f"{self.gt_size}; raise it or lower lr_size"
            )
        for pair, size in zip(self.pairs, self._sizes, strict=True):
            side = patch_side(self.lr_size, pair.scale)
            if min(size.hr) < side or (not size.is_view and min(size.lr) < self.lr_size):
                raise ValueError(
                    f"{pair.hr}: expected at least {side}x{side} pixels for lr_size {self.lr_size} at scale "
                    f"{pair.scale:g}, got {size.hr[0]}x{size.hr[1]}; lower lr_size or take the pair out"
                )


class AnyScalePairDataset(AnyScalePairs):
    """:class:`AnyScalePairs` as BasicSR builds it, from a dataset section of an option file.

    .. code-block:: yaml

        val:
          type: AnyScalePairDataset
          dataroot_gt: datasets/RealSR_v2_ordered
          layout: realsr          # guessed by default: realsr_v3, realarbisr, city100, pattern with the pattern.yml
                                  # in the folder (or pattern: another, or {hr: ..., views: {2: ...}}), or folders,
                                  # where dataroot_gt holds HR and lq: {2: folder, 2.9: folder} the same names
          split: Test             # Train in the train phase, else Test
          cameras: [Canon]        # all by default
          scenes: "001-060"       # all by default
          scales: [2, 4]          # all by default; {2: 2.1, 4: 3.75} takes all, and says which scales labels stand for
                                  # (3: null leaves a label out)
          crop: 256               # val phase: only the middle, about so many HR pixels; whole images by default
          lr_size: 48             # train phase only, as gt_size, use_hflip and use_rot
          gt_size: 192            # round(lr_size * s) or more at the highest scale
          use_hflip: true
          use_rot: true
          cache_mb: 2048          # a process, shared by its workers

    Raises:
        ValueError: an unknown key, or what :class:`AnyScalePairs` and :func:`find_pair_scenes` refuse.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        self.opt = opt
        keys.check_keys(opt, _KIND, _KEYS, _REFUSED_KEYS)
        training = keys.is_training(opt)
        if training and opt.get("crop") is not None:
            raise ValueError(
                f"expected crop of {_KIND} in the val phase only, got {opt['crop']!r}; set lr_size instead"
            )
        if not training:
            keys.check_training_only(opt, _KIND, ("lr_size", "gt_size"), "set crop instead")
        scenes = keys.found_pairs(opt, _KIND, training)
        super().__init__(
            list_pairs(scenes, keys.pair_scales(opt, scenes)),
            lr_size=keys.whole_number(opt, "lr_size", _KIND) if training else None,
            gt_size=keys.whole_number(opt, "gt_size", _KIND) if training else None,
            crop=None if opt.get("crop") is None else keys.whole_number(opt, "crop", _KIND),
            **keys.turns_and_cache(opt),
        )


def _cut(image: np.ndarray, start: tuple[int, int], sides: tuple[int, int]) -> np.ndarray:
    return image[start[0] : start[0] + sides[0], start[1] : start[1] + sides[1]]
