"""Malformed inputs: bytes that were flipped, cut, moved or overwritten, and trees of values with one that is wrong."""

from __future__ import annotations

import copy
import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import yaml

INTERESTING = (0, 1, 2, 7, 127, 128, 255, 256, 32767, 65535, 65536, 16_000_000, 2**31 - 1, 2**31, 2**32 - 1)


def mutate_bytes(data: bytes, rng: random.Random, head: int = 256) -> bytes:
    """One to three changes of a file; half of those that hit a place hit its first ``head`` bytes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(_CHANGES)(data, rng, head) if data else bytes(rng.randrange(256) for _ in range(40))
    return data


def _place(data: bytes, rng: random.Random, head: int) -> int:
    return rng.randrange(min(head, len(data)) if rng.random() < 0.5 else len(data))


def _flip(data: bytes, rng: random.Random, head: int) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 4, 16))):
        changed[_place(data, rng, head)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncate(data: bytes, rng: random.Random, head: int) -> bytes:
    return data[: rng.choice((_place(data, rng, head), len(data) - 1, 0))]


def _insert(data: bytes, rng: random.Random, head: int) -> bytes:
    at = _place(data, rng, head)
    return data[:at] + bytes(rng.randrange(256) for _ in range(rng.choice((1, 4, 300)))) + data[at:]


def _cut_out(data: bytes, rng: random.Random, head: int) -> bytes:
    at = _place(data, rng, head)
    return data[:at] + data[at + rng.choice((1, 4, 64, len(data) // 3)) :]


def _splice(data: bytes, rng: random.Random, head: int) -> bytes:
    first, second = sorted((_place(data, rng, head), _place(data, rng, head)))
    at = _place(data, rng, head)
    return data[:at] + data[first:second] + data[at + (second - first) * rng.randrange(2) :]


def _overwrite_number(data: bytes, rng: random.Random, head: int) -> bytes:
    """A field of 1 to 8 bytes, of either byte order: a size, an offset or a length."""
    size, at = rng.choice((1, 2, 4, 4, 8)), _place(data, rng, head)
    number = rng.choice(INTERESTING) & (2 ** (8 * size) - 1)
    return data[:at] + number.to_bytes(size, rng.choice(("little", "big"))) + data[at + size :]


def _clear(data: bytes, rng: random.Random, head: int) -> bytes:
    at, length = _place(data, rng, head), rng.choice((4, 32, 4096))
    return data[:at] + rng.choice((b"\0", b"\xff")) * min(length, len(data) - at) + data[at + length :]


_CHANGES: tuple[Callable[[bytes, random.Random, int], bytes], ...] = (
    _flip, _flip, _truncate, _insert, _cut_out, _splice, _overwrite_number, _overwrite_number, _clear,
)  # fmt: skip


def mutate_image_header(data: bytes, rng: random.Random) -> bytes:
    """Another size or depth in the header of an image, with a checksum that fits it: decoders get to believe it."""
    size = rng.choice((0, 1, 95, 97, 2049, 16_383, 40_000, 65_535, 2**31 - 1, 2**32 - 1))
    changed = bytearray(data)
    if data.startswith(b"\x89PNG"):
        field, number = rng.choice(((16, ">I"), (20, ">I"), (24, ">B"), (25, ">B"), (28, ">B"))), size
        value = number if field[1] == ">I" else rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 32))
        struct.pack_into(field[1], changed, field[0], value)
        struct.pack_into(">I", changed, 29, zlib.crc32(changed[12:29]))
    elif data.startswith(b"\xff\xd8"):
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        struct.pack_into(">H", changed, frame + rng.choice((2, 5, 7, 10, 13)), size & 0xFFFF)
    elif data.startswith(b"BM"):
        struct.pack_into("<i", changed, rng.choice((10, 14, 18, 22, 34)), size if size < 2**31 else -size % 2**31)
    elif data.startswith(b"II*\0"):
        directory = struct.unpack_from("<I", data, 4)[0]
        entry = directory + 2 + 12 * rng.randrange(struct.unpack_from("<H", data, directory)[0])
        struct.pack_into("<I", changed, entry + rng.choice((4, 8)), size)
    else:
        struct.pack_into("<I", changed, rng.choice((4, 16, 21, 24, 26)), size)
    return bytes(changed)


def bad_value(rng: random.Random, old: Any) -> Any:
    """A value that has no business where ``old`` was, or barely."""
    return rng.choice((
        None, "", "x", [], {}, [[]], {"a": 1}, True, False, -1, 0, 1e-300, 1e308, float("nan"), float("inf"),
        -float("inf"), 2**31, 2**63, 10**30, 10**400, "../../../escaped", "/etc/passwd", "a" * 10_000, "\ud7ff\x1b[31m",
        "nan", "1e5", "$(touch ran)", [old], {"type": old}, [old, old], str(old), 10**9, 123_456, [None], "\0", 0.5,
        nested(rng.choice((3, 60, 150))),
    ))  # fmt: skip


def nested(depth: int) -> Any:
    """A list in a list in a list."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def mutate_tree(tree: Any, rng: random.Random) -> Any:
    """A copy with one or two values replaced, removed, renamed or added."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 2))):
        holders = list(_holders(tree))
        if not holders or rng.random() < 0.02:
            return bad_value(rng, tree)
        holder, key = rng.choice(holders)
        change = rng.random()
        if change < 0.75:
            holder[key] = bad_value(rng, holder[key])
        elif change < 0.85:
            del holder[key]
        elif isinstance(holder, dict):
            value = holder.pop(key) if change < 0.93 else holder[key]
            holder[rng.choice((f"{key}x", 7, "", "../up", None, 1.5))] = value
        else:
            holder.append(bad_value(rng, holder[key]))
    return tree


def _holders(tree: Any) -> Any:
    if isinstance(tree, dict):
        for key in list(tree):
            yield tree, key
            yield from _holders(tree[key])
    elif isinstance(tree, list):
        for index in range(len(tree)):
            yield tree, index
            yield from _holders(tree[index])


def mutate_json(tree: Any, rng: random.Random) -> bytes:
    """JSON text of a tree with a wrong value, or text that is hardly JSON."""
    text = json.dumps(_text_keys(mutate_tree(tree, rng)) if rng.random() < 0.7 else tree)
    if rng.random() < 0.08:
        return rng.choice((b"[" * 200_000, b'{"a":' * 100_000, b"", b"null", b"\xff\xfe{}", b"1" * 6000))
    return mutate_bytes(text.encode(), rng) if rng.random() < 0.3 else text.encode()


def _text_keys(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {str(key): _text_keys(value) for key, value in tree.items()}
    return [_text_keys(value) for value in tree] if isinstance(tree, list) else tree


def mutate_yaml(tree: Any, rng: random.Random) -> bytes:
    """YAML text of a tree with a wrong value; text that was mutated; or what YAML itself has to be feared for."""
    kind = rng.random()
    if kind < 0.6:
        return yaml.dump(mutate_tree(tree, rng), sort_keys=False, allow_unicode=True).encode("utf-8", "replace")
    text = yaml.dump(tree, sort_keys=False)
    if kind < 0.8:
        return mutate_bytes(text.encode(), rng)
    hostile = rng.choice(HOSTILE_YAML)
    lines = text.splitlines()
    position = rng.randrange(len(lines) + 1)
    if rng.random() < 0.5:
        return f"{text}more: {hostile}\n".encode()
    keyed = [index for index, line in enumerate(lines) if ": " in line]
    if keyed:
        position = rng.choice(keyed)
        lines[position] = lines[position].partition(": ")[0] + f": {hostile}"
    return "\n".join(lines).encode()


LAUGHS = "{a: &a [1,1,1,1,1,1,1,1,1], " + ", ".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(12)
) + "}"  # fmt: skip
HOSTILE_YAML = (
    "!!python/object/apply:os.system ['touch ran']",
    "!!python/object/new:os.system ['touch ran']",
    "!!python/name:os.system",
    "!!python/module:os",
    "!!python/object/apply:builtins.open [ran, w]",
    "!mine {a: 1}",
    LAUGHS,
    "&loop [*loop]",
    "&loop {again: *loop}",
    "[" * 3000 + "]" * 3000,
    "{a: " * 1500 + "1" + "}" * 1500,
    "0x" + "f" * 5000,
    "1" * 5000,
    "1:" * 2000 + "1",
    "2024-13-45",
    "2024-01-01",
    ".nan",
    "-.inf",
    "1e999",
    "!!binary aGVsbG8=",
    "!!set {a, b}",
    "!!timestamp x",
    "!!int x",
    "!!float []",
    "? [a, b]\n: c",
    "*nothing",
    "\t- a",
    "'",
    "|\n" + "x" * 2_000_000,
    "<<: {a: 1}",
)
