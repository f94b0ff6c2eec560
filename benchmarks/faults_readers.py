"""Every reader of the command line with its malformed inputs: which files are changed, and which command reads them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml
from faults_mutations import bad_value, mutate_bytes, mutate_image_header, mutate_json, mutate_tree, mutate_yaml
from faults_tensors import mutate_checkpoint, mutate_safetensors

KERNEL, TINY = "kernel.safetensors", "tiny.safetensors"


@dataclass(frozen=True)
class Case:
    """One malformed input and the command that is to refuse it.

    Attributes:
        argv: arguments of ``degflow``.
        environment: additions to it.
        changed: the malformed file; None where it is an argument.
        logs: lines before the sentence are a log.
    """

    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    changed: Path | None = None
    logs: bool = False


Make = Callable[[random.Random, Path, Path], Case]


@dataclass(frozen=True)
class Reader:
    """One kind of input.

    Attributes:
        cases: how many of the whole campaign.
        make: writes the input of a case below a folder, from the valid ones in another.
        largest: arguments with the largest valid input of the kind, below the folder of valid ones.
    """

    name: str
    cases: int
    make: Make
    largest: Callable[[Path, Path], list[str]]


def _pairs_of(folder: Path) -> list[str]:
    return [str(folder), "--layout", "pattern", "--pattern", str(folder / "pattern.yml")]


def _image(names: tuple[str, ...], largest: str, cases: int, kind: str) -> Reader:
    def make(rng: random.Random, folder: Path, seeds: Path) -> Case:
        data = (seeds / "images" / rng.choice(names)).read_bytes()
        changed = mutate_image_header(data, rng) if rng.random() < 0.3 else mutate_bytes(data, rng)
        suffix = Path(names[0]).suffix
        use = rng.random()
        if use < 0.7:
            path = folder / f"in{suffix}"
            path.write_bytes(changed)
            generate = ["generate", str(path), "--bundle", str(seeds / KERNEL), "--scales", "2", "--out", "out"]
            return Case(generate, changed=path)
        path = folder / "pairs" / "HR" / f"000{suffix}"
        shutil.copytree(seeds / "pairs", folder / "pairs")
        (folder / "pairs/HR/000.png").unlink()
        path.write_bytes(changed)
        if suffix != ".png":
            _to_png_names(folder / "pairs", suffix)
        if use < 0.8:
            return Case(
                ["generate", str(path.parent), "--bundle", str(seeds / KERNEL), "--scales", "2", "--out", "out"],
                changed=path,
            )
        if use < 0.9:
            return Case(["evaluate", str(seeds / KERNEL), "--pairs", *_pairs_of(folder / "pairs")], changed=path)
        fit = [
            "fit",
            *_pairs_of(folder / "pairs"),
            "--preset",
            "kernel",
            "--held-out",
            "none",
            "--out",
            "k.safetensors",
        ]
        return Case(fit, changed=path)

    def largest_of(folder: Path, seeds: Path) -> list[str]:
        image = str(seeds / "images" / largest)
        return ["generate", image, "--bundle", str(seeds / KERNEL), "--scales", "2", "--out", str(folder / "out")]

    return Reader(f"image: {kind}", cases, make, largest_of)


def _to_png_names(pairs: Path, suffix: str) -> None:
    """Give all HR images the suffix of the malformed one: what a file is, its first bytes say."""
    for other in (pairs / "HR").glob("*.png"):
        other.rename(other.with_suffix(suffix))
    text = (pairs / "pattern.yml").read_text(encoding="utf-8")
    (pairs / "pattern.yml").write_text(text.replace("HR/{id}.png", "HR/{id}" + suffix), encoding="utf-8")


@cache
def _options(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def _content(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _option_file(rng: random.Random, folder: Path, seeds: Path) -> Case:
    name = rng.choice(("rae", "lfm", "sr", "sr", "test"))
    path = folder / f"{name}.yml"
    path.write_bytes(mutate_yaml(_options(seeds / f"{name}.yml"), rng))
    if name == "lfm":
        shutil.copytree(seeds / "experiments/rae/models", folder / "experiments/rae/models")
    return Case(["test" if name == "test" else "train", "-opt", path.name], changed=path, logs=True)


def _forced_options(rng: random.Random, folder: Path, seeds: Path) -> Case:
    options = _options(seeds / "sr.yml")
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


def _pattern_file(rng: random.Random, folder: Path, seeds: Path) -> Case:
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


def _bundle(rng: random.Random, folder: Path, seeds: Path) -> Case:
    path = folder / "bundle.safetensors"
    path.write_bytes(mutate_safetensors((seeds / rng.choice((KERNEL, TINY, TINY))).read_bytes(), rng))
    use = rng.choice(("bundles", "generate", "generate", "evaluate", "noise", "train"))
    if use == "bundles":
        return Case(["bundles", path.name], changed=path)
    if use == "generate":
        hr = str(seeds / "pairs/x4/000.png")
        return Case(["generate", hr, "--bundle", path.name, "--scales", "2", "--out", "out"], changed=path)
    if use == "train":
        options = {**_options(seeds / "sr.yml"), "degradation": {"type": "DegFlow", "bundle": str(path)}}
        (folder / "sr.yml").write_text(json.dumps(options), encoding="utf-8")
        return Case(["train", "-opt", "sr.yml"], changed=path, logs=True)
    pairs = _pairs_of(seeds / "pairs")
    limit = ["--limit", "1"] if use == "evaluate" else ["--scenes", "000", "--out", "noisy.safetensors"]
    return Case([use, path.name, "--pairs", *pairs, *limit], changed=path)


def _official(rng: random.Random, folder: Path, seeds: Path) -> Case:
    which = rng.choice(("rae", "flow"))
    source = seeds / f"official_{which}.pth"
    path = folder / "bad.pth"
    path.write_bytes(mutate_checkpoint(_content(source), source.read_bytes(), rng))
    files = {"rae": seeds / "official_rae.pth", "flow": seeds / "official_flow.pth", which: path}
    argv = ["convert", "--rae", str(files["rae"]), "--flow", str(files["flow"]), "--out", "b.safetensors"]
    return Case(argv, changed=path)


def _own_checkpoint(rng: random.Random, folder: Path, seeds: Path) -> Case:
    models = folder / "models"
    shutil.copytree(seeds / "experiments/lfm/models", models)
    shutil.copy(seeds / "experiments/rae/models/net_g_latest.pth", models / "rae.pth")
    name = rng.choice(("rae.pth", "net_g_latest.pth", "generator_latest.safetensors"))
    path = models / name
    if path.suffix == ".pth":
        path.write_bytes(mutate_checkpoint(_content(seeds_of(seeds, name)), path.read_bytes(), rng))
    else:
        path.write_bytes(mutate_safetensors(path.read_bytes(), rng))
    argv = ["convert", "--rae", "models/rae.pth", "--flow", "models/net_g_latest.pth", "--out", "b.safetensors"]
    return Case(argv, changed=path)


def seeds_of(seeds: Path, name: str) -> Path:
    """The valid checkpoint behind a name of :func:`_own_checkpoint`."""
    run = "rae" if name == "rae.pth" else "lfm"
    return seeds / "experiments" / run / "models/net_g_latest.pth"


def _network_in_options(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """A checkpoint that an option file names: to begin with, to test, or stage 1's."""
    use = rng.choice(("test", "train", "lfm"))
    source = seeds / ("experiments/rae" if use == "lfm" else "experiments/sr") / "models/net_g_latest.pth"
    path = folder / "bad.pth"
    path.write_bytes(mutate_checkpoint(_content(source), source.read_bytes(), rng))
    file = {"test": "test.yml", "train": "sr.yml", "lfm": "lfm.yml"}[use]
    key = "degflow:rae" if use == "lfm" else "path:pretrain_network_g"
    command = "test" if use == "test" else "train"
    return Case([command, "-opt", str(seeds / file), "--force_yml", f"{key}={path}"], changed=path, logs=True)


