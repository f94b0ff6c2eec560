"""BasicSR's own ``torch.load``, which before torch 2.6 runs whatever code a file holds."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import torch

from degflow_aug.files.tensor_file import load_tensors

# All of BasicSR 1.4.2 that loads files; a test finds them in its source.
MODULES = (
    "archs.basicvsr_arch", "archs.dfdnet_arch", "archs.inception", "archs.spynet_arch", "archs.tof_arch",
    "archs.vgg_arch", "models.base_model", "train",
)  # fmt: skip


class TorchThatReadsTensors(ModuleType):
    """The module ``torch`` to those who use it, but for ``load``, which runs no code."""

    def __init__(self) -> None:
        super().__init__("torch")

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def load(path: Any, *_: Any, **__: Any) -> Any:
        """Tensors and plain values of a file, on the CPU.

        Raises:
            ValueError: damaged, or more than that.
        """
        try:
            return load_tensors(path)
        except ValueError as error:
            raise ValueError(f"expected a checkpoint of plain tensors, got {path}: {error}") from None


def patch() -> None:
    """Give every module of BasicSR that loads files a ``torch`` that runs none of them."""
    reader = TorchThatReadsTensors()
    for name in MODULES:
        importlib.import_module(f"basicsr.{name}").torch = reader  # type: ignore[attr-defined]
