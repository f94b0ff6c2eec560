"""Which training state a run continues from.

BasicSR 1.4.2 loads the state onto a CUDA device even where there is none, looks for it relative to the working
directory (and, not finding it there, renames the experiment away), and stops at a file that was cut off while it was
written. It names renamed folders by the second, so that it cannot rename two of one name within a second.
"""

from __future__ import annotations

import glob
import os
import time
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from degflow_aug.compat.run_record import networks_anew
from degflow_aug.compat.weights import fill_network
from degflow_aug.console.plain_text import one_line
from degflow_aug.files.home_path import home_path
from degflow_aug.files.run_history import HISTORY, Mark, read_history
from degflow_aug.files.tensor_file import load_tensors
from degflow_aug.files.writing import remove_partial

_STATE_KEYS = ("epoch", "iter", "optimizers", "schedulers")


def find_resume_state(opt: Mapping[str, Any]) -> tuple[Path, dict[str, Any]] | None:
    """Find the training state to continue from, and read it onto the CPU.

    With ``auto_resume`` it is the newest under ``path.experiments_root`` whose networks are there too; where that is
    none, and without ``auto_resume``, it is ``path.resume_state``.

    Returns:
        Its path and content; None to start anew.

    Raises:
        ValueError: there are states, and none can be used, or those of an experiment that was renamed. Starting anew
            would rename the experiment away.
    """
    if opt["auto_resume"]:
        candidates = list(_states_newest_first(Path(opt["path"]["training_states"])))
        if candidates:
            return _first_usable(candidates, opt)
    explicit = opt["path"].get("resume_state")
    if opt["auto_resume"] and not explicit:
        _look_for_renamed(Path(opt["path"]["training_states"]))
    return _first_usable([Path(explicit)], opt) if explicit else None


def _look_for_renamed(states: Path) -> None:
    """Raise a ValueError where an earlier experiment of the name has training states that BasicSR has renamed away."""
    experiment = states.parent
    renamed = sorted(experiment.parent.glob(f"{glob.escape(experiment.name)}_archived_*"), reverse=True)
    for folder in renamed:
        if _states_newest_first(folder / states.name):
            raise ValueError(
                f"expected a training state in {experiment} for --auto_resume, got none, but there are some in "
                f"{folder}; rename that folder to {experiment.name} to go on, or leave out --auto_resume to start anew"
            )


def rename_in_a_second_of_its_own(path: str | Path) -> None:
    """Make a folder anew as BasicSR's ``mkdir_and_rename`` does, but wait where the archive's name is taken.

    Args:
        path: the folder; an earlier one of that name becomes ``NAME_archived_TIME``.
    """
    from basicsr.utils.misc import get_time_str

    path = Path(path)
    while path.exists():
        archive = path.with_name(f"{path.name}_archived_{get_time_str()}")
        if archive.exists():
            time.sleep(0.1)
            continue
        print(f"Path already exists. Rename it to {archive}", flush=True)
        path.rename(archive)
    path.mkdir(parents=True, exist_ok=True)


def _states_newest_first(folder: Path) -> list[Path]:
    """List finished state files: ``<iteration>.state``, and so not ``<iteration>.state.partial``."""
    states = [path for path in folder.glob("*.state") if path.stem.isdigit()]
    return sorted(states, key=lambda path: int(path.stem), reverse=True)


