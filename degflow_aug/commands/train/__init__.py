"""``degflow train``: a training of BasicSR with our models."""

from __future__ import annotations

from degflow_aug.commands.train.train_command import add_arguments, run

__all__ = ["add_arguments", "run"]
