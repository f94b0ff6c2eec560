"""Resuming at the next draw: what joins BasicSR's training state to its data loader.

BasicSR restarts the data order at the epoch a state was saved in, and counts epochs by a rounded-up number of batches
while its loader drops the last one, so that a run can end long before ``total_iter``.
"""
from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from degflow_aug import compat_resume
from degflow_aug.compat_loading import settle_loading_options
from degflow_aug.data.draws import DrawSampler

Loaders = tuple[Any, Any, list[Any], int, int]
CreateLoaders = Callable[[dict[str, Any], logging.Logger], Loaders]


class TrainingPoint(NamedTuple):
    """Where a run starts: the epoch, and how many iterations are done."""

    epoch: int
    iteration: int


class ResumableTraining:
    """Stands in for two functions of ``basicsr.train``, because the second has to know what the first has found."""

    def __init__(self, create_loaders: CreateLoaders) -> None:
        self._create_loaders = create_loaders
        self.start = TrainingPoint(0, 0)

    def load_resume_state(self, opt: dict[str, Any]) -> dict[str, Any] | None:
        """BasicSR's ``load_resume_state``; see :func:`degflow_aug.compat_resume.find_resume_state`.

        Every random stream continues with numbers of its own: those of the beginning would come a second time. A
        model that saves its random states restores them over this.
        """
        from basicsr.utils import check_resume, set_random_seed

        self.start = TrainingPoint(0, 0)
        found = compat_resume.find_resume_state(opt)
        if found is None:
            return None
        path, state = found
        opt["path"]["resume_state"] = str(path)
        compat_resume.prepare_folders(opt)
        check_resume(opt, state["iter"])
        self.start = TrainingPoint(state["epoch"], state["iter"])
        set_random_seed(stream_seed(opt, self.start.iteration) % 2**32)
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
            each.generator = torch.Generator().manual_seed(stream_seed(opt, self.start.iteration))
        sampler.seed = opt["manual_seed"]
        consumed = consumed_batches(self.start, len(loader))
        if consumed is None:
            logger.warning("The training state was saved with other data or another batch size: its epoch starts over.")
            consumed = 0
        sampler.resume_at(self.start.epoch, consumed * loader.batch_size)
        epochs = last_epoch(self.start, consumed, len(loader), total_iters)
        return loader, sampler, val_loaders, epochs, total_iters


def stream_seed(opt: dict[str, Any], iteration: int) -> int:
    """A seed for the random streams of one rank that continue at ``iteration``."""
    return (opt["manual_seed"] + opt["rank"] + 1_000_003 * iteration) % 2**63


def consumed_batches(start: TrainingPoint, batches: int) -> int | None:
    """How many of its epoch's ``batches`` a run has had at ``start``; None where the numbers do not fit together."""
    consumed = start.iteration - start.epoch * batches
    return consumed if 0 <= consumed <= batches else None


def last_epoch(start: TrainingPoint, consumed: int, batches: int, total_iters: int) -> int:
    """The epoch in which iteration ``total_iters`` falls, for a run that goes on from ``start``."""
    after_this_epoch = total_iters - start.iteration - (batches - consumed)
    return start.epoch + max(0, -(-after_this_epoch // batches))


def patch() -> None:
    """Install the sampler, the two functions and the best metrics in BasicSR."""
    import basicsr.train
    from basicsr.models.base_model import BaseModel

    training = ResumableTraining(basicsr.train.create_train_val_dataloader)
    basicsr.train.EnlargedSampler = DrawSampler
    basicsr.train.load_resume_state = training.load_resume_state
    basicsr.train.create_train_val_dataloader = training.create_train_val_dataloader

    resume_training = BaseModel.resume_training

    @functools.wraps(resume_training)
    def resume_with_best_metrics(self: Any, resume_state: dict[str, Any]) -> None:
        resume_training(self, resume_state)
        compat_resume.restore_best_metrics(self, resume_state)

    BaseModel.resume_training = resume_with_best_metrics
