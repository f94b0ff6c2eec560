"""``degflow train liif --camera FILE --photos DIR``: the option file that it writes, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.photographs import write_photographs
from helpers.random_kernels import random_kernel
from helpers.refusals import refused
from helpers.tiny_camera import write_pairs

from degflow_aug import compat
from degflow_aug.bundles.bundle import KernelBundle, KernelSpec, load_bundle, save_bundle
from degflow_aug.bundles.likeness import Likeness, with_likenesses
from degflow_aug.cli import main
from degflow_aug.commands.train import camera_options
from degflow_aug.options.yaml_file import load_yaml

pytestmark = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
SEEN = ["pairs/000", "pairs/001"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with kernels at 2.5, pairs at 2 and 4, and photographs."""
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "pairs", size=160)
    write_photographs(tmp_path / "photos", 2, height=90, width=100)
    spec = KernelSpec((1.0, 2.5), "pairs", {"scenes": SEEN})
    save_bundle("kernel.safetensors", KernelBundle(spec, [random_kernel(0, (1.0, 2.5)).state_dict()]))
    return tmp_path


@pytest.fixture
def written(here: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the option file of some arguments, without a training."""

    def write(*words: str) -> dict[str, Any]:
        monkeypatch.setattr("basicsr.train.train_pipeline", lambda root: False)
        photos = () if "--photos" in words else ("--photos", "photos")
        assert main(["train", "liif", "--camera", "kernel.safetensors", *photos, *words]) == 0
        return load_yaml(here / "liif.yml")

    return write


def test_scales_are_those_of_the_camera_and_scenes_those_it_has_not_seen(written: Any) -> None:
    opt = written("--val", "pairs")
    assert opt["degflow"]["scale_range"] == [1, 2.5]
    assert opt["datasets"]["train"] == opt["datasets"]["train"] | {"dataroot_gt": "photos", "gt_size": 80}
    pairs = {"layout": "pattern", "scales": [2], "scenes": ["pairs/002"]}
    assert opt["datasets"]["val"] == opt["datasets"]["val"] | pairs
    assert opt["degradation"] == {"type": "FittedKernel", "bundle": "kernel.safetensors", "noise": 0}


@pytest.mark.parametrize(("photos", "seen", "both"), [
    ("photos", SEEN, 0), ("pairs", SEEN, 0), ("pairs/HR", SEEN, 1), ("pairs", [], 3),
    ("pairs", [*SEEN, "pairs/002"], 3),
])  # fmt: skip
def test_what_is_not_validated_on_and_what_is_trained_on_too_is_said(
    photos: str, seen: list[str], both: int, written: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = KernelSpec((1.0, 2.5), "pairs", {"scenes": seen})
    save_bundle("kernel.safetensors", KernelBundle(spec, [random_kernel(0, (1.0, 2.5)).state_dict()]))
    capsys.readouterr()
    written("--photos", photos, "--val", "pairs")
    said = capsys.readouterr().err
    assert "pairs: pairs at x4 are not validated on, which kernel.safetensors does not have" in said
    assert (f"{both} of the {both} HR images of pairs that are validated on are trained on as well" in said) == bool(
        both
    )


def test_pairs_of_other_devices_are_left_out(written: Any, here: Path) -> None:
    for camera in ("pairs", "other"):
        write_pairs(here / "two" / camera, size=160)
    pattern = {"hr": "{camera}/HR/{id}.png", "views": {2: "{camera}/x2/{id}.png"}}
    (here / "two" / "pattern.yml").write_text(json.dumps(pattern))
    val = written("--val", "two")["datasets"]["val"]
    assert val == val | {"cameras": ["pairs"], "scenes": ["pairs/002"]}


def test_a_student_that_was_compared_may_make_lr(here: Path) -> None:
    shipped = load_bundle("city100-iphone")
    save_bundle("camera.safetensors", replace(shipped, spec=with_likenesses(shipped.spec, [Likeness(30, 31, 2)])))
    values = {"network": "liif", "camera": "camera.safetensors", "photos": "photos", "val": None, "name": None}
    opt = camera_options.camera_options(type("Arguments", (), {**values, "iters": 9}))  # type: ignore[arg-type]
    degradation = {"type": "DegFlow", "bundle": "camera.safetensors", "noise": 1.0, "student": "auto"}
    assert opt["degradation"] == degradation


@pytest.mark.parametrize(
    "name", [b"ph\nfind_unused_parameters: true\n# x", b"ph\x1b[31m2", b"ph\xff", "b\u2028ä".encode()]
)
def test_names_of_folders_stay_names(name: bytes, written: Any, here: Path) -> None:
    photos = os.fsdecode(name)
    (here / "photos").rename(here / photos)
    opt = written("--photos", photos)
    assert opt["datasets"]["train"]["dataroot_gt"] == photos
    assert "find_unused_parameters" not in opt
    assert written("--photos", photos) == opt


def test_iterations_and_what_counts_them_go_together(written: Any) -> None:
    opt = written("--iters", "60")
    assert opt["train"]["total_iter"] == 60
    assert opt["train"]["scheduler"]["periods"] == [60]
    assert opt["logger"]["save_checkpoint_freq"] == 50
    assert not {"val"} & {*opt, *opt["datasets"]}


def test_a_gpu_trains_the_large_network(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_options, "pick_device", lambda name: torch.device("cuda"))
    values = {"network": "liif", "camera": "city100", "photos": "pairs", "val": "pairs", "name": "run"}
    opt = camera_options.camera_options(type("Arguments", (), {**values, "iters": 1000}))  # type: ignore[arg-type]
    assert (opt["num_gpu"], opt["name"], opt["network_g"]["encoder_spec"]["args"]["n_feats"]) == ("auto", "run", 64)
    assert opt["train"]["scheduler"]["milestones"] == [400, 700]
    assert opt["degflow"]["scale_range"] == [1, 2.9]
    assert opt["degradation"]["camera"] == "any"
    # Pairs are photographs too, of which HR is taken.
    assert opt["datasets"]["train"]["layout"] == "pattern"
    assert "scenes" not in opt["datasets"]["train"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "expected -opt FILE.yml, or liif --camera FILE.safetensors --photos DIR, got neither"),
        (["-opt", "liif_cpu", "--photos", "photos"], "expected --photos with liif"),
        (["liif", "-opt", "liif_cpu"], "expected liif or -opt, got both"),
        (["liif", "--camera", "kernel.safetensors"], "expected --photos with liif, got none"),
        (["liif_cpu"], "expected liif, got 'liif_cpu'; an option file is named by -opt"),
        (["liif", "--camera", "no.safetensors", "--photos", "photos"], "got no.safetensors: nothing there"),
        (["liif", "--camera", "kernel.safetensors", "--photos", "photo"], "photo: expected a folder of images"),
        (["liif", "--camera", "kernel.safetensors", "--photos", "photos", "--val", "photos"], "pairs of one layout"),
        (["liif", "--camera", "kernel.safetensors", "--photos", "photos", "--name", "a/b"], "without slashes"),
        (["liif", "--camera", "city100", "--photos", "photos"], "at least 93x93 pixels for a crop"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    before = sorted(here.rglob("*"))
    assert sentence in refused(capsys, "train", *words)
    assert sorted(here.rglob("*")) == before


def test_pairs_of_no_scale_of_the_camera_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(here / "far", scales=(4.0,))
    words = ("train", "liif", "--camera", "kernel.safetensors", "--photos", "photos", "--val", "far")
    capsys.readouterr()
    assert main([*words]) == 2
    assert "expected pairs at scales up to 2.5, which kernel.safetensors has, got 4" in capsys.readouterr().err


def test_another_file_of_that_name_stays(written: Any, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written()
    written()
    (here / "liif.yml").write_text("mine")
    capsys.readouterr()
    assert main(["train", "liif", "--camera", "kernel.safetensors", "--photos", "photos"]) == 2
    assert "train that by degflow train -opt liif.yml, or name a new run by --name" in capsys.readouterr().err
    assert (here / "liif.yml").read_text() == "mine"


@pytest.mark.slow
def test_it_trains_with_one_lens_and_goes_on_by_the_same_words(here: Path) -> None:
    write_pairs(here / "one", size=160, scales=(2.0,))
    words = ["train", "liif", "--camera", "kernel.safetensors", "--photos", "one", "--val", "one", "--iters", "2"]
    for more in ([], ["--auto_resume"]):
        done = subprocess.run(
            [sys.executable, "-m", "degflow_aug", *words, *more],
            cwd=here, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"option file: {here / 'liif.yml'}, 2 iterations at scales 1 to 2.5 on the CPU" in done.stderr
    assert "nothing to do" in done.stderr
    result = here / "experiments" / "liif" / "validation" / "pairs_2.json"
    assert list(json.loads(result.read_text())["scales"]) == ["2"]
