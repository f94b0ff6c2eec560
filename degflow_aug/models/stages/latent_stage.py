"""What the stages on latents share: a frozen RAE, the views along a path and their latents."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp, hr_condition
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.archs.generator.rae_layers import HRFeatures
from degflow_aug.degradations.camera_choice import one_hot
from degflow_aug.degradations.fitted.camera_kernels import FittedCamera
from degflow_aug.degradations.fitted.pseudo_views import FittedViews
from degflow_aug.degradations.grid import at_least_float32
from degflow_aug.flow.time_map import TimeMap
from degflow_aug.metrics.lpips_loss import LPIPSLoss
from degflow_aug.models.stages.kernel_source import kernel_for, say_unused_kernel
from degflow_aug.models.stages.paths import views_along_path
from degflow_aug.models.stages.sample_cameras import camera_numbers, sample_kernel
from degflow_aug.models.stages.stage_model import GeneratorStage
from degflow_aug.models.stages.view_targets import ViewTarget, draw_view_targets
from degflow_aug.options.stages import PathOptions

CACHED = ("latents", "condition", "available", "path_views")


class LatentStageModel(GeneratorStage):
    """Trains an ``NCSNpp`` on latents of a frozen RAE. Subclasses write ``compute_losses`` and ``needs_images``.

    Args:
        opt, options: the option file and its section ``degflow``.
        rae: the autoencoder.
        solver, steps: how validation and the bundle carry latents along the path.
    """

    options: PathOptions

    def __init__(
        self, opt: dict[str, Any], options: PathOptions, rae: ResidualAutoencoder, *, solver: str, steps: int
    ) -> None:
        super().__init__(opt, options)
        self.rae = rae.to(self.device).to(memory_format=torch.channels_last)
        self.solver, self.steps = solver, steps
        self._check_widths()
        self.scales = options.path_scales()
        self.time_map = self.find_times()
        self.times = torch.tensor([self.time_map.time(scale) for scale in self.scales], device=self.device)
        self.perceptual: LPIPSLoss | None = None
        if rae.anchored or (self.is_train and (len(self.scales) > len(options.knots) or options.pseudo_share)):
            self.kernel = self.find_kernel().to(self.device)
        elif self.is_train:
            say_unused_kernel(options)
        if self.is_train and options.lpips_weight:
            self.perceptual = LPIPSLoss(1.0, options.lpips_vgg or None).to(self.device)

    def _check_widths(self) -> None:
        network: NCSNpp = self.get_bare_model(self.net_g)
        wanted = self.rae.spec["latent_channels"]
        if network.spec["latent_channels"] != wanted:
            raise ValueError(
                f"expected network_g.latent_channels {wanted}, as the RAE has, got {network.spec['latent_channels']}"
            )
        channels = self.rae.condition_channels
        if network.condition is not None and network.condition.in_channels != channels:
            raise ValueError(
                f"expected network_g.condition_channels to be 0 or {channels}, as the RAE has features, got "
                f"{network.condition.in_channels}"
            )
        if network.spec["cameras"] != len(self.options.cameras):
            raise ValueError(
                f"expected network_g.cameras {len(self.options.cameras)}, as many as degflow.cameras names, got "
                f"{network.spec['cameras']}"
            )

    def find_times(self) -> TimeMap:
        """The map from scales to times of training and validation."""
        return TimeMap(self.options.last_scale)

    def find_kernel(self) -> FittedCamera:
        """The kernel behind pseudo-views."""
        return kernel_for(self.opt, self.options)

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch of images, or one of cached latents, which is used as it is.

        Images: hr (B, 3, P, P), views (B, K-1, 3, P, P), available (B, K-1). Latents: latents (B, K, c, h, w) along
        the path, standardised, and available (B, K); condition (B, rae.condition_channels, h, w) where the network
        takes one; path_views (B, K, 3, P, P) in 8 bits where a loss looks at images. Both: camera, a name a sample,
        where the options tell cameras apart.

        ``available`` is kept on the CPU too, as ``known``: what is there decides on shapes, which a GPU would be waited
        for. BasicSR's CUDA prefetcher, which moves every tensor, brings that wait.
        """
        numbers = camera_numbers(data, self.options.cameras, self.device)
        self.camera = None if numbers is None else one_hot(numbers, len(self.options.cameras))
        self.sample_kernel: FittedViews | None = sample_kernel(self.kernel, numbers)
        self.features: HRFeatures | None = None
        self.path_views: Tensor | None = None
        if "latents" in data:
            self._feed_latents(data)
        else:
            self._feed_images(data)

    def _feed_latents(self, data: dict[str, Any]) -> None:
        moved = {key: value.to(self.device, non_blocking=True) for key, value in data.items() if key in CACHED}
        self.latents = moved["latents"].transpose(0, 1).float()
        self.condition = moved["condition"].float() if "condition" in data else None
        self.known, self.available = data["available"].cpu(), moved["available"]
        if self.needs_images:
            self.path_views = moved["path_views"].float() / 255
            with torch.no_grad():
                self.features = self.rae.encode(self.path_views[:, 0] * 2 - 1)[1]

    @torch.no_grad()
    def _feed_images(self, data: dict[str, Any]) -> None:
        hr, views = (data[key].to(self.device, non_blocking=True) for key in ("hr", "views"))
        self.path_views, self.known = views_along_path(
            hr, views, data["available"].cpu(), self.options.knots, self.scales, self.sample_kernel
        )
        self.available = self.known.to(self.device, non_blocking=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.amp == "bf16"):
            self.latents, self.features = self.encode_path(self.path_views, self.known)
            self.condition = hr_condition(self.features) if self.conditioned else None

    def encode_path(self, views: Tensor, available: Tensor) -> tuple[Tensor, HRFeatures]:
        """Standardised latents (K, B, c, h, w) of views (B, K, 3, P, P) in [0, 1], zero where not available, and the
        features of HR, the first of them. Missing views are not encoded; ``available`` (B, K) is on the CPU."""
        start, features = self.rae.encode(views[:, 0] * 2 - 1)
        latents = start.new_zeros(*views.shape[:2], *start.shape[1:])
        latents[:, 0] = start
        there = tuple(index.to(views.device, non_blocking=True) for index in available[:, 1:].nonzero(as_tuple=True))
        latents[:, 1:][there] = self.rae.encode(views[:, 1:][there] * 2 - 1)[0].to(latents.dtype)
        standard = self.rae.standardise(latents.flatten(0, 1)).unflatten(0, views.shape[:2])
        return at_least_float32(standard.transpose(0, 1)), features

    @property
    def conditioned(self) -> bool:
        """Whether the network sees the HR features."""
        return self.get_bare_model(self.net_g).condition is not None

    @property
    def needs_images(self) -> bool:
        """Whether a loss looks at decoded images."""
        raise NotImplementedError

    def draw_target(self) -> ViewTarget:
        """The view that each sample is to reach; see ``pseudo_share``."""
        assert self.path_views is not None
        scales = self.time_map.scale(self.times)
        return draw_view_targets(
            self.path_views,
            self.available,
            scales,
            self.options.knots,
            self.sample_kernel,
            self.options.pseudo_share,
        )

    def decode(self, latents: Tensor, scales: Tensor) -> Tensor:
        """Images (B, 3, P, P) in about [-1, 1] from latents (B, c, h, w) at scales (B,)."""
        assert self.features is not None
        base = None
        if self.rae.anchored:
            assert self.sample_kernel is not None
            base = self.sample_kernel.views((self.features.image.float() + 1) / 2, scales) * 2 - 1
        return at_least_float32(self.rae.decode(self.rae.unstandardise(latents), self.features.on(base)))

    def trained_parts(self) -> tuple[ResidualAutoencoder, NCSNpp]:
        """The frozen autoencoder and the network."""
        return self.rae, self.trained_network()
