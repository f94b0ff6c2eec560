"""Malformed option files, pattern files, words of the command line, and environments."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import yaml

from benchmarks.faults.inputs.cases import KERNEL, Case, options_of, pairs_of
from benchmarks.faults.inputs.mutations import bad_value, mutate_tree, mutate_yaml


def option_file(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """An option file of train or test."""
    name = rng.choice(("rae", "lfm", "sr", "sr", "test"))
    path = folder / f"{name}.yml"
    path.write_bytes(mutate_yaml(options_of(seeds / f"{name}.yml"), rng))
    if name == "lfm":
        shutil.copytree(seeds / "experiments/rae/models", folder / "experiments/rae/models")
    return Case(["test" if name == "test" else "train", "-opt", path.name], changed=path, logs=True)


def forced_options(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """``--force_yml``."""
    options = options_of(seeds / "sr.yml")
    keys = rng.choice(
        (
            "train:total_iter",
            "train:optim_g:lr",
            "datasets:train:gt_size",
            "name",
            "degflow:lr_size",
            "x:y",
            "network_g",
            "path:resume_state",
            "path:pretrain_network_g",
            "scale",
            "logger:print_freq",
            "train",
            "datasets",
            "degradation:type",
            "num_gpu",
            "manual_seed",
            "datasets:train:dataroot_gt",
        )
    )
    hostile = (
        "__import__('os').system('touch ran')",
        "!!python/object/apply:os.system ['touch ran']",
        "open('ran','w')",
        "exec(\"open('ran','w')\")",
        "&a [*a]",
        "[" * 2000,
        "1:" * 900 + "1",
        "{",
        "'",
        "*x",
        "",
        "=",
        "a=b",
    )
    value = rng.choice(hostile) if rng.random() < 0.6 else str(bad_value(rng, options))[:20_000].replace("\0", "")
    entry = rng.choice((f"{keys}={value}", f"{keys}={value}", f"{keys}", f"={value}", f":={value}", f"{value}={value}"))
    return Case(["train", "-opt", str(seeds / "sr.yml"), "--force_yml", entry], logs=True)


def pattern_file(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """A pattern file of evaluate or fit."""
    path = folder / "pattern.yml"
    escapes = (
        "../pairs/HR/{id}.png",
        "/etc/{id}.png",
        "HR/../HR/{id}.png",
        "{id}",
        "HR/{id}{id}.png",
        "{camera}/{x}.png",
        "HR/{id}.png/..",
        "(.*){id}.png",
        "{id}" * 30 + ".png",
        "~/{id}.png",
        "HR/" * 200 + "{id}.png",
    )
    tree = {"hr": "HR/{id}.png", "views": {2: "x2/{id}.png", 4: "x4/{id}.png"}}
    if rng.random() < 0.35:
        part = rng.choice(escapes)
        tree["hr" if rng.random() < 0.5 else "views"] = part if rng.random() < 0.5 else {2: part}
        path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    else:
        path.write_bytes(mutate_yaml(tree, rng))
    pairs = ["--layout", "pattern", "--pattern", path.name]
    if rng.random() < 0.7:
        return Case(["evaluate", str(seeds / KERNEL), "--pairs", str(seeds / "pairs"), *pairs], changed=path)
    fit = ["fit", str(seeds / "pairs"), *pairs, "--preset", "kernel", "--held-out", "none", "--out", "k.safetensors"]
    return Case(fit, changed=path)


def words(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """Strings of the command line: scales, scenes, cameras, numbers, devices."""
    text = str(rng.choice((mutate_tree(["2,3,4"], rng), bad_value(rng, 2)))).replace("\0", "")[:50_000]
    pieces = (
        "1:4:0",
        "4:1:1",
        "1:1e9:1e-9",
        "nan",
        "inf",
        "1e400",
        "-2",
        "0.5",
        "2,,3",
        ":",
        "::",
        "2:3:4:5",
        "٣",
        "2e",
        ",",
        "1_0",
        "0x2",
        "1:4:1e-300",
        "½",
        "2 3",
        "+2",
        "9" * 5000,
        "1e-400",
        "001-060",
        "x-y",
        "-",
        "1-",
        "999-1",
        "a,b",
        "../x",
        "\u202e",
        "\udcff",
        "2;3",
        "2" + ",2" * 20_000,
    )
    value = rng.choice((*pieces, text))
    generate = ["generate", str(seeds / "pairs/x4/000.png"), "--bundle", str(seeds / KERNEL), "--out", "out"]
    evaluate = ["evaluate", str(seeds / KERNEL), "--pairs", *pairs_of(seeds / "pairs")]
    options = {
        "--scales": generate,
        "--tile": [*generate, "--scales", "2"],
        "--steps": [*generate, "--scales", "2"],
        "--device": [*generate, "--scales", "2"],
        "--camera": [*generate, "--scales", "2"],
        "--solver": [*generate, "--scales", "2"],
        "--scenes": evaluate,
        "--cameras": evaluate,
        "--knots": evaluate,
        "--limit": evaluate,
        "--split": evaluate,
    }
    option = rng.choice(("--scales", "--scales", "--scales", "--scenes", *options))
    return Case([*options[option], f"{option}={value}"])


def environment(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """What torchrun puts into the environment."""
    value = rng.choice(("", "-1", "x", "1e9", "99999999999999999999", "0x1", " 1", "1.5", "nan", "٣", "1;2", "7"))
    generate = [
        "generate",
        str(seeds / "pairs/x4/000.png"),
        "--bundle",
        str(seeds / KERNEL),
        "--scales",
        "2",
        "--out",
        "o",
    ]
    train = ["train", "-opt", str(seeds / "sr.yml")]
    launched = [*train, "--launcher", rng.choice(("pytorch", "slurm"))]
    name = rng.choice(("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    settings = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1", name: value}
    return Case(rng.choice((generate, generate, train, launched)), settings, logs=True)
