"""Stage 1 as a BasicSR model: the autoencoder learns every view of a scene from the HR image's features."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from basicsr.losses import build_loss
from torch import Tensor, nn

from degflow_aug.degradations.convolution import pad_to_multiple
from degflow_aug.degradations.fitted.camera_kernels import FittedCamera
from degflow_aug.degradations.fitted.pseudo_views import FittedViews, pseudo_views
from degflow_aug.degradations.generator.execution import EncodedHR
from degflow_aug.degradations.grid import at_least_float32
from degflow_aug.models.stages.kernel_source import kernel_for, say_unused_kernel
from degflow_aug.models.stages.paths import draw_available
from degflow_aug.models.stages.sample_cameras import camera_numbers, sample_kernel
from degflow_aug.models.stages.stage_model import StageModel
from degflow_aug.options.model_keys import More
from degflow_aug.options.sections import read_options
from degflow_aug.options.stages import RAEOptions


class RAEModel(StageModel):
    """Trains ``ResidualAutoencoder``: decode(encode(view), features(HR)) = view, one view drawn per sample."""

    options: RAEOptions
    option_keys: ClassVar[More] = {**StageModel.option_keys, "train": ("pixel_opt",)}

    def __init__(self, opt: dict[str, Any]) -> None:
        options = read_options(RAEOptions, opt["degflow"], "degflow")
        super().__init__(opt, options)
        self.kernel: FittedCamera | None = None
        self.knots = torch.tensor(options.knots[1:], device=self.device)
        if self.is_train:
            pixel = opt["train"].get("pixel_opt")
            self.pixel_loss = build_loss(pixel).to(self.device) if pixel else nn.L1Loss()
        self.anchored = self.get_bare_model(self.net_g).anchored
        if self.anchored or (self.is_train and options.pseudo_share):
            self.kernel = kernel_for(opt, options).to(self.device)
        elif self.is_train:
            say_unused_kernel(options)

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch of ``AlignedScalesDataset``: hr (B, 3, P, P), views (B, K-1, 3, P, P), available (B, K-1), and
        the camera of each sample where the options tell them apart."""
        self.hr = data["hr"].to(self.device, non_blocking=True)
        self.views = data["views"].to(self.device, non_blocking=True)
        self.available = data["available"].to(self.device, non_blocking=True)
        self.sample_kernel = sample_kernel(self.kernel, camera_numbers(data, self.options.cameras, self.device))

    def draw_targets(self) -> tuple[Tensor, Tensor]:
        """The image (B, 3, P, P) in [0, 1] each sample is to reproduce, HR, a real view, or a pseudo-view, and its
        scale (B,)."""
        batch = self.hr.shape[0]
        rows = torch.arange(batch, device=self.device)
        choice = draw_available(self.available)
        kind = torch.rand(batch, device=self.device)
        targets, scales = self.views[rows, choice], self.knots[choice]
        if self.options.pseudo_share:
            assert self.sample_kernel is not None
            pseudo, between, exists = self._draw_pseudo_views(self.sample_kernel)
            chosen = exists & (kind < self.options.hr_share + self.options.pseudo_share)
            targets, scales = _replaced(chosen, pseudo, targets), torch.where(chosen, between, scales)
        as_hr = kind < self.options.hr_share
        return _replaced(as_hr, self.hr, targets), torch.where(as_hr, torch.ones_like(scales), scales)

    def _draw_pseudo_views(self, kernel: FittedViews) -> tuple[Tensor, Tensor, Tensor]:
        """A pseudo-view (B, 3, P, P) at a scale (B,) drawn per sample, and whether (B,) the views on both sides
        exist."""
        rows = torch.arange(self.hr.shape[0], device=self.device)
        low, high = kernel.scale_range
        scales = low + (high - low) * torch.rand(len(rows), device=self.device)
        upper = torch.bucketize(scales, kernel.knots).clamp(1, len(kernel.knots) - 1)
        there = torch.cat([torch.ones_like(self.available[:, :1]), self.available], 1)
        views = torch.cat([self.hr[:, None], self.views], 1)
        return pseudo_views(kernel, self.hr, views, scales), scales, there[rows, upper] & there[rows, upper - 1]

    def compute_losses(self) -> dict[str, Tensor]:
        """Reconstruction of the drawn views, and the weighted mean square of their latents."""
        drawn, scales = self.draw_targets()
        targets, hr = (self._inner(image) * 2 - 1 for image in (drawn, self.hr))
        base = None
        if self.anchored:
            assert self.sample_kernel is not None
            base = self._inner(self.sample_kernel.views(self.hr, scales)) * 2 - 1
        views, latents = self.network(targets, hr, self.options.latent_noise, base)
        losses = {"pixel": self.pixel_loss(at_least_float32(views), targets)}
        if self.options.kl_weight:
            losses["kl"] = self.options.kl_weight * latents.float().square().mean()
        if self.options.standardise:
            network = self.get_bare_model(self.net_g)
            network.track_latents(self._of_all_ranks(latents.detach().float()), max(0.01, 1 / (self.iteration + 1)))
        return losses

    def _of_all_ranks(self, values: Tensor) -> Tensor:
        """(B, ...) of every process that trains with this one, in their order."""
        if not self.opt["dist"]:
            return values
        found = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(self.opt["world_size"])]
        torch.distributed.all_gather(found, values.contiguous())
        return torch.cat(found)

    def _inner(self, image: Tensor) -> Tensor:
        margin = self.options.crop_margin
        return image[..., margin : image.shape[-2] - margin, margin : image.shape[-1] - margin]

    def generate_view(self, hr: Tensor, view: Tensor, scale: float, camera: str = "") -> Tensor:
        """The reconstruction of the real view, which is the ceiling of whatever flow comes after."""
        rae = self.trained_network()
        rae.eval()
        bases = None
        if self.anchored:
            kernel = sample_kernel(self.kernel, camera_numbers({"camera": [camera]}, self.options.cameras, self.device))
            assert kernel is not None
            bases = [self._padded(kernel.views(hr, torch.tensor([scale], device=self.device)))]
        encoded = EncodedHR(rae, self._padded(hr), tile=1024, conditioned=False)
        latent = EncodedHR(rae, self._padded(view), tile=1024, conditioned=False).latent
        out = encoded.decode([latent], None, bases)[0][..., : hr.shape[-2], : hr.shape[-1]]
        self.net_g.train()
        return ((out + 1) / 2).clamp(0, 1)

    def _padded(self, image: Tensor) -> Tensor:
        """An image in [0, 1] as the network takes it."""
        return pad_to_multiple(image * 2 - 1, self.trained_network().multiple)


def _replaced(chosen: Tensor, images: Tensor, others: Tensor) -> Tensor:
    """``images`` (B, ...) where ``chosen`` (B,), else ``others``."""
    return torch.where(chosen.view(-1, 1, 1, 1), images, others)
