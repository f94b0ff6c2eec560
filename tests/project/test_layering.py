"""The arrows: commands -> models -> degradations -> {flow, archs, bundle}; data, losses, metrics and pages are leaves.

Every file is parsed, so that imports inside functions and under TYPE_CHECKING count as well.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import degflow_aug

pytest.skip("rooms are being moved; one table of rooms takes its place", allow_module_level=True)

PACKAGE = Path(degflow_aug.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
LEAVES = {"data", "losses", "metrics", "pages"}
# Top-level modules that stand below every subpackage: no trainer, no network.
HELPERS = {
    "atomic_file",
    "nearest_name",
    "sole_writer",
    "yaml_options",
    "basicsr_keys",
    "compat",
    "compat_devices",
    "compat_filters",
    "compat_history",
    "compat_loading",
    "compat_metrics",
    "compat_options",
    "compat_resume",
    "compat_state",
    "compat_training",
    "progress",
    "run_history",
    "compat_unpickling",
    "plain_values",
    "tensor_file",
}
GENERATOR = {"bundle", "bundle_spec", "official_weights"}
LOWER = HELPERS | {"flow", "archs"} | GENERATOR
ALLOWED: dict[str, set[str]] = {
    "flow": {"flow"},
    "archs": {"archs", "compat", "tensor_file", "yaml_options"},
    "bundle": {"archs", "atomic_file", "bundle_spec"},
    "bundle_spec": set(),
    "official_weights": {"archs", "bundle", "atomic_file", "tensor_file"},
    "degradations": {"degradations"} | LOWER,
    # Photographs to pairs: arrays only, no torch.
    "alignment": set(),
    **{leaf: {leaf} | HELPERS for leaf in LEAVES},
    # LPIPS is one distance, whether it is trained on or reported.
    "metrics": {"metrics", "losses"} | HELPERS,
    # One-step systems: diffusers' networks and formulas on tensors, no trainer.
    "onestep": {"onestep", "losses", "degradations"} | HELPERS,
    "onestep_options": {"onestep", "sr_options"} | HELPERS,
    "options": HELPERS,
    "sr_options": HELPERS,
    "models": {"models", "degradations", "options", "sr_options", "onestep", "onestep_options"} | LOWER | LEAVES,
    # BasicSR's loader is mended with our sampler, the one leaf that compat reaches for.
    **{helper: HELPERS | {"data"} for helper in HELPERS},
}
# These stand above everything: they put the parts together.
TOP = {"commands", "cli", "__main__", "__init__", "plugin", "option_reference"}


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
                if child.module == "degflow_aug":
                    yield from (Import(file, child.lineno, f"degflow_aug.{name.name}", at_once) for name in child.names)
                else:
                    yield Import(file, child.lineno, str(child.module), at_once)
            later = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or _is_type_checking(child)
            yield from walk(child, at_once and not later)

    return walk(ast.parse(file.read_text(encoding="utf-8")), True)


IMPORTS = [found for file in FILES for found in _imports(file)]


def part_of_file(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def part_of_module(module: str) -> str:
    """``degflow_aug.flow.solver`` -> ``flow``; the package itself is its ``__init__``."""
    names = module.split(".")
    known = {part_of_file(file) for file in FILES}
    return names[1] if len(names) > 1 and names[1] in known else "__init__"


def is_ours(found: Import) -> bool:
    return found.module.split(".")[0] == "degflow_aug"


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 40
    assert sum(map(is_ours, IMPORTS)) > 80


def test_every_part_has_its_place() -> None:
    """A new subpackage or top-level module must be put into the order above."""
    assert {part_of_file(file) for file in FILES} <= set(ALLOWED) | TOP


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_imports_go_one_way(part: str) -> None:
    against = [
        str(found)
        for found in IMPORTS
        if is_ours(found)
        and part_of_file(found.file) == part
        and part_of_module(found.module) not in ALLOWED[part] | {part}
        and found.module != "degflow_aug.__version__"
    ]
    assert against == []


def test_files_import_each_other_in_no_circle() -> None:
    names = {file: ".".join(("degflow_aug", *file.relative_to(PACKAGE).with_suffix("").parts)) for file in FILES}
    files = {name.removesuffix(".__init__"): file for file, name in names.items()}
    below = {
        file: {
            files[found.module] for found in IMPORTS if found.file == file and found.at_once and found.module in files
        }
        for file in FILES
    }
    while leaves := [file for file, others in below.items() if not others]:
        for file in leaves:
            del below[file]
        below = {file: others.difference(leaves) for file, others in below.items()}
    assert [str(file.relative_to(PACKAGE)) for file in below] == []


def test_flow_imports_torch_only() -> None:
    strange = [
        str(found)
        for found in IMPORTS
        if part_of_file(found.file) == "flow"
        and not is_ours(found)
        and (root := found.module.split(".")[0]) not in sys.stdlib_module_names | {"torch"}
        and not (root == "scipy" and found.file.name == "solver.py" and not found.at_once)
    ]
    assert strange == []


def test_networks_and_degradations_need_no_basicsr_when_imported() -> None:
    """Only trainers subclass BasicSR; whoever wants a generator alone must not need it."""
    needing = [
        str(found)
        for found in IMPORTS
        if found.at_once and found.module.split(".")[0] in ("basicsr", "lpips") and part_of_file(found.file) != "models"
    ]
    assert needing == []


def test_option_dicts_stay_in_models_and_data() -> None:
    """Everything else takes typed keyword arguments: no function there has a parameter named after the option file."""
    places = {"models", "data", "commands", "plugin", "options", *HELPERS}
    dicts = [
        f"{file.relative_to(PACKAGE)}:{node.lineno} {node.name}"
        for file in FILES
        if part_of_file(file) not in places
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and {"opt", "options", "config", "cfg"} & {item.arg for item in (*node.args.args, *node.args.kwonlyargs)}
    ]
    assert dicts == []


def test_every_file_postpones_annotations() -> None:
    late = [
        str(file.relative_to(PACKAGE))
        for file in FILES
        if any(not isinstance(node, ast.Expr) for node in ast.parse(file.read_text(encoding="utf-8")).body)
        and not any(found.file == file and found.module == "__future__" for found in IMPORTS)
    ]
    assert late == []
