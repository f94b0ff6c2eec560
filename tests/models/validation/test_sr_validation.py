"""Validation by scale against NumPy and scikit-image, over datasets, iterations and resumes."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.photographs import photograph
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

import degflow_aug

pytest.importorskip("basicsr", reason="validation needs BasicSR")
degflow_aug.register()

from basicsr.models.base_model import BaseModel  # noqa: E402

from degflow_aug.data.tensors import to_tensor  # noqa: E402
from degflow_aug.files.image_file import read_image, write_image  # noqa: E402
from degflow_aug.models.training import interrupt  # noqa: E402
from degflow_aug.models.validation.sr_validation import SRValidation  # noqa: E402
from degflow_aug.models.validation.validation_item import size_ratio  # noqa: E402

PSNR = {"type": "calculate_psnr", "crop_border": "scale", "test_y_channel": True}
SSIM = {"type": "calculate_ssim", "crop_border": "scale", "test_y_channel": True}
NIQE = {"type": "calculate_niqe", "crop_border": 0}
SCALES = (2.0, 2.9, 4.0)


class Bicubic(SRValidation, BaseModel):
    """A model without weights; ``offset`` makes it worse."""

    offset = 0.0

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        self.saved: list[int] = []

    def super_resolve(self, lq: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        assert lq.shape[:2] == (1, 3)
        return functional.interpolate(lq, size=size, mode="bicubic", align_corners=False) + self.offset

    def save_best(self, current_iter: int) -> None:
        self.saved.append(current_iter)


class Items(Dataset[dict[str, Any]]):
    def __init__(self, items: list[dict[str, Any]], name: str = "val", **opt: Any) -> None:
        self.items, self.opt = items, {"name": name, **opt}

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.items[index]


def item(seed: int, scale: float, height: int = 61, width: int = 72) -> dict[str, Any]:
    """A photograph and its LR at a scale, as our validation datasets give it."""
    gt = to_tensor(photograph(seed, height, width))
    size = (round(height / scale), round(width / scale))
    lq = functional.interpolate(gt[None], size=size, mode="bicubic", antialias=True)[0].clamp(0, 1)
    return {
        "lq": lq, "gt": gt, "scale": torch.tensor(scale), "lq_path": f"lr/{seed:02}.png", "gt_path": f"{seed:02}.png",
        "name": f"{seed:02}",
    }  # fmt: skip


def loader(items: list[dict[str, Any]], name: str = "val", **opt: Any) -> DataLoader[dict[str, Any]]:
    return DataLoader(Items(items, name, **opt), batch_size=1)


def options(folder: Path, is_train: bool = True, **val: Any) -> dict[str, Any]:
    root = folder / ("experiments" if is_train else "results") / "run"
    return {
        "name": "run", "num_gpu": 0, "is_train": is_train, "dist": False, "rank": 0, "train": {"total_iter": 10_000},
        "datasets": {"train": {"name": "train"}, "val": {"name": "val"}, "val_2": {"name": "more"}},
        "path": {"experiments_root" if is_train else "results_root": str(root), "visualization": str(root / "images")},
        "val": val,
    }  # fmt: skip


def y_psnr(image: np.ndarray, truth: np.ndarray, border: int) -> float:
    """BT.601 luma of 8-bit RGB and its peak signal-to-noise ratio."""
    weights = np.array([65.481, 128.553, 24.966]) / 255
    luma = [np.rint((part @ weights + 16) * 1e6) / 1e6 for part in (image.astype(float), truth.astype(float))]
    inner = [part[border : part.shape[0] - border, border : part.shape[1] - border] for part in luma]
    return 10 * math.log10(255**2 / float(np.mean((inner[0] - inner[1]) ** 2)))


def restored(entry: dict[str, Any], offset: float = 0.0) -> np.ndarray:
    """What the model makes of an item, as 8-bit RGB."""
    size = tuple(entry["gt"].shape[-2:])
    image = functional.interpolate(entry["lq"][None], size=size, mode="bicubic", align_corners=False)[0] + offset
    return (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def truth(entry: dict[str, Any]) -> np.ndarray:
    return (entry["gt"] * 255).round().byte().permute(1, 2, 0).numpy()


class Writer:
    """TensorBoard's writer as a list."""

    def __init__(self) -> None:
        self.scalars: dict[str, float] = {}
        self.images: dict[str, torch.Tensor] = {}

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars[name] = value

    def add_image(self, name: str, value: torch.Tensor, step: int) -> None:
        self.images[name] = value


