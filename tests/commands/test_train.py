"""``degflow train``: BasicSR's pipeline with our models, mistakes in one sentence, and an end that can be continued."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.photographs import photograph
from helpers.refusals import refused

from degflow_aug import compat
from degflow_aug.cli import main
from degflow_aug.files.image_file import write_image
from degflow_aug.files.run_history import HISTORY, read_history
from degflow_aug.models.training import interrupt

pytestmark = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")

Pipeline = Callable[[Callable[[], None]], list[list[str]]]
OPTIONS = """
name: tiny
model_type: RAEModel
scale: 1
num_gpu: 0
manual_seed: 1
datasets:
  train:
    {{name: pairs, type: AlignedScalesDataset, dataroot_gt: {root}, layout: city100, gt_size: 16, use_hflip: true,
      use_rot: true, num_worker_per_gpu: {workers}, batch_size_per_gpu: 2, dataset_enlarge_ratio: 100000}}
network_g: {{type: ResidualAutoencoder, base_channels: 2, latent_channels: 2, residual: true}}
degflow: {{knots: [1, 2.9]}}
path: {{resume_state: ~}}
train:
  optim_g: {{type: Adam, lr: 1e-3}}
  scheduler: {{type: MultiStepLR, milestones: [1000000]}}
  total_iter: {total}
