"""The command line and option file of ``train_pipeline``: checked, typed, and never executed.

BasicSR 1.4.2 parses ``1e-4`` as a string, ignores unknown keys, runs ``--force_yml`` through ``exec``, and fails to
print keys that are numbers, such as the scales of ``lq: {2.9: folder}``, and to copy a file that is not UTF-8.
"""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import sys
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from degflow_aug.compat import devices as compat_devices
from degflow_aug.compat.schedules import check_schedule
from degflow_aug.console.plain_text import PlainRecords, one_line
from degflow_aug.files.text_file import decode
from degflow_aug.files.writing import atomic_path
from degflow_aug.options.basicsr_sections import check_basicsr_options
from degflow_aug.options.nearest_name import nearest_name
from degflow_aug.options.signatures import settle_arguments
from degflow_aug.options.yaml_file import load_yaml, parse_value

_DEFAULTS: dict[str, dict[str, Any]] = {
    "logger": {"print_freq": 100, "save_checkpoint_freq": 5000, "use_tb_logger": False},
    "path": {"resume_state": None},
}
_DEBUG_FREQUENCY = 8


def parse_options(
    root_path: str, is_train: bool = True, argv: Sequence[str] | None = None
) -> tuple[dict[str, Any], argparse.Namespace]:
    """Parse options as BasicSR's ``parse_options``: same command line, same result, and mistakes are one sentence.

    A run without ``manual_seed`` gets one from its name, so that every rank and every resume has the same.

    Args:
        root_path: the folder of ``experiments/`` and ``results/``.
        is_train: training or testing.
        argv: the arguments, without the program; None for ``sys.argv``.

    Returns:
        The options, and the command line with its ``opt`` (the option file).

    Raises:
        ValueError: a mistake in the file or on the command line; names the key.
    """
    from basicsr.utils import set_random_seed
    from basicsr.utils.dist_util import get_dist_info

    args = _parse_command_line(argv)
    opt = load_yaml(Path(args.opt))
    override_all(opt, args.force_yml or ())
    check_options(opt, args.opt, is_train)
    _fill_defaults(opt)
    args.launcher = compat_devices.launcher_of(args.launcher)
    _start_processes(opt, args.launcher)
    opt["rank"], opt["world_size"] = get_dist_info()
    set_random_seed(opt["manual_seed"] + opt["rank"])
    opt["auto_resume"], opt["is_train"] = args.auto_resume, is_train
    if args.debug and not opt["name"].startswith("debug"):
        opt["name"] = f"debug_{opt['name']}"
    opt["num_gpu"] = compat_devices.resolve_num_gpu(opt["num_gpu"])
    _complete_datasets(opt)
    _complete_paths(opt, root_path)
    if is_train and "debug" in opt["name"]:
        _use_debug_frequencies(opt)
    return opt, args


