"""Resuming at the next draw: what joins BasicSR's training state to its data loader.

BasicSR 1.4.2 restarts the data order at the epoch a state was saved in, and counts epochs by a rounded-up number of
batches while its loader drops the last one, so that a run can end long before ``total_iter``. It trains the last
iterations of a finished run again.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from degflow_aug.compat import resume as compat_resume
from degflow_aug.compat import weights
from degflow_aug.compat.loading import settle_loading_options
from degflow_aug.compat.run_record import NOT_EQUAL, Record, changes, kept_kernel, record_of, recorded
from degflow_aug.compat.state import check_optimizers, checked, other_networks, save_training_state
from degflow_aug.compat.validations import Validations
from degflow_aug.console.plain_text import say
from degflow_aug.draws import DrawSampler
from degflow_aug.files.run_history import END, Mark

Loaders = tuple[Any, Any, list[Any], int, int]
CreateLoaders = Callable[[dict[str, Any], logging.Logger], Loaders]


class RunFinished(Exception):
    """A run that is asked to go on has reached its end before."""


class ResumableTraining:
    """Stands in for functions of ``basicsr.train``, because each has to know what those before it have found."""

    def __init__(self, create_loaders: CreateLoaders) -> None:
        self._create_loaders = create_loaders
        self.iteration = 0
        self.validations = Validations()
        self._state: dict[str, Any] | None = None
        self._record: Record = {}
        self._news: list[str] = []

    def run(self, pipeline: Callable[[str], None], root_path: str) -> bool:
        """BasicSR's ``train_pipeline``; returns whether there was anything to do."""
        from basicsr.utils.dist_util import get_dist_info

        try:
            pipeline(root_path)
        except RunFinished as finished:
            if get_dist_info()[0] == 0:
                say(f"degflow: {finished}", error=True)
            return False
        opt = self.validations.opt
        if opt:
            # Empty where a pipeline of somebody else's read no options.
            self.validations.note(Mark(int(opt["train"]["total_iter"]), END, compat_resume.newest_state(opt)))
        return True

    def load_resume_state(self, opt: dict[str, Any]) -> dict[str, Any] | None:
        """BasicSR's ``load_resume_state``; see :func:`degflow_aug.compat.resume.find_resume_state`.

        Every random stream continues with numbers of its own: those of the beginning would come a second time. A
        model that saves its random states restores them over this.

        Raises:
            RunFinished: the run has ended before, and is not to be longer.
            ValueError: a state that cannot go on with these options.
        """
        from basicsr.utils import set_random_seed

        self.iteration, self._state, self._news = 0, None, []
        marks, total = compat_resume.marks_of(opt), int(opt["train"]["total_iter"])
        if opt["auto_resume"]:
            _check_unfinished(opt, marks, total)
        found = compat_resume.find_resume_state(opt)
        self._record = record_of(opt)
        check_optimizers(opt, found and found[1])
        compat_resume.check_pretrained(opt, found is not None)
        if found is None:
            self.validations = Validations(opt)
            if opt["auto_resume"]:
                _check_has_states(opt, marks)
            if opt["auto_resume"] and Path(opt["path"]["experiments_root"]).exists():
                self._news = ["no training state to go on from: the run begins anew, beside what was there before."]
            return None
        path, state = found
        self._compare(opt, path, state)
        opt["path"]["resume_state"] = str(path)
        compat_resume.prepare_folders(opt)
        compat_resume.set_resumed_networks(opt, state["iter"])
        self.iteration, self._state = state["iter"], state
        self.validations = Validations(opt, self.iteration, marks if recorded(state) else None)
        set_random_seed(stream_seed(opt, self.iteration) % 2**32)
        return state

    def _compare(self, opt: dict[str, Any], path: Path, state: dict[str, Any]) -> None:
        """Find out what has changed since the state was saved, before anything is written.

        Raises:
            ValueError: the state cannot go on with it.
        """
        total, now = int(opt["train"]["total_iter"]), self._record
        if state["iter"] > total:
            raise ValueError(
                f"expected train.total_iter of at least {state['iter']}, the iteration of {path}, got {total}; raise it"
            )
        before = recorded(state)
        if before is None:
            self._news = [f"{path} is of an earlier version, which kept no options to compare with these."]
        else:
            self._news = changes(before, now, state["iter"])
            self._news += kept_kernel(opt, self._news)
        sections = {key.partition(".")[0] for key in now["options"] if key.startswith("network_")}
        known = before["options"] if before else {}
        compat_resume.check_networks(
            opt, state["iter"], [each for each in sorted(sections) if _part(known, each) != _part(now["options"], each)]
        )
        if others := other_networks(opt, state):
            self._news = [*others, *(news for news in self._news if news != NOT_EQUAL), NOT_EQUAL]

    def create_train_val_dataloader(self, opt: dict[str, Any], logger: logging.Logger) -> Loaders:
        """BasicSR's function of this name; the training loader then starts at the next draw.

        Raises:
            ValueError: no training dataset, or one too small for a single batch.
        """
        if "train" not in opt["datasets"]:
            raise ValueError("expected a section datasets.train, got none; training needs it")
        # After BasicSR has logged the options; models save it in their training states.
        opt["run"] = self._record
        for sentence in self._news:
            logger.warning(sentence)
        for dataset_opt in opt["datasets"].values():
            settle_loading_options(dataset_opt, logger)
        loader, sampler, val_loaders, _, total_iters = self._create_loaders(opt, logger)
        if len(loader) == 0:
            raise ValueError(
                f"expected at least {loader.batch_size} draws an epoch for one batch in datasets.train, got "
                f"{len(sampler)}; raise dataset_enlarge_ratio or lower batch_size_per_gpu"
            )
        # Loaders with generators of their own take nothing from the stream that training draws its noise from.
        for each in (loader, *val_loaders):
            each.generator = torch.Generator().manual_seed(stream_seed(opt, self.iteration))
        sampler.seed = opt["manual_seed"]
        epoch, consumed = divmod(self.iteration, len(loader))
        if self._state is not None:
            # train_pipeline starts at the epoch of this very dictionary; a state saved by a signal does not know it.
            self._state["epoch"] = epoch
        sampler.resume_at(epoch, consumed * loader.batch_size)
        self.validations.loaders = val_loaders
        return loader, sampler, val_loaders, last_epoch(total_iters, len(loader)), total_iters

    def build_model(self, build: Callable[[dict[str, Any]], Any], opt: dict[str, Any]) -> Any:
        """BasicSR's ``build_model``; the model then validates once per iteration and data set."""
        model = build(opt)
        self.validations.watch(model, tensorboard_logger)
        return model