@pytest.fixture
def log() -> Any:
    """Messages to BasicSR's logger."""
    from degflow_aug.commands.shared.invocation import logged_messages

    with logged_messages("") as messages:
        yield messages


def test_metrics_of_every_scale_are_those_of_numpy_and_scikit_image(tmp_path: Path, log: list[str]) -> None:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    items = [item(seed, scale) for scale in (4.0, 2.0, 2.9) for seed in range(2 if scale == 4 else 3)]
    rgb = {"type": "calculate_psnr", "crop_border": 3}
    model, writer = Bicubic(options(tmp_path, metrics={"psnr": PSNR, "ssim": SSIM, "rgb": rgb})), Writer()
    model.validation(loader(items), 500, writer, False)

    found = model.validation_results["val"]
    assert list(found) == [2.0, 2.9, 4.0]
    luma = np.array([65.481, 128.553, 24.966]) / 255
    for scale, border in zip(SCALES, (2, 3, 4), strict=True):
        mine = [entry for entry in items if float(entry["scale"]) == np.float32(scale)]
        psnr = [y_psnr(restored(entry), truth(entry), border) for entry in mine]
        assert found[scale]["psnr"] == pytest.approx(np.mean(psnr), abs=1e-4)
        pairs = [[(part.astype(float) @ luma + 16) for part in (restored(entry), truth(entry))] for entry in mine]
        ssim = [
            structural_similarity(
                first[border:-border, border:-border], second[border:-border, border:-border], data_range=255,
                gaussian_weights=True, sigma=1.5, use_sample_covariance=False, win_size=11,
            )
            for first, second in pairs
        ]  # fmt: skip
        assert found[scale]["ssim"] == pytest.approx(np.mean(ssim), abs=1e-4)
        cropped = [[part[3:-3, 3:-3] for part in (truth(entry), restored(entry))] for entry in mine]
        assert found[scale]["rgb"] == pytest.approx(np.mean([peak_signal_noise_ratio(*pair) for pair in cropped]))
        assert writer.scalars[f"metrics/val/psnr_x{scale:g}"] == found[scale]["psnr"]
    overall = np.mean([found[scale]["psnr"] for scale in SCALES])
    assert writer.scalars["metrics/val/psnr"] == pytest.approx(overall)
    assert model.best_metric_results["val"]["psnr"] == {"better": "higher", "val": pytest.approx(overall), "iter": 500}

    table = [line.split() for line in log[-1].splitlines()]
    assert table[0] == ["Validation", "val,", "iteration", "500"]
    assert table[1] == ["scale", "images", "psnr", "ssim", "rgb"]
    assert table[2] == ["x2", "3", *(f"{found[2.0][name]:.4f}" for name in ("psnr", "ssim", "rgb"))]
    assert [row[0] for row in table[3:]] == ["x2.9", "x4", "mean", "best"]
    assert table[5][1] == f"{overall:.4f}"
    assert table[6][1:4] == [f"{overall:.4f}", "@", "500"]
    lines = log[-1].splitlines()
    ends = {line.index(word) + len(word) for line, word in zip(lines[1:5], ["images", "3", "3", "2"], strict=True)}
    assert len(ends) == 1, "the columns are not aligned"

    written = json.loads((tmp_path / "experiments/run/validation/val_500.json").read_text())
    assert written["scales"] == {f"{scale:g}": found[scale] for scale in SCALES}
    assert written["mean"]["psnr"] == pytest.approx(overall)
    assert written["images"] == {"2": 3, "2.9": 3, "4": 2}
    assert (written["dataset"], written["iter"]) == ("val", 500)
    assert [file.name for file in (tmp_path / "experiments/run/validation").iterdir()] == ["val_500.json"]