def _parse_command_line(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("-opt", required=True, help="option file (YAML)")
    parser.add_argument("--launcher", choices=("none", "pytorch", "slurm"), default="none", help="who starts the ranks")
    parser.add_argument("--auto_resume", action="store_true", help="continue from the newest training state")
    parser.add_argument("--debug", action="store_true", help="log every iteration, validate and save every few")
    # torch.distributed.launch writes it with a hyphen since torch 2.0; torchrun uses the environment.
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    parser.add_argument(
        "--force_yml", nargs="+", action="extend", help="change options, for example train:ema_decay=0.999"
    )
    return parser.parse_args(argv)


def override_all(opt: dict[str, Any], entries: Iterable[str]) -> None:
    """:func:`override` by every entry; a ValueError where two are of one key."""
    given: dict[tuple[str, ...], str] = {}
    for entry in entries:
        names = tuple(name.strip() for name in entry.partition("=")[0].split(":"))
        if names in given:
            raise ValueError(
                f"expected each key once after --force_yml, got '{given[names]}' and '{entry}'; take one of them out"
            )
        given[names] = entry
        override(opt, entry)


def override(opt: dict[str, Any], entry: str) -> None:
    """Set one option as ``--force_yml`` gives it: ``section:key=value``, the value read as YAML.

    Raises:
        ValueError: not of that form, or a section that does not exist.
    """
    keys, equals, value = entry.partition("=")
    names = [name.strip() for name in keys.split(":")]
    if not equals or not all(names):
        raise ValueError(f"expected key=value or section:key=value after --force_yml, got '{entry}'")
    section: Any = opt
    for name in names[:-1]:
        if not isinstance(section.get(name), dict):
            raise ValueError(f"unknown section '{name}' in --force_yml {entry}{nearest_name(name, section)}")
        section = section[name]
    section[names[-1]] = parse_value(value)


def check_options(opt: dict[str, Any], source: str, is_train: bool) -> None:
    """Check what any run needs: for this package's models and BasicSR's the types of all keys, for ours no others.

    Whole numbers written as others, such as 5e3, become whole ones.

    A model class names the keys that it reads beside those of every model in ``option_keys``, a mapping from section
    (``options`` is the top level) to keys; a dataset class in ``option_keys``, a sequence of keys.

    Raises:
        ValueError: names the key and the nearest known one.
    """
    from basicsr.models.base_model import BaseModel
    from basicsr.utils.registry import DATASET_REGISTRY, MODEL_REGISTRY

    for key in ("name", "model_type", "datasets", *(("train",) if is_train else ())):
        if opt.get(key) is None:
            raise ValueError(f"expected the key {key} in {source}, got none")
    model_type = str(opt["model_type"])
    # BasicSR marks those that Real-ESRGAN registers as well, and finds them without the mark.
    if not {model_type, f"{model_type}_basicsr"} & set(MODEL_REGISTRY.keys()):
        nearest = nearest_name(model_type, MODEL_REGISTRY.keys())
        raise ValueError(f"unknown model_type '{model_type}' in {source}{nearest}")
    model = MODEL_REGISTRY.get(model_type)
    ours = model.__module__.startswith("degflow_aug.")
    if ours or model.__module__.startswith("basicsr."):
        extra = {**getattr(model, "option_keys", {}), **_dataset_keys(DATASET_REGISTRY)}
        check_basicsr_options(opt, extra, strict=ours)
        if not ours:
            _check_foreign_sections(opt, model_type)
        _settle_arguments(opt)
        if is_train:
            _check_loggers(opt)
    # A model of another project may have no schedule, or one that BasicSR does not know.
    own = model.__module__.startswith(("basicsr.", "degflow_aug.")) or bool((opt.get("train") or {}).get("scheduler"))
    if is_train and own and getattr(model, "setup_schedulers", None) is BaseModel.setup_schedulers:
        check_schedule(opt["train"])


def _check_foreign_sections(opt: Mapping[str, Any], model_type: str) -> None:
    """Refuse this package's sections beside a model of BasicSR's, which reads neither."""
    for section in ("degradation", "degflow"):
        if opt.get(section):
            ours = "DegradedESRGANModel" if opt.get("network_d") else "DegradedSRModel"
            raise ValueError(
                f"expected no section {section} for {model_type}, which does not read it; use {ours} (or "
                "ArbitraryScaleSRModel), or take the section out"
            )


def _check_loggers(opt: Mapping[str, Any]) -> None:
    """Look for the packages that ``logger`` asks for; a run whose name says debug asks for none."""
    logger = opt.get("logger") or {}
    wanted = {
        "wandb": (logger.get("wandb") or {}).get("project") is not None,
        "tensorboard": logger.get("use_tb_logger"),
    }
    for package, asked in wanted.items():
        if asked and "debug" not in str(opt["name"]) and find_spec(package) is None:
            key = "wandb" if package == "wandb" else "use_tb_logger"
            raise ValueError(
                f"expected {package} for logger.{key}, which is not installed; pip install {package}, or take that out"
            )


def _settle_arguments(opt: dict[str, Any]) -> None:
    """Check the arguments of networks and losses whose types are registered; others are told where they are built."""
    from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY

    places = [(ARCH_REGISTRY, opt, "", "network_"), (LOSS_REGISTRY, opt.get("train") or {}, "train.", "")]
    for registry, sections, prefix, start in places:
        for name, section in sections.items():
            kind = str(section.get("type")) if isinstance(section, dict) else ""
            # BasicSR finds what other repositories register as well under a name of its own, and prints that it did.
            known = [each for each in (kind, f"{kind}_basicsr") if each in registry]
            if known and name.startswith(start):
                settle_arguments(registry.get(known[0]), section, f"{prefix}{name}")


def _dataset_keys(registry: Iterable[tuple[str, type]]) -> Mapping[str, Iterable[str]]:
    declared = ((name, getattr(dataset, "option_keys", None)) for name, dataset in registry)
    return {f"datasets.{name}": keys for name, keys in declared if keys is not None}


def _fill_defaults(opt: dict[str, Any]) -> None:
    """Give keys that BasicSR reads without asking the values that its own option files have."""
    for name, defaults in _DEFAULTS.items():
        opt[name] = {**defaults, **(opt.get(name) or {})}
    if opt.get("val") is not None:
        opt["val"] = {"val_freq": opt["logger"]["save_checkpoint_freq"], "save_img": False, **opt["val"]}
    opt.setdefault("num_gpu", "auto")
    if opt.get("manual_seed") is None:
        opt["manual_seed"] = zlib.crc32(str(opt["name"]).encode()) % 10_000


def _start_processes(opt: dict[str, Any], launcher: str) -> None:
    opt["dist"] = launcher != "none"
    if opt["dist"]:
        compat_devices.init_dist(launcher, **(opt.get("dist_params") or {} if launcher == "slurm" else {}))


def _complete_datasets(opt: dict[str, Any]) -> None:
    for phase, dataset in opt["datasets"].items():
        dataset["phase"] = phase.split("_")[0]
        if "scale" in opt:
            dataset["scale"] = opt["scale"]


def _complete_paths(opt: dict[str, Any], root_path: str) -> None:
    path = opt["path"]
    root = os.path.join(root_path, "experiments" if opt["is_train"] else "results", opt["name"])
    path["log"] = root
    path["visualization"] = os.path.join(root, "visualization")
    if opt["is_train"]:
        path["experiments_root"] = root
        path["models"] = os.path.join(root, "models")
        path["training_states"] = os.path.join(root, "training_states")
    else:
        path["results_root"] = root


def _use_debug_frequencies(opt: dict[str, Any]) -> None:
    if opt.get("val") is not None:
        opt["val"]["val_freq"] = _DEBUG_FREQUENCY
    opt["logger"].update(print_freq=1, save_checkpoint_freq=_DEBUG_FREQUENCY)


def options_as_text(opt: Mapping[Any, Any], indent_level: int = 1) -> str:
    """Write options as BasicSR's ``dict2str`` does, whatever the keys are."""
    margin, text = "  " * indent_level, "\n"
    for key, value in opt.items():
        nested = isinstance(value, dict)
        text += f"{margin}{key}:[{options_as_text(value, indent_level + 1)}{margin}]\n" if nested else ""
        text += "" if nested else f"{margin}{key}: {one_line(value)}\n"
    return text


def copy_opt_file(opt_file: str, experiments_root: str) -> None:
    """Copy the option file beside a run, as UTF-8, with the command above it, quoted; whole or not at all."""
    command = one_line(f"{sys.argv[0]} {shlex.join(sys.argv[1:])}")
    with atomic_path(Path(experiments_root, Path(opt_file).name)) as partial:
        head = f"# GENERATE TIME: {time.asctime()}\n# CMD:\n# {command}\n\n"
        partial.write_text(head + decode(Path(opt_file).read_bytes()), encoding="utf-8")


def patch() -> None:
    """Install these functions wherever BasicSR has bound its own, and let its log have plain text only."""
    import basicsr.test
    import basicsr.train
    import basicsr.utils.options
    from basicsr.utils.dist_util import master_only

    for module in (basicsr.train, basicsr.test, basicsr.utils.options):
        module.parse_options = parse_options
        module.dict2str = options_as_text
    for module in (basicsr.train, basicsr.utils.options):
        module.copy_opt_file = master_only(copy_opt_file)
    logging.getLogger("basicsr").addFilter(PlainRecords())
