"""Where LR comes from and how long it takes: dtypes, rows, seeds, shares, what BasicSR's prefetcher would change."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.tiny_sr import build, hr_batch, register, sr_options, train
from torch import Tensor

from degflow_aug.degradations.base import Degradation, patch_sides
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.models.sr.lr_source import FixedScale, LRSource, RandomScales, Stopwatch, Views

CPU = torch.device("cpu")
PATCHES = RandomScales((1.0, 2.0), lr_size=2)


class Noise(Degradation):
    """LR that is nothing but the degradation's own random stream."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.seeds: list[int] = []
        self.asked: list[list[float]] = []

    def seed(self, seed: int) -> None:
        super().seed(seed)
        if hasattr(self, "seeds"):
            self.seeds.append(seed)

    def lr_patches(self, hr: Tensor, scales: Tensor, lr_size: int) -> Tensor:
        self.asked.append(scales.tolist())
        return torch.rand(len(hr), 3, lr_size, lr_size, generator=self.generator(CPU)) * self.weight


def source(degradation: Degradation | None = None) -> LRSource:
    return LRSource(degradation, PATCHES, CPU)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_both_kinds_of_images_end_in_0_to_1(dtype: torch.dtype) -> None:
    values = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 4, 4)
    images = values if dtype == torch.uint8 else values.float() / 255
    batch = source().take({"gt": images, "lq": images[..., :2, :2]}, 0)
    for found in (batch.gt, batch.lq):
        assert found.dtype == torch.float32
        assert found[:, 0, 0, 0].tolist() == pytest.approx([0, 0.2, 1])
    assert batch.scales.tolist() == [2, 2, 2]


def test_the_seed_is_all_that_counts() -> None:
    data = {"gt": torch.rand(3, 3, 8, 8)}
    torch.rand(5)
    first, again, other = (source(Noise()).take(data, seed) for seed in (7, 7, 8))
    assert torch.equal(first.lq, again.lq)
    assert torch.equal(first.scales, again.scales)
    assert not torch.equal(first.lq, other.lq)
    assert not torch.equal(first.scales, other.scales)


def test_scales_and_degradation_have_no_number_in_common() -> None:
    """From the same seed the degradation's first draws would be those of the scales once more."""
    batch = source(Noise()).take({"gt": torch.rand(4, 3, 8, 8)}, 7)
    assert not torch.isclose(batch.lq.flatten()[:4].double(), batch.scales - 1).any()


@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1])
def test_scales_and_the_steps_own_draws_have_no_number_in_common(seed: int) -> None:
    """The step starts torch's global state from the same seed, and draws its queries from there on the CPU."""
    drawn = []

    class Recorded(RandomScales):
        def draw_scales(self, batch: int, generator: torch.Generator) -> Tensor:
            drawn.append(torch.randint(2**62, (1000,), generator=generator))
            return super().draw_scales(batch, generator)

    LRSource(Noise(), Recorded((1.0, 2.0), 2), CPU).take({"gt": torch.rand(4, 3, 8, 8)}, seed)
    torch.manual_seed(seed)
    assert not torch.isin(drawn[0], torch.randint(2**62, (10_000,))).any()


def test_made_lr_and_the_batch_have_the_same_scales_inside_the_degradations_range() -> None:
    """float32 takes 2.9 a little past itself: round(25 s) would be 73 with it and is 72 without."""
    degradation, patches = Noise(), RandomScales((2.9, 2.9), 2)
    degradation.scale_range = (1.0, 2.9)
    data = {
        "gt": torch.rand(3, 3, 80, 80), "lq": torch.rand(3, 3, 2, 2), "scale": torch.tensor([0.0, 2.9, 0.0]),
        "has_lq": torch.tensor([False, True, False]),
    }  # fmt: skip
    mixed = LRSource(degradation, patches, CPU).take(data, 0)
    made = LRSource(degradation, patches, CPU).take({"gt": data["gt"]}, 0)
    assert mixed.scales.dtype == made.scales.dtype == torch.float64
    assert mixed.scales.tolist() == [2.9, float(torch.tensor(2.9)), 2.9]
    assert degradation.asked == [[2.9, 2.9], made.scales.tolist()]
    assert patch_sides(mixed.scales, 25).tolist() == [72, 73, 72]


