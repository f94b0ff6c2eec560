"""The options of one run of the downstream benchmark: equal for all kinds of LR in everything but the LR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.downstream.kinds import OPTION_FILES, TRUE_PAIRS, degradation_section
from degflow_aug.options.yaml_file import load_yaml

FILES = {"liif": "liif_degflow.yml", "rrdbnet": "rrdbnet_x4_degflow.yml"}


@dataclass(frozen=True)
class Small:
    """A network for a CPU; the option file has the full one.

    Attributes:
        network: replaces keys of ``network_g``.
        hr_size: side of HR crops; None for what the highest scale needs.
        lr_size, queries: of LIIF's patches.
    """

    network: Mapping[str, Any]
    hr_size: int | None = None
    lr_size: int = 32
    queries: int = 512
    batch: int = 4
    learning_rate: float = 4e-3
    ema_decay: float = 0.99
    iterations: int = 1000


SMALL = {
    "liif": Small(
        {
            "encoder_spec": {"name": "edsr-baseline", "args": {"n_resblocks": 4, "n_feats": 16}},
            "imnet_spec": {"name": "mlp", "args": {"hidden_list": [64, 64, 64]}},
        }
    ),
    "rrdbnet": Small({"num_feat": 16, "num_block": 2, "num_grow_ch": 8}, hr_size=128, learning_rate=1e-3),
}


@dataclass(frozen=True)
class Setting:
    """What is common to all runs.

    Attributes:
        pairs: folder of pairs to train on; of most kinds of LR only its HR images are read.
        test_pairs: folder of those to test on.
        layout, pattern: where images lie in both folders.
        train, test: scenes.
        train_scales: LIIF's scales are drawn evenly between the two.
        pair_scales: scales of the true pairs to train on.
        scales: those to test. RRDBNet knows ``upscale`` only, in training and testing.
        test_crop: test on the middle of about so many HR pixels a side; None for whole images.
        network: ``liif`` or ``rrdbnet``.
        size: ``small`` or ``full``.
        upscale: scale of RRDBNet.
        iterations: None for what the size has.
        bundles: generators by recipe, see :mod:`benchmarks.downstream.kinds`.
        num_gpu: 0 for the CPU.
    """

    pairs: Path
    test_pairs: Path
    train: str
    test: str
    layout: str = "city100"
    pattern: Path | None = None
    train_scales: tuple[float, float] = (2.9, 2.9)
    pair_scales: Sequence[float] = (2.9,)
    scales: Sequence[float] = (2.9,)
    test_crop: int | None = None
    network: str = "liif"
    size: str = "small"
    upscale: int = 4
    iterations: int | None = None
    bundles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    num_gpu: int = 0


def run_options(kind: str, seed: int, setting: Setting) -> dict[str, Any]:
    """The option file of a network with its sizes, data and LR replaced.

    Args:
        kind: a name out of ``downstream_kinds.KINDS``.
        seed: of weights, crops, scales and LR.
        setting: all else.
    """
    opt = load_yaml(OPTION_FILES / FILES[setting.network])
    opt |= {"name": f"{kind.replace(' + ', '_').replace(' ', '_')}_{seed}", "num_gpu": setting.num_gpu}
    opt |= {"manual_seed": seed, "degradation": degradation_section(kind, seed, setting.bundles)}
    if setting.size == "small":
        _shrink(opt, SMALL[setting.network])
    if setting.network == "rrdbnet":
        opt["scale"] = opt["network_g"]["scale"] = setting.upscale
    else:
        low, high = setting.train_scales
        opt["degflow"]["scale_range"] = [low, high]
        opt["datasets"]["train"]["gt_size"] = round(opt["degflow"]["lr_size"] * high)
    opt["datasets"] = _datasets(opt, kind == TRUE_PAIRS, setting)
    _set_schedule(opt, setting.iterations or opt["train"]["total_iter"])
    return opt


def _shrink(opt: dict[str, Any], small: Small) -> None:
    opt["network_g"] |= small.network
    opt["datasets"]["train"] |= {"batch_size_per_gpu": small.batch, "gt_size": small.hr_size}
    opt["train"] |= {"total_iter": small.iterations, "ema_decay": small.ema_decay}
    opt["train"]["optim_g"]["lr"] = small.learning_rate
    if "queries" in opt["degflow"]:
        opt["degflow"] |= {"lr_size": small.lr_size, "queries": small.queries}


def _datasets(opt: dict[str, Any], bring_lr: bool, setting: Setting) -> dict[str, Any]:
    """Training crops, with their LR where pairs bring it, and whole pairs to test on."""
    source: dict[str, Any] = {"layout": setting.layout}
    if setting.pattern:
        source["pattern"] = load_yaml(setting.pattern)
    train = {"dataroot_gt": str(setting.pairs.resolve()), **source, "scenes": setting.train}
    # As many scenes as there are, over and over: a run is one epoch, whatever number of scales the pairs have.
    train |= {"dataset_enlarge_ratio": 1000, "num_worker_per_gpu": 4 if setting.num_gpu else 0}
    train = {**opt["datasets"]["train"], **train}
    fixed = setting.upscale if setting.network == "rrdbnet" else None
    if bring_lr:
        lr_size = train["gt_size"] // fixed if fixed else opt["degflow"]["lr_size"]
        scales = [fixed] if fixed else list(setting.pair_scales)
        train |= {"type": "AnyScalePairDataset", "lr_size": lr_size, "scales": scales}
    test = {"dataroot_gt": str(setting.test_pairs.resolve()), **source, "scenes": setting.test}
    test |= {"name": "held-out", "type": "AnyScalePairDataset", "scales": [fixed] if fixed else list(setting.scales)}
    if setting.test_crop:
        test["crop"] = setting.test_crop
    return {"train": train, "val": test}


def _set_schedule(opt: dict[str, Any], iterations: int) -> None:
    """One half of a cosine down to a hundredth, whatever the length; saves on the way, tests at the end."""
    rate = opt["train"]["optim_g"]["lr"]
    opt["train"] |= {"total_iter": iterations}
    opt["train"]["scheduler"] = {
        "type": "CosineAnnealingRestartLR", "periods": [iterations], "restart_weights": [1], "eta_min": rate / 100,
    }  # fmt: skip
    opt["degflow"]["preview_freq"] = iterations
    opt["val"] |= {"val_freq": 2 * iterations, "best": None}
    opt["logger"]["save_checkpoint_freq"] = min(opt["logger"]["save_checkpoint_freq"], max(1, iterations // 4))
    opt["logger"]["use_tb_logger"] = False
