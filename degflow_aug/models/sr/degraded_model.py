"""Super-resolution trained on LR that a degradation makes inside the step, whichever network is trained."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from degflow_aug.compat.training import tensorboard_logger
from degflow_aug.degradations.build import build_degradation
from degflow_aug.files.image_file import write_image
from degflow_aug.models.sr.adversary import Adversary
from degflow_aug.models.sr.lr_source import LRBatch, LRSource, Patches, Stopwatch
from degflow_aug.models.sr.preview import Example, preview_strip
from degflow_aug.models.sr.sr_losses import SRLosses
from degflow_aug.models.training.interrupt import DivergenceGuard, TrainingDiverged
from degflow_aug.models.training.trained_model import TrainedModel
from degflow_aug.models.validation.sr_validation import SRValidation
from degflow_aug.options.model_keys import ADVERSARY, More
from degflow_aug.options.super_resolution import SROptions


class DegradedModel(SRValidation, TrainedModel):
    """Base of the super-resolution models. The degradation stands outside of all that is trained, saved or wrapped.

    Subclasses say at construction which LR ``patches`` they want, and write ``check_batch``, ``ask`` and ``answer``
    (how the network is called), ``super_resolve`` and ``examples``.
    """

    options: SROptions
    adversary: Adversary | None = None
    adversary_type: ClassVar[type[Adversary]] = Adversary
    option_keys: ClassVar[More] = {
        "options": ("degradation", "find_unused_parameters", "network_d"),
        "train": ("gan_opt", "ldl_opt", "perceptual_opt", "pixel_opt", *ADVERSARY["train"]),
        "path": ADVERSARY["path"],
    }

    def __init__(self, opt: dict[str, Any], options: SROptions, patches: Patches) -> None:
        super().__init__(opt, options)
        self.stopwatch = Stopwatch(self.device)
        if self.is_train:
            section = opt.get("degradation")
            degradation = build_degradation(section) if section else None
            self.source = LRSource(degradation, patches, self.device, options.side_stream)

    def _prepare_training(self, load_path: str | None) -> None:
        self.losses = SRLosses(self.opt["train"], self.device)
        super()._prepare_training(load_path)

    def other_optimizers(self) -> list[torch.optim.Optimizer]:
        """That of the discriminator, where ``train.gan_opt`` asks for one."""
        if not self.opt["train"].get("gan_opt"):
            return []
        self.adversary = self.adversary_type(self)
        # Losses of two networks against each other rise for as long as one of them wins, and may be negative.
        self.guard = DivergenceGuard(factor=math.inf)
        return [self.adversary.optimizer]

    @abstractmethod
    def check_batch(self, batch: LRBatch) -> None:
        """Raise a ValueError where the sizes of HR and LR do not fit together, or not this model."""

    @abstractmethod
    def ask(self, batch: LRBatch) -> tuple[tuple[Tensor, ...], Tensor]:
        """The network's arguments for a batch, and what it should answer."""

    @abstractmethod
    def answer(self, network: nn.Module, arguments: tuple[Tensor, ...]) -> Tensor:
        """What ``network`` makes of the arguments, in the shape of the target."""

    @abstractmethod
    def examples(self) -> Sequence[Example]:
        """What a preview strip of the fed batch shows."""

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch: ``gt`` (B, 3, P, P), 8 bit or in [0, 1], and optionally its own ``lq``; see :class:`LRSource`.

        Raises:
            ValueError: as :meth:`LRSource.take`, or sizes that do not fit.
        """
        with self.stopwatch.measure("degradation"):
            batch = self.source.take(data, self.iteration_seed(self.iteration + 1))
        self.check_batch(batch)
        self.batch = batch

    def optimize_parameters(self, current_iter: int) -> None:
        """One step on the fed batch, and at times a preview strip; see :meth:`TrainedModel.optimize_parameters`."""
        super().optimize_parameters(current_iter)
        frequency = self.options.preview_freq
        if frequency and (current_iter == 1 or current_iter % frequency == 0) and not self.opt.get("rank", 0):
            self.show(current_iter)

    def take_step(self, current_iter: int) -> dict[str, Tensor]:
        """The network's step, part by part, then the discriminator's."""
        with self.stopwatch.measure("training"):
            moves = self.adversary is None or self.adversary.trains_generator(current_iter)
            self.optimizer_g.zero_grad(set_to_none=True)
            parts = self._parts()
            logs: dict[str, Tensor] = {}
            pairs = []
            for number, part in enumerate(parts, 1):
                weight = len(part.scales) / len(self.batch.scales)
                with self._synchronised(number == len(parts)):
                    output, target, losses = self._pass(part, weight if moves else 0.0, current_iter)
                pairs.append((output.detach(), target))
                for key, loss in losses.items():
                    logs[key] = logs.get(key, 0) + weight * loss.detach()
            if moves:
                self.step_generator()
            if self.adversary is None:
                return logs
            found = self.adversary.step(pairs)
            self.check_loss(found["l_d_real"] + found["l_d_fake"], current_iter)
            return logs | found

    def _pass(self, part: LRBatch, weight: float, current_iter: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Output, target and losses of a part, and their gradient times ``weight``; at 0 the output alone."""
        arguments, target = self.ask(part)
        with torch.set_grad_enabled(weight > 0), self.autocast():
            output = self.answer(self.network, arguments).float()
            if output.shape != target.shape:
                raise ValueError(
                    f"expected {tuple(target.shape)} from network_g, got {tuple(output.shape)}; its scale and channels "
                    "have to be those of the images"
                )
            if not weight:
                return output, target, {}
            losses = self.losses(output, target, self._ema_output(arguments))
            if self.adversary is not None:
                losses["l_g_gan"] = self.adversary.generator_loss(output, target)
        total = torch.stack(list(losses.values())).sum()
        self._look_at_loss(total, part, current_iter)
        (weight * total).backward()
        return output, target, {"total": total, **losses}

    def _look_at_loss(self, total: Tensor, part: LRBatch, current_iter: int) -> None:
        """Images that are no numbers are no reason to lower the learning rate."""
        try:
            self.check_loss(total, current_iter)
        except TrainingDiverged as error:
            for name, images in (("HR", part.gt), ("LR", part.lq)):
                if not bool(torch.isfinite(images).all()):
                    raise ValueError(
                        f"expected numbers in the {name} images of iteration {current_iter}, got NaN or infinity; look "
                        "at datasets.train and degradation"
                    ) from error
            raise

    def trained_buffers(self) -> list[Tensor]:
        """Those of both networks."""
        return [*super().trained_buffers(), *(self.adversary.network.buffers() if self.adversary is not None else ())]

    @torch.no_grad()
    def _ema_output(self, arguments: tuple[Tensor, ...]) -> Tensor | None:
        wanted = self.losses.ldl is not None and self.net_g_ema is not None
        return self.answer(self.net_g_ema, arguments).float() if wanted else None  # type: ignore[arg-type]

    def _parts(self) -> list[LRBatch]:
        pieces = (tensor.chunk(self.options.accumulate) for tensor in self.batch)
        return [LRBatch(*piece) for piece in zip(*pieces, strict=True)]

    def _synchronised(self, last: bool) -> AbstractContextManager[Any]:
        """Ranks exchange gradients once a step, after its last part."""
        if last or not isinstance(self.net_g, DistributedDataParallel):
            return nullcontext()
        return self.net_g.no_sync()

    def warmed_up(self, decay: float) -> float:
        """BasicSR's EMA has no warm-up: it starts from the network's first weights."""
        return decay

    def get_current_log(self) -> dict[str, float]:
        """Losses of the last step, and which part of the time since the last log the LR images took."""
        return {**super().get_current_log(), "degradation_share": self.stopwatch.share("degradation")}

    def save_networks(self, current_iter: int | str) -> None:
        """Write the network and its EMA, and the discriminator."""
        super().save_networks(current_iter)
        if self.adversary is not None:
            self.save_network(self.adversary.network, "net_d", current_iter)

    def save_best(self, current_iter: int) -> None:
        """Keep the networks of the best validation so far as ``net_g_best.pth``."""
        self.save_networks("best")

    @torch.no_grad()
    def show(self, current_iter: int) -> None:
        """Write the preview strip to ``visualization/preview`` and to TensorBoard."""
        strip = preview_strip(self.examples())
        logger = tensorboard_logger()
        if logger is not None:
            logger.add_image("preview", strip, current_iter)
        folder = Path(self.opt["path"]["visualization"]) / "preview"
        folder.mkdir(parents=True, exist_ok=True)
        picture = (strip.permute(1, 2, 0) * 255).round().byte().numpy()
        write_image(folder / f"{current_iter:07d}.png", picture)
