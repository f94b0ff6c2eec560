"""A CUDA device without one: tensors on it have shapes, kinds and a device, and no values.

PyTorch's ``FakeTensorMode`` runs every operation on such tensors for its shape alone. Mixed devices are errors there,
as on a GPU, and so are values that are read back to Python, for which a GPU would be waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils import _pytree

CUDA = torch.device("cuda", 0)
COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
# What looks at values within, of which a fake kernel has none.
READING = (torch.ops.aten.multinomial.default, torch.ops.aten._linalg_check_errors.default)
INDEXED = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default, torch.ops.aten.index_put.default)


class GPUWaitedForError(AssertionError):
    """The program would stand still until the GPU has done all that it was asked for."""


class FakeCUDA(FakeTensorMode):
    """Tensors on ``cuda`` are fake, those on the CPU are real.

    Attributes:
        waits: whether copies between both that wait for the GPU are allowed, as before a step.
        copies: whether others are, which a CUDA graph cannot hold.
    """

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self.waits = self.copies = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = _pytree.arg_tree_leaves(*args, **kwargs)
        fake = [value for value in given if isinstance(value, FakeTensor)]
        wanted = [value for value in given if isinstance(value, torch.device) and value.type == "cuda"]
        if not fake and not wanted:
            return func(*args, **kwargs)
        if not self.waits:
            self._refuse_waits(func, args, kwargs)
        return super().__torch_dispatch__(func, types, args, kwargs)

    def _refuse_waits(self, func: Any, args: Any, kwargs: Any) -> None:
        tensors = [value for value in args if isinstance(value, Tensor)]
        if func in COPIES:
            ends = {tensor.device.type for tensor in tensors} | {torch.device(kwargs.get("device") or "meta").type}
            aside = self.copies and (kwargs.get("non_blocking") or (args[2:] and args[2]))
            if {"cpu", "cuda"} <= ends and not aside:
                raise GPUWaitedForError(f"a copy of {tuple(tensors[-1].shape)}, by {func}")
        elif func in READING:
            raise GPUWaitedForError(f"{func}, which looks at values")
        elif func in INDEXED:
            for index in args[1]:
                if isinstance(index, Tensor) and index.device.type == "cpu" and tensors[0].is_cuda and index.ndim:
                    raise GPUWaitedForError(f"{func} with an index on the CPU")


class Event:
    """Stands for a CUDA event or stream; fake work is done at once."""

    def __init__(self, *_: object, **__: object) -> None:
        """Nothing runs here."""

    def record(self, stream: object = None) -> None:
        """Nothing runs here."""

    def query(self) -> bool:
        return True


class Generator(torch.Generator):
    """A stream of random numbers on any device, of which a fake one draws none."""

    def __new__(cls, device: object = "cpu") -> Generator:
        del device
        return super().__new__(cls)


def backward(loss: Tensor) -> None:
    """Gradients of a fake loss, node by node: PyTorch's own engine asks the driver for its streams first."""
    assert loss.grad_fn is not None
    order, seen, stack = [], {loss.grad_fn}, [(loss.grad_fn, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
            continue
        stack.append((node, True))
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                stack.append((following, False))
    given: dict[Any, dict[int, Tensor]] = {loss.grad_fn: {loss.output_nr: torch.ones_like(loss)}}
    with torch.no_grad():
        for node in reversed(order):
            made = node(*[given.get(node, {}).get(number) for number in range(len(node._input_metadata))])
            made = made if isinstance(made, tuple) else (made,)
            for (following, number), gradient in zip(node.next_functions, made, strict=True):
                if following is None or gradient is None:
                    continue
                wanted, inputs = following._input_metadata[number], given.setdefault(following, {})
                gradient = gradient.sum_to_size(wanted.shape).to(wanted.dtype)
                inputs[number] = inputs[number] + gradient if number in inputs else gradient


def _apply(module: nn.Module, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """Move a module by new tensors: fake ones can neither be swapped nor be set as data of real ones."""
    for child in module.children() if recurse else ():
        child._apply(fn)
    for name, weight in module._parameters.items():
        if weight is not None:
            module._parameters[name] = nn.Parameter(fn(weight.detach()), weight.requires_grad)
    module._buffers.update({name: fn(part) for name, part in module._buffers.items() if part is not None})
    return module


def _loaded(load: Callable[..., Any]) -> Callable[..., Any]:
    """Checkpoints hold real values."""

    def loaded(*arguments: Any, **settings: Any) -> Any:
        with unset_fake_temporarily():
            return load(*arguments, **settings)

    return loaded


@contextmanager
def fake_cuda(patch: pytest.MonkeyPatch) -> Iterator[FakeCUDA]:
    """The mode, with what PyTorch asks of a driver replaced."""
    patch.setattr(torch, "Generator", Generator)
    patch.setattr(torch, "load", _loaded(torch.load))
    patch.setattr(torch.Tensor, "backward", backward)
    patch.setattr(nn.Module, "_apply", _apply)
    patch.setattr(torch.cuda, "Event", Event)
    patch.setattr(torch.cuda, "current_stream", Event)
    patch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    patch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    with FakeCUDA() as mode:
        yield mode
