"""Latents of a training set, encoded once: in stage 2 encoding costs far more than the step itself."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from degflow_aug.archs.generator.ncsnpp_arch import hr_condition
from degflow_aug.draws import SampleDraw, resolve_draw
from degflow_aug.fit.peers import Peers
from degflow_aug.models.stages.latent_stage import LatentStageModel
from degflow_aug.models.stages.paths import views_along_path
from degflow_aug.models.stages.sample_cameras import camera_numbers, sample_kernel


class LatentCache:
    """Windows of scenes, encoded along the path and kept in memory.

    Args:
        model: encodes; its path and kernel are used.
        scenes: an ``AlignedScales`` dataset in the train phase whose crops are the windows.
        windows: how many windows to encode at most, spread evenly over the scenes.
        seconds: no more windows after that time, once every scene has one.
        with_images: keep the views as well, 8 bit.
        seed: of the windows' positions and flips.
        progress: called after every window with the number done.
        peers: processes that train together; all have the same windows.
    """

    def __init__(
        self,
        model: LatentStageModel,
        scenes: Any,
        *,
        windows: int,
        seconds: float = math.inf,
        with_images: bool,
        seed: int,
        progress: Callable[[int], None],
        peers: Peers | None = None,
    ) -> None:
        self.with_images = with_images
        seeds = np.random.default_rng(seed).integers(2**62, size=windows)
        self.items: list[dict[str, Any]] = []
        began = time.monotonic()
        for index in range(windows):
            if index >= len(scenes) and time.monotonic() - began > seconds:
                break
            draw = SampleDraw(index % len(scenes), int(seeds[index]))
            self.items.append(self._encode(model, scenes[draw]))
            progress(index + 1)
        # One that was slower had time for fewer.
        del self.items[(peers or Peers()).least(len(self.items)) :]
        self.side = min(self.items[0]["latents"].shape[-2:])
        self.multiple = model.rae.multiple

    @torch.no_grad()
    def _encode(self, model: LatentStageModel, item: dict[str, Any]) -> dict[str, Any]:
        hr, views = (item[key][None].to(model.device) for key in ("hr", "views"))
        numbers = camera_numbers({"camera": [item["camera"]]}, model.options.cameras, model.device)
        kernel = sample_kernel(model.kernel, numbers)
        images, exists = views_along_path(hr, views, item["available"][None], model.options.knots, model.scales, kernel)
        latents, features = model.encode_path(images, exists)
        kept = {"latents": latents[:, 0].cpu(), "available": exists[0], "camera": item["camera"]}
        if model.conditioned:
            kept["condition"] = hr_condition(features)[0].half().cpu()
        if self.with_images:
            kept["path_views"] = (images[0] * 255).round().byte().cpu()
        return kept


class LatentCrops(Dataset[dict[str, Any]]):
    """Random crops of cached windows, as :meth:`LatentStageModel.feed_data` takes them.

    Args:
        cache: the windows.
        latent_size: side of the crops in latents.

    Raises:
        ValueError: the windows are smaller.
    """

    accepts_draws = True

    def __init__(self, cache: LatentCache, latent_size: int) -> None:
        self.items, self.latent_size, self.multiple = cache.items, latent_size, cache.multiple
        self.window_size = tuple(self.items[0]["latents"].shape[-2:])
        if latent_size > min(self.window_size):
            sides = [cache.multiple * side for side in self.window_size]
            raise ValueError(f"expected windows of at least {cache.multiple * latent_size} pixels, got {sides}")

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int | SampleDraw) -> dict[str, Any]:
        draw = resolve_draw(index)
        random = np.random.default_rng(draw.seed)
        item, side = self.items[draw.scene], self.latent_size
        top, left = (int(random.integers(length - side + 1)) for length in self.window_size)
        crops = {"available": item["available"], "camera": item["camera"]}
        for key, unit in (("latents", 1), ("condition", 1), ("path_views", self.multiple)):
            if key in item:
                rows, columns = (slice(start * unit, (start + side) * unit) for start in (top, left))
                crops[key] = item[key][..., rows, columns]
        return crops
