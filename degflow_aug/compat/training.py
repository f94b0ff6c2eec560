"""Resuming at the next draw: what joins BasicSR's training state to its data loader.

BasicSR 1.4.2 restarts the data order at the epoch a state was saved in, and counts epochs by a rounded-up number of
batches while its loader drops the last one, so that a run can end long before ``total_iter``.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import torch

from degflow_aug.compat import resume as compat_resume
from degflow_aug.compat.loading import settle_loading_options
from degflow_aug.compat.state import checked
from degflow_aug.draws import DrawSampler

Loaders = tuple[Any, Any, list[Any], int, int]
CreateLoaders = Callable[[dict[str, Any], logging.Logger], Loaders]


class ResumableTraining:
    """Stands in for two functions of ``basicsr.train``, because the second has to know what the first has found."""

    def __init__(self, create_loaders: CreateLoaders) -> None:
        self._create_loaders = create_loaders
        self.iteration = 0
        self._state: dict[str, Any] | None = None

    def load_resume_state(self, opt: dict[str, Any]) -> dict[str, Any] | None:
        """BasicSR's ``load_resume_state``; see :func:`degflow_aug.compat.resume.find_resume_state`.

        Every random stream continues with numbers of its own: those of the beginning would come a second time. A
        model that saves its random states restores them over this.
        """
        from basicsr.utils import check_resume, set_random_seed

        self.iteration, self._state = 0, None
        found = compat_resume.find_resume_state(opt)
        if found is None:
            return None
        path, state = found
        opt["path"]["resume_state"] = str(path)
        compat_resume.prepare_folders(opt)
        check_resume(opt, state["iter"])
        self.iteration, self._state = state["iter"], state
        set_random_seed(stream_seed(opt, self.iteration) % 2**32)
        return state

    def create_train_val_dataloader(self, opt: dict[str, Any], logger: logging.Logger) -> Loaders:
        """BasicSR's function of this name; the training loader then starts at the next draw.

        Raises:
            ValueError: no training dataset, or one too small for a single batch.
        """
        if "train" not in opt["datasets"]:
            raise ValueError("expected a section datasets.train, got none; training needs it")
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
        return loader, sampler, val_loaders, last_epoch(total_iters, len(loader)), total_iters


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
        _tensorboard[:] = [init_tb_loggers(opt)]
        return _tensorboard[0]

    return init_and_remember


def patch() -> None:
    """Install the sampler, the functions, the best metrics and the memory of the writer in BasicSR."""
    import basicsr.train
    from basicsr.models.base_model import BaseModel
    from basicsr.utils import misc

    misc.mkdir_and_rename = basicsr.train.mkdir_and_rename = compat_resume.rename_in_a_second_of_its_own
    training = ResumableTraining(basicsr.train.create_train_val_dataloader)
    basicsr.train.EnlargedSampler = DrawSampler
    basicsr.train.load_resume_state = training.load_resume_state
    basicsr.train.create_train_val_dataloader = training.create_train_val_dataloader
    basicsr.train.init_tb_loggers = _remembering(basicsr.train.init_tb_loggers)

    resume_training = checked(BaseModel.resume_training)

    @functools.wraps(resume_training)
    def resume_with_best_metrics(self: Any, resume_state: dict[str, Any]) -> None:
        resume_training(self, resume_state)
        compat_resume.restore_best_metrics(self, resume_state)

    BaseModel.resume_training = resume_with_best_metrics
    BaseModel.load_network = compat_resume.readable(BaseModel.load_network)
