"""``torch.save`` files as tensors and plain values; no code in them is run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch


def load_tensors(path: str | Path) -> Any:
    """Read a file of ``torch.save`` onto the CPU.

    torch's ``weights_only`` makes tensors and plain values only; before torch 2.6 there was a way round it.

    Raises:
        OSError: the file cannot be read.
        ValueError: a damaged file or one of another kind, one that holds code (it is not run), or one that takes more
            memory than there is.
    """
    try:
        with warnings.catch_warnings():
            # Of pickle's protocols and of storages: nothing that whoever gave the file could act on.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # what is damaged raises anything, MemoryError among it
        said = " ".join(str(error).split()) or type(error).__name__
        # What torch says of code is a page, and advises to run it.
        code = "weights_only" in said or "Weights only" in said
        raise ValueError("it is damaged or holds code, which was not run" if code else said) from None
