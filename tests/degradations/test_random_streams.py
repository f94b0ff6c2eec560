"""Who draws what: other draws per call, worker, epoch and rank without a seed, the same in every copy with one."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from helpers.random_networks import random_noise, random_rae, random_velocity, randomise
from helpers.ranks import run_ranks
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from degflow_aug import compat, draws
from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.build import build_degradation
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.mixture import Mixture
from degflow_aug.degradations.noise.learned_noise import LearnedNoise
from degflow_aug.degradations.noise.noisy_degradation import CameraNoise

HR = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def camera() -> Degradation:
    return build_degradation({"type": "Camera", "shot_noise": 1e-2})


def learned() -> Degradation:
    return DegFlow(random_rae(), random_velocity(base_channels=4), residual=random_noise(), noise=1.0)


def learned_noise() -> Degradation:
    return DegFlow(
        random_rae(), random_velocity(base_channels=4), residual=randomise(LearnedNoise(random_noise())), noise=1.0
    )


def any_camera() -> Degradation:
    """One of two cameras drawn per sample, and its noise."""
    velocity = randomise(NCSNpp(**{**random_velocity(base_channels=4).spec, "cameras": 2}))
    noises = CameraNoise([random_noise(), randomise(LearnedNoise(random_noise()))])
    return DegFlow(random_rae(), velocity, cameras=("one", "other"), camera="any", residual=noises, noise=1.0)


def blind(kind: str) -> Degradation:
    if not compat.has_basicsr():
        pytest.skip("BasicSR is not installed")
    import basicsr.data.degradations  # noqa: F401 - once, and not in every worker

    return build_degradation({"type": kind})


DEGRADATIONS: dict[str, Callable[[], Degradation]] = {
    "Camera": camera,
    "DegFlow": learned,
    "learned noise": learned_noise,
    "several cameras": any_camera,
    "RealESRGAN": lambda: blind("RealESRGAN"),
    "BSRGAN": lambda: blind("BSRGAN"),
    "Mixture": lambda: Mixture([(1, camera()), (1, learned())]),
}
every_kind = pytest.mark.parametrize("name", DEGRADATIONS)


def distinct(images: list[Tensor]) -> int:
    return len({image.numpy().tobytes() for image in images})


class Samples(Dataset[Tensor]):
    """Four times the same photograph."""

    def __init__(self, degradation: Degradation) -> None:
        self.degradation = degradation

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Tensor:
        return self.degradation(HR, 2.0)[0]


def epochs(degradation: Degradation, count: int = 2, **settings: bool) -> list[Tensor]:
    loader = DataLoader(Samples(degradation), batch_size=None, num_workers=2, **settings)
    return [image for _ in range(count) for image in loader]


@every_kind
def test_no_draw_is_repeated_in_workers_and_epochs(name: str) -> None:
    assert distinct(epochs(DEGRADATIONS[name]())) == 8


def test_workers_that_stay_draw_on() -> None:
    assert distinct(epochs(camera(), persistent_workers=True)) == 8


@every_kind
def test_torch_manual_seed_makes_draws_repeat(name: str) -> None:
    degradation = DEGRADATIONS[name]()

    def three(seed: int, degradation: Degradation = degradation) -> list[Tensor]:
        torch.manual_seed(seed)
        return [degradation(HR, 2.0), degradation.lr_patches(HR, torch.tensor([2.0]), 8), degradation(HR, 2.0)]

    first = three(3)
    assert distinct([first[0], first[2]]) == 2
    for again in (three(3), three(3, DEGRADATIONS[name]())):
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not torch.equal(first[0], three(4)[0])


def test_workers_repeat_under_torch_manual_seed() -> None:
    torch.manual_seed(0)
    first = epochs(learned(), 1)
    torch.manual_seed(0)
    assert all(torch.equal(one, other) for one, other in zip(first, epochs(learned(), 1), strict=True))


@every_kind
def test_with_a_seed_copies_go_on_alike_and_global_randomness_stays(name: str) -> None:
    degradation = DEGRADATIONS[name]()
    degradation.seed(5)
    before = torch.random.get_rng_state()
    first = degradation(HR, 2.0)
    # A stream that is in use, half way.
    copies = [copy.deepcopy(degradation), pickle.loads(pickle.dumps(degradation))]
    second = degradation(HR, 2.0)
    assert all(torch.equal(each(HR, 2.0), second) for each in copies)
    degradation.seed(5)
    assert torch.equal(degradation(HR, 2.0), first)
    assert torch.equal(before, torch.random.get_rng_state())


@every_kind
def test_without_a_seed_copies_do_not_repeat_each_other(name: str) -> None:
    degradation = DEGRADATIONS[name]()
    degradation(HR, 2.0)
    copies = [degradation, copy.deepcopy(degradation), pickle.loads(pickle.dumps(degradation)), DEGRADATIONS[name]()]
    assert distinct([each(HR, 2.0) for each in copies]) == 4


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("name", ["DegFlow", "several cameras", "RealESRGAN", "BSRGAN", "Mixture"])
def test_threads_draw_differently(name: str, seed: int | None) -> None:
    degradation = DEGRADATIONS[name]() if name != "Mixture" else Mixture([(1, learned()), (1, learned())])
    if seed is not None:
        degradation.seed(seed)
    with ThreadPoolExecutor(4) as pool:
        assert distinct(list(pool.map(lambda _: degradation(HR, 2.0), range(16)))) == 16


def test_workers_that_start_anew_draw_for_their_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under ``torch.multiprocessing.spawn``, where neither the environment nor a process group says the rank."""
    monkeypatch.setattr(draws, "_told_rank", 0)
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    sent = []
    for rank in range(2):
        monkeypatch.setattr(draws, "_told_rank", rank)
        sent.append(pickle.dumps(camera()))
    drawn = []
    for each in (*sent, *sent):
        worker = pickle.loads(each)
        torch.manual_seed(0)
        drawn.append(worker(HR, 2.0))
    assert distinct(drawn) == 2
    assert torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[1], drawn[3])


RANK = """
import torch
from degradations import test_random_streams as streams

torch.distributed.init_process_group("gloo")
torch.manual_seed(0)
for make in (streams.camera, streams.any_camera):
    mine = [make()(streams.HR, 2.0)[0], *streams.epochs(make(), 1)]
    both = [None, None]
    torch.distributed.all_gather_object(both, mine)
    assert streams.distinct([image for each in both for image in each]) == 10
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_ranks_of_one_seed_draw_differently(tmp_path: Path) -> None:
    run_ranks(tmp_path, RANK)
