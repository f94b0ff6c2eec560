"""Which room may import which: one table, held for every import, also inside functions and under TYPE_CHECKING.

A room is a folder of the first level of the package, or a module beside it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import degflow_aug

PACKAGE = Path(degflow_aug.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

MAY_IMPORT: dict[str, set[str]] = {
    **{ground: set() for ground in ("console", "flow", "draws")},
    "files": {"console"},
    "pages": {"console"},
    "alignment": {"files"},
    "options": {"files"},
    "metrics": {"files"},
    "compat": {"console", "files", "options", "draws"},
    "data": {"files", "options", "draws"},
    "archs": {"compat", "files", "options"},
    "bundles": {"archs", "files"},
    "degradations": {"archs", "bundles", "compat", "draws", "files", "flow", "options"},
}
_BELOW_EVALUATION = {"console", "degradations", "bundles", "metrics", "data", "compat", "files"}
MAY_IMPORT["evaluation"] = _BELOW_EVALUATION
_BELOW_MODELS = set(MAY_IMPORT) - {"evaluation", "alignment", "pages"}
MAY_IMPORT["models"] = _BELOW_MODELS
MAY_IMPORT["fit"] = _BELOW_MODELS | {"models", "evaluation"}
MAY_IMPORT["onestep"] = _BELOW_MODELS | {"models"}
MAY_IMPORT["report"] = {"pages", "evaluation", "files", "console", "options"}
# These put the parts together: they may import all.
TOP = {"commands", "plugin", "cli", "__main__", "__init__"}

# Inside these rooms: a folder, and those of the same room that its files may import. "" is the room's own folder.
INSIDE: dict[str, dict[str, set[str]]] = {
    "models": {
        "training": set(),
        "validation": {"training"},
        "stages": {"validation", "training"},
        "checks": {"stages", "validation", "training"},
        "inference": {"checks", "validation", "training"},
        "sr": {"inference", "checks", "validation", "training"},
        "": {"sr", "inference", "checks", "stages", "validation", "training"},
    },
    "onestep": {
        "losses": set(),
        "networks": {"losses"},
        "restoration": {"networks", "losses"},
        "": {"restoration", "networks", "losses"},
        **{system: {"", "restoration", "networks", "losses"} for system in ("omgsr", "fluxsr", "flowsr")},
    },
    "archs": {"": set(), "generator": {""}, "arbitrary_scale": {""}, "fixed_scale": {""}},
    "data": {"": {"layouts"}, "layouts": set()},
    "degradations": {
        "": set(),
        "simulator": {""},
        "realesrgan": {""},
        "bsrgan": {"", "realesrgan"},
        "noise": {""},
        "fitted": {"", "noise"},
        "generator": {"", "noise", "fitted"},
    },
}
# The roof of a room: the one file of its own folder that looks into all the others.
ROOFS = {"degradations/build.py"}


@dataclass(frozen=True)
class Import:
    """An imported module, and whether it is loaded as soon as its file is."""

    file: Path
    line: int
    module: str
    at_once: bool

    def __str__(self) -> str:
        return f"{self.file.relative_to(PACKAGE)}:{self.line} imports {self.module}"


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def _imports(file: Path) -> Iterator[Import]:
    def walk(node: ast.AST, at_once: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(file, child.lineno, name.name, at_once) for name in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{file}:{child.lineno} is a relative import"
                for name in child.names:
                    whole = f"{child.module}.{name.name}"
                    yield Import(file, child.lineno, whole if whole in MODULES else str(child.module), at_once)
            later = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or _is_type_checking(child)
            yield from walk(child, at_once and not later)

    return walk(ast.parse(file.read_text(encoding="utf-8")), True)


def _module_of(file: Path) -> str:
    return ".".join(("degflow_aug", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {_module_of(file): file for file in FILES}
IMPORTS = [found for file in FILES for found in _imports(file)]
OURS = [found for found in IMPORTS if found.module in MODULES and found.module != "degflow_aug"]


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def folder(file: Path) -> str:
    """The folder inside the room: ``""`` for the room's own files."""
    return file.relative_to(PACKAGE).parts[1] if len(file.relative_to(PACKAGE).parts) > 2 else ""


def test_every_room_has_its_place() -> None:
    assert {room(file) for file in FILES} == set(MAY_IMPORT) | TOP


@pytest.mark.parametrize("name", sorted(MAY_IMPORT))
def test_rooms_import_what_stands_below_them(name: str) -> None:
    against = [
        str(found)
        for found in OURS
        if room(found.file) == name and room(MODULES[found.module]) not in MAY_IMPORT[name] | {name}
    ]
    assert against == []


@pytest.mark.parametrize("name", sorted(INSIDE))
def test_folders_of_a_room_import_one_way(name: str) -> None:
    against = [
        str(found)
        for found in OURS
        if room(found.file) == name == room(MODULES[found.module])
        and (above := folder(found.file)) != (below := folder(MODULES[found.module]))
        and below not in INSIDE[name][above]
        and str(found.file.relative_to(PACKAGE)) not in ROOFS
    ]
    assert against == []


def test_files_import_each_other_in_no_circle() -> None:
    """Imports inside functions count too: a circle that is only postponed is still one to read."""
    below = {file: {MODULES[found.module] for found in OURS if found.file == file} - {file} for file in FILES}
    while leaves := [file for file, others in below.items() if not others]:
        for file in leaves:
            del below[file]
        below = {file: others.difference(leaves) for file, others in below.items()}
    assert [str(file.relative_to(PACKAGE)) for file in below] == []


def test_flow_imports_torch_only() -> None:
    strange = [
        str(found)
        for found in IMPORTS
        if room(found.file) == "flow"
        and found.module not in MODULES
        and (root := found.module.split(".")[0]) not in sys.stdlib_module_names | {"torch"}
        and not (root == "scipy" and found.file.name == "solver.py" and not found.at_once)
    ]
    assert strange == []


def test_networks_and_degradations_need_no_basicsr_when_imported() -> None:
    """Only trainers subclass BasicSR; whoever wants a generator alone must not need it."""
    trainers = {"models", "onestep"}
    needing = [
        str(found)
        for found in IMPORTS
        if found.at_once and found.module.split(".")[0] in ("basicsr", "lpips") and room(found.file) not in trainers
    ]
    assert needing == []


def test_option_dicts_stay_in_options_models_and_data() -> None:
    """Everything else takes typed keyword arguments: no function there has a parameter named after the option file."""
    places = {"options", "models", "data", "fit", "onestep", "commands", "plugin", "compat", "files"}
    dicts = [
        f"{file.relative_to(PACKAGE)}:{node.lineno} {node.name}"
        for file in FILES
        if room(file) not in places
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and {"opt", "options", "config", "cfg"} & {item.arg for item in (*node.args.args, *node.args.kwonlyargs)}
    ]
    assert dicts == []


def test_folders_are_rooms_that_a_reader_can_overlook() -> None:
    """At most 15 modules in a folder, 7 in the package's own, two folders deep."""
    counts: dict[Path, int] = {}
    for file in FILES:
        if file.name != "__init__.py":
            counts[file.parent.relative_to(PACKAGE)] = counts.get(file.parent.relative_to(PACKAGE), 0) + 1
    crowded = {str(place): count for place, count in counts.items() if count > (7 if place == Path() else 15)}
    assert crowded == {}
    assert [str(place) for place in counts if len(place.parts) > 2] == []