logger: {{print_freq: 1, save_checkpoint_freq: 1000000, use_tb_logger: false}}
"""


def write_options(folder: Path, total: int = 2, workers: int = 0) -> Path:
    """An option file and the pairs it names."""
    for scene in (1, 2):
        for kind in "HL":
            (folder / "pairs").mkdir(exist_ok=True, parents=True)
            write_image(folder / "pairs" / f"{scene:03}{kind}.png", photograph(scene, 16, 24))
    path = folder / "tiny.yml"
    path.write_text(OPTIONS.format(root=folder / "pairs", total=total, workers=workers))
    return path


def until_stopped(folder: Path) -> subprocess.CompletedProcess[str]:
    """A run without end that gets SIGINT, with its workers, after its third iteration."""
    process = subprocess.Popen(
        [sys.executable, "-m", "degflow_aug", "train", "-opt", str(write_options(folder, 10**6, workers=1))],
        cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not any("iter:       3" in log.read_text() for log in folder.glob("experiments/tiny/*.log")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    error = process.communicate()[1]
    return subprocess.CompletedProcess([], process.returncode, "", error)


def check_history_and_page(experiment: Path, iteration: int) -> None:
    """Each iteration is recorded once, both starts are known, and the page says so."""
    recorded = read_history(experiment / HISTORY)
    # The step that a signal has ended was saved and not logged.
    expected = [each for each in range(1, iteration + 3) if each != iteration]
    assert [point.iteration for point in recorded.points] == expected
    assert all(0 <= point.losses["total"] < 10 for point in recorded.points)
    assert [start.iteration for start in recorded.starts] == [0, iteration]
    assert recorded.starts[1].command.startswith("degflow train -opt ")
    seconds = [point.seconds for point in recorded.points]
    assert seconds == sorted(seconds)
    page = (experiment / "report.html").read_text(encoding="utf-8")
    assert f"Resumed 1 time, at iteration {iteration}." in page
    assert f"RAEModel, iteration {iteration + 2}" in page


def test_a_stopped_run_saves_says_where_and_goes_on(tmp_path: Path) -> None:
    done = until_stopped(tmp_path)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    said = re.search(r"degflow: stopped; iteration (\d+) is saved in (\S+), go on with: (.*)", done.stderr)
    assert said, done.stderr
    iteration, experiment = int(said[1]), Path(said[2])
    assert experiment == tmp_path / "experiments" / "tiny"
    assert (experiment / "models" / f"net_g_{iteration}.pth").is_file()
    assert said[3] == f"degflow train -opt {tmp_path / 'tiny.yml'} --auto_resume"
    # BasicSR opens one log file a process, so the run goes on in one of its own.
    command = [sys.executable, "-m", "degflow_aug", *said[3].split()[1:]]
    resumed = subprocess.run(
        [*command, "--force_yml", f"train:total_iter={iteration + 2}"],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert resumed.returncode == 0, resumed.stderr
    assert f"iter: {iteration + 1:7,}" in resumed.stdout + resumed.stderr
    check_history_and_page(experiment, iteration)
    assert torch.load(experiment / "models" / "net_g_latest.pth", weights_only=True)["spec"]["base_channels"] == 2


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("base_channels: 2", "base_chanels: 2", "in network_g; did you mean 'base_channels'?"),
        ("type: ResidualAutoencoder", "type: ResidualAutoencodr", "did you mean 'ResidualAutoencoder'?"),
        ("type: ResidualAutoencoder, ", "", "expected a type that is registered in network_g, got None"),
        ("total_iter:", "total_iters:", "did you mean 'total_iter'?"),
        ("knots: [1, 2.9]", "knotz: [1, 2.9]", "did you mean 'knots'?"),
        ("knots: [1, 2.9]", "knots: [1, nan]", "expected a number from 1 to 1000 in degflow.knots, got 'nan'"),
        ("knots: [1, 2.9]", "knots: [0, 2.9]", "from 1 to 1000 in degflow.knots"),
        ("knots: [1, 2.9]", "knots: x2", "expected a list in degflow.knots, got 'x2'"),
        ("degflow: {knots: [1, 2.9]}", "", "degflow"),
        ("model_type: RAEModel", "model_type: RAEModell", "did you mean 'RAEModel'?"),
        ("name: tiny", "", "expected the key name"),
        ("gt_size: 16", "gt_size: 17", "multiple of 8"),
        ("gt_size: 16", "gt_size: 32", "at least 32x32 pixels for a crop"),
        ("layout: city100", "layout: city10", "did you mean 'city100'?"),
        ("/pairs", "/nowhere", "nowhere: expected the folder of a data set, got nothing"),
        ("type: AlignedScalesDataset", "type: AlignedScaleDataset", "did you mean 'AlignedScalesDataset'?"),
        ("scale: 1", "scale: 2.5", "integer for scale"),
        ("num_gpu: 0", "num_gpu: 0\nnum_gpu: 1", "twice"),
    ],
)
def test_mistakes_in_the_options_are_one_sentence_and_leave_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    sentence: str,
) -> None:
    path = write_options(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    monkeypatch.chdir(tmp_path)
    argv, before = list(sys.argv), sorted(tmp_path.rglob("*"))
    assert sentence in refused(capsys, "train", "-opt", path)
    assert sorted(tmp_path.rglob("*")) == before
    assert sys.argv == argv


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [("a", "expected key=value"), ("trian:total_iter=3", "did you mean 'train'?"), ("lr=[", "valid YAML")],
)
def test_mistakes_in_force_yml(tmp_path: Path, capsys: pytest.CaptureFixture[str], entry: str, sentence: str) -> None:
    assert sentence in refused(capsys, "train", "-opt", write_options(tmp_path), "--force_yml", entry)


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """Puts an action in place of the training itself; the command lines it was given come back."""

    def replace(action: Callable[[], None]) -> list[list[str]]:
        compat.apply()
        import basicsr.train

        seen: list[list[str]] = []

        def train_pipeline(root_path: str) -> None:
            seen.append([root_path, *sys.argv[1:]])
            action()

        monkeypatch.setattr(basicsr.train, "train_pipeline", train_pipeline)
        return seen

    return replace


def test_basicsr_gets_its_own_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline) -> None:
    seen = pipeline(lambda: None)
    monkeypatch.chdir(tmp_path)
    write_options(tmp_path)
    opt = "tiny.yml"
    assert main(["train", "-opt", "tiny"]) == 0
    given = ["--auto_resume", "--debug", "--force_yml", "scale=1", "train:total_iter=2"]
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "1"), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    assert main(["train", "-opt", opt, *given, "--launcher", "pytorch"]) == 0
    shared = [str(tmp_path), "-opt", opt, "--launcher"]
    assert seen == [[*shared, "none", "--local_rank", "0"], [*shared, "pytorch", "--local_rank", "0", *given]]


def test_the_pipeline_can_ask_whether_to_stop(
    tmp_path: Path,
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def step() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        number = interrupt.requested()
        assert number == signal.SIGTERM
        raise interrupt.stop(number)

    pipeline(step)
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    arguments = ["train", "-opt", str(write_options(tmp_path)), "--debug", "--force_yml", "name=a b"]
    assert main(arguments) == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert f"stopped before {tmp_path}/experiments/debug_a b had anything to go on from" in capsys.readouterr().err
    states = tmp_path / "experiments" / "debug_a b" / "training_states"
    states.mkdir(parents=True)
    for name in ("8.state", "16.state", "24.state.partial"):
        (states / name).touch()
    assert main(arguments) == 143
    assert "iteration 16 is saved" in (said := capsys.readouterr().err)
    assert said.rstrip().endswith("--auto_resume --debug --force_yml 'name=a b'")


@pytest.mark.parametrize("stopped", [True, False])
def test_workers_that_die_of_the_signal_are_no_error_of_their_own(
    tmp_path: Path,
    pipeline: Pipeline,
    stopped: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def wait_for_data() -> None:
        if stopped:
            os.kill(os.getpid(), signal.SIGTERM)
        raise RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly")

    pipeline(wait_for_data)
    arguments = ["train", "-opt", str(write_options(tmp_path))]
    if stopped:
        assert main(arguments) == 143
        return
    assert main(arguments) == 2
    assert "images to live on, got one that exited unexpectedly, as where memory runs out" in capsys.readouterr().err


def test_what_a_killed_run_left_half_written_is_not_archived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline
) -> None:
    """It had saved no state, so that the next run starts anew and BasicSR renames its folder."""
    experiment = tmp_path / "experiments" / "tiny"
    (experiment / "models").mkdir(parents=True)
    (experiment / "models" / ".net_g_3.pth.123.partial").write_bytes(b"half")
    (experiment / "models" / "mine.txt").write_text("kept")
    pipeline(lambda: experiment.rename(experiment.with_name("tiny_archived_1")) and None)
    monkeypatch.chdir(tmp_path)
    assert main(["train", "-opt", str(write_options(tmp_path))]) == 0
    archived = tmp_path / "experiments" / "tiny_archived_1"
    assert [path.name for path in (archived / "models").iterdir()] == ["mine.txt"]


def test_another_exit_is_passed_on(tmp_path: Path, pipeline: Pipeline) -> None:
    def leave() -> None:
        sys.exit(3)

    pipeline(leave)
    with pytest.raises(SystemExit) as end:
        main(["train", "-opt", str(write_options(tmp_path))])
    assert end.value.code == 3
