"""The stages of DegFlow as BasicSR models: losses that are added up, and validation scale by scale."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from degflow_aug.models.training.trained_model import TrainedModel
from degflow_aug.models.validation.scale_validation import ScaleValidation
from degflow_aug.options.stages import StageOptions


class StageModel(ScaleValidation, TrainedModel):
    """Subclasses write ``compute_losses`` and ``generate_view``."""

    options: StageOptions

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """As every model, with channels beside each other in memory: the norms over channels read them so."""
        return super().model_to_device(net.to(memory_format=torch.channels_last))

    def compute_losses(self) -> dict[str, Tensor]:
        """Named losses of the fed batch, to be added up; calls ``self.network``: ``net_g``, or compiled from it."""
        raise NotImplementedError

    def take_step(self, current_iter: int) -> dict[str, Tensor]:
        """One step on the sum of the losses."""
        self.optimizer_g.zero_grad(set_to_none=True)
        with self.autocast():
            losses = self.compute_losses()
        total = torch.stack(list(losses.values())).sum()
        self.check_loss(total, current_iter)
        total.backward()
        self.step_generator()
        return OrderedDict(total=total, **losses)
