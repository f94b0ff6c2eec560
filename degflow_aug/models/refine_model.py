"""The last stage of our recipe as a BasicSR model: a whole generator, trained on the views it renders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from degflow_aug.archs.generator.generator_arch import DegFlowGenerator
from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.bundles.bundle import Bundle, State
from degflow_aug.degradations.camera_choice import one_hot
from degflow_aug.flow.solver import Velocity, integrate
from degflow_aug.flow.time_map import TimeMap
from degflow_aug.metrics.lpips_loss import LPIPSLoss
from degflow_aug.models.stages.kernel_source import kernel_after, say_unused_kernel
from degflow_aug.models.stages.sample_cameras import camera_numbers, sample_kernel
from degflow_aug.models.stages.stage_model import GeneratorStage
from degflow_aug.models.stages.teacher import check_cameras, check_end, load_teacher
from degflow_aug.models.stages.view_targets import draw_view_targets
from degflow_aug.models.stages.zoomed_pairs import draw_zoom, zoom_pairs
from degflow_aug.options.sections import read_options
from degflow_aug.options.stages import RefineOptions


class RefineModel(GeneratorStage):
    """Trains a ``DegFlowGenerator``: the view that a few Euler steps lead to against the real view, or a pseudo-view.

    Stages 1 and 2 train each part on what it is given: the decoder on latents of real views, the flow on latents of
    stage 1. Here both learn to make up for each other, and for what HR does not determine.
    """

    options: RefineOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        options = read_options(RefineOptions, opt["degflow"], "degflow")
        experiments = Path(opt["path"].get("experiments_root", ".")).parent
        self.start: Bundle = load_teacher(options.generator, experiments, "generator")
        spec = self.start.spec
        check_end(options, spec, "generator")
        check_cameras(options.cameras, spec, "generator")
        super().__init__(opt, replace(options, camera=options.camera or spec.camera, cameras=spec.cameras))
        self.solver, self.steps = "euler", options.steps
        self.time_map = TimeMap(options.last_scale)
        self.knots = torch.tensor(options.knots, device=self.device)
        self.perceptual: LPIPSLoss | None = None
        if self.is_train:
            self._side = opt["datasets"]["train"]["gt_size"] - options.zoom_room
            self._check_crop(self._side - 2 * options.crop_margin)
        self.anchored = self.get_bare_model(self.net_g).rae.anchored
        if self.anchored or (self.is_train and options.pseudo_share):
            self.kernel = kernel_after(self.start, opt, self.options).to(self.device)
        elif self.is_train:
            say_unused_kernel(options)
        if self.is_train and options.lpips_weight:
            self.perceptual = LPIPSLoss(1.0, options.lpips_vgg or None).to(self.device)

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """As every model; what is not trained is frozen before a wrapper looks for gradients."""
        assert isinstance(net, DegFlowGenerator)
        net.rae.requires_grad_(self.options.train_rae)
        return super().model_to_device(net)

    def _prepare_training(self, load_path: str | None) -> None:
        if not load_path:
            self._start_as_trained()
        super()._prepare_training(load_path)

    def _start_as_trained(self) -> None:
        """The weights of the generator so far."""
        network: DegFlowGenerator = self.get_bare_model(self.net_g)
        for name, part in (("rae", self.start.rae), ("velocity", self.start.velocity)):
            own = getattr(network, name)
            if {**own.spec, "dropout": 0} != {**part.spec, "dropout": 0}:
                raise ValueError(
                    f"expected network_g.{name} of the sizes of degflow.generator, {part.spec}, got {own.spec}"
                )
            own.load_state_dict(part.state_dict())

    def _check_crop(self, side: int) -> None:
        network: DegFlowGenerator = self.get_bare_model(self.net_g)
        multiple = network.rae.multiple * network.velocity.multiple
        if side < 1 or side % multiple:
            raise ValueError(
                "expected datasets.train.gt_size less degflow.zoom_room and twice degflow.crop_margin in multiples of "
                f"{multiple}, got {side}"
            )

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch of ``AlignedScalesDataset``: hr (B, 3, P, P), views (B, K-1, 3, P, P), available (B, K-1);
        camera, a name a sample, where the options tell cameras apart."""
        numbers = camera_numbers(data, self.options.cameras, self.device)
        self.camera = None if numbers is None else one_hot(numbers, len(self.options.cameras))
        self.sample_kernel = sample_kernel(self.kernel, numbers)
        hr, views, there = (data[key].to(self.device, non_blocking=True) for key in ("hr", "views", "available"))
        self.path_views = torch.cat([hr[:, None], views], 1)
        self.available = torch.cat([torch.ones_like(there[:, :1]), there], 1)

    def compute_losses(self) -> dict[str, Tensor]:
        """L1 distance in [-1, 1], and LPIPS, between rendered and real views or pseudo-views."""
        path_views, scales, pseudo_share = self._draw_pairs()
        target = draw_view_targets(
            path_views,
            self.available,
            scales,
            self.options.knots,
            self.sample_kernel,
            pseudo_share,
        ).without_rim(self.options.crop_margin)
        inner = (..., *[slice(self.options.crop_margin, -self.options.crop_margin or None)] * 2)
        whole = path_views[:, 0]
        hr, base = whole[inner] * 2 - 1, None
        if self.anchored:
            assert self.sample_kernel is not None
            base = self.sample_kernel.views(whole, target.scales)[inner] * 2 - 1
        end = self.time_map.time(target.scales)

        def walk(velocity: Velocity, start: Tensor, end: Tensor) -> Tensor:
            return integrate(velocity, start, end, self.options.steps, "euler")

        rendered = self.network(hr, end, walk, self.camera, base).float()
        losses = {"image": target.distance(rendered)}
        if self.perceptual is not None:
            losses["lpips"] = self.options.lpips_weight * self.perceptual(rendered, target.beside(rendered))
        return losses

    def _draw_pairs(self) -> tuple[Tensor, Tensor, float]:
        """Images (B, K, 3, P, P), HR first, their scales (K,), and the share of pseudo-views beside them: the pairs as
        they are, or all of them made smaller by one factor."""
        share = self.options.zoom_share
        if not share or float(torch.rand(())) >= share:
            return self.path_views[..., : self._side, : self._side], self.knots, self.options.pseudo_share
        network: DegFlowGenerator = self.get_bare_model(self.net_g)
        multiple, side = network.rae.multiple * network.velocity.multiple, self.path_views.shape[-1]
        square, size = draw_zoom(side, multiple + 2 * self.options.crop_margin, multiple, self.options.knots[1])
        return zoom_pairs(self.path_views, square, size), self.knots * (size / square), 0.0

    def trained_parts(self) -> tuple[ResidualAutoencoder, NCSNpp]:
        """Both parts of the network."""
        network: DegFlowGenerator = self.trained_network()
        return network.rae, network.velocity

    def facts(self) -> dict[str, Any]:
        """What the bundle says of its training."""
        return {**super().facts(), "generator": self.options.generator}

    def kernel_states(self) -> Sequence[State]:
        """The kernels that were used, or those of the generator so far."""
        return super().kernel_states() or self.start.kernels
