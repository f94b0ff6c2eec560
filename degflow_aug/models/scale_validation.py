"""Validation on whole images: every metric at every scale, and a strip of pictures a scene."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from basicsr.metrics import calculate_metric
from basicsr.utils import get_root_logger, tensor2img
from torch import Tensor

from degflow_aug.data.image_file import write_image


class ScaleValidation:
    """Adds ``validation`` to a BasicSR model that has ``generate_view``."""

    opt: dict[str, Any]
    device: torch.device
    best_metric_results: dict[str, Any]

    def generate_view(self, hr: Tensor, view: Tensor, scale: float) -> Tensor:
        """The model's view (1, 3, H, W) of ``hr`` at ``scale``, [0, 1]; ``view`` is the real one."""
        raise NotImplementedError

    @torch.no_grad()
    def validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool = False) -> None:
        """Metrics of ``val.metrics`` for each scale of the dataset, logged as ``metric_x2.9`` and as their mean.

        Under DDP rank 0 validates and the others wait.
        """
        if self.opt.get("rank", 0) == 0:
            self._validate(dataloader, current_iter, tb_logger, save_img)
        if self.opt.get("dist"):
            torch.distributed.barrier()

    def _validate(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        metrics = self.opt["val"].get("metrics") or {}
        name = dataloader.dataset.opt["name"]
        values: dict[tuple[str, float], list[float]] = defaultdict(list)
        for index, item in enumerate(dataloader):
            hr = item["hr"].to(self.device)
            for column in item["available"][0].nonzero().flatten().tolist():
                scale = round(float(item["scales"][0, column]), 6)
                view = item["views"][:, column].to(self.device)
                generated = self.generate_view(hr, view, scale)
                pair = {"img": tensor2img(generated), "img2": tensor2img(view)}
                for metric, options in metrics.items():
                    values[metric, scale].append(calculate_metric(pair, _without_better(options)))
                if save_img or index == 0:
                    self._show(item["name"][0], scale, (hr, view, generated), current_iter, tb_logger, save_img)
        self._log(name, values, current_iter, tb_logger)

    def _log(self, name: str, values: dict[tuple[str, float], list[float]], current_iter: int, tb_logger: Any) -> None:
        if not values:
            return
        self._initialize_best_metric_results(name)  # type: ignore[attr-defined]
        text = f"Validation {name}\n"
        for metric in dict.fromkeys(metric for metric, _ in values):
            means = {scale: float(np.mean(found)) for (key, scale), found in values.items() if key == metric}
            overall = float(np.mean(list(means.values())))
            self._update_best_metric_result(name, metric, overall, current_iter)  # type: ignore[attr-defined]
            best = self.best_metric_results[name][metric]
            scales = "  ".join(f"x{scale:g}: {mean:.4f}" for scale, mean in means.items())
            text += f"\t # {metric}: {overall:.4f}  ({scales})\tBest: {best['val']:.4f} @ {best['iter']} iter\n"
            for scale, mean in means.items():
                if tb_logger:
                    tb_logger.add_scalar(f"metrics/{name}/{metric}_x{scale:g}", mean, current_iter)
        get_root_logger().info(text)

    def _show(
        self,
        scene: str,
        scale: float,
        images: tuple[Tensor, Tensor, Tensor],
        current_iter: int,
        tb_logger: Any,
        save_img: bool,
    ) -> None:
        """One strip: HR, real view, generated view, and four times their difference around gray."""
        hr, view, generated = images
        error = (0.5 + 4 * (generated - view)).clamp(0, 1)
        strip = torch.cat([hr, view, generated, error], dim=3)[0].float().cpu()
        if tb_logger:
            tb_logger.add_image(f"{scene}/x{scale:g}", strip, current_iter)
        if save_img:
            folder = Path(self.opt["path"]["visualization"]) / scene
            folder.mkdir(parents=True, exist_ok=True)
            picture = (strip.permute(1, 2, 0) * 255).round().byte().numpy()
            write_image(folder / f"x{scale:g}_{current_iter}.png", picture)


def _without_better(options: dict[str, Any]) -> dict[str, Any]:
    """BasicSR keeps the direction of a metric beside its arguments."""
    return {key: value for key, value in options.items() if key != "better"}
