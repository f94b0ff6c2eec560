"""Malformed bundles, checkpoints, training states, and work folders of fits."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

from benchmarks.faults.inputs.cases import KERNEL, TINY, Case, content_of, options_of, pairs_of
from benchmarks.faults.inputs.mutations import mutate_bytes, mutate_json
from benchmarks.faults.inputs.tensors import mutate_checkpoint, mutate_safetensors


def bundle(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """A bundle, through every command that takes one."""
    path = folder / "bundle.safetensors"
    path.write_bytes(mutate_safetensors((seeds / rng.choice((KERNEL, TINY, TINY))).read_bytes(), rng))
    use = rng.choice(("bundles", "generate", "generate", "evaluate", "noise", "train"))
    if use == "bundles":
        return Case(["bundles", path.name], changed=path)
    if use == "generate":
        hr = str(seeds / "pairs/x4/000.png")
        return Case(["generate", hr, "--bundle", path.name, "--scales", "2", "--out", "out"], changed=path)
    if use == "train":
        options = {**options_of(seeds / "sr.yml"), "degradation": {"type": "DegFlow", "bundle": str(path)}}
        (folder / "sr.yml").write_text(json.dumps(options), encoding="utf-8")
        return Case(["train", "-opt", "sr.yml"], changed=path, logs=True)
    pairs = pairs_of(seeds / "pairs")
    limit = ["--limit", "1"] if use == "evaluate" else ["--scenes", "000", "--out", "noisy.safetensors"]
    return Case([use, path.name, "--pairs", *pairs, *limit], changed=path)


def official_checkpoint(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """One of the two official checkpoints."""
    which = rng.choice(("rae", "flow"))
    source = seeds / f"official_{which}.pth"
    path = folder / "bad.pth"
    path.write_bytes(mutate_checkpoint(content_of(source), source.read_bytes(), rng))
    files = {"rae": seeds / "official_rae.pth", "flow": seeds / "official_flow.pth", which: path}
    argv = ["convert", "--rae", str(files["rae"]), "--flow", str(files["flow"]), "--out", "b.safetensors"]
    return Case(argv, changed=path)


def own_checkpoint(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """A checkpoint or the bundle beside it of our own two stages."""
    models = folder / "models"
    shutil.copytree(seeds / "experiments/lfm/models", models)
    shutil.copy(seeds / "experiments/rae/models/net_g_latest.pth", models / "rae.pth")
    name = rng.choice(("rae.pth", "net_g_latest.pth", "generator_latest.safetensors"))
    path = models / name
    if path.suffix == ".pth":
        path.write_bytes(mutate_checkpoint(content_of(seeds_of(seeds, name)), path.read_bytes(), rng))
    else:
        path.write_bytes(mutate_safetensors(path.read_bytes(), rng))
    argv = ["convert", "--rae", "models/rae.pth", "--flow", "models/net_g_latest.pth", "--out", "b.safetensors"]
    return Case(argv, changed=path)


def seeds_of(seeds: Path, name: str) -> Path:
    """The valid checkpoint behind a name of :func:`_own_checkpoint`."""
    run = "rae" if name == "rae.pth" else "lfm"
    return seeds / "experiments" / run / "models/net_g_latest.pth"


def network_in_options(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """A checkpoint that an option file names: to begin with, to test, or stage 1's."""
    use = rng.choice(("test", "train", "lfm"))
    source = seeds / ("experiments/rae" if use == "lfm" else "experiments/sr") / "models/net_g_latest.pth"
    path = folder / "bad.pth"
    path.write_bytes(mutate_checkpoint(content_of(source), source.read_bytes(), rng))
    file = {"test": "test.yml", "train": "sr.yml", "lfm": "lfm.yml"}[use]
    key = "degflow:rae" if use == "lfm" else "path:pretrain_network_g"
    command = "test" if use == "test" else "train"
    return Case([command, "-opt", str(seeds / file), "--force_yml", f"{key}={path}"], changed=path, logs=True)


def training_state(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """A training state, or the network that belongs to it."""
    run = rng.choice(("sr", "rae", "lfm"))
    source = seeds / "experiments" / run
    target = folder / "experiments" / run
    for name in ("models/net_g_2.pth", "training_states/2.state"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, target / name)
    if run == "lfm":
        shutil.copytree(seeds / "experiments/rae/models", folder / "experiments/rae/models")
    name = rng.choice(("training_states/2.state", "training_states/2.state", "models/net_g_2.pth"))
    path = target / name
    path.write_bytes(mutate_checkpoint(content_of(source / name), path.read_bytes(), rng))
    argv = ["train", "-opt", str(seeds / f"{run}.yml"), "--auto_resume", "--force_yml", "train:total_iter=4"]
    return Case(argv, changed=path, logs=True)


def fit_folder(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """A file in the work folder of a fit that is resumed."""
    shutil.copytree(seeds / "fitted.fit", folder / "fitted.fit")
    last = "fitted.fit/refine"
    name = rng.choice(
        (
            "fitted.fit/plan.json",
            "fitted.fit/plan.json",
            f"{last}/clock.json",
            "fitted.fit/kernel.safetensors",
            f"{last}/training_states/3.state",
            f"{last}/models/net_g_3.pth",
            "fitted.fit/lfm/models/generator_latest.safetensors",
        )
    )
    path = folder / name
    data = path.read_bytes()
    if path.suffix == ".json":
        path.write_bytes(mutate_json(json.loads(data), rng))
    elif path.suffix == ".safetensors":
        path.write_bytes(mutate_bytes(data, rng) if "kernel" in name else mutate_safetensors(data, rng))
    else:
        path.write_bytes(mutate_checkpoint(content_of(seeds / name), data, rng))
    return Case(fit_arguments(seeds), changed=path)


def fit_arguments(seeds: Path) -> list[str]:
    """The fit whose work folder is among the valid inputs."""
    return [
        "fit",
        *pairs_of(seeds / "pairs"),
        "--preset",
        "tiny",
        "--iters",
        "6",
        "--held-out",
        "none",
        "--save-every",
        "0.001",
        "--out",
        "fitted.safetensors",
    ]
