"""What the server of the fault campaign imports, once, before it forks a process for each command."""

from __future__ import annotations

import importlib

import torch

import degflow_aug
import degflow_aug.fit.camera_fit
from degflow_aug import cli

torch.set_num_threads(1)
degflow_aug.register()
for name in cli.COMMANDS:
    importlib.import_module(f"degflow_aug.commands.{name}")
importlib.import_module("benchmarks.faults.jobs")
for name in ("clock", "disk", "files", "kills", "locks", "signals", "soak"):
    importlib.import_module(f"benchmarks.faults.harm.{name}")
