"""``degflow generate``: the right images, skipped ones reported, in any number of processes."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.photographs import photograph, write_photographs
from helpers.refusals import but_for, refused
from PIL import Image

from degflow_aug import load_generator
from degflow_aug.cli import main
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.files.image_file import read_image, write_image
from degflow_aug.files.lmdb_store import lmdb_keys, read_lmdb_image

SCALES = (1.0, 2.0, 2.7)


def command(hr: Path, out: Path, bundle: Path, *more: str, scales: str = "1,2,2.7") -> list[str]:
    """Arguments of the command on the CPU."""
    named = map(str, but_for(["--bundle", bundle, "--scales", scales, "--out", out, "--device", "cpu"], more))
    return ["generate", str(hr), *named, *more]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` with its bytes; the records as a set, since processes write them in any order."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    records = files.pop("files.jsonl", b"").splitlines(keepends=True)
    return {**files, "files.jsonl": b"".join(sorted(records))}


def test_writes_what_the_generator_renders(bundle: Path, hr_folder: Path, tmp_path: Path) -> None:
    assert main(command(hr_folder, tmp_path / "out", bundle)) == 0
    generator = load_generator(bundle)
    for name in ("00", "01", "02", "more/00", "deep"):
        hr = to_tensor(read_image(hr_folder / f"{name}.{'tif' if name == 'deep' else 'png'}"))[None]
        for scale, view in zip(SCALES, generator.render_scales(hr, SCALES), strict=True):
            written = read_image(tmp_path / "out" / f"{scale:g}" / f"{name}.png")
            assert written.dtype == np.uint8
            assert np.array_equal(written, to_array(to_lr_grid(view, scale)[0]))
    assert len(tree(tmp_path / "out")) == 5 * len(SCALES) + 2


def test_a_bare_folder_gets_lr_of_the_shipped_camera_at_its_scale(
    hr_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["generate", "hr"]) == 0
    said = capsys.readouterr()
    assert "degflow: takes the bundle city100-iphone" in said.err
    assert "hr_lr: 5 images at 1 scale (" in said.out
    assert main(["generate", "hr", "--bundle", "city100-iphone", "--scales", "2.9", "--out", "hr_lr"]) == 0
    assert "(5 were there)" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "size", "more", "said"), [
    ("a.jpg", (32, 48), (), ["HR in .png as LR is, not .jpg"]),
    ("a.PNG", (32, 48), (), ["HR in .png as LR is, not .PNG"]),
    ("a.png", (33, 48), (), ["HR of whole multiples of 2 pixels"]),
    ("a.bmp", (33, 48), (), ["HR in .png as LR is, not .bmp", "HR of whole multiples of 2 pixels"]),
    ("a.png", (32, 48), (), []),
    ("a.tif", (32, 48), ("--format", "lmdb"), []),
    ("a.png", (33, 48), ("--grid", "hr"), []),
])  # fmt: skip
def test_what_basicsr_takes_for_no_pair_is_said(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, size: tuple[int, int],
    more: tuple[str, ...], said: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # Notices go to the log of a training that has begun, as an earlier test may have done in this process.
    monkeypatch.setattr(logging.getLogger("basicsr"), "handlers", [])
    (tmp_path / "hr").mkdir()
    for number in (1, 2):
        Image.fromarray(photograph(0, *size)).save(tmp_path / "hr" / f"{number}{name}")
    assert main(command(tmp_path / "hr", tmp_path / "out", bundle, *more, scales="1.5,2")) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "PairedImageDataset wants" in line]
    assert len(lines) == len(said)
    assert all(wanted in line for wanted, line in zip(said, lines, strict=True))


def test_the_hr_grid_keeps_the_size(bundle: Path, hr_folder: Path, tmp_path: Path) -> None:
    assert main(command(hr_folder, tmp_path / "out", bundle, "--grid", "hr")) == 0
    assert read_image(tmp_path / "out" / "2.7" / "more" / "00.png").shape == (24, 33, 3)


def test_lmdb_holds_the_same_images(bundle: Path, hr_folder: Path, tmp_path: Path) -> None:
    for file_format in ("folder", "lmdb"):
        for _ in range(2):
            assert main(command(hr_folder, tmp_path / file_format, bundle, "--format", file_format)) == 0
    for scale in SCALES:
        lmdb, folder = tmp_path / "lmdb" / f"{scale:g}.lmdb", tmp_path / "folder" / f"{scale:g}"
        assert lmdb_keys(lmdb) == ["00", "01", "02", "deep", "more/00"]
        for key in lmdb_keys(lmdb):
            assert np.array_equal(read_lmdb_image(lmdb / key), read_image(folder / f"{key}.png"))


def test_one_image(bundle: Path, hr_folder: Path, tmp_path: Path) -> None:
    assert main(command(hr_folder / "01.png", tmp_path / "out", bundle)) == 0
    assert main(command(hr_folder / "02.png", tmp_path / "out", bundle)) == 0
    assert sorted(path.name for path in (tmp_path / "out" / "2").iterdir()) == ["01.png", "02.png"]


def test_settings_change_the_result_and_are_kept(
    bundle: Path, hr_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(command(hr_folder, tmp_path / "heun", bundle))
    main(command(hr_folder, tmp_path / "euler", bundle, "--solver", "euler", "--steps", "1"))
    manifest = json.loads((tmp_path / "euler" / "manifest.json").read_text())["settings"]
    assert manifest["scales"] == list(SCALES)
    assert (manifest["solver"], manifest["steps"], manifest["grid"]) == ("euler", 1, "lr")
    assert tree(tmp_path / "heun") != tree(tmp_path / "euler")
    before = tree(tmp_path / "euler")
    for change in (["--solver", "heun"], ["--steps", "1", "--solver", "euler", "--grid", "hr"]):
        said = refused(capsys, *command(hr_folder, tmp_path / "euler", bundle, *change))
        assert "manifest.json: expected to continue with" in said
    assert tree(tmp_path / "euler") == before


def test_a_second_run_writes_nothing(
    bundle: Path, hr_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(command(hr_folder, tmp_path / "out", bundle))
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    capsys.readouterr()
    assert main(command(hr_folder, tmp_path / "out", bundle)) == 0
    assert "5 images at 3 scales (5 were there), 0 skipped" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == times


def test_corrupt_images_are_skipped_and_counted(
    bundle: Path, hr_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (hr_folder / "01.png").read_bytes()
    (hr_folder / "01.png").write_bytes(whole[: len(whole) // 2])
    (hr_folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    write_image(hr_folder / "small.png", photograph(0, 5, 40))
    for _ in range(2):
        assert main(command(hr_folder, tmp_path / "out", bundle)) == 1
        said = capsys.readouterr()
        assert "5 images at 3 scales" not in said.out
        assert "3 skipped" in said.out
        lines = [line for line in said.err.splitlines() if "skipped" in line]
        assert [line.split(": ")[1] for line in lines] == [
            f"skipped {hr_folder / name}.png" for name in ("01", "gone", "small")
        ]
    assert not (tmp_path / "out" / "2" / "01.png").exists()
    (hr_folder / "01.png").write_bytes(whole)
    (hr_folder / "gone.png").unlink()
    (hr_folder / "small.png").unlink()
    assert main(command(hr_folder, tmp_path / "out", bundle)) == 0
    assert (tmp_path / "out" / "2" / "01.png").is_file()


def test_an_image_that_has_changed_is_done_again(bundle: Path, hr_folder: Path, tmp_path: Path) -> None:
    main(command(hr_folder, tmp_path / "out", bundle))
    write_image(hr_folder / "00.png", photograph(77))
    main(command(hr_folder, tmp_path / "out", bundle))
    main(command(hr_folder, tmp_path / "fresh", bundle))
    assert (tmp_path / "out" / "2" / "00.png").read_bytes() == (tmp_path / "fresh" / "2" / "00.png").read_bytes()


def test_results_among_the_images_are_no_images(bundle: Path, hr_folder: Path) -> None:
    for _ in range(2):
        assert main(command(hr_folder, hr_folder / "out", bundle)) == 0
    assert len(list((hr_folder / "out" / "2").rglob("*.png"))) == 5


@pytest.mark.parametrize("hr", ["2", "2/deeper", "."])
def test_images_are_not_overwritten_by_their_results(
    bundle: Path, hr: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_photographs(tmp_path / hr, 1)
    before = sorted(tmp_path.rglob("*"))
    assert "expected --out apart from the HR images" in refused(capsys, *command(tmp_path / hr, tmp_path, bundle))
    assert sorted(tmp_path.rglob("*")) == before


def ranks(arguments: list[str], world: int) -> list[subprocess.CompletedProcess[str]]:
    """Results of the processes that torchrun would start, which run at once."""
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(world)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "degflow_aug", *arguments],
            text=True, stdout=subprocess.PIPE, env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(world)
    ]  # fmt: skip
    texts = [process.communicate()[0] for process in processes]
    return [
        subprocess.CompletedProcess([], process.returncode, text)
        for process, text in zip(processes, texts, strict=True)
    ]


def test_processes_share_the_images(bundle: Path, hr_folder: Path, tmp_path: Path) -> None:
    assert main(command(hr_folder, tmp_path / "one", bundle)) == 0
    (hr_folder / "torn.png").write_bytes((hr_folder / "00.png").read_bytes()[:300])
    done = ranks(command(hr_folder, tmp_path / "two", bundle), 2)
    # torchrun stops the others when one fails: only who finishes last, or both at once, may say so.
    assert sorted({process.returncode for process in done}) in ([0, 1], [1])
    assert "3 images at 3 scales" in done[0].stdout
    assert "2 images at 3 scales (0 were there), 1 skipped by process 1 of 2" in done[1].stdout
    one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
    assert {name: data for name, data in one.items() if name != "files.jsonl"} == {
        name: data for name, data in two.items() if name != "files.jsonl"
    }
    assert set(one["files.jsonl"].splitlines()) <= set(two["files.jsonl"].splitlines())


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_not_the_last_keeps_quiet_about_failures(
    bundle: Path, hr_folder: Path, tmp_path: Path, rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("00", "01"):
        (hr_folder / f"{name}.png").write_bytes(b"torn")
    monkeypatch.setenv("WORLD_SIZE", "2")
    for turn, expected in ((rank, 0), (1 - rank, 1)):
        monkeypatch.setenv("RANK", str(turn))
        assert main(command(hr_folder, tmp_path / "out", bundle)) == expected


@pytest.mark.parametrize(
    ("environment", "more", "sentence"),
    [
        ({}, ["--scales", "2,5"], "expected a scale from 1 to 4, got 5"),
        ({}, ["--solver", "rk9"], "solver"),
        ({}, ["--tile", "64"], "tile"),
        ({}, ["--device", "abacus"], "--device"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, [], "expected RANK below WORLD_SIZE, got 2 and 2"),
        ({"RANK": "x", "WORLD_SIZE": "2"}, [], "whole number in the environment's RANK"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, ["--format", "lmdb"], "expected one process for --format lmdb"),
    ],
)
def test_mistakes_leave_no_folder(
    environment: dict[str, str], more: list[str], sentence: str, bundle: Path, hr_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert sentence in refused(capsys, *command(hr_folder, tmp_path / "out", bundle, *more))
    assert not (tmp_path / "out").exists()


def test_a_single_truncated_image_is_refused(
    bundle: Path, hr_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (hr_folder / "01.png").read_bytes()
    (hr_folder / "01.png").write_bytes(whole[:-200])
    assert "expected a whole image" in refused(capsys, *command(hr_folder / "01.png", tmp_path / "out", bundle))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file_format", ["folder", "lmdb"])
def test_names_as_long_as_they_can_be_are_made(file_format: str, bundle: Path, tmp_path: Path) -> None:
    hr, out = tmp_path / "hr", tmp_path / "out"
    names = ["a", "m" * 240, "k" * 251, "z"]
    hr.mkdir()
    for name in names:
        write_image(hr / f"{name}.png", photograph(0))
    for done_before in (0, 4):
        assert main(command(hr, out, bundle, "--format", file_format, "--json", scales="2")) == 0
        made = lmdb_keys(out / "2.lmdb") if file_format == "lmdb" else [path.stem for path in (out / "2").iterdir()]
        assert sorted(made) == sorted(names), done_before


def test_records_behind_a_link_are_not_written(
    bundle: Path, hr_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, precious = command(hr_folder, tmp_path / "out", bundle, scales="2"), tmp_path / "precious"
    assert main(arguments) == 0
    precious.write_text("precious")
    records = tmp_path / "out" / "files.jsonl"
    records.unlink()
    records.symlink_to(precious)
    assert "files.jsonl: expected a file, got a link" in refused(capsys, *arguments)
    assert precious.read_text() == "precious"


def test_names_that_are_no_text_are_names_like_others(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = os.fsdecode(b"old \xff\xfe")
    (tmp_path / name).mkdir()
    write_image(tmp_path / name / f"{name}.png", photograph(0))
    (tmp_path / name / "bad.png").write_bytes(b"no image")
    (tmp_path / f"{name}.safetensors").write_bytes(bundle.read_bytes())
    arguments = command(tmp_path / name, tmp_path / f"out {name}", tmp_path / f"{name}.safetensors", scales="2")
    for more in ([], ["--json"]):
        assert main([*arguments, *more]) == 1
        said = capsys.readouterr()
        assert "bad.png: expected" in said.err or more
        if more:
            assert json.loads(said.out)["out"] == str(tmp_path / f"out {name}")
        else:
            assert r"out old \xff\xfe: 1" in said.out
    assert (tmp_path / f"out {name}" / "2" / f"{name}.png").is_file()
