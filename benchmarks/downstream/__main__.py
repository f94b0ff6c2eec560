"""What a super-resolution network gains by its training LR: degradations against each other and against true pairs.

    python -m benchmarks.downstream --pairs City100/City100_iPhoneX --bundle camera.safetensors

The same network, EDSR-LIIF or RRDBNet, small or full, is trained on LR of each kind (``kinds.py``) made of HR
images alone, and on the true pairs of these images: equal steps, HR crops of one size, seeds and schedule. It is tested
on held-out pairs, real ones or, with ``--layout pattern --pattern FILE``, those of a simulated camera. Writes JSON,
Markdown and a plot. Runs that are finished with the same options and bundles are not run again, interrupted ones go on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import degflow_aug
from benchmarks.downstream.kinds import BUNDLE_OPTIONS, KINDS, bundle_digests, chosen_kinds
from benchmarks.downstream.options import FILES, Setting, run_options
from benchmarks.downstream.report import report, write_scores_plot
from benchmarks.downstream.runs import RunFailedError, finished, train_all
from benchmarks.downstream.scores import Scores
from benchmarks.shared.results import RESULTS, facts, write_results
from degflow_aug.bundles.bundle import load_bundle

Runs = dict[tuple[str, int], dict[str, Any]]


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers: dict[str, Any] = {"type": float, "nargs": "+", "metavar": "SCALE"}
    bundles: dict[str, Any] = {"nargs": "+", "default": [], "metavar": "BUNDLE"}
    made.add_argument("--pairs", type=Path, required=True, help="folder of pairs; HR alone for the generated LR")
    made.add_argument("--test-pairs", type=Path, help="folder of the pairs to test on (default: the same)")
    made.add_argument("--layout", default="city100")
    made.add_argument("--pattern", type=Path, help="pattern file of --layout pattern")
    for recipe, option in BUNDLE_OPTIONS.items():
        made.add_argument(option, dest=recipe, **bundles, help=f"generators ({recipe}), one per seed or one for all")
    made.add_argument("--kinds", nargs="+", metavar="KIND", help=f"out of {', '.join(KINDS)} (default: all there is)")
    made.add_argument("--train", default="001-060", help="scenes to train on")
    made.add_argument("--test", default="061-070", help="scenes held out")
    made.add_argument("--test-crop", type=int, metavar="PIXELS", help="test on the middle of images (default: whole)")
    made.add_argument("--network", choices=FILES, default="liif")
    made.add_argument("--size", choices=("small", "full"), default="small", help="small for a CPU, full for a GPU")
    made.add_argument("--upscale", type=int, choices=(2, 4), default=4, help="of RRDBNet, its one scale")
    made.add_argument("--train-scales", default=[2.9, 2.9], **numbers, help="LIIF: lowest and highest of training")
    made.add_argument("--pair-scales", default=[2.9], **numbers, help="LIIF: scales of the true pairs to train on")
    made.add_argument("--scales", default=[2.9], **numbers, help="LIIF: scales to test")
    made.add_argument("--iterations", type=int, help="(default: small 1000, full as in the option file)")
    made.add_argument("--seeds", type=int, default=2)
    made.add_argument("--jobs", type=int, default=2, help="networks trained at the same time")
    made.add_argument("--threads", type=int, default=1, help="threads of each")
    made.add_argument("--num_gpu", type=int, default=0)
    made.add_argument("--work", type=Path, default=Path("downstream"), help="folder of the runs")
    made.add_argument("--out", type=Path, default=RESULTS / "downstream", help="results, without suffix")
    return made


def setting_of(args: argparse.Namespace) -> Setting:
    """What is common to all runs."""
    return Setting(
        pairs=args.pairs,
        test_pairs=args.test_pairs or args.pairs,
        layout=args.layout,
        pattern=args.pattern,
        train=args.train,
        test=args.test,
        train_scales=(min(args.train_scales), max(args.train_scales)),
        pair_scales=args.pair_scales,
        scales=args.scales,
        test_crop=args.test_crop,
        network=args.network,
        size=args.size,
        upscale=args.upscale,
        iterations=args.iterations,
        bundles={recipe: getattr(args, recipe) for recipe in BUNDLE_OPTIONS},
        num_gpu=args.num_gpu,
    )


def planned(args: argparse.Namespace) -> Runs:
    """The options of all runs, seed by seed, all of them found good.

    Raises:
        ValueError, OSError: a mistake in what was asked for, or results of other options in ``--work``.
    """
    for name in ("seeds", "jobs", "threads", *(["iterations"] if args.iterations is not None else [])):
        if getattr(args, name) < 1:
            raise ValueError(f"expected --{name} of at least 1, got {getattr(args, name)}")
    setting = setting_of(args)
    kinds = chosen_kinds(args.kinds, setting.bundles)
    runs = {(kind, seed): run_options(kind, seed, setting) for seed in range(args.seeds) for kind in kinds}
    for opt in runs.values():
        if finished(opt, args.work) is None:
            _check(opt)
    return runs


def _check(opt: dict[str, Any]) -> None:
    """Raise a ValueError that names the run where its options cannot be trained with."""
    degflow_aug.register()
    from degflow_aug.models.checks.training_options import check_training_options

    try:
        check_training_options(opt, opt["name"])
    except ValueError as error:
        raise ValueError(f"{opt['name']}: {error}; --kinds leaves kinds of LR out") from None


def content(args: argparse.Namespace, runs: Runs, scores: Scores, knots: Sequence[float]) -> dict[str, Any]:
    """Facts and figures."""
    example = next(iter(runs.values()))
    return facts(
        torch.device("cuda" if args.num_gpu else "cpu"),
        threads=args.threads,
        setting={
            key: str(value) if isinstance(value, Path) else value
            for key, value in asdict(setting_of(args)).items()
            if key != "bundles"
        },
        iterations=example["train"]["total_iter"],
        batch=example["datasets"]["train"]["batch_size_per_gpu"],
        gt_size=example["datasets"]["train"]["gt_size"],
        network_g=example["network_g"],
        seeds=list(range(args.seeds)),
        knots=list(knots),
        bundles={opt["name"]: dict(bundle_digests(opt["degradation"])) for opt in runs.values()},
        results=scores.results,
        recovered={kind: {scale: scores.share(kind, scale) for scale in scores.scales} for kind in scores.kinds},
    )


def main() -> None:
    """Train all, compare, write the results."""
    made = parser()
    args = made.parse_args()
    try:
        runs = planned(args)
        knots = load_bundle(args.ours[0]).spec.knots[1:] if args.ours else ()
        found = train_all(
            runs, args.work, jobs=args.jobs, threads=args.threads, report=lambda line: print(line, file=sys.stderr)
        )
    except (ValueError, OSError) as error:
        made.error(str(error))
    except RunFailedError as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on")
    kinds = [kind for kind in KINDS if (kind, 0) in found]
    scores = Scores({kind: [found[kind, seed] for seed in range(args.seeds)] for kind in kinds})
    text = report(scores, knots)
    network = f"{args.network} x{args.upscale}" if args.network == "rrdbnet" else args.network
    plot = args.out.with_name(args.out.name + ".png")
    write_scores_plot(plot, scores, f"{network} ({args.size}), by its training LR")
    write_results(args.out, content(args, runs, scores, knots), text)
    print(text)


if __name__ == "__main__":
    main()
