"""Preview strips: what is in the picture, when it is written and by whom, and that training does not notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_sr import (
    BICUBIC,
    REAL_ESRGAN,
    build,
    equal,
    hr_batch,
    pair_batch,
    register,
    sr_options,
    train,
    weights,
)
from torch import Tensor

from degflow_aug.files.image_file import read_image
from degflow_aug.models.sr.preview import Example, preview_strip

pytest.importorskip("basicsr", reason="models need BasicSR")
register()

from degflow_aug.compat import training as compat_training  # noqa: E402
from degflow_aug.degradations.bicubic import Bicubic  # noqa: E402


def enlarged(image: Tensor, side: int) -> Tensor:
    """Pixels repeated, for sides that divide evenly."""
    return image.repeat_interleave(side // image.shape[-2], 2).repeat_interleave(side // image.shape[-1], 3)


def test_columns_are_hr_lr_sr_and_rows_are_examples() -> None:
    examples = [
        Example(torch.rand(1, 3, side, side), torch.rand(1, 3, side // 2, side // 2), torch.rand(1, 3, side, side) * 2)
        for side in (8, 12)
    ]
    strip = preview_strip(examples, side=24)
    assert strip.shape == (3, 48, 72)
    for row, example in enumerate(examples):
        for column, image in enumerate(example):
            cell = strip[:, 24 * row : 24 * row + 24, 24 * column : 24 * column + 24]
            assert torch.equal(cell[None], enlarged(image, 24).clamp(0, 1))


def test_half_precision_and_graphs_are_shown_too() -> None:
    image = torch.rand(1, 3, 8, 8, dtype=torch.bfloat16, requires_grad=True)
    strip = preview_strip([Example(image, image, image)], side=8)
    assert strip.dtype == torch.float32
    assert not strip.requires_grad


def shown(folder: Path, kind: str, steps: int, *, rank: int = 0, **degflow: Any) -> tuple[Any, list[str]]:
    """A model that has trained, and the names of its strips."""
    model = build(sr_options(kind, folder, **degflow), folder)
    model.opt["rank"] = rank
    train(model, [hr_batch(seed=step) for step in range(steps)])
    return model, sorted(file.name for file in (Path(model.opt["path"]["visualization"]) / "preview").glob("*"))


@pytest.mark.parametrize(("frequency", "numbers"), [(0, []), (1, [1, 2, 3, 4, 5]), (2, [1, 2, 4]), (5, [1, 5])])
def test_the_first_iteration_and_every_so_many_are_shown(frequency: int, numbers: list[int], tmp_path: Path) -> None:
    names = shown(tmp_path, "fixed", 5, preview_freq=frequency)[1]
    assert names == [f"{number:07d}.png" for number in numbers]


def test_only_the_first_process_writes(tmp_path: Path) -> None:
    assert not shown(tmp_path, "fixed", 2, rank=1, preview_freq=1)[1]


@pytest.mark.parametrize("kind", ["fixed", "arbitrary", "gan"])
def test_training_does_not_notice(kind: str, tmp_path: Path) -> None:
    with_strips = weights(shown(tmp_path, kind, 3, preview_freq=1, degradation=REAL_ESRGAN)[0])
    without = weights(shown(tmp_path, kind, 3, degradation=REAL_ESRGAN)[0])
    assert equal(with_strips, without)


def picture(model: Any, number: int) -> Tensor:
    path = Path(model.opt["path"]["visualization"]) / "preview" / f"{number:07d}.png"
    return torch.from_numpy(read_image(path)).permute(2, 0, 1).float() / 255


def cells(strip: Tensor) -> list[list[Tensor]]:
    return [list(row.split(192, dim=2)) for row in strip.split(192, dim=1)]


def test_the_file_shows_a_fixed_scale_batch(tmp_path: Path) -> None:
    model, _ = shown(tmp_path, "fixed", 1, preview_freq=1)
    rows = cells(picture(model, 1))
    assert len(rows) == 2
    for row, (hr, lr, sr) in enumerate(rows):
        lq = model.batch.lq[row, None]
        for found, expected in ((hr, model.batch.gt[row, None]), (lr, lq), (sr, model.super_resolve(lq, (32, 32)))):
            assert torch.allclose(found[None], enlarged(expected, 192), atol=0.51 / 255)


def test_the_file_shows_the_first_sample_at_the_chosen_scales(tmp_path: Path) -> None:
    scales = (1.5, 2.0, 4.0)
    model, _ = shown(tmp_path, "arbitrary", 1, preview_freq=1, preview_scales=list(scales))
    rows = cells(picture(model, 1))
    assert len(rows) == 3
    for scale, (hr, lr, sr) in zip(scales, rows, strict=True):
        side = round(8 * scale)
        truth = model.batch.gt[:1, :, :side, :side]
        lq = Bicubic().lr_patches(model.batch.gt[:1], torch.tensor([scale]), 8)
        for found, expected in ((hr, truth), (lr, lq), (sr, model.super_resolve(lq, (side, side)))):
            assert torch.allclose(found[None], enlarged(expected, 192), atol=0.51 / 255)


def test_real_pairs_are_shown_as_they_are(tmp_path: Path) -> None:
    model = build(sr_options("arbitrary", tmp_path, degradation=None, preview_freq=1), tmp_path)
    batch = {**pair_batch(), "scale": torch.tensor([2.0, 1.5])}
    train(model, [batch])
    rows = cells(picture(model, 1))
    assert len(rows) == 2
    assert torch.allclose(rows[0][1][None], enlarged(batch["lq"][:1], 192), atol=0.51 / 255)
    assert torch.allclose(rows[1][0][None], enlarged(batch["gt"][1:, :, :24, :24], 192), atol=0.51 / 255)


@pytest.mark.parametrize("scale_range", [[1.1, 2.9], [1, 1.7]])
def test_the_ends_of_the_range_fit_into_the_smallest_crops(scale_range: list[float], tmp_path: Path) -> None:
    """5 x 2.9 = 14.5 rounds to 14, but the float32 next to 2.9 is larger."""
    model = build(sr_options("arbitrary", tmp_path, lr_size=5, scale_range=scale_range, preview_freq=1), tmp_path)
    train(model, [hr_batch(side=model.options.gt_size)] * 3)
    assert len(cells(picture(model, 1))) == 3


def test_tensorboard_gets_the_strip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, Tensor, int]] = []

    class Writer:
        def add_image(self, *image: Any) -> None:
            given.append(image)

    monkeypatch.setattr(compat_training, "_tensorboard", [Writer()])
    model, _ = shown(tmp_path, "arbitrary", 3, preview_freq=2, degradation=BICUBIC)
    assert [(name, number) for name, _, number in given] == [("preview", 1), ("preview", 2)]
    assert torch.allclose(given[1][1], picture(model, 2), atol=0.51 / 255)
