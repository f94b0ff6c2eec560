"""Option files: YAML that means what it looks like, and keys that are checked instead of ignored.

PyYAML follows YAML 1.1, where ``1e-4`` is a string and the second of two equal keys silently wins. Here it is a
float, equal keys are an error, and an unknown key is an error that names the nearest known one.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from degflow_aug.options import basicsr_keys
from degflow_aug.options.nearest_name import nearest_name

LONGEST_FILE = 1 << 20
DEEPEST = 64


def _is_scalar(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode)


class OptionLoader(yaml.SafeLoader):
    """``yaml.SafeLoader`` that reads ``1e-4`` as a number and ``2024-01-01`` as text, and refuses a key given twice.

    It makes numbers, text, lists and mappings; other tags (``!!python/...``, ``!!binary``) are errors.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Check one mapping as it was written, before merges (``<<``) bring in keys that it may override."""
        node = super().compose_mapping_node(anchor)
        first_lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if (key.tag, key.value) in first_lines:
                first = first_lines[key.tag, key.value]
                raise yaml.composer.ComposerError(
                    problem=f"the key '{key.value}' twice (first on line {first})", problem_mark=key.start_mark
                )
            first_lines[key.tag, key.value] = line
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge, and keep the last of equal keys: PyYAML 6.0.4 takes the first where that is merged again."""
        super().flatten_mapping(node)
        last = {(key.tag, key.value): index for index, (key, _) in enumerate(node.value) if _is_scalar(key)}
        node.value = [
            pair for index, pair in enumerate(node.value)
            if not _is_scalar(pair[0]) or last[pair[0].tag, pair[0].value] == index
        ]  # fmt: skip


_DATE = "tag:yaml.org,2002:timestamp"
_KEPT = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}
OptionLoader.yaml_constructors = {
    tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag is None or tag in _KEPT
}
OptionLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _DATE]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
OptionLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def load_yaml(path_or_text: str | Path) -> dict[str, Any]:
    """Read an option file, or its text.

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
    """The value of ``key=value`` on the command line, read as YAML; ``none`` in any case is None, as in BasicSR.

    Raises:
        ValueError: not YAML.
    """
    return None if text.strip().lower() == "none" else _parse(text, f"the value '{text}'")


def _as_path(path_or_text: str | Path) -> Path | None:
    if isinstance(path_or_text, Path):
        return path_or_text
    is_name = "\n" not in path_or_text and path_or_text.endswith((".yml", ".yaml"))
    return Path(path_or_text) if is_name else None


def _read(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(LONGEST_FILE + 1)
    try:
        return data.decode("utf-8")
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
    except ValueError as error:
        # A value that its own tag does not fit, such as !!int x.
        raise ValueError(f"expected valid YAML in {where}, got {error}") from error
    _check_levels(value, where)
    return value


def _check_levels(value: Any, where: str) -> None:
    """Look at the mappings and lists of each level once, however many aliases lead there."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(DEEPEST + 1):
        below = (item for each in level for item in (each.values() if isinstance(each, dict) else each))
        level = list({id(item): item for item in below if isinstance(item, (dict, list))}.values())
        if not level:
            return
    raise ValueError(f"expected at most {DEEPEST} levels in {where}, got more, or a list that holds itself")


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def check_known_keys(section: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse a key that nothing reads.

    Args:
        section: the options to check.
        known: the keys allowed; one that ends in ``*`` allows every key that begins so.
        where: the section's name for the message, for example ``train`` or ``datasets.train``.

    Raises:
        ValueError: names the unknown key and the nearest known one.
    """
    names = set(known)
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    for key in section:
        if key not in names and not (prefixes and str(key).startswith(prefixes)):
            candidates = {name for name in names if not name.endswith("*")}
            candidates |= {prefix + suffix for prefix in prefixes for suffix in ("g", "d", "opt")}
            raise ValueError(f"unknown key '{key}' in {where}{nearest_name(key, candidates)}")


def check_basicsr_options(opt: Mapping[str, Any], extra: Mapping[str, Iterable[str]] | None = None) -> None:
    """Check every standard section of a BasicSR option file against the keys that BasicSR or this package reads.

    The sections ``degradation``, ``degflow``, ``network_*`` and the losses have owners who check them. Datasets of
    a type that is neither BasicSR's nor named in ``extra`` are not checked: their keys are not known here.

    Args:
        opt: the whole option mapping, before or after ``parse_options``.
        extra: further keys a section takes: ``{"train": ("clip_grad",), "datasets.MyDataset": ("knots",)}``; the
            top level is called ``options``.

    Raises:
        ValueError: an unknown key (with the nearest known one), a section that is not a mapping, or a float ``scale``.
    """
    more = {section: tuple(keys) for section, keys in (extra or {}).items()}
    check_known_keys(opt, (*basicsr_keys.TOP_LEVEL, *more.get("options", ())), "the options")
    for name, known in basicsr_keys.SECTIONS.items():
        check_known_keys(_section(opt, name), (*known, *more.get(name, ())), name)
    if not isinstance(opt.get("scale", 1), int):
        raise ValueError(
            f"expected an integer for scale, got {opt['scale']!r}; BasicSR's datasets crop with it, a range of scales "
            "belongs to degradation.scale_range"
        )
    _check_training(_section(opt, "train"))
    for name, metric in _section(_section(opt, "val", ""), "metrics", "val.").items():
        arguments = basicsr_keys.METRICS.get(str(metric.get("type"))) if isinstance(metric, Mapping) else None
        if arguments is not None:
            check_known_keys(metric, arguments, f"val.metrics.{name}")
    datasets = _section(opt, "datasets")
    for phase in datasets:
        _check_dataset(_section(datasets, phase, "datasets."), f"datasets.{phase}", more)


def _section(options: Mapping[str, Any], name: str, prefix: str = "") -> Mapping[str, Any]:
    """A section, or an empty one where it is absent or null."""
    section = options.get(name)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise ValueError(f"expected a mapping of options in {prefix}{name}, got {_kind(section)}")
    return section


def _check_training(train: Mapping[str, Any]) -> None:
    for name in train:
        if str(name).startswith("optim_"):
            optimizer = _section(train, name, "train.")
            known = _optimizer_keys(optimizer.get("type"))
            if known is not None:
                check_known_keys(optimizer, known, f"train.{name}")
    scheduler = _section(train, "scheduler", "train.")
    known_scheduler = basicsr_keys.SCHEDULERS.get(str(scheduler.get("type")))
    if known_scheduler is not None:
        check_known_keys(scheduler, known_scheduler, "train.scheduler")


def _optimizer_keys(optimizer_type: object) -> tuple[str, ...] | None:
    """The arguments of a ``torch.optim`` class; None for a class that torch does not have."""
    import torch

    optimizer = getattr(torch.optim, str(optimizer_type), None)
    return None if optimizer is None else ("type", *list(inspect.signature(optimizer).parameters)[1:])


def _check_dataset(dataset: Mapping[str, Any], where: str, more: Mapping[str, tuple[str, ...]]) -> None:
    dataset_type = str(dataset.get("type"))
    own = more.get(f"datasets.{dataset_type}")
    if own is None and dataset_type in basicsr_keys.DATASET_TYPES:
        own = basicsr_keys.DATASET
    if own is not None:
        check_known_keys(dataset, (*basicsr_keys.LOADER, *own), where)