def _training_state(rng: random.Random, folder: Path, seeds: Path) -> Case:
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
    path.write_bytes(mutate_checkpoint(_content(source / name), path.read_bytes(), rng))
    argv = ["train", "-opt", str(seeds / f"{run}.yml"), "--auto_resume", "--force_yml", "train:total_iter=4"]
    return Case(argv, changed=path, logs=True)


def _generated_set(rng: random.Random, folder: Path, seeds: Path) -> Case:
    shutil.copytree(seeds / "generated", folder / "generated")
    path = folder / "generated" / rng.choice(("manifest.json", "files.jsonl"))
    if path.suffix == ".json":
        path.write_bytes(mutate_json(json.loads(path.read_text(encoding="utf-8")), rng))
    else:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for line in lines:
            line["name"] = rng.choice((line["name"], line["name"], "../../escaped", "/tmp/escaped", "..", ""))
        path.write_bytes(b"\n".join(mutate_json(line, rng) for line in lines))
    hr = str(seeds / "pairs/HR")
    argv = ["generate", hr, "--bundle", str(seeds / KERNEL), "--scales", "2,4", "--out", "generated"]
    return Case(argv, changed=path)


def _lmdb(rng: random.Random, folder: Path, seeds: Path) -> Case:
    shutil.copytree(seeds / "lmdb", folder / "lmdb")
    path = folder / "lmdb/2.lmdb" / rng.choice(("data.mdb", "data.mdb", "data.mdb", "meta_info.txt"))
    data = path.read_bytes()
    changed = mutate_bytes(data, rng, head=200) if rng.random() < 0.5 else _mutate_page(data, rng)
    path.write_bytes(changed)
    if rng.random() < 0.6:
        options = _options(seeds / "sr.yml")
        train = {**options["datasets"]["train"], "dataroot_gt": str(path.parent), "io_backend": {"type": "lmdb"}}
        options = {**options, "datasets": {"train": {**train, "gt_size": 32}}}
        (folder / "sr.yml").write_text(json.dumps(options), encoding="utf-8")
        return Case(["train", "-opt", "sr.yml"], changed=path, logs=True)
    lines = (folder / "lmdb/files.jsonl").read_text(encoding="utf-8").splitlines()
    (folder / "lmdb/files.jsonl").write_text("\n".join(lines[: rng.randrange(3)]) + "\n", encoding="utf-8")
    hr = str(seeds / "pairs/HR")
    argv = ["generate", hr, "--bundle", str(seeds / KERNEL), "--scales", "2", "--format", "lmdb", "--out", "lmdb"]
    return Case(argv, changed=path)


