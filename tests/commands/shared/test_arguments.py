"""Scales on the command line, and the options that commands share."""

from __future__ import annotations

import argparse
import math
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from degflow_aug.commands.shared.arguments import (
    MOST_SCALES,
    add_generator_arguments,
    build_generator,
    parse_scales,
    pick_device,
    process_number,
    up_to,
    whole_number,
)


@pytest.mark.parametrize("text", ["0", "1001", "1e3", "1000000000", "-1", "2.0", "", "many"])
def test_numbers_have_an_upper_bound(text: str) -> None:
    assert up_to(1000)("1000") == 1000
    assert up_to(1024, 0)("0") == 0
    with pytest.raises(argparse.ArgumentTypeError, match=f"a whole number from 1 to 1000, got '{text}'"):
        up_to(1000)(text)


def test_the_range_of_the_paper() -> None:
    scales = parse_scales("1.1:4:0.1")
    assert scales == tuple(float(f"{1 + tenth / 10:.1f}") for tenth in range(1, 31))


@pytest.mark.parametrize(
    ("text", "scales"),
    [
        ("2,3,4", (2, 3, 4)),
        ("4, 2.5 ,3", (2.5, 3, 4)),
        ("1", (1,)),
        ("2,2.0,2", (2,)),
        ("1:4:2", (1, 3)),
        ("2:2:1", (2,)),
        ("1.5,2:4:1", (1.5, 2, 3, 4)),
        ("2.:3.:.5", (2, 2.5, 3)),
        ("1e0,2e0", (1, 2)),
        ("2,2.00000001", (2,)),
    ],
)
def test_reads(text: str, scales: tuple[float, ...]) -> None:
    assert parse_scales(text) == scales


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0", "of at least 1, got 0"),
        ("0.99", "of at least 1, got 0.99"),
        ("nan", "got 'nan' in 'nan'"),
        ("inf", "such as 2,3,4"),
        ("x2", "got 'x2' in 'x2'"),
        ("", "such as 2,3,4 or 1.1:4:0.1, got ''"),
        ("2,", "such as 2,3,4"),
        ("2;3", "'2;3'"),
        ("-2", "'-2'"),
        ("1e999", "'1e999'"),
        ("1_0", "'1_0'"),
        ("٢", "such as"),
        ("1:4", "first:last:step"),
        ("1:4:0.1:2", "first:last:step"),
        ("1:4:0", "a step above 0"),
        ("1:4:-1", "such as"),
        ("4:1:1", "swap them"),
        ("0:4:1", "at least 1, got 0"),
        ("1:4:0.001", f"at most {MOST_SCALES}"),
        ("1:1e300:1e-300", "at most"),
        ("1:4:nan", "'nan'"),
        (",".join(map(str, range(1, 1100))), f"at most {MOST_SCALES}"),
    ],
)
def test_refuses(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        parse_scales(text)
    assert sentence in str(error.value)


@given(first=st.decimals(1, 8, places=2), step=st.decimals("0.01", 2, places=2), count=st.integers(1, 300))
def test_ranges_are_those_of_exact_arithmetic(first: Decimal, step: Decimal, count: int) -> None:
    last = first + step * (count - 1)
    exact = tuple(float(first + step * index) for index in range(count))
    assert parse_scales(f"{first}:{last}:{step}") == exact
    assert parse_scales(f"{first}:{last + step / 2}:{step}") == exact


@given(st.text() | st.text("0123456789.,:-+eEnaifx ", max_size=20))
def test_anything_is_scales_or_a_sentence(text: str) -> None:
    try:
        scales = parse_scales(text)
    except ValueError as error:
        said = str(error)
        assert said.startswith("expected")
        return
    assert 1 <= len(scales) <= MOST_SCALES
    assert list(scales) == sorted(set(scales))
    assert all(math.isfinite(scale) and scale >= 1 for scale in scales)
    names = {f"{scale:g}" for scale in scales}
    assert len(names) == len(scales)
    assert {float(name) for name in names} == set(scales)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", "", "1" * 40])
def test_whole_number_refuses(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="whole number of at least 1"):
        whole_number(text)


def test_devices() -> None:
    import torch

    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type in ("cpu", "cuda")
    for name in ("gpu", "cuda:99", "cpu:x"):
        with pytest.raises(ValueError, match=f"expected --device auto, cpu or .* got '{name}'"):
            pick_device(name)


def test_process_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    assert process_number("RANK", 0) == 3
    assert process_number("NO_SUCH_RANK", 7) == 7
    monkeypatch.setenv("RANK", "")
    assert process_number("RANK", 4) == 4
    monkeypatch.setenv("RANK", "-1")
    with pytest.raises(ValueError, match="RANK, got '-1'"):
        process_number("RANK", 0)


def test_build_generator_passes_the_options_on(bundle: Path) -> None:
    parser = argparse.ArgumentParser()
    add_generator_arguments(parser)
    args = parser.parse_args(["--solver", "euler", "--steps", "3", "--tile", "256", "--device", "cpu"])
    generator = build_generator(str(bundle), args)
    assert (generator.solver, generator.steps, generator.tile) == ("euler", 3, 256)
    defaults = build_generator(str(bundle), parser.parse_args(["--device", "cpu"]))
    assert (defaults.solver, defaults.steps) == ("heun", 2)


@pytest.mark.parametrize(
    ("options", "sentence"), [(["--solver", "rk5"], "solver"), (["--tile", "100"], "at least 224 pixels, got 100")]
)
def test_build_generator_refuses(bundle: Path, options: list[str], sentence: str) -> None:
    parser = argparse.ArgumentParser()
    add_generator_arguments(parser)
    with pytest.raises(ValueError, match=sentence):
        build_generator(str(bundle), parser.parse_args(options))
