"""Rehearse the paper's chain: its option files with small networks and few steps, on a miniature of its data.

    python -m benchmarks.rehearsal --work rehearsal --out benchmarks/results/rehearsal

RAE, LFM, generation, a network of a fixed scale, one of any scale, both evaluations and a table in the paper's form,
each by the command that a full run takes. Only sizes and counts differ from the files that ship; photographs are those
of scikit-image through the simulator, and VGG16 is random. The table shows that the chain works, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.rehearsal.miniature import write_miniature, write_random_vgg
from benchmarks.shared.results import facts, markdown_table, write_results
from degflow_aug.options.yaml_file import load_yaml

OPTIONS = Path(__file__).resolve().parents[2] / "basicsr_options"
BUNDLE = "experiments/lfm_realsr_paper/models/generator_latest.safetensors"
FIXED, ANY_SCALE = "fixed_realsr_rcan_paper", "assr_realsr_liif_paper"
STEPS = {"rae_realsr_paper": 100, "lfm_realsr_paper": 30, FIXED: 60, ANY_SCALE: 60}
TESTS = {"test_realsr_x3_paper": FIXED, "test_realarbisr_paper": ANY_SCALE}
# Sizes of networks and patches, and how much is done how often.
SMALL: dict[str, Any] = {
    "num_gpu": 0, "num_worker_per_gpu": 0, "batch_size_per_gpu": 2, "dataset_enlarge_ratio": 50, "save_img": False,
    "base_channels": 8, "blocks": 1, "gt_size": 64, "lr_size": 16, "queries": 256, "n_resblocks": 2, "n_feats": 16,
    "hidden_list": [32, 32], "num_feat": 16, "num_group": 1, "num_block": 2, "use_tb_logger": False,
}  # fmt: skip
COUNTS = ("total_iter", "warmup_iter", "peak_iter", "periods", "milestones")


def small(section: Any, share: float) -> Any:
    """The same options at those sizes, and every count of iterations a ``share`` of it."""
    if isinstance(section, list):
        return [small(each, share) for each in section]
    if not isinstance(section, dict):
        return section
    found = {key: SMALL.get(key, small(value, share)) for key, value in section.items()}
    return {key: _shortened(value, share) if key in COUNTS else value for key, value in found.items()}


def _shortened(count: Any, share: float) -> Any:
    if isinstance(count, list):
        return [_shortened(each, share) for each in count]
    return max(1, round(count * share)) if count > 0 else count


def options(name: str) -> dict[str, Any]:
    """The option file of that name for the rehearsal."""
    opt = load_yaml(OPTIONS / f"{name}.yml")
    if name in TESTS:
        return {**small(opt, 1.0), "network_g": small(load_yaml(OPTIONS / f"{TESTS[name]}.yml"), 1.0)["network_g"]}
    opt = small(opt, STEPS[name] / opt["train"]["total_iter"])
    opt["val"]["val_freq"] = opt["logger"]["save_checkpoint_freq"] = STEPS[name]
    return opt


def run(work: Path, *words: str) -> float:
    """Run ``degflow`` on the words in ``work``; returns the seconds it took.

    Raises:
        SystemExit: it failed.
    """
    began = time.monotonic()
    print(f"degflow {' '.join(words)}", flush=True)
    with (work / "log.txt").open("ab") as log:
        environment = {**os.environ, "TORCH_HOME": str(work / "torch")}
        command = [sys.executable, "-m", "degflow_aug", *words]
        code = subprocess.run(command, cwd=work, stdout=log, stderr=log, env=environment, check=False).returncode
    if code:
        sys.exit(f"degflow {' '.join(words)}: exit {code}; see {work / 'log.txt'}")
    return time.monotonic() - began


def rehearse(work: Path) -> dict[str, float]:
    """Take every step in ``work``, which has the data; returns seconds by step."""
    seconds = {}
    for name in (*STEPS, *TESTS):
        (work / f"{name}.yml").write_text(yaml.safe_dump(options(name), sort_keys=False), encoding="utf-8")
    for name in STEPS:
        seconds[name] = run(work, "train", "-opt", f"{name}.yml")
        if name == "lfm_realsr_paper":
            # Views lie beside HR.
            (work / "nikon_hr").mkdir()
            for hr in work.glob("datasets/RealSR_v2_ordered/Nikon/Train/2/*_HR.png"):
                shutil.copy(hr, work / "nikon_hr")
            seconds["generate"] = run(
                work, "generate", "nikon_hr", "--bundle", BUNDLE, "--layout", "official", "--scales", "2:4:0.5",
                "--out", "generated",
            )  # fmt: skip
            shutil.copy(work / BUNDLE, work / "camera.safetensors")
    for name in TESTS:
        seconds[name] = run(work, "test", "-opt", f"{name}.yml")
    return seconds


def table(work: Path) -> str:
    """The results in the form of the paper's Tables 2 and 3: PSNR/SSIM/LPIPS."""
    rows = [["RCAN, RealSR x3 (Table 2)", _cell(work, "test_realsr_x3_paper", "RealSR-x3", "3", "")]]
    rows += [["LIIF, RealSR x3 (Table 3)", _cell(work, "test_realarbisr_paper", "RealSR-x3", "3", "_realsr")]]
    for scale in ("2.5", "3", "3.5"):
        cell = _cell(work, "test_realarbisr_paper", "RealArbiSR", scale, "")
        rows += [[f"LIIF, RealArbiSR x{scale} (Table 3)", cell]]
    return markdown_table(["network and data", "DegFlow, rehearsed"], rows)


def _cell(work: Path, test: str, dataset: str, scale: str, suffix: str) -> str:
    (file,) = (work / "results" / test).rglob(f"validation/{dataset}_*.json")
    means = json.loads(file.read_text(encoding="utf-8"))["scales"][scale]
    values = [means[f"psnr{suffix}"], means[f"ssim{suffix}"], means[f"lpips{suffix}"]]
    assert all(value is not None and math.isfinite(value) for value in values)
    return f"{values[0]:.2f}/{values[1]:.4f}/{values[2]:.4f}"


def main(arguments: list[str] | None = None) -> int:
    """Rehearse, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("rehearsal"), help="a folder that is not there yet")
    parser.add_argument("--out", type=Path, help="where to write .json and .md, without the suffix")
    args = parser.parse_args(arguments)
    if args.work.exists():
        parser.error(f"expected a folder that is not there yet, got {args.work}")
    work = args.work.resolve()
    work.mkdir(parents=True)
    write_miniature(work)
    write_random_vgg(work / "torch")
    seconds = rehearse(work)
    text = table(work)
    print(text)
    if args.out:
        content = {"facts": facts(torch.device("cpu"), seed=0), "seconds": seconds, "table": text, "steps": STEPS}
        write_results(args.out, content, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
