"""Malformed images, and LMDBs of images."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

from benchmarks.faults.inputs.cases import KERNEL, Case, Reader, options_of, pairs_of
from benchmarks.faults.inputs.mutations import mutate_bytes, mutate_image_header, mutate_json


def image_reader(names: tuple[str, ...], largest: str, cases: int, kind: str) -> Reader:
    """Image files of one kind, through the commands that decode them."""

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
            return Case(["evaluate", str(seeds / KERNEL), "--pairs", *pairs_of(folder / "pairs")], changed=path)
        fit = [
            "fit",
            *pairs_of(folder / "pairs"),
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


def generated_set(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """The manifest or the records of a generated set that is continued."""
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


def lmdb_folder(rng: random.Random, folder: Path, seeds: Path) -> Case:
    """An LMDB that is trained on, or that generate continues."""
    shutil.copytree(seeds / "lmdb", folder / "lmdb")
    path = folder / "lmdb/2.lmdb" / rng.choice(("data.mdb", "data.mdb", "data.mdb", "meta_info.txt"))
    data = path.read_bytes()
    changed = mutate_bytes(data, rng, head=200) if rng.random() < 0.5 else _mutate_page(data, rng)
    path.write_bytes(changed)
    if rng.random() < 0.6:
        options = options_of(seeds / "sr.yml")
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