def test_the_strip_shows_bicubic_result_and_truth(tmp_path: Path) -> None:
    items, writer = [item(3, 2.9), item(4, 2.0)], Writer()
    Bicubic(options(tmp_path)).validation(loader(items), 1, writer)
    assert list(writer.images) == ["val/03_x2.9"]
    shown = writer.images["val/03_x2.9"]
    assert shown.shape == (3, 61, 3 * 72)
    assert torch.equal(shown[:, :, 144:], items[0]["gt"])
    assert np.array_equal((shown[:, :, 72:144] * 255).round().byte().permute(1, 2, 0).numpy(), restored(items[0]))


def test_strips_of_large_images_are_cut_from_the_middle(tmp_path: Path) -> None:
    entry, writer = item(0, 4.0, 40, 700), Writer()
    Bicubic(options(tmp_path)).validation(loader([entry]), 1, writer)
    assert torch.equal(writer.images["val/00_x4"][:, :, 1024:], entry["gt"][:, :, 94 : 94 + 512])


def test_images_in_training_and_in_testing(tmp_path: Path) -> None:
    items = [item(0, 2.9), item(1, 4.0)]
    Bicubic(options(tmp_path)).validation(loader(items), 20, None, True)
    folder = tmp_path / "experiments/run/images"
    assert np.array_equal(read_image(folder / "00/00_x2.9_20.png"), restored(items[0]))
    assert np.array_equal(read_image(folder / "01/01_x4_20.png"), restored(items[1]))
    Bicubic(options(tmp_path, is_train=False)).validation(loader(items, "Set"), "run", None, True)
    Bicubic(options(tmp_path, is_train=False, suffix="ours")).validation(loader(items, "Set"), "run", None, True)
    names = {file.name for file in (tmp_path / "results/run/images/Set").iterdir()}
    assert names == {"00_x2.9.png", "01_x4.png", "00_x2.9_ours.png", "01_x4_ours.png"}


def test_a_name_that_has_the_scale_does_not_get_it_twice(tmp_path: Path) -> None:
    items = [{**item(0, 2.9), "name": "a_x2.9"}, {**item(0, 2.0), "name": "a_x4"}]
    Bicubic(options(tmp_path, is_train=False)).validation(loader(items, "Set"), "run", None, True)
    names = {file.name for file in (tmp_path / "results/run/images/Set").iterdir()}
    assert names == {"a_x2.9.png", "a_x4_x2.png"}


def test_nothing_is_written_unasked(tmp_path: Path) -> None:
    Bicubic(options(tmp_path)).validation(loader([item(0, 2.0)]), 20, None, False)
    assert list(tmp_path.iterdir()) == []


def test_basicsr_pairs_need_no_scale(tmp_path: Path) -> None:
    from basicsr.data.paired_image_dataset import PairedImageDataset

    entries = [item(seed, 3.0, 60, 72) for seed in range(2)]
    for entry in entries:
        for kind in ("gt", "lq"):
            (tmp_path / kind).mkdir(exist_ok=True)
            pixels = (entry[kind] * 255).round().byte().permute(1, 2, 0).numpy()
            write_image(tmp_path / kind / entry["gt_path"], pixels)
    section = {
        "name": "val", "phase": "val", "scale": 3, "io_backend": {"type": "disk"}, "dataroot_gt": str(tmp_path / "gt"),
        "dataroot_lq": str(tmp_path / "lq"),
    }  # fmt: skip
    model = Bicubic(options(tmp_path, metrics={"psnr": PSNR}))
    model.validation(DataLoader(PairedImageDataset(section), batch_size=1), 5, None, True)
    expected = []
    for entry in entries:
        entry["lq"] = to_tensor(read_image(tmp_path / "lq" / entry["gt_path"]))
        expected.append(y_psnr(restored(entry), truth(entry), 3))
    assert model.validation_results == {"val": {3.0: {"psnr": pytest.approx(np.mean(expected), abs=1e-4)}}}
    assert (tmp_path / "experiments/run/images/00/00_x3_5.png").is_file()


@pytest.mark.parametrize("scale", [1.5, 2.0, 2.9, 3.0, 3.25, 4.0])
def test_scales_come_back_from_sizes(scale: float, tmp_path: Path) -> None:
    """Images of several sizes made at one scale are one row."""
    entries = [item(index, scale, height, width) for index, (height, width) in enumerate([(339, 510), (321, 481)])]
    for entry in entries:
        del entry["scale"], entry["name"]
    model = Bicubic(options(tmp_path, metrics={"psnr": PSNR}))
    model.validation(loader(entries), 5, None, False)
    assert list(model.validation_results["val"]) == [scale]


