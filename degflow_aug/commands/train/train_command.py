"""``degflow train``: BasicSR's ``train_pipeline`` with our models registered, and an end that saves."""

from __future__ import annotations

import argparse
import gc
import glob
import shlex
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any

from degflow_aug.commands.shared.arguments import argument, one_of, process_number, process_of_group, whole_number
from degflow_aug.commands.shared.invocation import argv_as, option_mistakes
from degflow_aug.commands.shared.option_files import named_file
from degflow_aug.commands.train.camera_options import (
    CPU_ITERATIONS,
    NETWORKS,
    camera_options,
    check_source,
    write_camera_options,
)
from degflow_aug.console.progress import note
from degflow_aug.files.run_history import HISTORY, read_history
from degflow_aug.files.writing import remove_partial, sole_writer
from degflow_aug.options.yaml_file import load_yaml
from degflow_aug.report.report_file import PAGE, report_at_the_end

STOPPED: dict[int, int] = {signal.SIGINT: 130, signal.SIGTERM: 143}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command: those of BasicSR's train.py, and those that write an option file."""
    parser.add_argument("-opt", metavar="FILE.yml", help="option file, or the name of one that ships, such as liif_cpu")
    written = parser.add_argument_group("instead of -opt, an option file NAME.yml that is written here")
    written.add_argument("network", nargs="?", type=argument(_network), metavar="liif", help="the network: EDSR-LIIF")
    written.add_argument(
        "--camera", metavar="FILE.safetensors", help="the bundle whose LR it learns from, at its scales"
    )
    written.add_argument("--photos", metavar="DIR", help="folder of photographs, or of pairs, whose HR is taken")
    written.add_argument("--val", metavar="PAIRS", help="folder of real pairs to validate on (default: no validation)")
    written.add_argument("--name", help="of the run and its option file (default: that of the network)")
    written.add_argument(
        "--iters",
        type=whole_number,
        metavar="N",
        help=f"iterations (default: {CPU_ITERATIONS} on a CPU, 200000 on a GPU)",
    )
    parser.add_argument("--auto_resume", action="store_true", help="go on from the newest training state")
    parser.add_argument("--debug", action="store_true", help="log every iteration, validate and save every few")
    parser.add_argument(
        "--launcher",
        type=one_of("none", "pytorch", "slurm"),
        default="none",
        metavar="none|pytorch|slurm",
        help="who starts the processes; pytorch for torchrun (default: none)",
    )
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument(
        "--force_yml", nargs="+", action="extend", metavar="KEY=VALUE", help="change options: train:total_iter=100"
    )
    parser.epilog = "Ctrl-C finishes the step, saves and stops; a second one stops at once. --auto_resume goes on."


def _network(name: str) -> str:
    if name not in NETWORKS:
        raise ValueError(f"expected {', '.join(NETWORKS)}, got '{name}'; an option file is named by -opt")
    return name


def run(args: argparse.Namespace) -> int:
    """Train; returns 0, or 130 and 143 where SIGINT and SIGTERM have stopped it.

    Raises:
        ValueError, OSError: a mistake in the options; nothing was written.
    """
    check_source(args)
    written = camera_options(args) if args.network else None
    args.opt = f"{written['name']}.yml" if written else named_file(args.opt)
    root = Path.cwd()
    with option_mistakes(args.opt, "train"):
        name = _checked_name(deepcopy(written) if written else load_yaml(Path(args.opt)), args)
    if written:
        write_camera_options(args, written, _is_first(args.launcher))
    from basicsr.train import train_pipeline

    from degflow_aug.models.training import interrupt
    from degflow_aug.models.training.stoppable_models import stoppable_models

    try:
        with (
            option_mistakes(args.opt, "train"),
            _sole_trainer(root / "experiments" / name, args.launcher),
            _earlier_run_restored(root, name, args.launcher),
            interrupt.stoppable(),
            stoppable_models(),
            argv_as("degflow train", _basicsr_arguments(args)),
        ):
            if train_pipeline(str(root)) is False:
                # It has ended before; what it has written stays as it is.
                return 0
    except (KeyboardInterrupt, SystemExit) as end:
        code = _stop_code(end)
        if code is None:
            raise
        _report(root / "experiments" / name, args.launcher)
        if _is_first(args.launcher):
            note(_where_it_stands(root / "experiments" / name, args))
        return code
    finally:
        _leave_process_group()
    _report(root / "experiments" / name, args.launcher)
    return 0