def _part(options: dict[str, Any], section: str) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key.startswith(f"{section}.")}


def _check_unfinished(opt: dict[str, Any], marks: Iterable[Mark], total: int) -> None:
    """Raise RunFinished where a run has ended at ``total`` or later, unless its newest states were taken away since."""
    newest = compat_resume.newest_state(opt)
    ended = max((each.iteration for each in marks if each.what == END and each.state == newest), default=0)
    if ended >= total and any(Path(opt["path"]["models"]).glob("net_*_latest.pth")):
        longer = "raise train.total_iter to train longer, or " if newest else ""
        raise RunFinished(
            f"nothing to do: {opt['path']['experiments_root']} has ended at iteration {ended}; {longer}"
            "leave out --auto_resume to start anew"
        )


def _check_has_states(opt: dict[str, Any], marks: Iterable[Mark]) -> None:
    """Raise a ValueError where a run has ended before it saved a state, so that it would begin anew to be longer."""
    ended = max((each.iteration for each in marks if each.what == END and not each.state), default=0)
    if ended and any(Path(opt["path"]["models"]).glob("net_*_latest.pth")):
        raise ValueError(
            f"expected a training state of {opt['path']['experiments_root']} to go on from, got none: it ended at "
            f"iteration {ended}, before logger.save_checkpoint_freq; leave out --auto_resume to start anew, with states"
        )


def stream_seed(opt: dict[str, Any], iteration: int) -> int:
    """Make a seed for the random streams of one rank that continue at ``iteration``."""
    return (opt["manual_seed"] + opt["rank"] + 1_000_003 * iteration) % 2**63


def last_epoch(total_iters: int, batches: int) -> int:
    """Count the epoch, from 0, in which iteration ``total_iters`` falls, with ``batches`` iterations per epoch."""
    return max(0, -(-total_iters // batches) - 1)


_tensorboard: list[Any] = []


def tensorboard_logger() -> Any:
    """Return the TensorBoard writer of the run in progress, or None; BasicSR shows it to models in validation only."""
    return _tensorboard[-1] if _tensorboard else None


def _remembering(init_tb_loggers: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    @functools.wraps(init_tb_loggers)
    def init_and_remember(opt: dict[str, Any]) -> Any:
        """Refuse where TensorBoard cannot write, by a ValueError."""
        try:
            _tensorboard[:] = [init_tb_loggers(opt)]
        except UnicodeEncodeError:
            raise ValueError(
                f"expected a folder whose name is text for logger.use_tb_logger, got {opt['root_path']}; set it to "
                "false, or train elsewhere"
            ) from None
        return _tensorboard[0]

    return init_and_remember


def patch() -> None:
    """Install the sampler, the functions, what states hold and the memory of the writer in BasicSR."""
    import basicsr.train
    from basicsr.models.base_model import BaseModel
    from basicsr.utils import misc

    misc.mkdir_and_rename = basicsr.train.mkdir_and_rename = compat_resume.rename_in_a_second_of_its_own
    training = ResumableTraining(basicsr.train.create_train_val_dataloader)
    basicsr.train.EnlargedSampler = DrawSampler
    basicsr.train.load_resume_state = training.load_resume_state
    basicsr.train.create_train_val_dataloader = training.create_train_val_dataloader
    basicsr.train.init_tb_loggers = _remembering(basicsr.train.init_tb_loggers)
    basicsr.train.build_model = functools.partial(training.build_model, basicsr.train.build_model)
    basicsr.train.train_pipeline = functools.partial(training.run, basicsr.train.train_pipeline)

    resume_training = checked(BaseModel.resume_training)

    @functools.wraps(resume_training)
    def resume_with_best_metrics(self: Any, resume_state: dict[str, Any]) -> None:
        resume_training(self, resume_state)
        compat_resume.restore_best_metrics(self, resume_state)

    BaseModel.resume_training = resume_with_best_metrics
    BaseModel.save_training_state = save_training_state
    BaseModel.load_network = weights.load_network
