"""Malformed inputs: bytes that were flipped, cut or overwritten, values of a wrong kind, and code."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import torch
import yaml
from torch import Tensor

NUMBERS = (0, 1, 127, 128, 255, 65535, 65536, 16_000_000, 2**31 - 1, 2**31, 2**32 - 1)
HOSTILE_YAML = (
    "!!python/object/apply:os.system ['touch ran']", "!!python/name:os.system", "!mine {a: 1}", "&loop [*loop]",
    "[" * 3000 + "]" * 3000, "2024-13-45", ".nan", "1e999", "!!binary aGVsbG8=", "!!int x", "? [a, b]\n: c", "*nothing",
    "\t- a", "'", "|\n" + "x" * 2_000_000,
)  # fmt: skip
DEEP = json.loads("[" * 150 + "1" + "]" * 150)


def mutate_bytes(data: bytes, rng: random.Random, head: int = 256) -> bytes:
    """Flip, cut off, cut out, insert or overwrite; half of the places are among the first ``head`` bytes."""
    at = rng.randrange(min(head, len(data)) if rng.random() < 0.5 else len(data))
    size = rng.choice((1, 2, 4, 8))
    number = (rng.choice(NUMBERS) & (2 ** (8 * size) - 1)).to_bytes(size, rng.choice(("little", "big")))
    return rng.choice((
        data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :], data[:at], data[:-1],
        data[:at] + data[at + 64 :], data[:at] + rng.randbytes(4) + data[at:], data[:at] + number + data[at + size :],
        data[:at] + bytes(64) + data[at + 64 :], b"",
    ))  # fmt: skip


def bad_value(rng: random.Random, old: Any) -> Any:
    """A value that has no business where ``old`` was, or barely."""
    return rng.choice((
        None, "", "x", [], {}, [[]], {"a": 1}, True, -1, 0, 1e-300, 1e308, float("nan"), float("inf"), 2**63, 10**30,
        "../../../escaped", "/etc/passwd", "a" * 10_000, "\ud7ff\x1b[31m", "$(touch ran)", [old], {"type": old},
        str(old), "\0", 0.5, DEEP,
    ))  # fmt: skip


def mutate_tree(tree: Any, rng: random.Random) -> Any:
    """A copy with one value replaced, removed or renamed."""
    tree = copy.deepcopy(tree)
    holder, key = rng.choice(list(_places(tree)))
    change = rng.random()
    if change < 0.75:
        holder[key] = bad_value(rng, holder[key])
    elif change < 0.85 or isinstance(holder, list):
        del holder[key]
    else:
        holder[rng.choice((f"{key}x", "", "../up"))] = holder.pop(key)
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from _places(tree[key])


def mutate_json(tree: Any, rng: random.Random) -> bytes:
    """JSON with a wrong value, or that hardly is any."""
    broken = (b"[" * 200_000, b"", b"null", b"\xff\xfe{}", mutate_bytes(json.dumps(tree).encode(), rng))
    return rng.choice(broken) if rng.random() < 0.3 else json.dumps(mutate_tree(tree, rng)).encode()


def mutate_yaml(tree: Any, rng: random.Random) -> bytes:
    """YAML with a wrong value, with changed bytes, or with what YAML itself has to be feared for."""
    text = yaml.safe_dump(tree, sort_keys=False).encode()
    changed = yaml.safe_dump(mutate_tree(tree, rng), sort_keys=False).encode("utf-8", "replace")
    return rng.choice((changed, mutate_bytes(text, rng), text + f"more: {rng.choice(HOSTILE_YAML)}\n".encode()))


def mutate_safetensors(data: bytes, rng: random.Random) -> bytes:
    """A changed byte, header or spec of a bundle, or a tensor with a value that is no number."""
    length = struct.unpack("<Q", data[:8])[0]
    header, tensors = json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])
    kind = rng.random()
    if kind < 0.25:
        return mutate_bytes(data, rng)
    if kind < 0.7:
        spec = mutate_json(json.loads(header["__metadata__"]["spec"]), rng)
        header["__metadata__"]["spec"] = spec.decode("utf-8", "replace")
    elif kind < 0.85:
        header = mutate_tree(header, rng)
    else:
        tensors[:4] = struct.pack("<f", rng.choice((float("nan"), float("inf"), 1e38)))
    text = json.dumps(header).encode()
    claimed = len(text) if rng.random() < 0.9 else rng.choice((0, 2**40, 2**64 - 1))
    return struct.pack("<Q", claimed) + text + bytes(tensors)


class Runs:
    """Unpickled, it leaves a file named ``ran`` in the working directory."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.system, ("touch ran",)


def mutate_checkpoint(data: bytes, rng: random.Random) -> bytes:
    """What ``torch.save`` wrote: changed bytes, code, wrong tensors or wrong values."""
    content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    kind = rng.random()
    if kind < 0.35:
        return mutate_bytes(data, rng, head=4096)
    if kind < 0.5:
        content[rng.choice(("extra", "params", "iter"))] = Runs()
        if rng.random() < 0.3:
            return pickle.dumps(content)
    elif kind < 0.8:
        places = [(holder, key) for holder, key in _places(content) if isinstance(holder[key], Tensor)]
        holder, key = rng.choice(places)
        holder[key] = _bad_tensor(holder[key], rng)
    else:
        content = mutate_tree(content, rng)
    buffer = io.BytesIO()
    # In the format of today or in that of torch 1.5.
    torch.save(content, buffer, _use_new_zipfile_serialization=rng.random() < 0.75)
    return buffer.getvalue()


def _bad_tensor(value: Tensor, rng: random.Random) -> Any:
    return rng.choice((
        value.to(torch.complex64), value.flatten(), value[None], value * float("nan"), value.to_sparse(),
        value.to("meta"), torch.zeros(1).expand(10**6, 10**6), value.bool(), None, "weights",
    ))  # fmt: skip
