"""``degflow fit`` from pairs to a bundle, stopped and gone on with, and asked for nonsense."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refused
from helpers.tiny_camera import write_pairs
from safetensors.torch import load_file

from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.bundles.likeness import read_likenesses
from degflow_aug.cli import main
from degflow_aug.commands.fit.after_networks import FEWEST_MINUTES, share_after, teach_student
from degflow_aug.commands.fit.start import content_of, note_start
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.fit import noise_fit, student_training

pytest.importorskip("basicsr", reason="training needs BasicSR")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder, scenes=5)
    return folder


def arguments(pairs: Path, out: Path, *more: str) -> list[str]:
    size = () if "--preset" in more else ("--preset", "tiny")
    return [
        "fit", str(pairs), "--layout", "pattern", "--pattern", str(pairs / "pattern.yml"), "--out", str(out),
        *size, "--iters", "8", *more,
    ]  # fmt: skip


def stopping(drawn: Callable[..., Any], calls: int) -> Callable[..., Any]:
    """The same, which is interrupted when it is called that often."""
    left = iter(range(calls - 1, -1, -1))

    def draw(*arguments: Any) -> Any:
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return drawn(*arguments)

    return draw


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "method"), [(["--one-step"], "average"), (["--one-step", "consistency"], "consistency")]
)
def test_one_step_ends_with_a_student_and_resumes_in_it(
    flags: list[str],
    method: str,
    pairs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    out, work, short = tmp_path / "camera.safetensors", tmp_path / "camera.fit", ["--held-out", "none"]
    assert main(arguments(pairs, out, *short, *flags)) == 0
    bundle, tensors = load_bundle(out), load_file(out)
    (likeness,) = read_likenesses(bundle.spec)
    assert likeness is not None
    assert likeness.scenes == 1
    page = work.with_suffix(".report.html").read_text(encoding="utf-8")
    assert "refine: both on rendered views" in page
    assert str(likeness) in page
    assert (bundle.spec.solver, bundle.spec.steps, bundle.spec.velocity["end_time"]) == ("jump", 1, True)
    assert bundle.spec.training["iterations"] == {"rae": 2, "lfm": 1, "refine": 4, "distill": 2}
    assert bundle.spec.training["one_step"] == method
    assert bundle.kernels
    student, teacher = (
        load_bundle(work / stage / "models" / "generator_latest.safetensors") for stage in ("distill", "refine")
    )
    assert teacher.spec.solver == "euler"
    assert all(torch.equal(tensors[f"velocity.{key}"], value) for key, value in student.velocity.state_dict().items())

    # As if killed before the last iteration was written, and once more while a student and noise were learned.
    (work / "distill" / "models" / "net_g_latest.pth").unlink()
    (work / "student.state").unlink()
    out.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(student_training, "_batch", stopping(student_training._batch, 3))
        assert main(arguments(pairs, out, *short, *flags)) == 130
    assert torch.load(work / "student.state", weights_only=True)["step"] == 3
    with monkeypatch.context() as patch:
        patch.setattr(noise_fit, "with_noise", interrupted)
        assert main(arguments(pairs, out, *short, *flags)) == 130
    assert not list(tmp_path.glob("*.safetensors"))
    assert main(arguments(pairs, out, *short, *flags)) == 0
    again = load_file(out)
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[key], value) for key, value in tensors.items())

    assert main(arguments(pairs, out, *short)) == 2
    assert "expected the same one_step" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--minutes", "5"], "--minutes or --iters"),
        (["--knots", "1,3"], "among the scales of the pairs (2, 4)"),
        (["--preset", "tinny"], "did you mean 'tiny'"),
        (["--preset", "small"], "128 pixels a side for this preset and recipe, got 96; take --preset tiny"),
        (["--held-out", "077"], "077"),
        (["--work", "README"], "to be a folder"),
        (["--device", "cuda:99"], "--device"),
        (["--seed", "-1"], "at least 0"),
        (["--save-every", "nan"], "above 0"),
        (["--held-out", "000-004"], "none; name fewer"),
        (["--itters", "4"], "did you mean '--iters'"),
        (["--one-step", "avarage"], "did you mean 'average'"),
    ],
)
def test_mistakes_are_one_sentence(
    more: list[str], sentence: str, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("README").write_text("a file", encoding="utf-8")
    assert sentence in refused(capsys, *arguments(pairs, tmp_path / "camera.safetensors", *more))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README"]


def test_other_arguments_in_one_work_folder_are_refused(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "camera.fit"
    work.mkdir()
    (work / "plan.json").write_text(
        '{"request": {"pairs": "elsewhere"}, "iterations": {}, "seconds": 0}', encoding="utf-8"
    )
    assert "expected the same pairs" in refused(capsys, *arguments(pairs, tmp_path / "camera.safetensors"))


@pytest.mark.parametrize("change", ["HR/001.png", "x2/000.png"])
def test_other_images_of_the_same_names_are_refused(pairs: Path, tmp_path: Path, change: str) -> None:
    """Plans of earlier versions know the names alone."""
    from degflow_aug.fit.camera_fit import FitPlan

    shutil.copytree(pairs, tmp_path / "pairs")
    scenes = [
        Scene(name, "phone", tmp_path / f"pairs/HR/{name}.png", {2.0: tmp_path / f"pairs/x2/{name}.png"})
        for name in ("000", "001")
    ]
    request = {"content": content_of(scenes, tmp_path / "pairs")}
    FitPlan.open(tmp_path / "new", request)
    FitPlan.open(tmp_path / "earlier", {})
    shutil.move(tmp_path / "pairs", tmp_path / "moved")
    shutil.copytree(tmp_path / "moved", tmp_path / "pairs")
    assert content_of(scenes, tmp_path / "pairs") == request["content"]
    shutil.copy(tmp_path / "moved/HR/002.png", tmp_path / "pairs" / change)
    request = {"content": content_of(scenes, tmp_path / "pairs")}
    with pytest.raises(ValueError, match=r"as they were when .* was begun, got other images of the same names"):
        FitPlan.open(tmp_path / "new", request)
    FitPlan.open(tmp_path / "earlier", request)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_fit_that_goes_on_elsewhere_is_not_equal_to_the_bit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], exact: bool, threads: int
) -> None:
    """One of minutes is not in any case."""
    note_start(tmp_path, "degflow fit", "a CPU, 1 thread", exact=exact)
    note_start(tmp_path, "degflow fit", f"a CPU, {threads} thread", exact=exact)
    sentence = "begun with a CPU, 1 thread and goes on with a CPU, 2 thread: it is not equal to the bit"
    found = capsys.readouterr().err
    assert (sentence in found) == bool(found) == (exact and threads == 2)


def test_a_short_fit_teaches_no_student(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The stages have its time then."""
    known = load_bundle(bundle)
    short = argparse.Namespace(iters=None, minutes=FEWEST_MINUTES - 0.1)
    assert teach_student(short, known, [], []) is known
    assert "no student in less than 15 minutes: degflow distill teaches one" in capsys.readouterr().err
    assert [share_after(minutes) for minutes in (short.minutes, FEWEST_MINUTES, 0.0)] == [0.1, 0.2, 0.1]