def test_sizes_that_no_scale_explains_have_that_of_the_height() -> None:
    assert size_ratio((100, 100), (50, 40)) == 2
    assert size_ratio((100, 100), (30, 40)) == 3.33333
    assert size_ratio((3, 3), (3, 3)) == 1


def test_images_without_truth_have_metrics_without_reference(tmp_path: Path, log: list[str]) -> None:
    from basicsr.data.single_image_dataset import SingleImageDataset
    from basicsr.metrics.niqe import calculate_niqe

    (tmp_path / "lq").mkdir()
    write_image(tmp_path / "lq" / "a.png", photograph(0, 100, 120))
    section = {"name": "wild", "phase": "test", "dataroot_lq": str(tmp_path / "lq")}
    images = DataLoader(SingleImageDataset({**section, "io_backend": {"type": "disk"}}), batch_size=1)
    opt = {**options(tmp_path, is_train=False, metrics={"psnr": PSNR, "niqe": NIQE}), "scale": 2}
    model = Bicubic(opt)
    model.validation(images, "run", None, True)
    image = read_image(tmp_path / "results/run/images/wild/a_x2.png")
    assert image.shape == (200, 240, 3)
    expected = calculate_niqe(image[..., ::-1], 0)
    assert math.isfinite(expected)
    assert model.validation_results == {"wild": {2.0: {"niqe": pytest.approx(expected)}}}
    assert "psnr" not in log[-1]
    assert model.best_metric_results["wild"]["niqe"]["better"] == "lower"
    del model.opt["scale"]
    with pytest.raises(ValueError, match=r"expected a scale for .*a\.png"):
        model.validation(images, "run", None, True)


@pytest.mark.filterwarnings("ignore:NIQE is not defined")
def test_an_undefined_value_is_left_out_of_means_and_counted(tmp_path: Path, log: list[str]) -> None:
    from basicsr.metrics.niqe import calculate_niqe

    items = [item(0, 2.0), item(1, 2.0, 200, 220), item(2, 4.0)]
    writer = Writer()
    model = Bicubic(options(tmp_path, metrics={"niqe": NIQE, "psnr": PSNR}))
    model.validation(loader(items), 7, writer, False)
    expected = calculate_niqe(restored(items[1])[..., ::-1], 0)
    found = model.validation_results["val"]
    assert found[2.0]["niqe"] == pytest.approx(expected)
    assert math.isnan(found[4.0]["niqe"])
    assert writer.scalars["metrics/val/niqe"] == pytest.approx(expected)
    assert "metrics/val/niqe_x4" not in writer.scalars
    assert model.best_metric_results["val"]["niqe"] == {"better": "lower", "val": pytest.approx(expected), "iter": 7}
    rows = [line.split() for line in log[-1].splitlines()]
    assert rows[2][:4] == ["x2", "2", f"{expected:.4f}", "(1)"]
    assert rows[3][:3] == ["x4", "1", "nan"]
    model.validation(loader([item(0, 2.0)], "more"), 7, None, False)
    assert log[-1].splitlines()[-1].split()[:2] == ["best", "-"]
    written = json.loads((tmp_path / "experiments/run/validation/val_7.json").read_text())
    assert written["scales"]["4"]["niqe"] is None
    assert written["counted"] == {"2": {"niqe": 1, "psnr": 2}, "4": {"niqe": 0, "psnr": 1}}


@pytest.mark.parametrize(("metric", "height", "border"), [
    (PSNR, 60, 30), (PSNR, 60, 99), (SSIM, 60, 25), (SSIM, 8, "scale"), (NIQE, 60, 31),
])  # fmt: skip
def test_a_border_that_leaves_nothing(tmp_path: Path, metric: dict[str, Any], height: int, border: int | str) -> None:
    model = Bicubic(options(tmp_path, metrics={"metric": {**metric, "crop_border": border}}))
    shown = 2 if border == "scale" else border
    with pytest.raises(ValueError, match=rf"inside crop_border {shown} for calc.*, got an image of {height}x90; lower"):
        model.validation(loader([item(0, 2.0, height, 90)]), 7, None, False)


