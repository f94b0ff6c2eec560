"""What a super-resolution network gains by its training LR: degradations against each other and against real pairs.

    python benchmarks/downstream.py --pairs City100/City100_iPhoneX --bundle camera.safetensors

The same small EDSR-LIIF is trained from ``basicsr_options/liif_*.yml`` on LR from bicubic, Real-ESRGAN, DegFlow (HR
images only) and on the real pairs, for equal iterations at equal scales, with two seeds, and tested on held-out real
pairs. With ``--layout pattern --pattern FILE`` the pairs may be simulated and have any scales. Prints a table, writes
JSON and Markdown. Runs that are finished with the same options are not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
import yaml

import degflow_aug
from degflow_aug.yaml_options import load_yaml

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "bicubic": "liif_bicubic.yml",
    "Real-ESRGAN": "liif_realesrgan.yml",
    "DegFlow": "liif_degflow.yml",
    "real pairs": "liif_real_pairs.yml",
}
LR_SIZE, BATCH = 32, 8


def options(kind: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """The option file of ``kind`` at a size for this machine; everything but the LR is the same for all kinds."""
    opt = load_yaml(ROOT / "basicsr_options" / KINDS[kind])
    low, high = min(args.train_scales), max(args.train_scales)
    opt |= {"name": f"{kind.replace(' ', '_')}_{seed}", "num_gpu": args.num_gpu, "manual_seed": seed}
    if kind == "DegFlow":
        opt["degradation"] |= {"bundle": str(args.bundle.resolve()), "noise": args.noise}
    train, val = opt["datasets"]["train"], opt["datasets"]["val"]
    source = {"dataroot_gt": str(args.pairs.resolve()), "layout": args.layout}
    if args.pattern:
        source["pattern"] = load_yaml(args.pattern)
    crop = {"gt_size": round(LR_SIZE * high), "num_worker_per_gpu": 0, "batch_size_per_gpu": BATCH}
    if kind == "real pairs":
        opt["degradation"] = None
        opt["datasets"]["train"] = {
            "name": "pairs", "type": "AnyScalePairDataset", **source, "scenes": args.train, "lr_size": LR_SIZE,
            "scales": args.pair_scales, **crop, "dataset_enlarge_ratio": 1000,
        }  # fmt: skip
    else:
        # HR images alone: the views beside them are not read.
        train |= {**source, "scenes": args.train, **crop, "dataset_enlarge_ratio": 1000}
    val |= {**source, "dataroot_gt": str((args.test_pairs or args.pairs).resolve()), "scenes": args.test}
    val["scales"] = args.scales
    opt["network_g"]["encoder_spec"]["args"] = {"n_resblocks": 4, "n_feats": 16}
    opt["network_g"]["imnet_spec"]["args"] = {"hidden_list": [64, 64, 64]}
    opt["degflow"] |= {"lr_size": LR_SIZE, "scale_range": [low, high], "queries": 1024, "preview_freq": args.iterations}
    opt["train"] |= {
        "total_iter": args.iterations, "ema_decay": 0.99,
        "optim_g": {"type": "AdamW", "lr": 1e-3, "betas": [0.9, 0.99], "weight_decay": 0.0},
        "scheduler": {
            "type": "CosineAnnealingRestartLR", "periods": [args.iterations], "restart_weights": [1], "eta_min": 1e-5,
        },
    }  # fmt: skip
    opt["val"] |= {"val_freq": args.iterations * 2, "best": None}
    opt["logger"] |= {"print_freq": 100, "save_checkpoint_freq": args.iterations, "use_tb_logger": False}
    return opt


def finished(opt: dict[str, Any], work: Path) -> list[Path]:
    """Results of a run of these options below ``work``; empty where it has none.

    Raises:
        ValueError: there are results, but of other options.
    """
    found = sorted((work / "experiments" / opt["name"] / "validation").glob("*.json"))
    file = work / f"{opt['name']}.yml"
    # Both as YAML reads them, so that scales as keys compare as numbers here and there.
    if found and not (file.is_file() and load_yaml(file) == load_yaml(yaml.safe_dump(opt))):
        raise ValueError(
            f"expected the results in {found[0].parent} to be of these options, got others in {file}; name another "
            "--work folder"
        )
    return found


def run(job: tuple[str, int], args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Train and validate one network; returns metrics by scale."""
    opt = options(*job, args)
    if not finished(opt, args.work):
        args.work.mkdir(parents=True, exist_ok=True)
        file = args.work / f"{opt['name']}.yml"
        file.write_text(yaml.safe_dump(opt, sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-m", "degflow_aug", "train", "-opt", file.name]
        environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads)}
        with (args.work / f"{opt['name']}.log").open("w") as log:
            subprocess.run(command, cwd=args.work, env=environment, stdout=log, stderr=log, check=True)
    (file,) = finished(opt, args.work)
    found: dict[str, dict[str, float]] = json.loads(file.read_text())["scales"]
    return found


