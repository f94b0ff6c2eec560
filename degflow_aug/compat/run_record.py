"""What a run is trained with, kept in its training states, and what has changed when it goes on.

BasicSR 1.4.2 compares nothing: a run goes on with other options, data or weights than it was begun with, or without
those of its options that a training state overrules, and nobody is told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

from degflow_aug.files.fingerprint import fingerprint
from degflow_aug.files.run_history import processor_name

Record = dict[str, dict[str, Any]]
NOT_EQUAL = "So this run is no longer equal to the bit to one that goes through with what it was begun with."

# Of this start, and not of what is trained.
_NOT_COMPARED = {
    "auto_resume", "dist", "dist_params", "is_train", "name", "num_gpu", "path", "rank", "root_path", "world_size",
}  # fmt: skip
_WEIGHTS = ("pretrain_network_", "strict_load_", "param_key_", "ignore_resume_networks")
_NO_PATHS = {"name", "type", "phase", "model_type"}
_NEEDED_ALIKE = ("model_type", "network_*.type", "train.optim_*.type")
_WITHOUT_EFFECT = {
    "datasets.train.name", "datasets.train.cache_mb", "datasets.train.prefetch_mode", "find_unused_parameters",
    "datasets.train.num_prefetch_queue", "datasets.train.pin_memory", "datasets.train.persistent_workers",
    "path.ignore_resume_networks",
}  # fmt: skip
# One-step networks bring them along.
_KEPT_BY_NETWORKS = {"network_g.prompt", "network_g.prompt_file", "degflow.lr_time", "degflow.mid_timestep"}
_NOT_TRAINING = ("val.", "logger.", "datasets.val", "train.total_iter")
_OF_PAIRS = re.compile(r"^datasets\.train\.(dataroot|layout|pattern|scenes|cameras|split)|\(datasets\.train\.dataroot")
_WRITTEN = ("experiments", "results", "tb_logger")
_WORKERS = "datasets.train.num_worker_per_gpu"
_SHIPPED = Path(__file__).resolve().parents[1] / "weights"


def record_of(opt: Mapping[str, Any]) -> Record:
    """Collect what training depends on: options by dotted key, what lies at their paths, and the machine.

    Args:
        opt: as ``parse_options`` returns it, before BasicSR takes anything out of it. Rank 0 alone reads files.

    Returns:
        ``options``, ``content`` and ``machine``, plain values by name.
    """
    chosen = {key: value for key, value in opt.items() if key not in _NOT_COMPARED}
    chosen["path"] = {key: value for key, value in opt["path"].items() if str(key).startswith(_WEIGHTS)}
    options = {key: value for key, value in _flat(chosen) if value is not None}
    experiments = Path(str(opt["path"].get("experiments_root", "."))).parent
    content = {}
    for key, value in options.items() if opt.get("rank", 0) == 0 else ():
        found = [_content(path, key) for path in _places(key, value, experiments)]
        if any(found):
            content[key] = " ".join(filter(None, found))
    return {"options": options, "content": content, "machine": _machine(opt)}


def _machine(opt: Mapping[str, Any]) -> dict[str, Any]:
    """Collect what other bits come from, with the same options."""
    gpu = bool(opt.get("num_gpu")) and torch.cuda.is_available()
    threads = {} if gpu else {"the number of torch threads": torch.get_num_threads()}
    device = torch.cuda.get_device_name() if gpu else processor_name()
    return {
        "the number of processes": opt.get("world_size", 1), "the version of torch": str(torch.__version__),
        "the device": device, **threads,
    }  # fmt: skip


def recorded(state: Mapping[str, Any]) -> Record | None:
    """Return the record in a training state; None in one of an earlier version, or of other content."""
    found = state.get("run")
    parts = [found.get(part) for part in ("options", "content", "machine")] if isinstance(found, dict) else [None]
    known = all(isinstance(part, dict) and part == dict(_flat(part)) for part in parts)
    return found if known else None


def changes(before: Record, now: Record, iteration: int) -> list[str]:
    """Say what has changed since a state was saved, and whether it takes effect, a sentence each.

    Raises:
        ValueError: something that a state cannot go on with.
    """
    said, trains = [], False
    old, new = before["options"], now["options"]
    anew = networks_anew(new.get("path.ignore_resume_networks"))
    without_effect = _WITHOUT_EFFECT | ({_WORKERS} if _draws_alike(new.get("datasets.train.type")) else set())
    for key in sorted((old.keys() | new.keys()) - without_effect):
        same_place = before["content"].get(key) is not None and before["content"].get(key) == now["content"].get(key)
        other_content = key in before["content"] and key in now["content"] and not same_place
        if same_place or (old.get(key) == new.get(key) and not other_content):
            continue
        what = f"{key} changed from {_shown(old.get(key))} to {_shown(new.get(key))}"
        if old.get(key) == new.get(key):
            what = f"what lies at {_shown(new[key])} ({key}) changed"
        elif any(fnmatchcase(key, pattern) for pattern in _NEEDED_ALIKE):
            raise ValueError(
                f"expected {key} {_shown(old.get(key))}, as in the training state of iteration {iteration}, got "
                f"{_shown(new.get(key))}; go on with the earlier options, or give this run a name of its own"
            )
        unused = key.startswith("path.") and not key.endswith(tuple(name.removeprefix("network") for name in anew))
        unused |= key in _KEPT_BY_NETWORKS and "network_g" not in anew
        trains |= not unused and not key.startswith(_NOT_TRAINING)
        effect = "without effect, the run goes on from networks of its own" if unused else "takes effect from now on"
        if key == "degflow.generator":
            effect = "its kernel takes effect from now on, and the run goes on from networks of its own"
        said.append(f"{what} since iteration {iteration}: {effect}.")
    for name in anew:
        trains = True
        said.append(f"{name} starts anew, from its first or pretrained weights, as path.ignore_resume_networks says.")
    for name, value in now["machine"].items():
        if name in before["machine"] and before["machine"][name] != value:
            trains = True
            was = _shown(before["machine"][name])
            said.append(f"{name} changed from {was} to {_shown(value)} since iteration {iteration}.")
    if trains:
        said.append(NOT_EQUAL)
    return said


def kept_kernel(opt: Mapping[str, Any], said: Iterable[str]) -> list[str]:
    """Say that a run keeps the kernel that it fitted to pairs which are others now, if it does."""
    kernel = Path(opt["path"]["experiments_root"], "kernel.safetensors")
    if not kernel.is_file() or not any(_OF_PAIRS.search(sentence) for sentence in said):
        return []
    return [f"{kernel} stays as it was fitted to the earlier pairs; take it away to have it fitted again."]


def networks_anew(ignored: object) -> tuple[str, ...]:
    """The networks that do not go on from the run's own weights: what ``path.ignore_resume_networks`` names."""
    names = ignored if isinstance(ignored, (list, tuple)) else [ignored] if ignored else []
    return tuple(str(name) for name in names)


