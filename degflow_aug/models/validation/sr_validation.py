"""Validation of super-resolution at any scales: a table by scale, images, and the best checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from basicsr.utils import get_root_logger
from torch import Tensor

from degflow_aug.console.plain_text import one_line
from degflow_aug.console.progress import track
from degflow_aug.data.tensors import to_array
from degflow_aug.files.image_file import write_image
from degflow_aug.files.writing import fitting_path
from degflow_aug.metrics.paper_metric import CAMERA_MEANS
from degflow_aug.models.training import interrupt
from degflow_aug.models.validation.best_checkpoint import BestOptions, BestRecord, check_best, deciding_value
from degflow_aug.models.validation.scale_table import ScaleTable, iteration_label, results_folder, write_results
from degflow_aug.models.validation.validation_item import ValidationItem, read_item, strip
from degflow_aug.models.validation.validation_metrics import best_records, check_metrics, measure_all, needs_truth


class SRValidation:
    """Adds ``validation`` to a BasicSR model that has ``super_resolve`` and, for ``val.best``, ``save_best``.

    Items are ours (``lq``, ``gt``, ``scale``, ``lq_path``, ``name``) or those of BasicSR's PairedImageDataset and
    SingleImageDataset. Put it before the model's other bases.

    Attributes:
        validation_results: dataset -> scale -> metric -> mean of the last validation.
    """

    opt: dict[str, Any]
    device: torch.device
    best_metric_results: dict[str, Any]
    validation_results: dict[str, dict[float, dict[str, float]]]

    if TYPE_CHECKING:

        def super_resolve(self, lq: Tensor, size: tuple[int, int]) -> Tensor:
            """LR (1, 3, h, w) in [0, 1] -> (1, 3, *size)."""

        def save_best(self, current_iter: int) -> None:
            """Write the network that has just been validated as the best one."""

    @torch.no_grad()
    def validation(self, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool = False) -> None:
        """Metrics of ``val.metrics`` for every scale of the dataset: logged, to TensorBoard and to a JSON file.

        Under DDP rank 0 validates and the others wait. A signal stops it between two images, and what was trained is
        saved; the run goes on after the iteration, and this validation is not made up for.

        Args:
            dataloader: batches of one image.
            current_iter: the iteration in training, any label in testing.
            tb_logger: TensorBoard's writer, or None.
            save_img: write the images too.

        Raises:
            ValueError: an item, a metric or a choice of ``val.best`` that cannot be.
        """
        if self.opt.get("rank", 0) == 0:
            with _varying_shapes():
                self._validate(dataloader, iteration_label(self.opt, current_iter), tb_logger, save_img)
        if self.opt.get("dist"):
            torch.distributed.barrier()

    def _validate(self, dataloader: Any, label: int | str, tb_logger: Any, save_img: bool) -> None:
        options, dataset = self.opt["val"], dataloader.dataset.opt["name"]
        metrics = check_metrics(options)
        best = check_best(options, self.opt["datasets"]) if self.opt.get("is_train") else None
        table: ScaleTable | None = None
        default = dataloader.dataset.opt.get("scale", self.opt.get("scale"))
        shown = options.get("pbar") is not False
        for batch in track(dataloader, f"validation {dataset}", "image", shown=shown):
            interrupt.check(saving=True)
            item = read_item(batch, default)
            result = self._restore(item)
            if table is None:
                shown_metrics = [each for each in metrics if item.gt is not None or not needs_truth(metrics[each])]
                table = ScaleTable(shown_metrics, [name for name in metrics if metrics[name]["type"] in CAMERA_MEANS])
                if tb_logger:
                    tb_logger.add_image(one_line(f"{dataset}/{item.name}_x{item.scale:g}"), strip(item, result), label)
            if save_img:
                path = self._image_path(dataset, item, label)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_image(path, to_array(result[0]))
            truth = None if item.gt is None else item.gt[0]
            shown_sections = {name: metrics[name] for name in table.metrics}
            table.add(item.scale, measure_all(shown_sections, result[0], truth, item.scale), item.camera)
        if table is not None and table.metrics:
            self._report(dataset, table, label, tb_logger)
            if best is not None and best.dataset == dataset and isinstance(label, int):
                self._keep_best(best, table, label)

    def _restore(self, item: ValidationItem) -> Tensor:
        result = self.super_resolve(item.lq.to(self.device), item.size)
        if result.shape != (1, 3, *item.size):
            shape, wanted = tuple(result.shape), (1, 3, *item.size)
            raise ValueError(f"expected {wanted} for {item.name} at x{item.scale:g}, got {shape} from the network")
        if not bool(torch.isfinite(result).all()):
            raise ValueError(f"expected an image for {item.name} at x{item.scale:g}, got NaN or infinity")
        return result.float().clamp(0, 1).cpu()

    def _image_path(self, dataset: str, item: ValidationItem, label: int | str) -> Path:
        folder, name = Path(self.opt["path"]["visualization"]), f"{item.name}_x{item.scale:g}"
        if self.opt.get("is_train"):
            return fitting_path(folder / item.name / f"{name}_{label}.png")
        suffix = self.opt["val"].get("suffix")
        return fitting_path(folder / dataset / (f"{name}_{suffix}.png" if suffix else f"{name}.png"))

    def _report(self, dataset: str, table: ScaleTable, label: int | str, tb_logger: Any) -> None:
        by_scale, overall = table.by_scale(), table.overall()
        if not hasattr(self, "validation_results"):
            self.validation_results = {}
        self.validation_results[dataset] = by_scale
        records = best_records(self, dataset)
        for metric, value in overall.items():
            self._update_best_metric_result(dataset, metric, value, label)  # type: ignore[attr-defined]
        training = isinstance(label, int)
        best = {metric: (records[metric]["val"], records[metric]["iter"]) for metric in overall} if training else None
        heading = f"Validation {dataset}" + (f", iteration {label}" if training else "")
        get_root_logger().info(f"{heading}\n{table.format(best)}\n")
        if tb_logger:
            for metric, value in overall.items():
                _add_scalar(tb_logger, f"metrics/{dataset}/{metric}", value, label)
                for scale, means in by_scale.items():
                    _add_scalar(tb_logger, f"metrics/{dataset}/{metric}_x{scale:g}", means[metric], label)
        write_results(results_folder(self.opt), dataset, table, label)

    def _keep_best(self, best: BestOptions, table: ScaleTable, iteration: int) -> None:
        if best.metric not in table.metrics:
            raise ValueError(f"expected true images in {best.dataset} for val.best.metric {best.metric}, got none")
        value = deciding_value(best, table.by_scale(), table.overall())
        record = self.best_metric_results[best.dataset][best.metric]
        kept = BestRecord(best, record, results_folder(self.opt) / "best.json")
        if kept.improves(value):
            self.save_best(iteration)
            kept.keep(value, iteration)


@contextmanager
def _varying_shapes() -> Iterator[None]:
    """Images differ in size, and cuDNN, which BasicSR tells to try all its algorithms, would do so for every size."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _add_scalar(tb_logger: Any, name: str, value: float, label: int | str) -> None:
    if not math.isnan(value):
        tb_logger.add_scalar(name, value, label)
