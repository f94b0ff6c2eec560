"""``degflow preview``: one image at all scales, as a page and a picture."""

from __future__ import annotations

from degflow_aug.commands.preview.preview_command import add_arguments, run

__all__ = ["add_arguments", "run"]