def test_at_a_fixed_scale_whole_patches_are_degraded() -> None:
    batch = LRSource(Bicubic(), FixedScale(3.0), CPU).take({"gt": torch.rand(2, 3, 24, 24)}, 0)
    assert batch.scales.tolist() == [3, 3]
    assert torch.equal(batch.lq, Bicubic()(batch.gt, 3.0))


def test_views_are_on_the_hr_grid_each_at_one_of_the_scales() -> None:
    scales, gt = (1.5, 2.0, 3.0), torch.rand(200, 3, 8, 8)
    batch = LRSource(Bicubic(), Views(scales), CPU).take({"gt": gt}, 0)
    drawn = batch.scales.tolist()
    # Five standard deviations of a count.
    assert all(abs(drawn.count(scale) - 200 / 3) < 5 * (200 * 2 / 9) ** 0.5 for scale in scales)
    assert {*drawn} == {*scales}
    for index in range(0, 200, 40):
        view = Bicubic().render(gt[index, None], drawn[index])[0]
        assert torch.equal(batch.lq[index], (view * 255).round() / 255)


def test_scales_of_patches_may_be_counted() -> None:
    batch = LRSource(Bicubic(), RandomScales((1, 4), 2, (1.25, 3.5)), CPU).take({"gt": torch.rand(40, 3, 8, 8)}, 0)
    assert {*batch.scales.tolist()} == {1.25, 3.5}
    assert torch.equal(batch.lq, Bicubic().lr_patches(batch.gt, batch.scales, 2))


def test_scales_may_be_labels_of_others() -> None:
    """Drawn and rendered at labels, of the size of what these stand for; 3 is half way between 2 and 4."""
    points = ((1.0, 1.0), (2.0, 2.5), (4.0, 3.5))
    batch = LRSource(Bicubic(), RandomScales((1, 4), 4, (2.0, 3.0), points), CPU).take(
        {"gt": torch.rand(20, 3, 16, 16)}, 0
    )
    assert {*batch.scales.tolist()} == {2.5, 3.0}
    for gt, lq, scale in zip(batch.gt, batch.lq, batch.scales.tolist(), strict=True):
        view = (Bicubic().render(gt[None], {2.5: 2.0, 3.0: 3.0}[scale]) * 255).round() / 255
        square = view[..., : round(4 * scale), : round(4 * scale)]
        truth = F.interpolate(square, size=(4, 4), mode="bicubic", antialias=True).clamp(0, 1)
        assert (lq - truth[0]).abs().max() <= 0.51 / 255
        assert torch.equal(lq, (lq * 255).round() / 255)


def test_global_randomness_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    source(Noise()).take({"gt": torch.rand(1, 3, 8, 8, generator=torch.Generator())}, 7)
    assert torch.equal(torch.rand(3), expected)


def test_the_degradation_is_frozen_and_no_graph_is_built() -> None:
    degradation = Noise()
    batch = source(degradation).take({"gt": torch.rand(2, 3, 8, 8)}, 0)
    assert not degradation.weight.requires_grad
    assert not degradation.training
    assert not batch.lq.requires_grad


@pytest.mark.parametrize("own", [[True, True], [True, False], [False, False]])
def test_the_degradation_is_asked_for_what_is_missing_only(own: list[bool]) -> None:
    degradation = Noise()
    data: dict[str, Any] = {
        "gt": torch.rand(2, 3, 8, 8), "lq": torch.rand(2, 3, 2, 2), "scale": torch.tensor([3.0, 3.5]),
        "has_lq": torch.tensor(own),
    }  # fmt: skip
    before = len(degradation.seeds)
    batch = source(degradation).take(data, 5)
    assert (len(degradation.seeds) == before) is all(own)
    for row, kept in enumerate(own):
        assert torch.equal(batch.lq[row], data["lq"][row]) is kept
        assert (float(batch.scales[row]) == float(data["scale"][row])) is kept
    if not any(own):
        assert torch.equal(batch.lq, source(Noise()).take({"gt": data["gt"]}, 5).lq)


