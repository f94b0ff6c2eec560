"""``degflow upscale``: photographs through a trained network."""

from __future__ import annotations

from degflow_aug.commands.upscale.upscale_command import add_arguments, run

__all__ = ["add_arguments", "run"]
