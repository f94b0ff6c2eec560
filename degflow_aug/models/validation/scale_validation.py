"""Validation on whole images: every metric at every scale, and one strip of pictures per scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from basicsr.utils import get_root_logger
from torch import Tensor

from degflow_aug.console.plain_text import one_line
from degflow_aug.console.progress import track
from degflow_aug.files.image_file import write_image
from degflow_aug.metrics.paper_metric import CAMERA_MEANS
from degflow_aug.models.training import interrupt
from degflow_aug.models.validation.scale_table import ScaleTable, iteration_label, results_folder, write_results
from degflow_aug.models.validation.validation_metrics import best_records, check_metrics, measure_all


class ScaleValidation:
    """Adds ``validation`` to a BasicSR model that has ``generate_view``."""

    opt: dict[str, Any]
    device: torch.device
    best_metric_results: dict[str, Any]

    def generate_view(self, hr: Tensor, view: Tensor, scale: float, camera: str = "") -> Tensor:
        """The model's view (1, 3, H, W) of ``hr`` at ``scale``, [0, 1]; ``view`` is the real one, of ``camera``."""
        raise NotImplementedError

    @torch.no_grad()
    def validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool = False) -> None:
        """Metrics of ``val.metrics`` for each scale of the dataset, logged as ``metric_x2.9`` and as their mean.

        Under DDP rank 0 validates and the others wait. A signal stops it between two images, and what was trained is
        saved; the run goes on after the iteration, and this validation is not made up for.
        """
        if self.opt.get("rank", 0) == 0:
            self._validate(dataloader, iteration_label(self.opt, current_iter), tb_logger, save_img)
        if self.opt.get("dist"):
            torch.distributed.barrier()

    def _validate(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        metrics = check_metrics(self.opt["val"])
        name = dataloader.dataset.opt["name"]
        table = ScaleTable(metrics, [metric for metric in metrics if metrics[metric]["type"] in CAMERA_MEANS])
        shown = self.opt["val"].get("pbar") is not False
        for index, item in enumerate(track(dataloader, f"validation {name}", "scene", shown=shown)):
            interrupt.check(saving=True)
            hr, (camera,) = item["hr"].to(self.device), item.get("camera", [""])
            for column in item["available"][0].nonzero().flatten().tolist():
                scale = round(float(item["scales"][0, column]), 6)
                view = item["views"][:, column].to(self.device)
                generated = self.generate_view(hr, view, scale, camera)
                table.add(scale, measure_all(metrics, generated[0], view[0], scale), camera)
                if save_img or index == 0:
                    self._show(item["name"][0], scale, (hr, view, generated), current_iter, tb_logger, save_img)
        if metrics and table.images:
            self._log(name, table, current_iter, tb_logger)

    def _log(self, name: str, table: ScaleTable, current_iter: int, tb_logger: Any) -> None:
        records = best_records(self, name)
        for metric, value in table.overall().items():
            self._update_best_metric_result(name, metric, value, current_iter)  # type: ignore[attr-defined]
        best = {metric: (records[metric]["val"], records[metric]["iter"]) for metric in table.metrics}
        get_root_logger().info(f"Validation {name}\n{table.format(best)}\n")
        write_results(results_folder(self.opt), name, table, current_iter)
        for scale, means in table.by_scale().items():
            for metric, mean in means.items():
                if tb_logger:
                    tb_logger.add_scalar(f"metrics/{name}/{metric}_x{scale:g}", mean, current_iter)

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
            tb_logger.add_image(one_line(f"{scene}/x{scale:g}"), strip, current_iter)
        if save_img:
            folder = Path(self.opt["path"]["visualization"]) / scene
            folder.mkdir(parents=True, exist_ok=True)
            picture = (strip.permute(1, 2, 0) * 255).round().byte().numpy()
            write_image(folder / f"x{scale:g}_{current_iter}.png", picture)