def test_equal_images_are_infinitely_good_and_null_in_json(tmp_path: Path) -> None:
    entry = item(0, 2.0)
    entry["gt"] = torch.zeros_like(entry["gt"])
    entry["lq"] = torch.zeros_like(entry["lq"])
    model = Bicubic(options(tmp_path, metrics={"psnr": PSNR}))
    model.validation(loader([entry]), 7, None, False)
    assert model.validation_results["val"][2.0]["psnr"] == math.inf
    assert json.loads((tmp_path / "experiments/run/validation/val_7.json").read_text())["mean"] == {"psnr": None}


def validate(model: Bicubic, offsets: list[float], start: int, items: list[dict[str, Any]]) -> None:
    for step, offset in enumerate(offsets):
        model.offset = offset
        model.validation(loader(items), start + 10 * step, None, False)


def resumed(opt: dict[str, Any], before: Bicubic) -> Bicubic:
    """A new model that was given the training state of another."""
    torch.save(
        {"best_metric_results": before.best_metric_results}, (file := Path(opt["path"]["visualization"] + ".pt"))
    )
    state = {"optimizers": [], "schedulers": [], **torch.load(file, weights_only=True)}
    model = Bicubic(opt)
    model.resume_training(state)
    return model


@pytest.mark.parametrize("scale", [None, 2.9])
def test_the_best_checkpoint_over_a_run_and_its_resume(tmp_path: Path, scale: float | None) -> None:
    best = {"metric": "psnr", **({"scale": scale} if scale else {})}
    opt = options(tmp_path, metrics={"psnr": PSNR, "ssim": SSIM}, best=best)
    items = [item(0, 2.0), item(1, 2.9)]
    model = Bicubic(opt)
    validate(model, [0.2, 0.1, 0.1, 0.15, 0.05], 10, items)
    assert model.saved == [10, 20, 50]
    found = model.validation_results["val"]
    expected = found[2.9]["psnr"] if scale else np.mean([found[2.0]["psnr"], found[2.9]["psnr"]])
    record = model.best_metric_results["val"]["psnr"]["checkpoint"]
    assert record == {
        "dataset": "val", "metric": "psnr", "scale": scale, "val": pytest.approx(expected), "iter": 50,
    }  # fmt: skip
    assert json.loads((tmp_path / "experiments/run/validation/best.json").read_text()) == record

    again = resumed(opt, model)
    validate(again, [0.1, 0.05, 0.0], 60, items)
    assert again.saved == [80]


def test_a_state_saved_before_its_validation_does_not_lose_the_best(tmp_path: Path) -> None:
    """As BasicSR has it: the state of iteration 20 is written, then iteration 20 is validated and is the best."""
    opt = options(tmp_path, metrics={"psnr": PSNR}, best={"metric": "psnr"})
    items = [item(0, 2.0)]
    early = Bicubic(opt)
    validate(early, [0.2], 10, items)
    late = resumed(opt, early)
    validate(late, [0.0], 20, items)
    assert late.saved == [20]
    again = resumed(opt, early)
    validate(again, [0.1], 30, items)
    assert again.saved == []


def test_another_choice_begins_anew(tmp_path: Path) -> None:
    items = [item(0, 2.0), item(1, 2.9)]
    first = Bicubic(options(tmp_path, metrics={"psnr": PSNR}, best={"metric": "psnr"}))
    validate(first, [0.0], 10, items)
    second = resumed(options(tmp_path, metrics={"psnr": PSNR}, best={"metric": "psnr", "scale": 2}), first)
    validate(second, [0.2], 20, items)
    assert second.saved == [20]


def test_the_last_iteration_is_not_counted_twice(tmp_path: Path) -> None:
    """BasicSR validates once more after the end, as iteration total_iter + 1."""
    opt = options(tmp_path, metrics={"psnr": PSNR}, best={"metric": "psnr"})
    opt["train"]["total_iter"] = 20
    model = Bicubic(opt)
    model.validation(loader([item(0, 2.0)]), 21, None, False)
    assert model.saved == [20]
    assert (tmp_path / "experiments/run/validation/val_20.json").is_file()


