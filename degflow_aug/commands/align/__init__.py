"""``degflow align``: photographs to pairs."""

from degflow_aug.commands.align.align_command import add_arguments, run

__all__ = ["add_arguments", "run"]
