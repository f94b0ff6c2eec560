"""``degflow demo``: fit, generate and compare on photographs that come with scikit-image."""

from __future__ import annotations

from degflow_aug.commands.demo.demo_command import add_arguments, run

__all__ = ["add_arguments", "run"]
