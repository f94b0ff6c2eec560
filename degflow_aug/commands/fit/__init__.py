"""``degflow fit``: learn a camera from its pairs."""

from __future__ import annotations

from degflow_aug.commands.fit.fit_command import add_arguments, run

__all__ = ["add_arguments", "run"]
