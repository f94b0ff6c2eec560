"""``degflow report`` of fits and trainings: what they measured, what went wrong, a sentence for damage."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.page_parser import Page
from helpers.photographs import photograph
from helpers.refusals import refused
from hypothesis import given, settings
from hypothesis import strategies as st

from degflow_aug.cli import main
from degflow_aug.files.image_file import write_image
from degflow_aug.files.run_history import HISTORY, RunHistory
from degflow_aug.pages.report_page import LARGEST_PAGE
from degflow_aug.report.sources import duration
from degflow_aug.report.training_report import read_logs

PLAN = {
    "request": {
        "pairs": "/data/my <b>pairs</b>", "layout": "pattern", "scenes": ["phone/001", "phone/002"], "knots": [1, 2.9],
        "preset": "small", "recipe": "ours", "minutes": 20, "iters": 0, "seed": 0, "camera": "phone", "cameras": None,
    },
    "iterations": {"rae": 40}, "seconds": 75.5,
}  # fmt: skip
ROWS = [
    {"method": method, "camera": "phone", "scale": 2.9, "psnr_y": psnr, "ssim_y": 0.9, "scenes": 3}
    for method, psnr in (("bicubic", 29.87), ("DegFlow", 33.42), ("RAE ceiling", 34.5))
]
ROWS += [{**ROWS[0], "method": "broken", "psnr_y": None, "ssim_y": None}]
EVALUATION = {
    "held_out": False, "student": "", "noise": True, "rows": ROWS,
    "samples": [{"file": "../../00.png", "title": "phone/003 x2.9", "columns": ["HR", "real"]}],
}  # fmt: skip
VALIDATION = {
    "dataset": "RealSR", "iter": 500, "scales": {"2": {"psnr": 31.25}, "4": {"psnr": None}}, "mean": {"psnr": 31.25},
    "images": {"2": 3, "4": 3},
}  # fmt: skip
OPTIONS = "name: liif\nmodel_type: ArbitraryScaleSRModel\ntrain: {total_iter: 1000}\nnetwork_g: {type: LIIF}\n"
LOG = (
    "2026-11-26 18:00:00,123 INFO: [liif ][epoch:  0, iter:     {iter:5,d}, lr:(1.000e-04,)] [eta: 0:00:10, "
    "time (data): 0.100 (0.010)] l_pix: {loss:.4e} degradation_share: 3.0000e-02 \n"
)


def write_fit(folder: Path) -> Path:
    """A fit whose autoencoder has ended, started twice."""
    work = folder / "camera.fit"
    (work / "rae" / "models").mkdir(parents=True)
    (work / "lfm").mkdir()
    (work / "rae" / "models" / "net_g_latest.pth").touch()
    (work / "plan.json").write_text(json.dumps(PLAN), encoding="utf-8")
    for resumed in (0, 0):
        RunHistory(work / HISTORY, resumed).start(0, "degflow fit '<b>'", "a CPU")
    for stage, count in (("rae", 40), ("lfm", 5)):
        history = RunHistory(work / stage / HISTORY)
        for iteration in range(1, count + 1):
            history.add(iteration, 0.5 * iteration, {"total": 1 / iteration, "pixel": 0.5 / iteration})
    (work / "evaluation").mkdir()
    write_image(work / "evaluation" / "00.png", photograph(0, 32, 64))
    (work / "evaluation" / "evaluation.json").write_text(json.dumps(EVALUATION), encoding="utf-8")
    return work


def write_training(folder: Path) -> Path:
    """A training of BasicSR with a history, two validations, an image of each and an option file."""
    run = folder / "experiments" / "liif"
    for name in ("models", "validation", "visualization/preview"):
        (run / name).mkdir(parents=True)
    history = RunHistory(run / HISTORY)
    history.start(0, "degflow train -opt liif.yml", "a GPU")
    for iteration in range(100, 1001, 100):
        history.add(iteration, iteration / 10, {"l_pix": 1 / iteration})
    for iteration, gain in ((500, 0.0), (1000, 1.5)):
        found = copy.deepcopy(VALIDATION)
        found["iter"] = iteration
        found["mean"] = {"psnr": 31.25 + gain}
        (run / "validation" / f"RealSR_{iteration}.json").write_text(json.dumps(found), encoding="utf-8")
        write_image(run / "visualization" / "preview" / f"{iteration:07}.png", photograph(iteration, 32, 96))
    (run / "validation" / "best.json").write_text("{}", encoding="utf-8")
    (run / "liif.yml").write_text(OPTIONS, encoding="utf-8")
    (run / "models" / "net_g_latest.pth").touch()
    return run


def page_of(run: Path, out: Path) -> Page:
    assert main(["report", str(run), "--out", str(out)]) == 0
    assert out.stat().st_size < LARGEST_PAGE
    return Page(out.read_text(encoding="utf-8"))


def test_a_fit_shows_its_stages_and_its_table(tmp_path: Path) -> None:
    page = page_of(write_fit(tmp_path), tmp_path / "page.html")
    for part in (
        "phone: degflow fit", "preset small, recipe ours, 20 minutes", "Resumed 1 time.",
        "lfm has not ended; the same command goes on with it.", "were trained on: none were held out",
        "/data/my <b>pairs</b> (pattern)", "degflow fit '<b>'", "2 to train on, phone/001 to phone/002",
        "rae: autoencoder 40 iterations in 20 s", "lfm: flow 5 iterations in 2.5 s", "33.42 / 0.9000",
        "broken no number", "x2.9 (3 scenes)", "rae 40 20 s 2 1 0.025", "total 0.025", "pixel 0.0125",
    ):  # fmt: skip
        assert part in page.text, part
    # The name of the picture leads out of the folder, and is not followed.
    assert page.tags.count("img") == 1
    assert "b" in page.tags
    assert all(value == "data:image" for name, value in page.attributes if name == "src" for value in [value[:10]])


def test_a_fit_that_has_just_begun_has_a_page(tmp_path: Path) -> None:
    work = tmp_path / "new.fit"
    work.mkdir()
    (work / "plan.json").write_text(json.dumps({**PLAN, "iterations": {}, "seconds": 0}), encoding="utf-8")
    page = page_of(work, tmp_path / "page.html")
    assert "stages finished: none" in page.text


def test_a_training_shows_losses_validations_and_pictures(tmp_path: Path) -> None:
    page = page_of(write_training(tmp_path), tmp_path / "page.html")
    for part in (
        "liif: degflow train", "ArbitraryScaleSRModel, iteration 1000 of 1000", "1000 iterations in 1 min 40 s",
        "degflow train -opt liif.yml", "RealSR: validation at iteration 1000", "x2 3 31.2500", "x4 3 nan",
        "mean 32.7500", "RealSR: psnr of x4 was not finite at iteration 1000.",
        "lowest mean 31.2500 @ 500", "highest mean 32.7500 @ 1000", "RealSR: psnr", "preview/0001000", "l_pix 0.001",
        "total_iter: 1000",
    ):  # fmt: skip
        assert part in page.text, part
    assert page.tags.count("img") == 2
    assert "Resumed" not in page.text


def test_logs_of_basicsr_stand_in_for_a_history(tmp_path: Path) -> None:
    """Killed after 300, resumed at 200: 300 counts as it was made the second time."""
    first = "".join(LOG.format(iter=i, loss=1 / i) for i in (100, 200, 300))
    second = (
        "Resuming training from epoch: 0, iter: 200.\n"
        + LOG.format(iter=300, loss=0.5)
        + LOG.format(iter=1400, loss=0.25)
    )
    (tmp_path / "train_liif_1.log").write_text(first, encoding="utf-8")
    (tmp_path / "train_liif_2.log").write_text(second, encoding="utf-8")
    found = read_logs(tmp_path)
    assert [(point.iteration, point.losses["l_pix"]) for point in found.points] == [
        (100, 0.01), (200, 0.005), (300, 0.5), (1400, 0.25),
    ]  # fmt: skip
    assert [start.iteration for start in found.starts] == [0, 200]
    page = page_of(tmp_path, tmp_path / "page.html")
    assert "Resumed 1 time, at iteration 200." in page.text
    assert "The run has not ended; --auto_resume goes on with it." in page.text


def test_pages_go_where_they_belong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit, training = write_fit(tmp_path), write_training(tmp_path)
    for run, page in ((fit, tmp_path / "camera.report.html"), (training, training / "report.html")):
        assert main(["report", str(run)]) == 0
        assert capsys.readouterr().out.startswith(f"{page}: ")
        assert page.is_file()
        assert main(["report", str(run), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["report"] == str(page)
    assert not list(tmp_path.rglob("*.partial"))


def test_what_is_no_run_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("x", encoding="utf-8")
    (tmp_path / "result.json").write_text('{"rows": []}', encoding="utf-8")
    for name, said in (
        ("missing", "nothing there"), ("empty", "a folder without any run"), ("text.txt", "a file"),
        ("result.json", "a file"),
    ):  # fmt: skip
        assert said in refused(capsys, "report", tmp_path / name)
    assert "expected --out to name a file" in refused(capsys, "report", write_fit(tmp_path), "--out", tmp_path)
    for damaged in ('{"request": {}}', json.dumps({**PLAN, "seconds": "x"})):
        (tmp_path / "camera.fit" / "plan.json").write_text(damaged, encoding="utf-8")
        assert "one that is damaged" in refused(capsys, "report", tmp_path / "camera.fit")
    assert not list(tmp_path.rglob("*.html"))


def test_a_picture_that_is_cut_is_named(tmp_path: Path) -> None:
    run = write_training(tmp_path)
    picture = run / "visualization" / "preview" / "0001000.png"
    picture.write_bytes(picture.read_bytes()[:-100])
    page = page_of(run, tmp_path / "page.html")
    assert "0001000.png is left out" in page.text
    assert page.tags.count("img") == 1


JUNK = st.sampled_from(
    [None, -1, 1e308, float("nan"), "<b>", "x", [], {}, [1], {"a": 1}, [[1]], True, 10**30, "1" * 5000]
)


def spoilt(value: Any, draw: Any) -> Any:
    """The value with one part of it replaced."""
    if isinstance(value, dict) and value and draw(st.booleans() | st.just(True)):
        key = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 3)) == 0:
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: spoilt(value[key], draw)}
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], spoilt(value[place], draw), *value[place + 1 :]]
    return draw(JUNK)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_damaged_runs_are_a_page_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("runs")
    kind = data.draw(st.sampled_from(["plan", "evaluation", "history", "validation"]))
    if kind in ("plan", "evaluation"):
        run = write_fit(folder)
        path, value = (
            (run / "plan.json", PLAN) if kind == "plan" else (run / "evaluation" / "evaluation.json", EVALUATION)
        )
    else:
        run = write_training(folder)
        path = run / HISTORY if kind == "history" else run / "validation" / "RealSR_1000.json"
        value = {"iter": 5, "seconds": 2.5, "losses": {"total": 1.0}} if kind == "history" else VALIDATION
    path.write_text(json.dumps(spoilt(value, data.draw)), encoding="utf-8")
    assert main(["report", str(run), "--out", str(folder / "page.html")]) in (0, 2)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (5.93, "5.93 s"),
        (59.96, "60 s"),
        (60, "1 min 0 s"),
        (450.2, "7 min 30 s"),
        (12_000, "3 h 20 min"),
    ],
)
def test_times_are_short(seconds: float, said: str) -> None:
    assert duration(seconds) == said
    assert duration(np.nan) == "an unknown time"


def test_a_page_never_replaces_its_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_fit(tmp_path)
    plan = run / "plan.json"
    assert "ends in .html" in refused(capsys, "report", run, "--out", plan)
    assert json.loads(plan.read_text(encoding="utf-8")) == PLAN
    bundle = str(tmp_path / "camera.safetensors")
    for command in (["evaluate", bundle, "--pairs", str(tmp_path)], ["fit", str(tmp_path), "--out", bundle]):
        said = refused(capsys, *command, "--layout", "city100", "--report", bundle)
        assert "expected --report to name a file that ends in .html" in said


@pytest.mark.parametrize("page", ["/proc/page.html", "/proc/deep/page.html", f"{'n' * 260}.html", "file/page.html"])
@pytest.mark.parametrize("name", ["evaluate", "fit", "preview", "report"])
def test_a_page_that_cannot_be_written_is_refused_before_the_work(
    name: str, page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    command = {
        "evaluate": ["simulator", "--pairs", ".", "--layout", "city100", "--report"],
        "fit": [".", "--layout", "city100", "--out", "camera.safetensors", "--report"],
        "preview": ["file", "--bundle", "simulator", "--out"],
        "report": [".", "--out"],
    }[name]
    said = refused(capsys, name, *command, page)
    assert f"expected --{'out' if name in ('preview', 'report') else 'report'} where a file can be written" in said
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
