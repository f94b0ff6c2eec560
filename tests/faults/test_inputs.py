"""Malformed inputs through every reader of the command line: one sentence and exit code 2, or a valid result."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from faults.mutations import (
    Runs,
    bad_value,
    mutate_bytes,
    mutate_checkpoint,
    mutate_json,
    mutate_safetensors,
    mutate_yaml,
)
from faults.processes import End, left_behind, run
from faults.valid_inputs import IMAGES, KERNEL, TINY, fit_arguments, generate, pairs_of, write_valid_inputs

pytestmark = [pytest.mark.faults, pytest.mark.slow]
CASES = 12
INTERRUPTED = 130
LOGGED = ("train", "test")


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_valid_inputs(tmp_path_factory.mktemp("valid"))


def stop_in_first_step() -> None:
    """Have trainings interrupt themselves as Ctrl-C would: valid options may ask for days."""
    import basicsr.train

    from degflow_aug.models.stages.stage_model import StageModel

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    basicsr.train.AvgTimer.record = interrupt
    StageModel.set_learning_rate = interrupt  # type: ignore[method-assign]


def image(rng: random.Random, folder: Path, valid: Path, name: str) -> list[str]:
    """An image by itself or among others, to generate LR of or to evaluate on."""
    changed = mutate_bytes((valid / name).read_bytes(), rng)
    if rng.random() < 0.6:
        (folder / name).write_bytes(changed)
        return generate(folder / name, valid / KERNEL)
    shutil.copytree(valid / "pairs", folder / "pairs")
    # What a file is, its first bytes say.
    (folder / "pairs/HR/000.png").write_bytes(changed)
    evaluate = ["evaluate", str(valid / KERNEL), "--pairs", *pairs_of(folder)]
    return rng.choice((generate(folder / "pairs/HR", valid / KERNEL), evaluate))


def option_file(rng: random.Random, folder: Path, valid: Path) -> list[str]:
    name = rng.choice(("rae", "lfm", "sr", "test"))
    options = yaml.safe_load((valid / f"{name}.yml").read_text(encoding="utf-8"))
    (folder / "bad.yml").write_bytes(mutate_yaml(options, rng))
    shutil.copytree(valid / "experiments/rae/models", folder / "experiments/rae/models")
    return ["test" if name == "test" else "train", "-opt", "bad.yml"]


def forced_options(rng: random.Random, folder: Path, valid: Path) -> list[str]:
    key = rng.choice(("train:total_iter", "train:optim_g:lr", "name", "degflow:lr_size", "x:y", "network_g", "scale"))
    hostile = ("__import__('os').system('touch ran')", "!!python/object/apply:os.system ['touch ran']", "{", "", "=")
    value = rng.choice((*hostile, str(bad_value(rng, 2)).replace("\0", "")))
    return ["train", "-opt", str(valid / "sr.yml"), "--force_yml", rng.choice((f"{key}={value}", key, f"={value}"))]


def pattern_file(rng: random.Random, folder: Path, valid: Path) -> list[str]:
    hostile = ("../pairs/HR/{id}.png", "/etc/{id}.png", "{id}", "(.*){id}.png", "{id}" * 30 + ".png", "HR/" * 200)
    tree = {"hr": "HR/{id}.png", "views": {2: "x2/{id}.png", 4: "x4/{id}.png"}}
    text = mutate_yaml(tree, rng) if rng.random() < 0.7 else json.dumps({**tree, "hr": rng.choice(hostile)}).encode()
    (folder / "pattern.yml").write_bytes(text)
    pairs = [str(valid / "pairs"), "--layout", "pattern", "--pattern", "pattern.yml"]
    fit = ["fit", *pairs, "--preset", "kernel", "--held-out", "none", "--out", "k.safetensors"]
    return ["evaluate", str(valid / KERNEL), "--pairs", *pairs] if rng.random() < 0.7 else fit


def bundle(rng: random.Random, folder: Path, valid: Path) -> list[str]:
    path = folder / "bad.safetensors"
    path.write_bytes(mutate_safetensors((valid / rng.choice((KERNEL, TINY))).read_bytes(), rng))
    degradation = f"degradation={json.dumps({'type': 'DegFlow', 'bundle': str(path)})}"
    return rng.choice((
        ["bundles", path.name], generate(valid / "pairs/x4/000.png", path),
        ["evaluate", path.name, "--pairs", *pairs_of(valid), "--limit", "1"],
        ["noise", path.name, "--pairs", *pairs_of(valid), "--scenes", "000", "--out", "noisy.safetensors"],
        ["train", "-opt", str(valid / "sr.yml"), "--force_yml", degradation],
    ))  # fmt: skip


def official_checkpoint(rng: random.Random, folder: Path, valid: Path) -> list[str]:
    files = {name: valid / f"official_{name}.pth" for name in ("rae", "flow")}
    name = rng.choice(tuple(files))
    (folder / "bad.pth").write_bytes(mutate_checkpoint(files[name].read_bytes(), rng))
    files[name] = folder / "bad.pth"
    return ["convert", "--rae", str(files["rae"]), "--flow", str(files["flow"]), "--out", "b.safetensors"]


def checkpoint_in_options(rng: random.Random, folder: Path, valid: Path) -> list[str]:
    network = "path:pretrain_network_g"
    name, source, key = rng.choice((("test", "sr", network), ("sr", "sr", network), ("lfm", "rae", "degflow:rae")))
    data = (valid / "experiments" / source / "models/net_g_latest.pth").read_bytes()
    (folder / "bad.pth").write_bytes(mutate_checkpoint(data, rng))
    command = "test" if name == "test" else "train"
    return [command, "-opt", str(valid / f"{name}.yml"), "--force_yml", f"{key}={folder / 'bad.pth'}"]


def training_state(rng: random.Random, folder: Path, valid: Path) -> list[str]:
    name = rng.choice(("sr", "rae", "lfm"))
    for part in ("rae", name):
        shutil.copytree(valid / "experiments" / part, folder / "experiments" / part, dirs_exist_ok=True)
    path = folder / "experiments" / name / rng.choice(("training_states/2.state", "models/net_g_2.pth"))
    path.write_bytes(mutate_checkpoint(path.read_bytes(), rng))
    return ["train", "-opt", str(valid / f"{name}.yml"), "--auto_resume", "--force_yml", "train:total_iter=4"]


def generated_set(rng: random.Random, folder: Path, valid: Path) -> list[str]:
    """The manifest or the records of a set that is continued."""
    shutil.copytree(valid / "generated", folder / "generated")
    path = folder / "generated" / rng.choice(("manifest.json", "files.jsonl"))
    lines = [path.read_text(encoding="utf-8")] if path.suffix == ".json" else path.read_text("utf-8").splitlines()
    path.write_bytes(b"\n".join(mutate_json(json.loads(line), rng) for line in lines))
    return generate(valid / "pairs/HR", valid / KERNEL, "generated", "2,4")


def lmdb_folder(rng: random.Random, folder: Path, valid: Path) -> list[str]:
    """An LMDB that is cut off, damaged in its first two pages, or has other keys, to train on or to continue."""
    shutil.copytree(valid / "lmdb", folder / "lmdb")
    path = folder / "lmdb/2.lmdb" / rng.choice(("data.mdb", "meta_info.txt"))
    data = path.read_bytes()
    path.write_bytes(rng.choice((data[: rng.randrange(len(data))], rng.randbytes(32) + data[32:])))
    forced = [f"datasets:train:dataroot_gt={path.parent}", "datasets:train:io_backend={type: lmdb}"]
    train = ["train", "-opt", str(valid / "sr.yml"), "--force_yml", *forced]
    return rng.choice(([*generate(valid / "pairs/HR", valid / KERNEL, "lmdb"), "--format", "lmdb"], train))


def work_folder(rng: random.Random, folder: Path, valid: Path) -> list[str]:
    shutil.copytree(valid / "fitted.fit", folder / "fitted.fit")
    names = ("plan.json", "refine/clock.json", "kernel.safetensors", "refine/training_states/3.state")
    path = folder / "fitted.fit" / rng.choice(names)
    data = path.read_bytes()
    if path.suffix == ".json":
        path.write_bytes(mutate_json(json.loads(data), rng))
    else:
        path.write_bytes(mutate_checkpoint(data, rng) if path.suffix == ".state" else mutate_bytes(data, rng))
    return fit_arguments(valid)


def words(rng: random.Random, folder: Path, valid: Path) -> list[str]:
    """Scales, scenes, cameras, numbers and devices of the command line."""
    texts = ("1:4:0", "1:1e9:1e-9", "nan", "1e400", "-2", "2,,3", "::", "٣", "½", "9" * 5000, "001-060", "\udcff", "")
    value = rng.choice((*texts, str(bad_value(rng, 2)).replace("\0", "")))
    # The last of two equal options counts.
    made = generate(valid / "pairs/x4/000.png", valid / KERNEL)
    evaluate = ["evaluate", str(valid / KERNEL), "--pairs", *pairs_of(valid)]
    arguments, options = rng.choice((
        (made, ("--scales", "--tile", "--steps", "--device", "--camera", "--solver")),
        (evaluate, ("--scenes", "--cameras", "--knots", "--limit", "--split")),
    ))  # fmt: skip
    return [*arguments, f"{rng.choice(options)}={value}"]


READERS: dict[str, Callable[[random.Random, Path, Path], list[str]]] = {
    **{name: partial(image, name=name) for name in IMAGES}, "option file": option_file, "--force_yml": forced_options,
    "pattern file": pattern_file, "bundle": bundle, "official checkpoint": official_checkpoint,
    "checkpoint in options": checkpoint_in_options, "training state": training_state, "generated set": generated_set,
    "LMDB": lmdb_folder, "work folder of a fit": work_folder, "words of the command line": words,
}  # fmt: skip


def wrong(end: End, arguments: list[str], folder: Path) -> str | None:
    """What is wrong with the end of a command on a malformed input; None if nothing is."""
    said = f"exit code {end.code}, {' '.join(arguments)[:300]}: {end.stderr[-400:]}"
    if [*folder.rglob("ran"), *(path for path in folder.parent.iterdir() if path != folder)]:
        return f"code of the input was run, or its names led elsewhere: {said}"
    right = {
        0: True, INTERRUPTED: True, 1: all(line.startswith("degflow: skipped ") for line in end.lines),
        2: end.is_sentence() and (len(end.lines) == 1 or arguments[0] in LOGGED),
    }  # fmt: skip
    return None if right.get(end.code) and "Traceback" not in end.stderr and not left_behind(folder) else said


@pytest.mark.parametrize("reader", READERS)
def test_malformed_inputs_are_one_sentence_or_valid(reader: str, valid: Path, tmp_path: Path) -> None:
    failures, refused = [], 0
    for number in range(CASES):
        folder = tmp_path / f"{number}/1/2/case"
        folder.mkdir(parents=True)
        arguments = READERS[reader](random.Random(f"{reader} {number}"), folder, valid)
        end = run(arguments, folder, stop_in_first_step)
        refused += end.code in (1, 2)
        if failure := wrong(end, arguments, folder):
            failures.append(f"case {number}: {failure}")
    assert failures == []
    assert refused > 0


@pytest.mark.parametrize("command", ["train", "test"])
@pytest.mark.parametrize("key", ["path:pretrain_network_g", "path:resume_state"])
def test_no_checkpoint_that_options_name_runs_code(command: str, key: str, valid: Path, tmp_path: Path) -> None:
    torch.save({"params": Runs(), "iter": 1, "epoch": 1}, tmp_path / "code.pth")
    options = valid / ("test.yml" if command == "test" else "sr.yml")
    end = run([command, "-opt", str(options), "--force_yml", f"{key}={tmp_path / 'code.pth'}"], tmp_path / "case")
    assert list(tmp_path.rglob("ran")) == []
    if (command, key) != ("test", "path:resume_state"):
        assert end.is_sentence("expected a"), end.stderr


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped/x", "..", "a/../../x"])
def test_names_in_records_and_patterns_reach_no_other_folder(name: str, valid: Path, tmp_path: Path) -> None:
    folder = tmp_path / "1/2/inside"
    arguments = generate(valid / "pairs/x4", valid / KERNEL)
    assert run(arguments, folder).code == 0
    records = (folder / "out/files.jsonl").read_text(encoding="utf-8").replace('"name": "000"', f'"name": "{name}"')
    (folder / "out/files.jsonl").write_text(records, encoding="utf-8")
    assert run(arguments, folder).code == 0
    assert [path.name for path in folder.parent.iterdir()] == ["inside"]
    assert sorted(path.name for path in (folder / "out/2").iterdir()) == ["000.png", "001.png", "002.png"]
    (folder / "pattern.yml").write_text(f'{{hr: "{name}/{{id}}.png", views: {{2: "{name}/{{id}}x2.png"}}}}')
    pairs = ["--pairs", str(valid / "pairs"), "--layout", "pattern", "--pattern", "pattern.yml"]
    assert run(["evaluate", str(valid / KERNEL), *pairs], folder).is_sentence("expected files named")