def test_held_out_scenes_are_held_out_of_their_camera_only(tmp_path: Path) -> None:
    """Two cameras with the same ids: a scene of one must not bring that of the other into training."""
    from degflow_aug.commands.fit.fit_command import add_arguments
    from degflow_aug.commands.shared.pairs_arguments import split_scenes

    for camera in ("Alpha", "Beta"):
        write_pairs(tmp_path / camera, scenes=5)
    described = tmp_path / "pattern.yml"
    described.write_text('hr: "{camera}/HR/{id}.png"\nviews: {2: "{camera}/x2/{id}.png"}\n', encoding="utf-8")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args(
        [str(tmp_path), "--layout", "pattern", "--pattern", str(described), "--out", str(tmp_path / "o.safetensors")]
    )
    training, held_out = split_scenes(args)
    assert [(scene.camera, scene.name) for scene in held_out] == [("Alpha", "004"), ("Beta", "004")]
    expected = [(camera, f"{number:03}") for camera in ("Alpha", "Beta") for number in range(4)]
    assert [(scene.camera, scene.name) for scene in training] == expected


def test_paper_recipe_asks_for_lpips_weights_at_once(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "nothing"))
    asked = arguments(pairs, tmp_path / "camera.safetensors", "--recipe", "paper")
    assert "VGG16 weights for LPIPS" in refused(capsys, *asked)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [(), ("--one-step",), ("--preset", "official", "--recipe", "ours")])
@pytest.mark.parametrize("weights", ["vgg.pth", "none"])
def test_weights_of_lpips_want_a_recipe_with_lpips(
    weights: str, more: tuple[str, ...], pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = arguments(pairs, tmp_path / "camera.safetensors", *more, "--lpips-vgg", weights)
    assert f"--lpips-vgg with --recipe paper, got '{weights}'" in refused(capsys, *asked)
    assert list(tmp_path.iterdir()) == []


def test_a_pattern_with_numbers_for_keys_resumes(tmp_path: Path) -> None:
    """A pattern file has numbers for keys, which the plan on disk cannot keep as such."""
    from degflow_aug.fit.camera_fit import FitPlan

    request = {"files": {"pattern": {"hr": "HR/{id}.png", "views": {2: "x2/{id}.png", 2.9: "x29/{id}.png"}}}}
    FitPlan.open(tmp_path, request)
    assert FitPlan.open(tmp_path, request).iterations == {}
    request["files"]["pattern"]["views"][2] = "elsewhere/{id}.png"
    with pytest.raises(ValueError, match="expected the same files"):
        FitPlan.open(tmp_path, request)
