"""Which keys of BasicSR's sections a model of this package reads, and where one belongs that it does not read.

What all models read is here; a model class names the rest in ``option_keys``. Null counts as absent where a key is
known at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from degflow_aug.options import basicsr_keys
from degflow_aug.options.nearest_name import nearest_name

More = Mapping[str, Iterable[str]]

EVERY_MODEL: dict[str, tuple[str, ...]] = {
    "": (
        "datasets", "degflow", "dist_params", "logger", "manual_seed", "model_type", "name", "network_g", "num_gpu",
        "path", "scale", "train", "val",
    ),
    "train": ("ema_decay", "optim_g", "scheduler", "total_iter", "warmup_iter"),
    "val": ("best", "metrics", "pbar", "save_img", "suffix", "val_freq"),
    "path": ("ignore_resume_networks", "param_key_g", "pretrain_network_g", "resume_state", "strict_load_g"),
    "logger": tuple(basicsr_keys.SECTIONS["logger"]),
    "dist_params": tuple(basicsr_keys.SECTIONS["dist_params"]),
}  # fmt: skip
ADVERSARY: dict[str, tuple[str, ...]] = {
    "train": ("net_d_init_iters", "net_d_iters", "optim_d"),
    "path": ("param_key_d", "pretrain_network_d", "strict_load_d"),
}
"""Of the keys that a model reads, those that a file without a discriminator has no use for."""


def check_keys_read(opt: Mapping[str, Any], more: More) -> None:
    """Refuse keys that a model of this package does not read, but for those in sections with owners of their own.

    Args:
        opt: the whole option mapping, whose sections are mappings.
        more: what the model reads beside what all do, by section; the top level is called ``options``.

    Raises:
        ValueError: names the key, and where it belongs or the nearest one.
    """
    read = {name: _keys_read(opt, name, more) for name in EVERY_MODEL}
    for name, keys in read.items():
        table = basicsr_keys.SECTIONS[name] if name else basicsr_keys.TOP_LEVEL
        _check(opt.get(name) or {} if name else opt, keys, table, name, opt, read)
    for phase, dataset in (opt.get("datasets") or {}).items():
        own = basicsr_keys.DATASET_TYPES.get(str(dataset.get("type"))) if isinstance(dataset, Mapping) else None
        own = tuple(more.get(f"datasets.{dataset.get('type')}", own or ())) if isinstance(dataset, Mapping) else None
        if own:
            keys = {*basicsr_keys.LOADER, *own}
            _check(dataset, keys, {**basicsr_keys.LOADER, **basicsr_keys.DATASET}, f"datasets.{phase}", opt, read)


def _keys_read(opt: Mapping[str, Any], section: str, more: More) -> set[str]:
    named = {*more.get(section or "options", ())}
    trains_two = opt.get("network_d") or (opt.get("train") or {}).get("gan_opt")
    return {*EVERY_MODEL[section], *named} - set(() if trains_two else ADVERSARY.get(section, ()))


def _check(
    section: Mapping[str, Any], keys: set[str], table: Mapping[str, Any], where: str, opt: Mapping[str, Any],
    read: Mapping[str, set[str]],
) -> None:  # fmt: skip
    for key, value in section.items():
        known = key in table or str(key).startswith(tuple(name[:-1] for name in table if name.endswith("*")))
        if key not in keys and not (known and value is None):
            hint = _place(key, where, read) or nearest_name(key, keys)
            reader = section.get("type") if where.startswith("datasets.") else opt.get("model_type")
            hint = f", which {reader} does not read{hint or '; take it out'}" if known else hint
            raise ValueError(f"unknown key '{key}' in {where or 'the options'}{hint}")


def _place(key: object, where: str, read: Mapping[str, set[str]]) -> str:
    """Say where a key belongs that is spelt right, and has another place; empty where it has none."""
    if key in ADVERSARY.get(where, ()) and "network_d" in read[""]:
        return " without network_d; take it out"
    for name, keys in read.items():
        if name != where and key in keys:
            return f"; it belongs in {name}" if name else "; it belongs at the top of the file"
    if "degradation" in read[""] and key in basicsr_keys.REALESRGAN:
        return "; it belongs in degradation"
    loading = key in {*basicsr_keys.LOADER, *basicsr_keys.OWN_DATASET, "gt_size", "io_backend", "use_hflip", "use_rot"}
    return "; it belongs in datasets.train" if loading and not where.startswith("datasets.") else ""


def check_dataset_values(opt: Mapping[str, Any], phase: str, dataset: Mapping[str, Any]) -> None:
    """Refuse values of a dataset section that BasicSR does not follow: a scale or phase of its own, and in validation
    what belongs to training.

    Raises:
        ValueError: names the key.
    """
    where, kind = f"datasets.{phase}", phase.split("_")[0]
    if dataset.get("phase") not in (None, kind):
        raise ValueError(
            f"expected no phase in {where}, whose name is its phase, got {dataset['phase']!r}; take it out"
        )
    scale = opt.get("scale")
    if dataset.get("scale") not in (None, scale) and (
        scale is not None or dataset.get("type") in basicsr_keys.OWN_DATASET_TYPES
    ):
        raise ValueError(
            f"expected no scale in {where}, got {dataset['scale']}; that at the top of the file counts, take it out"
        )
    if dataset.get("color") == "y":
        raise ValueError(
            f"expected images of three channels in {where} for {opt.get('model_type')}, got color: y; take it out"
        )
    if dataset.get("num_prefetch_queue") is not None and dataset.get("prefetch_mode") != "cpu":
        raise ValueError(f"expected {where}.num_prefetch_queue with prefetch_mode: cpu alone; take it out")
    if kind == "train":
        if dataset.get("use_shuffle") is False:
            raise ValueError(
                f"expected no use_shuffle: false in {where}, whose images are always shuffled; take it out"
            )
        return
    for key, done in basicsr_keys.IN_VALIDATION.items():
        if dataset.get(key) not in (None, done):
            raise ValueError(
                f"expected no {key} in {where}, got {dataset[key]}: validation takes whole images, one by one; take it "
                "out"
            )
