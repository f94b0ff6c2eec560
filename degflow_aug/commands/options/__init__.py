"""``degflow options``: the option files, and the reference of their keys."""

from __future__ import annotations

from degflow_aug.commands.options.options_command import add_arguments, run

__all__ = ["add_arguments", "run"]