def _first_usable(candidates: list[Path], opt: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
    problem = ""
    for path in candidates:
        try:
            state = read_training_state(path)
            for network in resumed_networks(opt, state["iter"]):
                load_tensors(network)
        except ValueError as error:
            problem = problem or str(error)
            if path is not candidates[-1]:
                warnings.warn(one_line(f"{error}; trying the next older training state"), stacklevel=2)
            continue
        return path, state
    raise ValueError(f"{problem}; no other training state can be used: repair this one, or take it away to start anew")


def read_training_state(path: Path) -> dict[str, Any]:
    """Read one state file onto the CPU, tensors and plain values only.

    Raises:
        ValueError: missing, damaged, or not a training state.
    """
    state = load_tensors(path)
    if not isinstance(state, dict) or any(key not in state for key in _STATE_KEYS):
        raise ValueError(f"expected {', '.join(_STATE_KEYS)} in the training state {path}, got something else")
    for key in ("epoch", "iter"):
        if type(state[key]) is not int or not 0 <= state[key] < 2**62:
            raise ValueError(f"expected a whole number as {key} of the training state {path}, got {state[key]!r:.80}")
    for key in ("optimizers", "schedulers"):
        if not isinstance(state[key], list) or not all(isinstance(part, dict) for part in state[key]):
            raise ValueError(f"expected a list of states as {key} of the training state {path}, got something else")
    if not isinstance(state.get("best_metric_results", {}), dict):
        raise ValueError(f"expected best_metric_results by name in the training state {path}, got something else")
    return state


def resumed_networks(opt: Mapping[str, Any], iteration: int) -> Iterator[Path]:
    """List the network files that BasicSR will load to continue at ``iteration``."""
    anew = networks_anew(opt["path"].get("ignore_resume_networks"))
    for network in opt:
        if network.startswith("network_") and network not in anew:
            yield _file_of(opt, network, iteration)


def _file_of(opt: Mapping[str, Any], network: str, iteration: int) -> Path:
    return Path(opt["path"]["models"], f"net_{network.removeprefix('network_')}_{iteration}.pth")


def set_resumed_networks(opt: Mapping[str, Any], iteration: int) -> None:
    """Set, as BasicSR's ``check_resume``, the paths of the networks to continue at ``iteration``, and what they hold.

    ``param_key_*`` tells of pretrained weights, and so remains with the networks that start anew alone. BasicSR takes
    ``params_ema`` from these, and leaves other names to the networks of the run, which have none of them.
    """
    from basicsr.utils import check_resume

    path = opt["path"]
    keys = {key: value for key, value in path.items() if key.startswith("param_key_")}
    check_resume(opt, iteration)
    anew = networks_anew(path.get("ignore_resume_networks"))
    path |= {key: value if key.replace("param_key", "network") in anew else "params" for key, value in keys.items()}


def check_pretrained(opt: Mapping[str, Any], resumed: bool) -> None:
    """Raise a ValueError where a file of ``path.pretrain_network_*`` is not there, and the run would read it.

    A run that goes on needs the networks of ``path.ignore_resume_networks`` too: others would go on as they are.
    """
    anew = networks_anew(opt["path"].get("ignore_resume_networks"))
    known = [key for key in opt if key.startswith("network_")]
    if unknown := [name for name in anew if name not in known]:
        raise ValueError(
            f"expected names out of {', '.join(known)} in path.ignore_resume_networks, got {unknown[0]!r}; "
            "a list has several"
        )
    for network in (key for key in opt if key.startswith("network_") and (not resumed or key in anew)):
        path = opt["path"].get(f"pretrain_{network}")
        if path and not home_path(path).is_file():
            raise ValueError(f"expected a checkpoint at {path} (path.pretrain_{network}), got no such file")


def check_networks(opt: Mapping[str, Any], iteration: int, changed: Collection[str]) -> None:
    """Look whether the networks of ``iteration`` fit those of the options, which take no memory for that.

    Args:
        opt: the options.
        iteration: that of the training state.
        changed: names of sections; others are not looked at.

    Raises:
        ValueError: the first that does not.
    """
    from basicsr.utils.registry import ARCH_REGISTRY

    for network in changed:
        section, path = opt.get(network), _file_of(opt, network, iteration)
        kind = ARCH_REGISTRY.get(section["type"]) if section else None
        # What has arguments of its own to check reads weights that are published elsewhere.
        if kind is None or hasattr(kind, "check_arguments") or path not in resumed_networks(opt, iteration):
            continue
        try:
            with torch.device("meta"):
                built = kind(**{key: deepcopy(value) for key, value in opt[network].items() if key != "type"})
        except Exception:  # some read values, which meta has not; the model builds it in earnest
            continue
        with warnings.catch_warnings():
            # That nothing is copied to meta.
            warnings.simplefilter("ignore")
            try:
                fill_network(built, path)
            except ValueError as error:
                advice = f"go on with the earlier {network}, or give this run a name of its own"
                raise ValueError(f"{error}; {advice}") from None


def marks_of(opt: Mapping[str, Any]) -> frozenset[Mark]:
    """Return what the history of the experiment has marked as done; nothing where it cannot be read."""
    with suppress(OSError, ValueError):
        return read_history(Path(opt["path"]["experiments_root"]) / HISTORY).marks
    return frozenset()


def newest_state(opt: Mapping[str, Any]) -> int:
    """Return the iteration of the newest training state of the experiment; 0 where there is none."""
    return max((int(path.stem) for path in _states_newest_first(Path(opt["path"]["training_states"]))), default=0)


def prepare_folders(opt: Mapping[str, Any]) -> None:
    """Make the folders of an experiment that continues, which BasicSR does for new ones only, and remove what a killed
    run left half written."""
    if opt["rank"] == 0:
        remove_partial(opt["path"]["experiments_root"])
        for name in ("experiments_root", "models", "training_states", "visualization"):
            os.makedirs(opt["path"][name], exist_ok=True)


def restore_best_metrics(model: Any, state: Mapping[str, Any]) -> None:
    """Give a model its best validation results back, where its states hold ``best_metric_results``.

    The record of a dataset whose metrics have changed since is left out, and starts anew.
    """
    metrics = set((model.opt.get("val") or {}).get("metrics") or ())
    records = {name: record for name, record in state.get("best_metric_results", {}).items() if set(record) == metrics}
    if records:
        model.best_metric_results = records
