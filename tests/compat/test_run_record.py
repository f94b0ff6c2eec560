"""What has changed since a training state was saved is said, and what cannot go on is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from degflow_aug import register
from degflow_aug.compat.run_record import changes, kept_kernel, record_of, recorded

UNUSED = "without effect, the run goes on from networks of its own"
NOT_EQUAL = "no longer equal to the bit"


@pytest.fixture
def opt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Options that name files and folders in the working directory, and a run."""
    monkeypatch.chdir(tmp_path)
    for name in ("camera.safetensors", "start.pth", "flux/unet.bin", "experiments/stage1/models/net_g_latest.pth"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(name.encode())
    for name in ("photos", "more"):
        Path(name).mkdir()
        Path(name, "1.png").write_bytes(name.encode())
    return {
        "name": "tiny", "model_type": "DegradedSRModel", "manual_seed": 1, "rank": 0, "world_size": 1, "num_gpu": 0,
        "degradation": {"type": "Mixture", "parts": [{"type": "DegFlow", "bundle": "camera.safetensors", "noise": 1}]},
        "degflow": {"rae": "stage1", "knots": (1, 2)},
        "datasets": {"train": {"dataroot_gt": ["photos", "more"], "batch_size_per_gpu": 2, "lq": {2.9: "photos"}}},
        "network_g": {"type": "OneStepFlux", "pretrained": "flux"},
        "path": {"pretrain_network_g": "start.pth", "experiments_root": str(tmp_path / "experiments/tiny")},
        "train": {"optim_g": {"type": "Adam", "lr": 1e-3}, "total_iter": 4},
    }  # fmt: skip


def said_of(opt: dict[str, Any], before: Any, key: str) -> str:
    """The one sentence about a key, and whether the run is said to be another one."""
    said = changes(before, record_of(opt), 2)
    assert key in said[0]
    assert len(said) == 1 or NOT_EQUAL in said[1]
    return said[0] + (NOT_EQUAL if len(said) > 1 else "")


def test_nothing_changed(opt: dict[str, Any]) -> None:
    before = record_of(opt)
    assert changes(before, record_of({**opt, "name": "other", "auto_resume": True}), 2) == []


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("manual_seed", 2), ("degradation.parts.0.noise", 0), ("degradation.parts.0.type", "Bicubic"),
        ("degflow.knots", (1, 3)), ("datasets.train.batch_size_per_gpu", 4), ("datasets.train.dataroot_gt", "photos"),
        ("train.optim_g.lr", 1e-2), ("train.pixel_opt", {"type": "L1Loss"}), ("network_g.lora", 8), ("scale", 2),
    ],
)  # fmt: skip
def test_options_that_take_effect(opt: dict[str, Any], keys: str, value: Any) -> None:
    before, section = record_of(opt), opt
    *parents, last = keys.split(".")
    for key in parents:
        section = section[int(key)] if isinstance(section, list) else section[key]
    section[last] = value
    said = said_of(opt, before, keys)
    assert "changed from" in said
    assert said.endswith(f"takes effect from now on.{NOT_EQUAL}")


@pytest.mark.parametrize(("key", "effect"), [
    ("network_g.prompt", UNUSED), ("degflow.mid_timestep", UNUSED),
    ("degflow.generator", "its kernel takes effect from now on, and the run goes on from networks of its own"),
])  # fmt: skip
def test_what_the_networks_of_the_run_bring_along(opt: dict[str, Any], key: str, effect: str) -> None:
    section, _, name = key.partition(".")
    before = record_of(opt)
    opt[section][name] = "other"
    said = changes(before, record_of(opt), 2)
    assert re.fullmatch(f"{key} changed from none to 'other' since iteration 2: {effect}.", said[0])
    if section == "network_g":
        opt["path"]["ignore_resume_networks"] = "network_g"
        assert changes(before, record_of(opt), 2)[0].endswith("takes effect from now on.")


def test_the_kernel_of_a_run_is_said_to_be_of_the_earlier_pairs(opt: dict[str, Any]) -> None:
    before, kernel = record_of(opt), Path("experiments/tiny/kernel.safetensors")
    kernel.parent.mkdir()
    opt["datasets"]["train"]["batch_size_per_gpu"] = 3
    kernel.touch()
    assert not kept_kernel(opt, changes(before, record_of(opt), 2))
    Path("photos/1.png").write_bytes(b"another")
    assert "kernel.safetensors stays as it was" in kept_kernel(opt, changes(before, record_of(opt), 2))[0]


@pytest.mark.parametrize("key", ["name", "cache_mb", "pin_memory", "num_worker_per_gpu", "find_unused_parameters"])
@pytest.mark.parametrize("dataset", ["HRCropDataset", "PairedImageDataset"])
def test_what_draws_and_weights_do_not_depend_on(opt: dict[str, Any], key: str, dataset: str) -> None:
    """Data sets of BasicSR draw from a stream per worker."""
    register()
    opt["datasets"]["train"]["type"] = dataset
    before = record_of(opt)
    (opt if key.startswith("find") else opt["datasets"]["train"])[key] = 3
    of_workers = key == "num_worker_per_gpu" and dataset == "PairedImageDataset"
    assert len(changes(before, record_of(opt), 2)) == 2 * of_workers


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("camera.safetensors", "degradation.parts.0.bundle"), ("flux/unet.bin", "network_g.pretrained"),
        ("more/1.png", "datasets.train.dataroot_gt"), ("experiments/stage1/models/net_g_latest.pth", "degflow.rae"),
    ],
)  # fmt: skip
def test_other_content_at_the_same_path(opt: dict[str, Any], file: str, key: str) -> None:
    before = record_of(opt)
    Path(file).write_bytes(Path(file).read_bytes()[::-1])
    said = said_of(opt, before, key)
    assert said.endswith(f"({key}) changed since iteration 2: takes effect from now on.{NOT_EQUAL}")