def test_lower_is_better_for_distances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from basicsr.utils.registry import METRIC_REGISTRY

    def distance(img: np.ndarray, img2: np.ndarray) -> float:
        return float(np.abs(img.astype(float) - img2).mean())

    monkeypatch.setitem(METRIC_REGISTRY._obj_map, "calculate_lpips", distance)
    metrics = {"lpips": {"type": "calculate_lpips"}, "far": {"type": "calculate_lpips", "better": "higher"}}
    model = Bicubic(options(tmp_path, metrics=metrics, best={"metric": "lpips"}))
    validate(model, [0.2, 0.3, 0.1], 10, [item(0, 2.0)])
    assert model.saved == [10, 30]
    results = model.best_metric_results["val"]
    assert (results["lpips"]["better"], results["lpips"]["iter"]) == ("lower", 30)
    assert (results["far"]["better"], results["far"]["iter"]) == ("higher", 20)
    value = np.abs(restored(item(0, 2.0), 0.1).astype(float) - truth(item(0, 2.0))).mean()
    assert results["lpips"]["val"] == pytest.approx(value)


def test_a_best_scale_that_no_image_has_stops_no_training(tmp_path: Path) -> None:
    model = Bicubic(options(tmp_path, metrics={"psnr": PSNR}, best={"metric": "psnr", "scale": 3}))
    with pytest.warns(UserWarning, match=r"among the scales of val \(2, 2\.9\), got 3"):
        model.validation(loader([item(0, 2.0), item(1, 2.9)]), 1, None, False)
    assert model.saved == []
    assert set(model.validation_results["val"]) == {2.0, 2.9}


@pytest.mark.parametrize(
    ("val", "sentence"),
    [
        ({"best": {"metric": "pnsr"}}, r"val\.best\.metric out of val\.metrics \(psnr\), got 'pnsr'; did you mean"),
        ({"best": {"metric": "psnr", "dataset": "Set5"}}, r"validation datasets \(val, more\), got 'Set5'"),
        ({"best": {"metric": "psnr", "scale": 0}}, "a scale above 0"),
        ({"best": {"metric": "psnr", "scal": 3}}, "did you mean 'scale'"),
        ({"best": {"scale": 2}}, r"expected metric in val\.best"),
        ({"best": "psnr"}, r"mapping in val\.best"),
        ({"metrics": {"psnr": {"type": "calculate_pnsr"}}}, "did you mean 'calculate_psnr'"),
        ({"metrics": {"psnr": {"type": "calculate_psnr"}}}, r"expected crop_border in val\.metrics\.psnr"),
        ({"metrics": {"psnr": {**PSNR, "crop_border": "scales"}}}, "the word scale"),
        ({"metrics": {"psnr": {**PSNR, "crop_border": 2.5}}}, "number of pixels"),
        ({"metrics": {"psnr": {**PSNR, "better": "more"}}}, "expected higher or lower"),
        ({"metrics": {"lpips": {"type": "calculate_lpips", "vgg_pth": "x"}}}, "did you mean 'vgg_path'"),
        ({"metrics": {"lpips": {"type": "calculate_lpips", "vgg_path": "nowhere.pth"}}}, "weights for calculate_lpips"),
        ({"metrics": ["psnr"]}, "mapping of metrics"),
    ],
)
def test_mistakes_are_one_sentence_at_the_first_validation(tmp_path: Path, val: dict[str, Any], sentence: str) -> None:
    model = Bicubic(options(tmp_path, **{"metrics": {"psnr": PSNR}, **val}))
    with pytest.raises(ValueError, match=sentence) as error:
        model.validation(loader([item(0, 2.0), item(1, 2.9)]), 1, None, False)
    assert "\n" not in str(error.value)
    assert model.saved == []


def test_the_dataset_that_decides(tmp_path: Path) -> None:
    best = {"metric": "psnr", "dataset": "more"}
    model = Bicubic(options(tmp_path, metrics={"psnr": PSNR}, best=best))
    model.validation(loader([item(0, 2.0)], "val"), 10, None, False)
    assert model.saved == []
    model.validation(loader([item(0, 2.0)], "more"), 10, None, False)
    assert model.saved == [10]
    assert "checkpoint" not in model.best_metric_results["val"]["psnr"]