def _draws_alike(dataset: object) -> bool:
    """Whether a data set is of this package, whose draws do not depend on the number of workers; BasicSR's do."""
    from basicsr.utils.registry import DATASET_REGISTRY

    return dataset in DATASET_REGISTRY and DATASET_REGISTRY.get(dataset).__module__.startswith("degflow_aug.")


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Walk nested options: dotted keys, and values that torch reads back without running code."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)) and any(isinstance(each, (Mapping, list, tuple)) for each in value):
        yield from _flat(dict(enumerate(value)), key)
    elif isinstance(value, (list, tuple)):
        yield key, [_plain(each) for each in value]
    else:
        yield key, _plain(value)


def _plain(value: Any) -> Any:
    return value if value is None or type(value) in (bool, int, float, str) else str(value)


def _content(path: Path, key: str) -> str | None:
    if path.resolve() not in (Path.cwd(), *Path.cwd().parents):
        return fingerprint(path)
    # A folder around this one holds what runs write as well; data sets read images of it.
    return fingerprint(path, skip=_WRITTEN) if "dataroot" in key else None


def _places(key: str, value: Any, experiments: Path) -> Iterator[Path]:
    """List what a value may name: a file or folder, a bundle that ships, the networks of a run, a model of the hub."""
    if key.rpartition(".")[2] in _NO_PATHS:
        return
    for text in value if isinstance(value, list) else (value,):
        if isinstance(text, str) and text.strip():
            path = Path(text).expanduser() if text.startswith("~/") else Path(text)
            yield path
            if "/" not in text and key.startswith(("degradation.", "degflow.")):
                yield _SHIPPED / f"{text}.safetensors"
                yield experiments / text / "models" / "net_g_latest.pth"
                yield experiments / text / "models" / "generator_latest.safetensors"
            if text.count("/") == 1 and key.endswith(".pretrained"):
                # Of a model of the hub, the revision that its cache has.
                yield _hub() / f"models--{text.replace('/', '--')}" / "refs"


def _hub() -> Path:
    """Find the cache of huggingface_hub, which need not be installed."""
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()


def _shown(value: Any) -> str:
    text = "none" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:40]}...{text[-37:]}"
