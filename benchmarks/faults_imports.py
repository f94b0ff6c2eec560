"""What the server of the fault campaign imports, once, before it forks a process for each command."""

from __future__ import annotations

import torch

import degflow_aug
import degflow_aug.cli
import degflow_aug.models.camera_fit

torch.set_num_threads(1)
degflow_aug.register()
