"""BasicSR's own models under Ctrl-C and SIGTERM: they save and stop after a step, as ours do."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from degflow_aug.models.training import interrupt
from degflow_aug.models.training.trained_model import TrainedModel


@contextmanager
def stoppable_models() -> Iterator[None]:
    """Make every model stoppable that ``train_pipeline`` builds inside the block, and is not one of ours."""
    import basicsr.train

    build_model = basicsr.train.build_model

    @functools.wraps(build_model)
    def build(opt: dict[str, Any]) -> Any:
        model = build_model(opt)
        if not isinstance(model, TrainedModel):
            _make_stoppable(model)
        return model

    basicsr.train.build_model = build
    try:
        yield
    finally:
        basicsr.train.build_model = build_model


def _make_stoppable(model: Any) -> None:
    move, step = model.update_learning_rate, model.optimize_parameters
    trained, between = 0, True

    @functools.wraps(move)
    def update_learning_rate(current_iter: int, **settings: Any) -> None:
        nonlocal between
        between = False
        move(current_iter, **settings)

    @functools.wraps(step)
    def optimize_parameters(current_iter: int) -> None:
        nonlocal trained, between
        step(current_iter)
        trained, between = current_iter, True
        interrupt.check(saving=True)

    def save() -> None:
        # Within a step not all belongs together; the epoch is counted anew when the run goes on.
        if trained and between:
            model.save(0, trained)

    model.update_learning_rate, model.optimize_parameters = update_learning_rate, optimize_parameters
    interrupt.on_stop(save)
