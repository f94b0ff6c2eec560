"""``degflow align``: photographs to pairs."""

from __future__ import annotations

from degflow_aug.commands.align.align_command import add_arguments, run

__all__ = ["add_arguments", "run"]
