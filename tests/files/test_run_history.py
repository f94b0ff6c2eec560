"""Histories of training runs: each iteration once, however often a run was killed; nothing lost but what was cut."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from degflow_aug.files.run_history import RunHistory, read_history, versions


def trained(path: Path, resumed_at: int, until: int) -> None:
    """A run that goes on at ``resumed_at`` and is killed after ``until``."""
    history = RunHistory(path, resumed_at)
    history.start(resumed_at, "degflow train -opt x.yml", "a CPU")
    for iteration in range(resumed_at + 1, until + 1):
        history.add(iteration, float(iteration), {"total": 1 / iteration, "pixel": math.nan})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    trained(tmp_path / "history.jsonl", 0, 3)
    found = read_history(tmp_path / "history.jsonl")
    assert [(point.iteration, point.seconds, point.losses["total"]) for point in found.points] == [
        (1, 1.0, 1.0), (2, 2.0, 0.5), (3, 3.0, 1 / 3),
    ]  # fmt: skip
    assert all(math.isnan(point.losses["pixel"]) for point in found.points)
    (start,) = found.starts
    assert (start.iteration, start.command, start.device) == (0, "degflow train -opt x.yml", "a CPU")
    assert start.versions == versions()
    assert {"python", "torch"} <= set(start.versions)
    assert found.damaged == 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=5))
def test_no_iteration_stands_there_twice(
    tmp_path_factory: pytest.TempPathFactory, kills: list[tuple[int, int]]
) -> None:
    path, reached = tmp_path_factory.mktemp("run") / "history.jsonl", 0
    for resumed_at, more in kills:
        start = min(resumed_at, reached)
        trained(path, start, start + more)
        reached = start + more
    found = read_history(path)
    assert [point.iteration for point in found.points] == list(range(1, reached + 1))
    assert len(found.starts) == len(kills)


def test_a_line_cut_by_a_kill_is_left_out_and_the_next_run_mends_it(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    trained(path, 0, 4)
    path.write_bytes(path.read_bytes()[:-9])
    assert [point.iteration for point in read_history(path).points] == [1, 2, 3]
    assert read_history(path).damaged == 1
    assert RunHistory(path, 2).seconds == 2.0
    trained(path, 2, 5)
    found = read_history(path)
    assert [point.iteration for point in found.points] == [1, 2, 3, 4, 5]
    assert found.damaged == 0
    assert [start.iteration for start in found.starts] == [0, 2]


@pytest.mark.parametrize("content", ["<html>", "[1, 2]\n", '{"losses": 3}\n', "\x00\x01"])
def test_another_file_is_no_history(content: str, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"expected the history of a training run in .*history\.jsonl"):
        read_history(path)


def test_no_file_is_an_empty_history(tmp_path: Path) -> None:
    assert read_history(tmp_path / "none.jsonl").points == ()


def test_training_goes_on_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A folder stands in the way of the file, as a full disk would."""
    (tmp_path / "history.jsonl").mkdir()
    trained(tmp_path / "history.jsonl", 0, 3)


def test_lines_are_json_without_what_json_lacks(tmp_path: Path) -> None:
    trained(tmp_path / "history.jsonl", 0, 2)

    def refuse(name: str) -> None:
        raise AssertionError(name)

    for line in (tmp_path / "history.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=refuse)


@pytest.mark.parametrize(
    "line", ['{"iter": "x"}', '{"iter": null}', '{"iter": -1e999, "seconds": 1, "losses": {}}', '{"iter": 1, "lo']
)
def test_a_damaged_line_costs_itself_alone(line: str, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = RunHistory(path)
    history.add(1, 1.0, {"total": 1.0})
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
    history.add(2, 2.0, {"total": 1.0})
    assert [point.iteration for point in read_history(path).points] == [1, 2]
    assert RunHistory(path, 5).seconds == 2.0
    assert read_history(path).damaged == 0
