"""``degflow doctor``: what works on this machine."""
from __future__ import annotations

from degflow_aug.commands.doctor.doctor_command import add_arguments, run

__all__ = ["add_arguments", "run"]