def table(results: dict[str, list[dict[str, dict[str, float]]]]) -> str:
    """Y-PSNR / SSIM, mean over seeds, with the spread of PSNR between them; a column a scale."""
    scales = sorted(next(iter(results.values()))[0], key=float)
    lines = ["| trained on | " + " | ".join(f"x{scale}" for scale in scales) + " |", "|---" * (len(scales) + 1) + "|"]
    for kind, runs in results.items():
        cells = []
        for scale in scales:
            psnr = [run[scale]["psnr"] for run in runs]
            ssim = statistics.mean(run[scale]["ssim"] for run in runs)
            cells.append(f"{statistics.mean(psnr):.2f} ± {(max(psnr) - min(psnr)) / 2:.2f} / {ssim:.4f}")
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def recovered(results: dict[str, list[dict[str, dict[str, float]]]]) -> dict[str, float]:
    """Part of what real pairs gain over bicubic that DegFlow gains, in Y-PSNR, by scale."""
    scales = next(iter(results.values()))[0]
    mean = {
        kind: {scale: statistics.mean(run[scale]["psnr"] for run in runs) for scale in scales}
        for kind, runs in results.items()
    }
    gain = {kind: {scale: mean[kind][scale] - mean["bicubic"][scale] for scale in scales} for kind in mean}
    return {scale: gain["DegFlow"][scale] / gain["real pairs"][scale] for scale in scales}


def main() -> None:
    """Train all, compare, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = {"type": float, "nargs": "+"}
    parser.add_argument("--pairs", type=Path, required=True, help="folder of pairs; HR alone for the generated LR")
    parser.add_argument("--test-pairs", type=Path, help="folder of the pairs to test on (default: the same)")
    parser.add_argument("--layout", default="city100")
    parser.add_argument("--pattern", type=Path, help="pattern file of --layout pattern")
    parser.add_argument("--bundle", type=Path, required=True, help="generator fitted to the training scenes")
    parser.add_argument("--noise", type=float, default=1.0, help="strength of the bundle's residual noise")
    parser.add_argument("--train", default="001-060", help="scenes to train on")
    parser.add_argument("--test", default="061-070", help="scenes held out")
    parser.add_argument("--train-scales", default=[2.9, 2.9], **numbers, help="lowest and highest scale of training")
    parser.add_argument("--pair-scales", default=[2.9], **numbers, help="scales of the real pairs to train on")
    parser.add_argument("--scales", default=[2.9], **numbers, help="scales to test")
    parser.add_argument("--iterations", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2, help="networks trained at the same time")
    parser.add_argument("--threads", type=int, default=1, help="threads of each")
    parser.add_argument("--num_gpu", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("downstream"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "downstream")
    args = parser.parse_args()
    # The slow ones first, so that none is left alone at the end.
    jobs = [(kind, seed) for kind in ("DegFlow", "Real-ESRGAN", "real pairs", "bicubic") for seed in range(args.seeds)]
    try:
        for job in jobs:
            finished(options(*job, args), args.work)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    with ThreadPoolExecutor(args.jobs) as pool:
        found = dict(zip(jobs, pool.map(lambda job: run(job, args), jobs), strict=True))
    results = {kind: [found[kind, seed] for seed in range(args.seeds)] for kind in KINDS}
    facts = {
        "torch": torch.__version__, "degflow_aug": degflow_aug.__version__, "python": platform.python_version(),
        "device": "cpu" if not args.num_gpu else torch.cuda.get_device_name(), "threads": args.threads,
        "iterations": args.iterations, "seeds": list(range(args.seeds)), "batch": BATCH, "lr_size": LR_SIZE,
        "noise": args.noise, "train_scales": args.train_scales, "pair_scales": args.pair_scales, "results": results,
        "recovered": recovered(results),
    }  # fmt: skip
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.with_suffix(".json").write_text(json.dumps(facts, indent=1))
    shares = ", ".join(f"x{scale}: {share:.0%}" for scale, share in facts["recovered"].items())
    text = f"{table(results)}\n\nOf what real pairs gain over bicubic, DegFlow gains {shares}.\n"
    args.out.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
