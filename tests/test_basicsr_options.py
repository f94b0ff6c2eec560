"""Every option file is read, checked and trained a few iterations, on pairs made here in place of its data set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny_camera import write_pairs

from degflow_aug.options import LFMOptions, RAEOptions, read_options
from degflow_aug.yaml_options import check_basicsr_options, load_yaml

FOLDER = Path(__file__).resolve().parents[1] / "basicsr_options"
FILES = sorted(FOLDER.glob("*.yml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_keys_are_known(file: Path) -> None:
    opt = load_yaml(file)
    check_basicsr_options(opt)
    read_options({"RAEModel": RAEOptions, "LFMModel": LFMOptions}[opt["model_type"]], opt["degflow"], "degflow")
    assert opt["name"] == file.stem
    assert opt["train"]["total_iter"] == opt["train"]["scheduler"]["periods"][0]


def shorten(opt: dict, pairs: Path) -> dict:
    """The same file on small pairs, with narrow networks, for four iterations on the CPU."""
    scales = tuple(float(knot) for knot in opt["degflow"]["knots"][1:])
    pattern = load_yaml(write_pairs(pairs, scales=scales))
    narrow = {"base_channels": 8, **({"condition_channels": 96} if opt["network_g"].get("condition_channels") else {})}
    opt["network_g"] = {**opt["network_g"], **narrow}
    opt |= {"num_gpu": 0}
    for section in opt["datasets"].values():
        section |= {"dataroot_gt": str(pairs), "layout": "pattern", "pattern": pattern, "num_worker_per_gpu": 0}
        for key in ("split", "cameras", "scenes"):
            section.pop(key, None)
    opt["datasets"]["train"] |= {"gt_size": 64, "batch_size_per_gpu": 2}
    opt["train"] |= {"total_iter": 4}
    opt["val"] |= {"val_freq": 4}
    opt["logger"] |= {"print_freq": 1, "save_checkpoint_freq": 2, "use_tb_logger": False}
    if opt["degflow"].get("lpips_weight"):
        opt["degflow"]["lpips_weight"] = 0
    return opt


@pytest.mark.parametrize("recipe", ["city100", "realsr_paper"])
def test_both_stages_train(recipe: str, tmp_path: Path) -> None:
    pytest.importorskip("basicsr", reason="training needs BasicSR")
    for stage in ("rae", "lfm"):
        opt = shorten(load_yaml(FOLDER / f"{stage}_{recipe}.yml"), tmp_path / "pairs")
        file = tmp_path / f"{stage}.yml"
        file.write_text(yaml.safe_dump(opt, sort_keys=False), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "degflow_aug", "train", "-opt", str(file)],
            cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        assert "psnr" in done.stdout + done.stderr
        assert (tmp_path / "experiments" / opt["name"] / "models" / "net_g_latest.pth").is_file()
    bundle = tmp_path / "experiments" / f"lfm_{recipe}" / "models" / "generator_latest.safetensors"
    assert bundle.is_file()