def _checked_name(opt: dict[str, Any], args: argparse.Namespace) -> str:
    """Check the options, which ``--force_yml`` changes, and return the name of the experiment."""
    from degflow_aug import register

    register()
    from degflow_aug.compat.devices import check_launcher, launcher_of
    from degflow_aug.compat.options import override_all
    from degflow_aug.models.checks.training_options import check_training_options

    override_all(opt, args.force_yml or ())
    if not isinstance(opt.get("path") or {}, dict):
        raise ValueError(f"expected a mapping of options in path of {args.opt}, got {opt['path']!r}")
    name = str(opt.get("name"))
    name = name if name.startswith("debug") or not args.debug else f"debug_{name}"
    check_training_options({**opt, "name": name} if args.debug and opt.get("name") else opt, args.opt)
    check_launcher(launcher_of(args.launcher))
    return name


def _sole_trainer(experiment: Path, launcher: str) -> AbstractContextManager[None]:
    """Lock the experiment: a second run would rename its folder; only one process of a run locks."""
    return sole_writer(experiment) if _is_first(launcher) else nullcontext()


def _is_first(launcher: str) -> bool:
    """Whether this process is the one of the run that writes."""
    return (process_number("SLURM_PROCID", 0) if launcher == "slurm" else process_of_group()[0]) == 0


def _earlier_run_restored(root: Path, name: str, launcher: str) -> AbstractContextManager[None]:
    """Clear what a killed run left half-written, and undo BasicSR's renaming where rank 0 fails."""
    if not _is_first(launcher):
        return nullcontext()
    experiment = root / "experiments" / name
    remove_partial(experiment)
    return restored_on_failure([experiment, root / "tb_logger" / name], experiment / "training_states")


@contextmanager
def restored_on_failure(folders: Sequence[Path], states: Path) -> Iterator[None]:
    """Leave no trace of a run that fails before it has saved anything: a mistake in its options, as a rule.

    An earlier run that BasicSR has renamed gets its name back, and what the failed one has written is kept as
    ``NAME_failed_TIME``; where there was none, that is removed. Logs of iterations, and of training that has diverged,
    stay.

    Args:
        folders: those that BasicSR renames to ``NAME_archived_TIME`` and makes anew.
        states: where training states are saved.
    """
    from degflow_aug.models.training.interrupt import TrainingDiverged

    before = {folder: _archives(folder) for folder in folders}
    new = [folder for folder in folders if not folder.exists()]
    try:
        yield
    except Exception as mistake:
        if not any(states.glob("*.state")):
            for folder in folders:
                for archive in sorted(_archives(folder) - before[folder])[-1:]:
                    failed = folder.with_name(archive.name.replace("_archived_", "_failed_"))
                    if folder.exists() and not failed.exists():
                        folder.rename(failed)
                        archive.rename(folder)
            trained = any(read_history(folder / HISTORY).points for folder in new)
            for folder in [] if trained or isinstance(mistake, TrainingDiverged) else new:
                shutil.rmtree(folder, ignore_errors=True)
        raise


def _archives(folder: Path) -> set[Path]:
    return set(folder.parent.glob(f"{glob.escape(folder.name)}_archived_*"))


def _report(experiment: Path, launcher: str) -> None:
    """Write the page of the run, on one of its processes."""
    from degflow_aug.report.training_report import is_training, training_report

    if _is_first(launcher) and is_training(experiment):
        report_at_the_end(experiment / PAGE, lambda: training_report(experiment))


def _stop_code(end: BaseException) -> int | None:
    """Return the exit code of a run that a signal has ended, or None for any other end."""
    if isinstance(end, KeyboardInterrupt):
        return STOPPED[signal.SIGINT]
    code = getattr(end, "code", None)
    return code if isinstance(code, int) and code in STOPPED.values() else None


def _basicsr_arguments(args: argparse.Namespace) -> list[str]:
    arguments = ["-opt", args.opt, "--launcher", args.launcher, "--local_rank", str(args.local_rank)]
    arguments += ["--auto_resume"] if args.auto_resume else []
    arguments += ["--debug"] if args.debug else []
    return arguments + (["--force_yml", *args.force_yml] if args.force_yml else [])


def _where_it_stands(experiment: Path, args: argparse.Namespace) -> str:
    """Say what there is to go on from, and how."""
    states = [int(path.stem) for path in (experiment / "training_states").glob("*.state") if path.stem.isdigit()]
    if not states:
        return f"stopped before {experiment} had anything to go on from"
    again = ["degflow", "train", "-opt", args.opt, "--auto_resume", *(["--debug"] if args.debug else [])]
    again += ["--force_yml", *args.force_yml] if args.force_yml else []
    return f"stopped; iteration {max(states)} is saved in {experiment}, go on with: {shlex.join(again)}"


def _leave_process_group() -> None:
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # A model that still holds the group keeps gloo's threads alive, which abort when the interpreter ends.
        gc.collect()
        torch.distributed.destroy_process_group()
