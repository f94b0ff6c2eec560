"""train_pipeline from end to end: resuming at the next draw, and running for as long as it was asked to."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.basicsr_experiment import register_recording_dataset, train, write_experiment

from degflow_aug import compat
from degflow_aug.compat.training import last_epoch

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def asked() -> list[int]:
    """The indices that the training dataset was asked for."""
    compat.patch_training()
    return register_recording_dataset()


def states(folder: Path) -> list[int]:
    """The iterations at which states were saved."""
    paths = (folder / "experiments/tiny/training_states").glob("*.state")
    return sorted(int(path.stem) for path in paths)


@pytest.fixture(scope="module")
def whole_run(asked: list[int], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """An uninterrupted run of 7 iterations, 3 an epoch (7 images, batches of 2), and the indices it asked for."""
    folder = tmp_path_factory.mktemp("whole")
    del asked[:]
    train(write_experiment(folder, images=7, train__total_iter=7, logger__save_checkpoint_freq=1))
    return folder, asked[:14]


@pytest.mark.parametrize("iteration", range(1, 7))
def test_resumed_run_asks_for_what_the_whole_run_asked_for(
    whole_run: tuple[Path, list[int]], asked: list[int], tmp_path: Path, iteration: int
) -> None:
    folder, expected = whole_run
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for later in range(iteration + 1, 8):
        (tmp_path / f"experiments/tiny/training_states/{later}.state").unlink()
    del asked[:]
    train(tmp_path / "options.yml", "--auto_resume", working_directory=tmp_path.parent)
    assert asked[: 14 - 2 * iteration] == expected[2 * iteration :]
    assert states(tmp_path) == list(range(1, 8))
    assert [path.name for path in (tmp_path / "experiments").iterdir()] == ["tiny"]


def test_explicit_state_continues_under_a_new_name(whole_run: tuple[Path, list[int]], tmp_path: Path) -> None:
    """The networks are looked for in the new experiment, as BasicSR does; its folders need not exist before."""
    state = whole_run[0] / "experiments/tiny/training_states/4.state"
    options = write_experiment(tmp_path, images=7, path__resume_state=str(state), train__total_iter=5)
    with pytest.raises(ValueError, match=r"expected a checkpoint, got .*net_g_4\.pth: nothing there"):
        train(options)
    (tmp_path / "experiments/tiny/models").mkdir(parents=True)
    shutil.copy(whole_run[0] / "experiments/tiny/models/net_g_4.pth", tmp_path / "experiments/tiny/models")
    train(options)
    assert (tmp_path / "experiments/tiny/models/net_g_latest.pth").is_file()


def test_a_run_that_ended_before_its_first_state_does_not_begin_anew(tmp_path: Path) -> None:
    short = {"images": 7, "logger__save_checkpoint_freq": 9}
    train(write_experiment(tmp_path, **short, train__total_iter=2))
    longer = write_experiment(tmp_path, **short, train__total_iter=4)
    with pytest.raises(
        ValueError, match=r"^expected a training state of .*tiny to go on from, got none: it ended at ite"
    ):
        train(longer, "--auto_resume")
    assert [path.name for path in (tmp_path / "experiments").iterdir()] == ["tiny"]
    train(longer)
    assert len(list((tmp_path / "experiments").iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"network_g__num_feat": 5}, r"weights of this SRVGGNetCompact in .*; go on with the earlier network_g"),
        ({"network_g__num_conv": 2}, r"weights of this SRVGGNetCompact in .*; go on with the earlier network_g"),
        ({"train__optim_g__amsgrad": True}, r"got \{'amsgrad': True\}, which takes its max_exp_avg_sq"),
        (
            {"path__pretrain_network_g": "no.pth", "path__ignore_resume_networks": ["network_g"]},
            r"expected a checkpoint at no\.pth \(path\.pretrain_network_g\), got no such file",
        ),
        ({"path__ignore_resume_networks": "net_g"}, r"names out of network_g in path.*, got 'net_g'; a list"),
        ({"path__ignore_resume_networks": ["network_g", "network_d"]}, r"out of network_g in .*, got 'network_d'"),
    ],
)
def test_what_a_state_cannot_go_on_with_is_refused_before_anything_is_written(
    whole_run: tuple[Path, list[int]], tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    shutil.copytree(whole_run[0] / "experiments", tmp_path / "experiments")
    options = write_experiment(tmp_path, images=7, train__total_iter=9, **change)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(ValueError, match=sentence):
        train(options, "--auto_resume")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("part", ["generator", "Params_EMA", "params_ema", None])
@pytest.mark.parametrize("anew", [False, True])
def test_the_name_of_pretrained_weights_is_not_looked_for_in_the_networks_of_the_run(
    whole_run: tuple[Path, list[int]], tmp_path: Path, part: str | None, anew: bool
) -> None:
    shutil.copytree(whole_run[0] / "experiments", tmp_path / "experiments")
    own = torch.load(tmp_path / "experiments/tiny/models/net_g_7.pth", weights_only=True)["params"]
    theirs = {key: value + 1 for key, value in own.items()}
    torch.save({part or "params": theirs, **({"params": own} if part else {})}, tmp_path / "start.pth")
    changes: dict[str, Any] = {"path__pretrain_network_g": str(tmp_path / "start.pth"), "path__param_key_g": part}
    if anew:
        changes["path__ignore_resume_networks"] = ["network_g"]
    options = write_experiment(tmp_path, images=7, train__total_iter=8, **changes)
    train(options, "--auto_resume")
    trained = torch.load(tmp_path / "experiments/tiny/models/net_g_8.pth", weights_only=True)["params"]
    assert all((trained[key] - (theirs if anew else own)[key]).abs().max() < 0.1 for key in own)


@pytest.mark.parametrize("key", ["pretrain_network_g", "resume_state"])
def test_files_that_are_not_there_leave_an_earlier_run_as_it_is(asked: list[int], tmp_path: Path, key: str) -> None:
    options = write_experiment(tmp_path, **{f"path__{key}": "no.pth"})
    (tmp_path / "experiments/tiny").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"expected a checkpoint.* no\.pth"):
        train(options)
    assert list((tmp_path / "experiments").rglob("*")) == [tmp_path / "experiments/tiny"]


@pytest.mark.parametrize("changed", [False, True])
def test_a_network_that_has_changed_since_its_state_is_said(
    whole_run: tuple[Path, list[int]], tmp_path: Path, changed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(whole_run[0], tmp_path, dirs_exist_ok=True)
    network = tmp_path / "experiments/tiny/models/net_g_7.pth"
    content = torch.load(network, weights_only=True)
    content["params"]["body.0.bias"] += changed
    if changed:
        torch.save(content, network)
    train(tmp_path / "options.yml", "--auto_resume", "--force_yml", "train:total_iter=8")
    assert ("net_g_7.pth has changed since iteration 7 was saved: the run goes on" in caplog.text) is changed
    assert ("no longer equal to the bit" in caplog.text) is changed


def test_random_streams_do_not_begin_again(whole_run: tuple[Path, list[int]]) -> None:
    import basicsr.train
    from basicsr.utils import set_random_seed
    from basicsr.utils.options import parse_options

    folder, _ = whole_run

    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), torch.rand(()).item()  # noqa: NPY002

    set_random_seed(7)
    beginning = draw()
    flags = ["--auto_resume", "--force_yml", "train:total_iter=8"]
    opt, _ = parse_options(str(folder), argv=["-opt", str(folder / "options.yml"), *flags])
    assert basicsr.train.load_resume_state(opt)["iter"] == 7
    assert not set(draw()) & set(beginning)
    assert opt["path"]["pretrain_network_g"].endswith("net_g_7.pth")


def test_run_lasts_for_total_iter(asked: list[int], tmp_path: Path) -> None:
    """Three images in batches of two: one batch an epoch, where BasicSR counts two and stops after four of six."""
    train(write_experiment(tmp_path, images=3, train__total_iter=6, logger__save_checkpoint_freq=1))
    assert states(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_dataset_smaller_than_a_batch_is_an_error(asked: list[int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"at least 2 draws an epoch .*, got 1; raise dataset_enlarge_ratio"):
        train(write_experiment(tmp_path, images=1))


def test_training_without_training_data_is_an_error(asked: list[int], tmp_path: Path) -> None:
    options = write_experiment(tmp_path, images=1)
    content = json.loads(options.read_text(encoding="utf-8"))
    del content["datasets"]["train"]
    options.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected a section datasets\.train"):
        train(options)


def test_every_loading_option_at_once_and_validation(asked: list[int], tmp_path: Path) -> None:
    """Fallbacks, workers, validation with metrics and logging defaults in one run without CUDA."""
    metrics = {name: {"type": f"calculate_{name}", "crop_border": 2} for name in ("psnr", "niqe")}
    options = write_experiment(
        tmp_path,
        logger=None,
        val={"val_freq": 2, "metrics": metrics},
        datasets__train__persistent_workers=True,
        datasets__train__prefetch_mode="cpu",
        datasets__train__num_worker_per_gpu=1,
        datasets__val__persistent_workers=True,
        train__total_iter=5,
    )
    with pytest.warns(UserWarning, match="NIQE is not defined"):
        train(options)
    assert (tmp_path / "experiments/tiny/models/net_g_latest.pth").is_file()


def test_state_of_another_batch_size_starts_its_epoch_over(whole_run: tuple[Path, list[int]], tmp_path: Path) -> None:
    folder, _ = whole_run
    shutil.copytree(folder / "experiments", tmp_path / "experiments")
    options = write_experiment(
        tmp_path, images=7, datasets__train__batch_size_per_gpu=1, train__total_iter=20, logger__save_checkpoint_freq=1
    )
    train(options, "--auto_resume")
    assert states(tmp_path) == list(range(1, 21))


@pytest.mark.parametrize("total", [1, 5, 6, 22])
@pytest.mark.parametrize("batches", [1, 2, 3, 7])
def test_last_epoch_against_counting(batches: int, total: int) -> None:
    """Every epoch gives ``batches`` batches."""
    done, current = batches, 0
    while done < total:
        current, done = current + 1, done + batches
    assert last_epoch(total, batches) == current