def test_another_revision_of_a_model_of_the_hub(opt: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "hub")
    opt["network_g"]["pretrained"] = "lab/flux"
    main = Path("hub/models--lab--flux/refs/main")
    main.parent.mkdir(parents=True)
    main.write_text("revision 1", encoding="utf-8")
    before = record_of(opt)
    main.write_text("revision 2", encoding="utf-8")
    assert "'lab/flux' (network_g.pretrained) changed" in said_of(opt, before, "network_g.pretrained")


def test_the_same_content_at_another_path_is_no_change(opt: dict[str, Any]) -> None:
    before = record_of(opt)
    Path("camera.safetensors").rename("renamed.safetensors")
    opt["degradation"]["parts"][0]["bundle"] = str(Path("renamed.safetensors").resolve())
    assert changes(before, record_of(opt), 2) == []


def test_what_a_run_that_goes_on_does_not_use(opt: dict[str, Any]) -> None:
    before = record_of(opt)
    Path("start.pth").write_bytes(b"other weights")
    assert said_of(opt, before, "path.pretrain_network_g").endswith(f"{UNUSED}.")
    for ignored in (["network_g"], "network_g"):
        opt["path"]["ignore_resume_networks"] = ignored
        said = changes(before, record_of(opt), 2)
        assert "takes effect from now on" in said[0]
        assert "network_g starts anew, from its first or pretrained weights" in said[1]
        assert NOT_EQUAL in said[-1]


def test_networks_that_start_anew_are_told_whenever_a_run_goes_on(opt: dict[str, Any]) -> None:
    opt["path"]["ignore_resume_networks"] = ["network_g"]
    said = changes(record_of(opt), record_of(opt), 2)
    assert len(said) == 2
    assert NOT_EQUAL in said[1]


@pytest.mark.parametrize("root", [".", "..", "photos"])
def test_images_of_the_working_directory_count_and_what_runs_write_there_does_not(
    opt: dict[str, Any], root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opt["datasets"]["train"]["dataroot_gt"] = root
    if root == "..":
        monkeypatch.chdir("more")
    before = record_of(opt)
    Path(opt["path"]["experiments_root"]).mkdir()
    Path(opt["path"]["experiments_root"], "log.txt").write_bytes(b"written")
    assert changes(before, record_of(opt), 2) == []
    Path(root, "photos/1.png" if root != "photos" else "1.png").write_bytes(b"another")
    assert "(datasets.train.dataroot_gt) changed" in changes(before, record_of(opt), 2)[0]


@pytest.mark.parametrize("key", ["val", "train.total_iter", "logger"])
def test_what_training_does_not_depend_on(opt: dict[str, Any], key: str) -> None:
    before = record_of(opt)
    section, _, last = key.rpartition(".")
    (opt[section] if section else opt)[last] = 9 if section else {"val_freq": 9}
    assert said_of(opt, before, key).endswith("takes effect from now on.")


@pytest.mark.parametrize("key", ["model_type", "network_g.type", "train.optim_g.type"])
def test_what_a_state_cannot_go_on_with(opt: dict[str, Any], key: str) -> None:
    before, section = record_of(opt), opt
    *parents, last = key.split(".")
    for parent in parents:
        section = section[parent]
    was, section[last] = section[last], "Other"
    with pytest.raises(ValueError, match=rf"^expected {key} '{was}', as in the training state of .*, got 'Other'; go"):
        changes(before, record_of(opt), 2)


def test_another_machine(opt: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    before = record_of(opt)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 999)
    assert changes(before, record_of({**opt, "world_size": 4}), 2)[:2] == [
        "the number of processes changed from 1 to 4 since iteration 2.",
        f"the number of torch threads changed from {before['machine']['the number of torch threads']} to 999 since "
        "iteration 2.",
    ]


def test_a_record_is_read_back_without_code(opt: dict[str, Any], tmp_path: Path) -> None:
    record = record_of(opt)
    torch.save({"run": record}, tmp_path / "2.state")
    state = torch.load(tmp_path / "2.state", weights_only=True)
    assert recorded(state) == record
    assert changes(record, record_of(opt), 2) == []


GARBAGE = [{}, {"options": {}}, {"options": {3: 4}, "content": {}, "machine": {}}, 3, None]
GARBAGE += [{"options": {"scale": torch.ones(2)}, "content": {}, "machine": {}}]


@pytest.mark.parametrize("state", [{}, *({"run": record} for record in GARBAGE)])
def test_states_without_a_record(state: dict[str, Any]) -> None:
    assert recorded(state) is None
