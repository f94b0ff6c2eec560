"""``degflow demo`` on small photographs: every step, and the picture at the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.photographs import photograph

from degflow_aug.cli import main
from degflow_aug.commands.demo import demo_command
from degflow_aug.commands.demo.simulated_pairs import CROP
from degflow_aug.files.image_file import read_image

SIDE = 192


@pytest.mark.slow
def test_the_demo_goes_its_whole_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photographs = {name: photograph(seed, SIDE, SIDE + 8) for seed, name in enumerate("abcd")}
    training, held_out = ({name: photographs[name] for name in names} for names in ("abc", "d"))
    monkeypatch.setattr(demo_command, "bundled_photographs", lambda: (training, held_out))
    out = tmp_path / "demo"
    assert main(["demo", "--iters", "4", "--out", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    methods = {row["method"] for row in found["evaluate"]["rows"]}
    assert {"bicubic", "fitted kernel", "pipeline", "DegFlow"} <= methods
    assert {row["scale"] for row in found["evaluate"]["rows"]} == {1.5, 2.0, 2.5, 3.0, 3.5, 4.0}
    assert (out / "generated" / "2.5" / "d.png").is_file()
    sheet = read_image(out / "contact_sheet.png")
    assert sheet.shape[0] > 2 * CROP
    assert 5 * CROP < sheet.shape[1] < 6 * CROP
    # Beneath the truth stands its difference to itself, which is gray.
    assert abs(int(sheet[2 * CROP - 10, CROP // 2].max()) - 127) <= 1
    # Run again, it does nothing anew.
    assert main(["demo", "--iters", "4", "--out", str(out), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["generate"]["there_before"] == 1
    assert again["evaluate"]["rows"] == found["evaluate"]["rows"]