def _mutate_page(data: bytes, rng: random.Random) -> bytes:
    """A field in the header of one page or among its first offsets."""
    if len(data) < 4096:
        return mutate_bytes(data, rng)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2))):
        at = 4096 * rng.randrange(len(data) // 4096) + rng.choice((rng.randrange(160), rng.randrange(3900, 4092)))
        size = rng.choice((1, 2, 4, 8))
        number = rng.choice((0, 1, 2, 3, 5, 15, 16, 255, 4096, 65_535, 2**31, 2**40, 2**64 - 1))
        changed[at : at + size] = (number & (2 ** (8 * size) - 1)).to_bytes(size, "little")
    return bytes(changed)


def _fit_folder(rng: random.Random, folder: Path, seeds: Path) -> Case:
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
        path.write_bytes(mutate_checkpoint(_content(seeds / name), data, rng))
    return Case(_fit(seeds), changed=path)


def _fit(seeds: Path) -> list[str]:
    return [
        "fit",
        *_pairs_of(seeds / "pairs"),
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


def _words(rng: random.Random, folder: Path, seeds: Path) -> Case:
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
    evaluate = ["evaluate", str(seeds / KERNEL), "--pairs", *_pairs_of(seeds / "pairs")]
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


def _environment(rng: random.Random, folder: Path, seeds: Path) -> Case:
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


def _generate_small(folder: Path, seeds: Path, bundle: str) -> list[str]:
    hr = str(seeds / "pairs/x4/000.png")
    return ["generate", hr, "--bundle", bundle, "--scales", "2", "--out", str(folder / "out")]


def _convert_large(folder: Path, seeds: Path) -> list[str]:
    rae, flow = str(seeds / "large_official_rae.pth"), str(seeds / "large_official_flow.pth")
    return ["convert", "--rae", rae, "--flow", flow, "--out", str(folder / "large.safetensors")]


def _train_valid(folder: Path, seeds: Path) -> list[str]:
    shutil.copytree(seeds / "experiments/rae/models", folder / "experiments/rae/models")
    return ["train", "-opt", str(seeds / "lfm.yml")]


def _generate_again(folder: Path, seeds: Path) -> list[str]:
    hr = str(seeds / "pairs/HR")
    return ["generate", hr, "--bundle", str(seeds / KERNEL), "--scales", "2,4", "--out", str(folder / "again")]


def _fit_kernel(folder: Path, seeds: Path) -> list[str]:
    fit = ["fit", *_pairs_of(seeds / "pairs"), "--preset", "kernel", "--held-out", "none"]
    return [*fit, "--out", str(folder / "k.safetensors")]


def _fit_again(folder: Path, seeds: Path) -> list[str]:
    shutil.copytree(seeds / "fitted.fit", folder / "fitted.fit")
    return _fit(seeds)


READERS: tuple[Reader, ...] = (
    _image(("small.png", "palette.png"), "large.png", 200, "PNG"),
    _image(("small16.png",), "large16.png", 120, "PNG of 16 bits"),
    _image(("small.jpg", "progressive.jpg"), "large.jpg", 200, "JPEG"),
    _image(("small.tif", "raw.tif", "tiff_lzw.tif", "packbits.tif", "small16.tif"), "large.tif", 200, "TIFF"),
    _image(("small.webp", "lossy.webp"), "large.webp", 140, "WebP"),
    _image(("small.bmp",), "large.bmp", 100, "BMP"),
    Reader("option file", 320, _option_file, _train_valid),
    Reader("--force_yml", 120, _forced_options, _train_valid),
    Reader("pattern file", 140, _pattern_file, _fit_kernel),
    Reader("bundle", 320, _bundle, lambda folder, seeds: _generate_small(folder, seeds, "city100-iphone")),
    Reader("official checkpoint", 180, _official, _convert_large),
    Reader("checkpoint of ours", 120, _own_checkpoint, _convert_large),
    Reader("checkpoint in options", 120, _network_in_options, _train_valid),
    Reader("training state", 140, _training_state, _train_valid),
    Reader("manifest and records", 140, _generated_set, _generate_again),
    Reader("LMDB", 160, _lmdb, _train_valid),
    Reader("work folder of a fit", 120, _fit_folder, _fit_again),
    Reader("words of the command line", 120, _words, _generate_again),
    Reader("environment", 40, _environment, _train_valid),
)