def test_nothing_to_make_lr_with_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="expected a degradation: section"):
        source().take({"gt": torch.rand(2, 3, 8, 8)}, 0)


def test_a_side_stream_needs_a_gpu() -> None:
    batch = LRSource(Noise(), PATCHES, CPU, side_stream=True).take({"gt": torch.rand(2, 3, 8, 8)}, 0)
    assert torch.equal(batch.lq, source(Noise()).take({"gt": torch.rand(2, 3, 8, 8)}, 0).lq)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("side_stream", [False, True])
def test_on_a_gpu_it_does_not_matter_who_moves_the_batch(moved: bool, side_stream: bool) -> None:
    """``prefetch_mode: cuda`` moves every tensor of a batch, scales and ``has_lq`` too."""

    class OnDevice(RandomScales):
        def degrade(self, degradation: Degradation, gt: Tensor, scales: Tensor) -> Tensor:
            assert scales.device == CPU
            return gt[..., :2, :2] * scales.view(-1, 1, 1, 1).to(gt.device)

    data = {
        "gt": torch.rand(3, 3, 8, 8), "lq": torch.rand(3, 3, 2, 2), "scale": torch.tensor([3.0, 3.5, 2.0]),
        "has_lq": torch.tensor([True, False, True]),
    }  # fmt: skip
    expected = LRSource(Noise(), OnDevice((1.0, 2.0), 2), CPU).take(data, 5)
    cuda = torch.device("cuda")
    given = {key: value.to(cuda) for key, value in data.items()} if moved else data
    found = LRSource(Noise(), OnDevice((1.0, 2.0), 2), cuda, side_stream).take(given, 5)
    assert torch.allclose(found.lq.cpu(), expected.lq)
    assert torch.equal(found.scales, expected.scales)


def test_shares_are_those_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 1.0, 4.0, 10.0, 11.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    watch = Stopwatch(CPU)
    for part in ("a", "b", "a"):
        with watch.measure(part):
            pass
    assert watch.share("a") == pytest.approx(2 / 5)


def test_asking_for_a_share_forgets_and_nothing_measured_is_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 0.0, 1.0, 0.0, 3.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    watch = Stopwatch(CPU)
    assert watch.share("a") == 0
    with watch.measure("a"):
        pass
    assert watch.share("a") == 1
    assert watch.share("a") == 0
    for part in ("a", "b"):
        with watch.measure(part):
            pass
    assert watch.share("c") == 0


def test_memory_of_times_is_bounded_and_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    watch = Stopwatch(CPU, remembered=10)
    for number in range(1000):
        for part, seconds in (("a", 1.0 if number >= 990 else 50.0), ("b", 3.0)):
            with watch.measure(part):
                clock[0] += seconds
    assert {len(kept) for kept in watch._times.values()} == {10}
    assert watch.share("a") == pytest.approx(1 / 4)


def test_time_of_what_raises_is_not_counted() -> None:
    watch = Stopwatch(CPU)
    with pytest.raises(KeyError), watch.measure("a"):
        raise KeyError
    assert watch.share("a") == 0


def test_a_degradation_that_takes_time_shows_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only the degradation and the step move: a busy machine changes nothing."""
    pytest.importorskip("basicsr", reason="models need BasicSR")
    register()
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    model = build(sr_options("fixed", tmp_path), tmp_path)
    train(model, [hr_batch()])
    forward = Bicubic.forward

    def slow(self: Bicubic, hr: Tensor, scale: float) -> Tensor:
        clock[0] += 0.06
        return forward(self, hr, scale)

    step = model.take_step

    def slow_step(current_iter: int) -> dict[str, Tensor]:
        with model.stopwatch.measure("training"):
            clock[0] += 0.02
        return step(current_iter)

    monkeypatch.setattr(model, "take_step", slow_step)
    quick = train(model, [hr_batch()] * 3, start=1)
    monkeypatch.setattr(Bicubic, "forward", slow)
    sleepy = train(model, [hr_batch()] * 3, start=4)
    assert [log["degradation_share"] for log in quick] == [0, 0, 0]
    assert [log["degradation_share"] for log in sleepy] == pytest.approx([0.75, 0.75, 0.75])
