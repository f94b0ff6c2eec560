"""A short training is the same however often it is stopped, and that of other content is begun anew."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from degflow_aug.fit.schedule import Budget
from degflow_aug.fit.short_training import ShortRun, ShortTraining

RATE = 0.25


class Towards(ShortTraining):
    """Goes a quarter of the way to the number of each step: w <- w + (step - w) / 4."""

    def __init__(self, run: ShortRun, content: float = 1.0) -> None:
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.network.weight)
        self.optimizer = torch.optim.SGD(self.network.parameters(), RATE)
        parts = {"network": self.network, "optimizer": self.optimizer}
        super().__init__(run, torch.device("cpu"), content, parts)

    def advance(self, step: int, progress: float) -> Tensor:
        loss = (self.network.weight - step).square().sum() / 2
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def reached(steps: int) -> float:
    place = 0.0
    for step in range(steps):
        place += RATE * (step - place)
    return place


def test_it_ends_where_its_steps_lead_and_tells_of_them() -> None:
    told = list[tuple[int, int, float]]()
    training = Towards(ShortRun(Budget(42), report=lambda *state: told.append(state)))
    training.to_the_end()
    assert training.network.weight.item() == pytest.approx(reached(42), rel=1e-6)
    assert [state[:2] for state in told] == [(20, 42), (40, 42), (42, 42)]
    last = [(step - reached(step)) ** 2 / 2 for step in (40, 41)]
    assert told[-1][2] == pytest.approx(sum(last) / 2, rel=1e-5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_saves_its_step_and_goes_on_there(tmp_path: Path, number: signal.Signals) -> None:
    state = tmp_path / "made" / "short.state"

    def stop(step: int, total: int, loss: float) -> None:
        if step == 20 and not state.is_file():
            os.kill(os.getpid(), number)

    run = ShortRun(Budget(42), report=stop, state=state)
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit):
        Towards(run).to_the_end()
    assert torch.load(state, weights_only=True)["step"] == 20
    resumed, ended = Towards(run), Towards(run)
    resumed.to_the_end()
    assert resumed.network.weight.item() == pytest.approx(reached(42), rel=1e-6)
    # What has ended is not trained on; that of other content begins anew.
    ended.to_the_end()
    assert torch.equal(ended.network.weight, resumed.network.weight)
    other = Towards(ShortRun(Budget(3), state=state), content=2.0)
    other.to_the_end()
    assert (other.step, other.network.weight.item()) == (3, pytest.approx(reached(3)))


def test_on_the_way_it_saves_as_often_as_it_is_told(tmp_path: Path) -> None:
    seen = list[bool]()
    run = ShortRun(Budget(41), report=lambda *_: seen.append(run.state.is_file()), state=tmp_path / "s", save_seconds=0)  # type: ignore[union-attr]
    Towards(run).to_the_end()
    assert seen == [True, True, True]


def test_a_damaged_state_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "short.state").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ValueError, match=r"^expected a checkpoint of plain tensors, got .*short\.state"):
        Towards(ShortRun(Budget(1), state=tmp_path / "short.state")).to_the_end()


def test_cameras_share_a_budget() -> None:
    run = ShortRun(Budget(9, 0.0), state=Path("noise.state"))
    assert run.part(1, 2).budget == Budget(5)
    assert run.part(1, 2).state == Path("noise_1.state")
    assert ShortRun(Budget(0, 60.0)).part(0, 3) == ShortRun(Budget(0, 20.0))
