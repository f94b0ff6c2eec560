"""What FlowSR, OMGSR and FluxSR share in training: frozen backbones, LoRA, losses in the image, small checkpoints."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from basicsr.utils import get_root_logger
from basicsr.utils.dist_util import master_only
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from degflow_aug.console.plain_text import one_line
from degflow_aug.files.tensor_file import write_checkpoint
from degflow_aug.models.checks.degradation import check_covers, check_has_lr
from degflow_aug.models.checks.effects import say_idle_keys
from degflow_aug.models.checks.run import check_adversary, check_count
from degflow_aug.models.sr.degraded_model import DegradedModel
from degflow_aug.models.sr.lr_source import FixedScale, LRBatch, check_fixed_scale
from degflow_aug.models.sr.preview import Example, first_examples
from degflow_aug.models.sr.sr_losses import check_losses
from degflow_aug.models.training.checkpoint import read_trained_state
from degflow_aug.models.training.trained_model import MOMENT_BYTES
from degflow_aug.onestep.networks.onestep_network import OneStepNetwork
from degflow_aug.onestep.offload import activations_on_cpu
from degflow_aug.onestep.options import IDLE, OneStepOptions
from degflow_aug.onestep.outline import estimate
from degflow_aug.onestep.plain_adversary import PlainAdversary
from degflow_aug.onestep.rank_agreement import average_gradients, start_alike
from degflow_aug.onestep.restoration.enlargement import enlarge
from degflow_aug.onestep.restoration.restoration import Restorer
from degflow_aug.options.model_keys import ADVERSARY, More
from degflow_aug.options.sections import read_options

Losses = dict[str, Tensor]


class OneStepModel(DegradedModel):
    """Base of the three systems: the LR image, enlarged to HR's size, is one evaluation away from HR.

    Subclasses name the networks that they train, and write ``loss_groups``.

    Attributes:
        net_g: never wrapped: gradients of LoRA are few, and ranks average them here.
        fakes: images of this step for the discriminator, with the true ones.
    """

    options: OneStepOptions
    net_g: OneStepNetwork
    adversary_type = PlainAdversary
    option_keys: ClassVar[More] = {
        "options": ("degradation", "network_d", "scale"),
        "train": ("gan_opt", "optim_d", "perceptual_opt", "pixel_opt"),
        "path": ADVERSARY["path"],
    }
    option_type: ClassVar[type[OneStepOptions]] = OneStepOptions
    networks: ClassVar[tuple[str, ...]] = ()
    enlargement: ClassVar[str] = "bicubic"

    @classmethod
    def check(cls, opt: Mapping[str, Any]) -> None:
        """Look for what would fail later: the kind of network, crops of its multiple, losses, the degradation's range.

        Raises:
            ValueError: the first mistake.
        """
        check_count(opt.get("scale"), 1, "scale")
        kind = opt["network_g"]["type"]
        if kind not in cls.networks:
            raise ValueError(f"expected network_g.type out of {', '.join(cls.networks)} for {cls.__name__}, got {kind}")
        if opt["train"].get("ema_decay"):
            raise ValueError(f"expected no train.ema_decay for {cls.__name__}, which trains LoRA without an average")
        network = ARCH_REGISTRY.get(kind)
        multiple = network.image_multiple(opt["network_g"]["pretrained"], opt["network_g"].get("vae"))
        side = opt["datasets"]["train"].get("gt_size")
        if not isinstance(side, int) or side % multiple or side % opt["scale"]:
            raise ValueError(
                f"expected datasets.train.gt_size as a multiple of {multiple}, what this backbone takes, and of scale "
                f"{opt['scale']}, got {side}"
            )
        cls.check_gan(opt)
        check_losses(opt["train"])
        section = opt.get("degflow") or {}
        say_idle_keys(read_options(cls.option_type, section, "degflow"), section, IDLE)
        check_has_lr(opt)
        check_covers(opt.get("degradation"), opt["scale"], opt["scale"])

    @classmethod
    def check_gan(cls, opt: Mapping[str, Any]) -> None:
        """Any of these systems may have a discriminator or none; one that has no heads would not be trained.

        Raises:
            ValueError: another discriminator, or one without its loss.
        """
        check_adversary(opt)
        kind = (opt.get("network_d") or {}).get("type")
        if kind not in (None, "OverlapChunkedDiscriminator"):
            raise ValueError(f"expected network_d.type: OverlapChunkedDiscriminator for {cls.__name__}, got {kind!r}")

    def __init__(self, opt: dict[str, Any]) -> None:
        if opt["is_train"] and int(opt.get("num_gpu") or 0) > 1 and not opt.get("dist"):
            raise ValueError(
                "expected torchrun for several GPUs, because one-step models share no module between them, got one "
                "process; start torchrun --nproc_per_node N -m degflow_aug train"
            )
        if opt["is_train"]:
            self.check_gan(opt)
        self.fakes: list[tuple[Tensor, Tensor]] = []
        options = read_options(self.option_type, opt.get("degflow") or {}, "degflow")
        super().__init__(opt, options, FixedScale(float(opt["scale"])))
        if self.is_train:
            if opt.get("dist"):
                start_alike(self.optimizers, self.trained_buffers())
            self.settle_time()
            self._log_memory()

    def _log_memory(self) -> None:
        """Log what training will take of the memory, once for all ranks."""
        if self.opt.get("rank", 0):
            return
        train, data = self.opt["train"], self.opt["datasets"]["train"]
        samples = 0 if self.options.offload else -(-int(data["batch_size_per_gpu"]) // self.options.accumulate)
        found = estimate(self.net_g, MOMENT_BYTES[train["optim_g"]["type"]], samples, int(data["gt_size"]))
        get_root_logger().info(f"{type(self).__name__}: {found.sentence()}")

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """Move, and never wrap: a step calls the parts of a network in turn, which DDP would not see."""
        return net.to(self.device)

    def trained_parameters(self) -> list[nn.Parameter]:
        """LoRA."""
        return [parameter for parameter in self.net_g.parameters() if parameter.requires_grad]

    def settle_time(self) -> None:
        """Know ``net_g.time`` before the first step, where a checkpoint has not told it."""

    def say_kept(self, key: str, asked: float | None) -> None:
        """Say that the time of a checkpoint counts, where the options ask for another one."""
        if asked is not None and asked != self.net_g.time:
            get_root_logger().warning(f"{key} has no effect: the network was trained at time {self.net_g.time:g}")

    @abstractmethod
    def loss_groups(self, batch: LRBatch) -> Iterator[Losses]:
        """Losses that go backward together, one group after another, so that the memory of each is free for the next.

        Images for a discriminator are added to ``self.fakes``.
        """

    def check_batch(self, batch: LRBatch) -> None:
        """HR has to be LR times ``scale``."""
        check_fixed_scale(batch, int(self.opt["scale"]))

    def examples(self) -> list[Example]:
        """The first three samples of the batch."""
        return first_examples(self.batch.gt, self.batch.lq, self.super_resolve)

    def take_step(self, current_iter: int) -> Losses:
        """All groups of all parts, LoRA's step, then the discriminator's."""
        with self.stopwatch.measure("training"):
            self.optimizer_g.zero_grad(set_to_none=True)
            logs: Losses = {}
            self.fakes = []
            for part, weight in self.weighted_parts():
                for losses in self._passes(part):
                    total = torch.stack(list(losses.values())).sum()
                    (weight * total).backward()
                    for key, loss in {"total": total, **losses}.items():
                        logs[key] = logs.get(key, 0) + weight * loss.detach()
            self._look_at_loss(logs["total"], self.batch, current_iter)
            self.average_gradients(self.trained_parameters())
            self.step_generator()
            return logs | self.train_adversary(current_iter)

    def train_adversary(self, current_iter: int) -> Losses:
        """One step of the discriminator on what this step has made; its losses."""
        return {} if self.adversary is None else self.adversary.step(self.fakes)

    def weighted_parts(self) -> Iterator[tuple[LRBatch, float]]:
        """The batch in ``degflow.accumulate`` parts, with their shares of it."""
        for part in self._parts():
            yield part, len(part.gt) / len(self.batch.gt)

    def _passes(self, part: LRBatch) -> Iterator[Losses]:
        """The groups of a part in the precision and the memory that the options name."""
        groups = self.loss_groups(part)
        while True:
            with self.autocast(), self._offloaded():
                losses = next(groups, None)
            if losses is None:
                return
            yield losses

    def _offloaded(self) -> AbstractContextManager[Any]:
        if not self.options.offload:
            return nullcontext()
        context: AbstractContextManager[Any] = activations_on_cpu(self.net_g.parameters())
        return context

    def image_losses(self, made: Tensor, hr: Tensor) -> Losses:
        """``pixel_opt``, ``perceptual_opt`` and the discriminator's of images in [-1, 1]; all take them in [0, 1]."""
        made, hr = (made + 1) / 2, (hr + 1) / 2
        losses = self.losses(made, hr)
        if self.adversary is not None:
            losses["l_g_gan"] = self.adversary.generator_loss(made, hr)
            self.fakes.append((made.detach(), hr))
        return losses

    def enlarged(self, batch: LRBatch) -> tuple[Tensor, Tensor]:
        """LR at HR's size and HR, both (B, 3, P, P) in [-1, 1]."""
        lr = enlarge(batch.lq, (batch.gt.shape[-2], batch.gt.shape[-1]), self.enlargement)
        return 2 * lr - 1, 2 * batch.gt - 1

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every rank the mean of all ranks' gradients."""
        if self.opt.get("dist"):
            average_gradients(parameters, int(self.opt["world_size"]))

    @torch.no_grad()
    def super_resolve(self, lq: Tensor, size: tuple[int, int]) -> Tensor:
        """Pass a whole image (1, 3, h, w) in [0, 1] through the network, to (1, 3, *size)."""
        with self.autocast():
            return Restorer(self.net_g, self.options.colour_fix, enlargement=self.enlargement)(lq, size)

    def print_network(self, net: nn.Module) -> None:
        """What is trained of what, and not every layer of a billion weights."""
        trained = sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
        total = sum(parameter.numel() for parameter in net.parameters())
        get_root_logger().info(f"{type(net).__name__}: {trained:,} of {total:,} parameters are trained")

    def checkpoint(self) -> dict[str, Any]:
        """What is saved: LoRA, prompt and time, and what makes the network and passes images through it."""
        network = self.net_g
        spec = {
            "system": type(self).__name__, "network": network.spec, "time": network.time,
            "scale": float(self.opt["scale"]), "colour_fix": self.options.colour_fix,
            "enlargement": self.enlargement,
        }  # fmt: skip
        return {"params": network.trained_state(), "spec": spec}

    @master_only
    def save_network(self, net: Any, net_label: str, current_iter: int | str, param_key: Any = "params") -> None:
        """Write what is trained of the network, or of a discriminator."""
        content = self.checkpoint() if net is self.net_g else {"params": net.trained_state(), "spec": {}}
        label = "latest" if current_iter == -1 else current_iter
        write_checkpoint(Path(self.opt["path"]["models"]) / f"{net_label}_{label}.pth", content)

    def load_network(self, net: Any, load_path: str, strict: bool = True, param_key: str = "params") -> None:
        """Load what :meth:`save_network` wrote.

        Raises:
            ValueError: another kind of file, or LoRA of another network.
        """
        content = read_trained_state(load_path)
        if isinstance(net, OneStepNetwork):
            made_for = (content["spec"].get("network") or {}).get("prediction", net.prediction)
            if made_for != net.prediction:
                raise ValueError(f"expected LoRA for prediction {net.prediction} in {load_path}, got for {made_for}")
        asked_for = dict(net.prompt) if isinstance(net, OneStepNetwork) else {}
        net.load_trained_state(content["params"])
        if isinstance(net, OneStepNetwork):
            net.time = content["spec"].get("time", net.time)
            if any(not torch.equal(value, net.prompt[key]) for key, value in asked_for.items()):
                get_root_logger().warning(one_line(f"network_g.prompt has no effect: {load_path} brings its own"))
        asked = "" if param_key == "params" else f" in place of {param_key}"
        get_root_logger().info(one_line(f"{len(content['params'])} tensors loaded from {load_path}, params{asked}"))

    def trained_buffers(self) -> list[Tensor]:
        """Those of the discriminator; the network's own never change."""
        return [] if self.adversary is None else list(self.adversary.network.buffers())
