"""Write ``docs/options.md`` from the option dataclasses.

    python -m degflow_aug.commands.options.reference FILE.md

A key's text is its line under ``Attributes:`` in the docstring of its class or of one that the class extends.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from degflow_aug.degradations.build import TYPES
from degflow_aug.degradations.options import DegradationOptions
from degflow_aug.files.writing import atomic_path
from degflow_aug.onestep import options as onestep_options
from degflow_aug.options import basicsr_keys
from degflow_aug.options import stages as options
from degflow_aug.options import super_resolution as sr_options
from degflow_aug.options.values import in_words

HEAD = """# Options

Written by `python -m degflow_aug.commands.options.reference degflow_aug/docs/options.md` from the dataclasses that read
the sections, and from the table of BasicSR's keys; a test keeps it so. An unknown key, another type or a value that
cannot be is refused in one sentence before anything is written, in option files and in `--force_yml`. A whole number
may be written as 5e3 or 1.0; text in quotes is neither a number nor true or false.
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
_BASICSR: dict[str, basicsr_keys.Table] = {
    "Top level": basicsr_keys.TOP_LEVEL,
    **{f"`{name}:`": table for name, table in basicsr_keys.SECTIONS.items()},
    "`logger.wandb:`": basicsr_keys.WANDB,
    "`train.optim_g:`, `train.optim_d:`": basicsr_keys.OPTIMIZER,
    **{f"`train.scheduler:` of `type: {name}`": table for name, table in basicsr_keys.SCHEDULERS.items()},
    **{f"`val.metrics:` of `type: {name}`": table for name, table in basicsr_keys.METRICS.items()},
    "`datasets:`, of every type": basicsr_keys.LOADER,
    "`datasets:`, of BasicSR's types and ours": basicsr_keys.DATASET,
    "`datasets:`, of ours": basicsr_keys.OWN_DATASET,
}
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
    parts += [
        "## BasicSR's sections\n",
        "BasicSR's documentation says what they do; `val.best` and `crop_border: scale` are ours. Models and data\n"
        "sets of ours take those that they read, and say of others where they belong. With models of BasicSR's own,\n"
        "types are checked and further keys are let through, but `degflow` and `degradation`. Arguments of networks\n"
        "and losses have to be of the type of their default.\n",
    ]
    for title, table in _BASICSR.items():
        parts += [f"### {title}\n", _hint_table({key: table[key] for key in table if key not in basicsr_keys.ADDED})]
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
    told, hints = descriptions(kind), get_type_hints(kind, include_extras=True)
    rows = [
        f"| `{item.name}` | {in_words(hints[item.name])} | {_default(item)} | {_cell(told[item.name])} |"
        for item in dataclasses.fields(kind)
        if item.name in own
    ]
    return "\n".join(["| key | value | default | what it is |", "|---|---|---|---|", *rows, ""])


def _hint_table(table: Mapping[str, Any]) -> str:
    """Format keys that have no text of ours."""
    rows = [f"| `{key}` | {in_words(hint)} |" for key, hint in sorted(table.items())]
    return "\n".join(["| key | value |", "|---|---|", *rows, ""])


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
