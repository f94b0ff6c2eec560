"""Malformed safetensors and ``torch.save`` files: wrong headers, wrong tensors, bombs, and code that must not run."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.faults.inputs.mutations import bad_value, mutate_bytes, mutate_tree


def mutate_safetensors(data: bytes, rng: random.Random) -> bytes:
    """A changed header, spec or byte of a bundle, or one of its tensors with a value that is no number."""
    kind = rng.random()
    if kind < 0.3:
        return mutate_bytes(data, rng)
    length = struct.unpack("<Q", data[:8])[0]
    header, tensors = json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])
    if kind < 0.7:
        spec = json.loads(header["__metadata__"]["spec"])
        header["__metadata__"]["spec"] = json.dumps(_keys_as_text(mutate_tree(spec, rng)))
        if rng.random() < 0.1:
            header["__metadata__"]["spec"] = rng.choice(("[" * 100_000, "{}", "null", "", '{"knots": 1e999}'))
    elif kind < 0.85:
        header = _keys_as_text(mutate_tree(header, rng))
    else:
        at = rng.randrange(0, len(tensors) - 4, 4)
        tensors[at : at + 4] = struct.pack("<f", rng.choice((float("nan"), float("inf"), 1e38, -1e38)))
    text = json.dumps(header).encode()
    claimed = len(text) if rng.random() < 0.9 else rng.choice((0, 1, 2**31, 2**40, 2**63, 2**64 - 1))
    return struct.pack("<Q", claimed) + text + bytes(tensors)


def _keys_as_text(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {str(key): _keys_as_text(value) for key, value in tree.items()}
    return [_keys_as_text(value) for value in tree] if isinstance(tree, list) else tree


def mutate_checkpoint(content: Any, data: bytes, rng: random.Random) -> bytes:
    """What ``torch.save`` wrote of ``content``, malformed."""
    kind = rng.random()
    if kind < 0.35:
        return mutate_bytes(data, rng, head=4096)
    if kind < 0.5:
        return hostile_pickle(rng, content)
    if kind < 0.6:
        return bomb(data, rng)
    return save(_with_bad_tensor(content, rng) if rng.random() < 0.5 else mutate_tree(content, rng), rng)


def save(content: Any, rng: random.Random) -> bytes:
    """``torch.save`` in the format of today or that of torch 1.5."""
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=rng.random() < 0.75)
    return buffer.getvalue()


class Runs:
    """Unpickled, it would leave a file named ``ran`` in the working directory."""

    def __init__(self, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call, self.arguments


def hostile_pickle(rng: random.Random, content: Any = None) -> bytes:
    """A checkpoint or a bare pickle with code in it."""
    runs = rng.choice((Runs(os.system, ("touch ran",)), Runs(open, ("ran", "w")), Runs(eval, ("open('ran', 'w')",))))
    hidden = {**content, rng.choice(("spec", "extra", "params", "iter")): runs} if isinstance(content, dict) else runs
    if rng.random() < 0.3:
        return pickle.dumps(hidden)
    return save(hidden, rng)


def bomb(data: bytes, rng: random.Random) -> bytes:
    """The same archive with its records compressed behind a record, or a tensor, that grows a thousandfold."""
    if rng.random() < 0.5:
        stretched = torch.zeros(1).expand(2**16, 2**14) if rng.random() < 0.5 else torch.zeros(1).expand(2**31)
        name = rng.choice(("encoder", "model", "params"))
        content = {name: {"stem.weight": stretched, "all_modules.2.weight": stretched}, "decoder": {"x": stretched}}
        return save(content | {"spec": {}, "iter": 1, "epoch": 1, "optimizers": [], "schedulers": []}, rng)
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as before,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as after,
    ):
        for name in before.namelist():
            grown = name.endswith(("data/0", "data.pkl")) and rng.random() < 0.8
            after.writestr(name, before.read(name) + (b"\0" * 100_000_000 if grown else b""))
    return buffer.getvalue()


def _with_bad_tensor(content: Any, rng: random.Random) -> Any:
    """One tensor of another shape, kind, or layout, or something that is none."""
    content = _copied(content)
    places = list(_tensors(content))
    if not places:
        return bad_value(rng, content)
    holder, key = rng.choice(places)
    value = holder[key]
    makers: tuple[Callable[[], Any], ...] = (
        lambda: value.to(torch.int64), lambda: value.to(torch.complex64), lambda: value.to(torch.float16),
        lambda: value.flatten(), lambda: value[:0], lambda: value[None], lambda: value * float("nan"),
        lambda: value.to_sparse(), lambda: value.to("meta"), lambda: torch.zeros(1).expand(10**6, 10**6),
        lambda: torch.zeros(()), lambda: value.bool(),
        lambda: torch.quantize_per_tensor(value.float(), 0.1, 0, torch.qint8),
        lambda: [1.0, 2.0], lambda: None, lambda: {key: value}, lambda: "weights",
    )  # fmt: skip
    try:
        holder[key] = rng.choice(makers)()
    except (RuntimeError, IndexError, TypeError):
        holder[key] = value.flatten().double()
    return content


def _copied(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    return [_copied(value) for value in tree] if isinstance(tree, list) else tree


def _tensors(tree: Any) -> Any:
    if isinstance(tree, (dict, list)):
        for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
            if isinstance(tree[key], Tensor):
                yield tree, key
            else:
                yield from _tensors(tree[key])
