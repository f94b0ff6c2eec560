"""Write ``docs/options.md`` from the option dataclasses.

    python -m degflow_aug.commands.options.reference FILE.md

A key's text is its line under ``Attributes:`` in the docstring of its class or of one that the class extends.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

from degflow_aug.degradations.build import TYPES
from degflow_aug.degradations.options import DegradationOptions
from degflow_aug.files.writing import atomic_path
from degflow_aug.onestep import options as onestep_options
from degflow_aug.options import stages as options
from degflow_aug.options import super_resolution as sr_options

HEAD = """# Options

Written by `python -m degflow_aug.commands.options.reference degflow_aug/docs/options.md` from the dataclasses that read
the sections; a test keeps it so. An unknown key, another type or a value that cannot be is refused in one sentence. The
other sections of an option file are BasicSR's.
"""
# model_type as option files name it, and what reads its section `degflow:`.
STAGES: dict[str, type] = {
    "RAEModel": options.RAEOptions,
    "LFMModel": options.LFMOptions,
    "RefineModel": options.RefineOptions,
    "LFMDistillModel": options.DistillOptions,
}
SUPER_RESOLUTION: dict[str, type] = {
    "DegradedSRModel": sr_options.SROptions,
    "DegradedESRGANModel": sr_options.SROptions,
    "ArbitraryScaleSRModel": sr_options.ArbitraryScaleOptions,
}
ONE_STEP: dict[str, type] = {
    "OMGSRModel": onestep_options.OMGSROptions,
    "FluxSRModel": onestep_options.FluxSROptions,
    "FlowSRModel": onestep_options.FlowSROptions,
}
_KINDS = {float: "number", int: "whole number", bool: "true or false", str: "text", Mapping: "mapping"}
_ENTRY = re.compile(r"^ {4}(?P<names>\w+(?:, \w+)*): (?P<text>.*)$")


def reference() -> str:
    """Return the whole page."""
    parts = [HEAD, "## `degflow:` of a generator's stages\n", "All of them take:\n", _table(options.StageOptions)]
    parts += ["The stages on latents, `LFMModel` and `LFMDistillModel`, also take:\n"]
    parts += [_table(options.PathOptions, options.StageOptions)]
    for name, kind in STAGES.items():
        parts += [f"### `{name}`\n", _table(kind, options.StageOptions, options.PathOptions)]
    fixed = ", ".join(f"`{name}`" for name, kind in SUPER_RESOLUTION.items() if kind is sr_options.SROptions)
    parts += ["## `degflow:` of super-resolution models\n", f"{fixed} and `ArbitraryScaleSRModel`:\n"]
    parts += [_table(sr_options.SROptions), "### `ArbitraryScaleSRModel`\n"]
    parts += [_table(sr_options.ArbitraryScaleOptions, sr_options.SROptions)]
    parts += [
        "## `degflow:` of one-step models\n",
        "All of them take the keys of super-resolution models above, and:\n",
    ]
    parts += [_table(onestep_options.OneStepOptions, sr_options.SROptions)]
    for name, kind in ONE_STEP.items():
        parts += [f"### `{name}`\n", _table(kind, onestep_options.OneStepOptions, sr_options.SROptions)]
    parts += ["## `degradation:`\n", "`type` names one of these; each takes its own keys.\n"]
    for name, degradation in TYPES.items():
        parts += [f"### `type: {name}`\n", f"{_summary(degradation)}\n", _table(degradation)]
    return "\n".join(parts)


def descriptions(kind: type) -> dict[str, str]:
    """Return the text of every key of an options class, its own before an inherited one.

    Raises:
        ValueError: a field that no docstring describes.
    """
    told = _attributes(DegradationOptions)
    for each in reversed(kind.__mro__):
        told |= _attributes(each)
    found = {}
    for item in dataclasses.fields(kind):
        first = item.name.removesuffix("2")
        if item.name not in told and (first not in told or first == item.name):
            raise ValueError(f"expected {item.name} under Attributes: of {kind.__name__}, got nothing; add a line")
        found[item.name] = told.get(item.name, f"``{first}`` of the second order.")
    return found


def _attributes(kind: type) -> dict[str, str]:
    """Read the entries under ``Attributes:`` of a class' own docstring, continued lines joined."""
    text = inspect.cleandoc(kind.__dict__.get("__doc__") or "")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in text.partition("Attributes:\n")[2].splitlines():
        entry = _ENTRY.match(line)
        if entry:
            names = entry["names"].split(", ")
            found |= dict.fromkeys(names, entry["text"])
        elif line.startswith(" " * 8):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            break
    return found


def _summary(kind: type) -> str:
    """Return the first sentence of the docstring."""
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def _table(kind: type, *said_before: type) -> str:
    """Format the keys of ``kind``, a row each, without those that come from one of ``said_before``."""
    own = {name for each in kind.__mro__ if each not in said_before for name in inspect.get_annotations(each)}
    told, hints = descriptions(kind), get_type_hints(kind)
    rows = [
        f"| `{item.name}` | {_kind(hints[item.name])} | {_default(item)} | {_cell(told[item.name])} |"
        for item in dataclasses.fields(kind)
        if item.name in own
    ]
    return "\n".join(["| key | value | default | what it is |", "|---|---|---|---|", *rows, ""])


def _kind(hint: Any) -> str:
    """A type in words: what YAML has to hold."""
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [_kind(each) for each in get_args(hint) if each is not type(None)]
        return " or ".join(kinds)
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        many = "a list" if Ellipsis in parts else f"{len(parts)} values"
        return f"{many}: {_kind(parts[0])}"
    return _KINDS[hint]


def _default(item: dataclasses.Field[Any]) -> str:
    if item.default is dataclasses.MISSING:
        return "needed"
    if item.default is None or item.default in ("", ()):
        return "none"
    value = list(item.default) if isinstance(item.default, tuple) else item.default
    value = f"{value:g}" if isinstance(value, float) else yaml.safe_dump(value, default_flow_style=True, width=1000)
    return f"`{value.removesuffix('...' + chr(10)).strip()}`"


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write the page to the file that is named, or print it."""
    if not arguments:
        print(reference(), end="")
        return 0
    with atomic_path(Path(arguments[0])) as partial:
        partial.write_text(reference(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