@pytest.mark.parametrize(("wrong", "sentence"), [("size", "from the network"), ("nan", "NaN or infinity")])
def test_a_network_that_gives_no_image_is_said(
    tmp_path: Path, wrong: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Bicubic(options(tmp_path, metrics={"psnr": PSNR}))
    broken = {
        "size": lambda lq, size: torch.zeros(1, 3, size[0], size[1] + 1),
        "nan": lambda lq, size: torch.full((1, 3, *size), math.nan),
    }
    monkeypatch.setattr(model, "super_resolve", broken[wrong])
    with pytest.raises(ValueError, match=sentence):
        model.validation(loader([item(0, 2.9)]), 1, None, False)


def test_other_ranks_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    monkeypatch.setattr(torch.distributed, "barrier", lambda: waits.append(1))
    for rank in (0, 1):
        model = Bicubic(options(tmp_path, metrics={"psnr": PSNR}))
        model.opt.update(rank=rank, dist=True)
        model.validation(loader([item(0, 2.0)]), 1, None, False)
        assert hasattr(model, "validation_results") == (rank == 0)
    assert len(waits) == 2


def test_cudnn_tries_no_algorithms_for_every_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cudnn = SimpleNamespace(benchmark=True)
    monkeypatch.setattr(torch.backends, "cudnn", cudnn)
    model, seen = Bicubic(options(tmp_path)), []
    usual = model.super_resolve
    monkeypatch.setattr(model, "super_resolve", lambda lq, size: (seen.append(cudnn.benchmark), usual(lq, size))[1])
    model.validation(loader([item(0, 2.0)]), 1, None, False)
    assert (seen, cudnn.benchmark) == ([False], True)


def test_a_signal_stops_a_long_validation_after_saving(tmp_path: Path) -> None:
    items, saved = [item(seed, 2.0) for seed in range(3)], []
    model = Bicubic(options(tmp_path, metrics={"psnr": PSNR}))
    super_resolve, seen = model.super_resolve, []

    def signalled(lq: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        seen.append(size)
        os.kill(os.getpid(), signal.SIGTERM)
        return super_resolve(lq, size)

    model.super_resolve = signalled

    def validate() -> None:
        with interrupt.stoppable():
            interrupt.on_stop(lambda: saved.append(True))
            model.validation(loader(items), 5, None, False)

    with pytest.raises(SystemExit) as end:
        validate()
    assert end.value.code == 143
    assert len(seen) == 1
    assert saved == [True]
    assert not list(tmp_path.rglob("*.json"))


def test_protocols_of_papers_are_of_unrounded_images_and_mean_over_cameras(tmp_path: Path) -> None:
    from degflow_aug.metrics.paper_metric import calculate_psnr_interflow, calculate_psnr_realarbisr

    cameras = ("one", "one", "other")
    items = [{**item(seed, 3.0), "camera": camera} for seed, camera in enumerate(cameras)]
    metrics = {
        "interflow": {"type": "calculate_psnr_interflow", "multiple": 3},
        "arbitrary": {"type": "calculate_psnr_realarbisr", "crop_border": "scale"},
    }
    model = Bicubic(options(tmp_path, metrics=metrics))
    model.validation(loader(items), 500, None, False)
    values: dict[str, list[float]] = {"interflow": [], "arbitrary": []}
    for entry in items:
        size = tuple(entry["gt"].shape[-2:])
        image = functional.interpolate(entry["lq"][None], size=size, mode="bicubic", align_corners=False)[0]
        pair = [(part.clamp(0, 1) * 255).permute(1, 2, 0).numpy()[..., ::-1] for part in (image, entry["gt"])]
        values["interflow"].append(calculate_psnr_interflow(*pair, multiple=3))
        values["arbitrary"].append(calculate_psnr_realarbisr(*pair, 3))
    first, second, other = values["interflow"]
    found = model.validation_results["val"][3.0]
    assert found["interflow"] == pytest.approx(((first + second) / 2 + other) / 2, abs=1e-6)
    assert found["arbitrary"] == pytest.approx(sum(values["arbitrary"]) / 3, abs=1e-6)
