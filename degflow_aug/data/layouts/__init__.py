"""How scenes lie on disk, one layout per file.

A new layout is a file beside this one with a function of a :class:`~degflow_aug.data.layouts.scene.Place` that yields
:class:`~degflow_aug.data.layouts.scene.FoundImage`, and a row in one of the two tables. They name functions instead of
importing them, so that the command line can list the layouts without NumPy and PyTorch.
"""

from __future__ import annotations

LAYOUTS = {
    "realsr": "realsr.find_realsr",
    "realsr_v3": "realsr.find_realsr_v3",
    "realsr_paper": "realsr_paper.find_realsr_paper",
    "city100": "city100.find_city100",
    "pattern": "pattern.find_pattern",
}
"""Layouts of views on the HR grid, and the functions that find them: all commands and data sets take these."""

SPLIT_LAYOUTS = ("realsr", "realsr_v3", "realsr_paper", "realarbisr")
"""Layouts with folders for training and for testing, between which ``split`` chooses."""

PAIR_LAYOUTS = {**LAYOUTS, "realarbisr": "realarbisr.find_realarbisr", "folders": "folders.find_folders"}
"""The same with layouts whose LR images have a size of their own, which data sets of pairs take besides."""
