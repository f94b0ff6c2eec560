"""The result of ``degflow fit``: the table of its bundle beside the baselines, for people, machines and the page."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from degflow_aug.commands.fit.kernel import ALONE
from degflow_aug.commands.shared.arguments import started_as
from degflow_aug.commands.shared.pairs_arguments import load_scenes
from degflow_aug.console.json_output import plain
from degflow_aug.console.progress import note
from degflow_aug.files.writing import fitting_path
from degflow_aug.report.fit_report import keep_evaluation
from degflow_aug.report.report_file import NONE, failures_noted, report_at_the_end

if TYPE_CHECKING:
    import torch

    from degflow_aug.bundles.bundle import Bundle, KernelBundle
    from degflow_aug.data.layouts.scene import Scene
    from degflow_aug.evaluation.rows import Row
    from degflow_aug.evaluation.samples import Sample
    from degflow_aug.pages.report_content import Report


@dataclass(frozen=True)
class Outcome:
    """Rows and pictures of an evaluation, and whether its scenes were held out; empty where none was wanted."""

    rows: Sequence[Row] = ()
    samples: Sequence[Sample] = ()
    held_out: bool = False
    scenes: Sequence[str] = field(default=())


def measure(bundle: Bundle | KernelBundle, scenes: Sequence[Scene], held_out: bool, device: torch.device) -> Outcome:
    """Compare the views of the bundle with the real ones of ``scenes``."""
    if not scenes:
        return Outcome()
    from degflow_aug.degradations.build import generator_of
    from degflow_aug.evaluation.evaluation import evaluate_generator
    from degflow_aug.evaluation.samples import draw_samples

    generator = generator_of(bundle).to(device)
    scales = [knot for knot in bundle.spec.knots if knot != 1]
    known = bundle.spec.cameras
    taken = [scene for scene in scenes if not known or scene.camera in known]
    rows, middles = evaluate_generator(generator, load_scenes(taken, scales, device), note)
    names = [f"{scene.camera}/{scene.name}" for scene in taken]
    return Outcome(rows, draw_samples(generator, middles), held_out, names)


def summary(out: Path, bundle: Bundle | KernelBundle, outcome: Outcome) -> dict[str, Any]:
    """The outcome for ``--json``."""
    from degflow_aug.bundles.likeness import students_in_words

    spec = bundle.spec
    return {
        "bundle": out, "camera": spec.camera, "cameras": spec.cameras, "knots": spec.knots, "training": spec.training,
        "student": bool(students_in_words(spec)), "noise": bool(bundle.noise), "held_out": outcome.held_out,
        "scenes": outcome.scenes, "rows": outcome.rows,
    }  # fmt: skip


def show(args: argparse.Namespace, work: Path, bundle: Bundle | KernelBundle, outcome: Outcome) -> Path | None:
    """Keep the outcome in the work folder, where networks were trained, and write the page."""
    from degflow_aug.bundles.likeness import students_in_words

    if args.preset not in ALONE:
        learned = {"student": students_in_words(bundle.spec), "noise": bundle.spec.training.get("noise", "")}
        facts = {"held_out": outcome.held_out, **learned} | ({"oracle": True} if args.oracle else {})
        with failures_noted("the table was not kept for later reports"):
            keep_evaluation(work, outcome.rows, outcome.samples, facts)
    if args.report == NONE:
        return None
    page = Path(args.report) if args.report else fitting_path(Path(args.out).with_suffix(".report.html"))
    return report_at_the_end(page, lambda: _report(args, work, bundle, outcome))


def _report(args: argparse.Namespace, work: Path, bundle: Bundle | KernelBundle, outcome: Outcome) -> Report:
    from degflow_aug.report.evaluation_report import evaluation_report
    from degflow_aug.report.fit_report import fit_report

    if args.preset not in ALONE:
        return fit_report(work)
    spec = bundle.spec
    facts = {
        "command": started_as(args),
        "pairs": f"{args.pairs} ({args.layout})",
        "knots": ", ".join(f"{knot:g}" for knot in spec.knots),
        "preset": args.preset,
        "time": f"{spec.training['seconds']} s",
        "noise": spec.training.get("noise", "none: the images are too small"),
        "scenes": f"{len(spec.training['scenes'])} to fit",
        "table": "of scenes held out" if outcome.held_out else "of the scenes it was fitted to",
    }
    return evaluation_report(f"{spec.camera}: degflow fit", plain(outcome.rows), outcome.samples, facts)
