"""Read option files: YAML that means what it looks like.

PyYAML follows YAML 1.1, where ``1e-4`` is a string, ``010`` is 8, ``1:30`` is 90 and the second of two equal keys
silently wins. Here the first is a float, the others are text, and equal keys are an error.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from degflow_aug.files.home_path import at_home, home_path
from degflow_aug.files.text_file import check_no_pipe, decode

LONGEST_FILE = 1 << 20
DEEPEST = 64


def _is_scalar(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Nodes and characters below a node where every alias is written out; each node is looked at once."""
    if _is_scalar(node):
        return 1 + len(node.value)
    if id(node) not in known:
        known[id(node)] = 1  # a list that holds itself is found with the levels
        below = (each for item in node.value for each in (item if isinstance(item, tuple) else (item,)))
        known[id(node)] = 1 + sum(_size(each, known) for each in below)
    return known[id(node)]


class OptionLoader(yaml.SafeLoader):
    """``yaml.SafeLoader`` that reads ``1e-4`` as a number and ``2024-01-01`` as text, and refuses a key given twice.

    It makes numbers, text, lists and mappings; other tags (``!!python/...``, ``!!binary``) are errors, and so is a tag
    on text that it does not fit (``!!bool maybe``).
    """

    def get_single_node(self) -> yaml.Node | None:
        """Compose the file, and refuse one that aliases make huge before anything walks through all of it."""
        node = super().get_single_node()
        if node is not None and _size(node, {}) > LONGEST_FILE:
            raise yaml.composer.ComposerError(problem=f"more than {LONGEST_FILE} characters of it through aliases")
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Make the value of a node, and name the line where its own tag does not fit."""
        tag = node.tag.rpartition(":")[2]
        try:
            if tag == "null" and _is_scalar(node) and node.value not in _NULLS:
                raise ValueError
            return super().construct_object(node, deep)
        except (ValueError, LookupError):
            text = f"{node.value!r:.80}"
            raise yaml.constructor.ConstructorError(
                problem=f"{text}, which !!{tag} does not fit,", problem_mark=node.start_mark
            ) from None

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Check one mapping as it was written, before merges (``<<``) bring in keys that it may override."""
        node = super().compose_mapping_node(anchor)
        first_lines: dict[object, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line, same = key.start_mark.line + 1, _identity(key)
            if same in first_lines:
                first = first_lines[same]
                raise yaml.composer.ComposerError(
                    problem=f"the key '{key.value}' twice (first on line {first})", problem_mark=key.start_mark
                )
            first_lines[same] = line
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge, and keep the last of equal keys: PyYAML 6.0.4 takes the first where that is merged again."""
        super().flatten_mapping(node)
        last = {(key.tag, key.value): index for index, (key, _) in enumerate(node.value) if _is_scalar(key)}
        node.value = [
            pair for index, pair in enumerate(node.value)
            if not _is_scalar(pair[0]) or last[pair[0].tag, pair[0].value] == index
        ]  # fmt: skip


def _identity(key: yaml.ScalarNode) -> object:
    """What equal keys of a dictionary have in common: 2 and 2.0 are one."""
    with suppress(ValueError):
        if key.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"):
            return float(key.value.replace("_", ""))
    return key.tag, key.value


_DATE = "tag:yaml.org,2002:timestamp"
_NULLS = ("", "~", "null", "Null", "NULL")
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_KEPT = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}
OptionLoader.yaml_constructors = {
    tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag is None or tag in _KEPT
}
OptionLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_DATE, _INT, _FLOAT)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
# Without numbers of base 8 and 60: ids such as 010 and times are text.
for _tag, _pattern in (
    (_INT, r"[-+]?(?:0b[0-1_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)"),
    (
        _FLOAT,
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)",
    ),
    (_FLOAT, r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?"),
    (_FLOAT, r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"),
):
    OptionLoader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list("-+.0123456789"))


def load_yaml(path_or_text: str | Path) -> dict[str, Any]:
    """Read an option file, or its text; values that begin with ``~`` or ``$HOME`` are paths below that folder.

    Args:
        path_or_text: a path (a ``Path``, or a string that ends in ``.yml`` or ``.yaml``) or YAML text.

    Returns:
        The mapping, keys in the order of the file.

    Raises:
        ValueError: not YAML, a key given twice, or not a mapping; names the file, the key and the line.
        OSError: the file cannot be read.
    """
    path = _as_path(path_or_text)
    where = str(path) if path else "the YAML text"
    text = _read(path) if path else str(path_or_text)
    options = _parse(text, where)
    if not isinstance(options, dict):
        raise ValueError(f"expected a mapping of options in {where}, got {_kind(options)}")
    return options


def parse_value(text: str) -> Any:
    """Read the value of ``key=value`` on the command line as YAML; ``none`` in any case is None, as in BasicSR.

    Raises:
        ValueError: not YAML.
    """
    return None if text.strip().lower() == "none" else _parse(text, f"the value '{text}'")


def _as_path(path_or_text: str | Path) -> Path | None:
    if isinstance(path_or_text, Path):
        return home_path(path_or_text)
    is_name = "\n" not in path_or_text and path_or_text.endswith((".yml", ".yaml"))
    return home_path(path_or_text) if is_name else None


def _read(path: Path) -> str:
    check_no_pipe(path)
    with path.open("rb") as file:
        data = file.read(LONGEST_FILE + 1)
    try:
        return decode(data)
    except UnicodeDecodeError as error:
        raise ValueError(f"expected UTF-8 text in {path}, got other bytes ({error.reason})") from None


def _parse(text: str, where: str) -> Any:
    if len(text) > LONGEST_FILE:
        raise ValueError(f"expected at most {LONGEST_FILE} bytes of YAML in {where}, got more; is it an option file?")
    try:
        # OptionLoader is a SafeLoader: it builds plain values only.
        value = yaml.load(text, Loader=OptionLoader)
    except RecursionError:
        raise ValueError(f"expected at most {DEEPEST} levels in {where}, got more") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" on line {mark.line + 1}" if mark else ""
        raise ValueError(f"expected valid YAML in {where}, got {error.problem or error.context}{line}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"expected valid YAML in {where}, got {' '.join(str(error).split())}") from error
    _check_levels(value, where)
    return at_home(value) if isinstance(value, str) else value


def _check_levels(value: Any, where: str) -> None:
    """Look at the mappings and lists of each level once, however many aliases lead there, and put in homes of paths."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(DEEPEST + 1):
        for each in level:
            _put_home(each)
        below = (item for each in level for item in (each.values() if isinstance(each, dict) else each))
        level = list({id(item): item for item in below if isinstance(item, (dict, list))}.values())
        if not level:
            return
    raise ValueError(f"expected at most {DEEPEST} levels in {where}, got more, or a list that holds itself")


def _put_home(values: Any) -> None:
    for key, value in list(values.items() if isinstance(values, dict) else enumerate(values)):
        if isinstance(value, str):
            values[key] = at_home(value)


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
