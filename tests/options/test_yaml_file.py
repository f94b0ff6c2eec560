"""YAML of option files: numbers, equal keys, and nothing but plain values."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from degflow_aug.options.yaml_file import load_yaml, parse_value


@pytest.mark.parametrize("text", ["1e-4", "1E5", "-2e+3", "1.5e3", ".5e2", "6.e1"])
def test_exponents_are_floats_where_pyyaml_reads_some_as_strings(text: str) -> None:
    value = load_yaml(f"lr: {text}")["lr"]
    assert isinstance(value, float)
    assert value == float(text)
    assert isinstance(yaml.safe_load("1e-4"), str)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_writes_comes_back(value: float) -> None:
    assert parse_value(repr(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("0.5", 0.5), ("true", True), ("~", None), ("none", None), ("None", None), ("[1, 2.5]", [1, 2.5]),
        ("1.0.2", "1.0.2"), ("e-4", "e-4"), ("1e", "1e"), ("'1e-4'", "1e-4"), ("!!float 1", 1.0), ("", None),
    ],
)  # fmt: skip
def test_other_values_keep_their_types(text: str, value: object) -> None:
    read = parse_value(text)
    assert read == value
    assert type(read) is type(value)


def test_infinity_and_nan() -> None:
    assert load_yaml("a: -.inf")["a"] == -math.inf
    assert math.isnan(load_yaml("a: .nan")["a"])


def test_order_is_kept_and_merges_may_be_overridden() -> None:
    options = load_yaml("z: &base {lr: 1, decay: 2}\nb: {x: 1}\na:\n  <<: *base\n  lr: 3\n")
    assert list(options) == ["z", "b", "a"]
    assert options["a"] == {"lr": 3, "decay": 2}


def test_merge_into_a_mapping_that_is_merged_again() -> None:
    text = "k:\n  deep: &b\n    <<: &a {x: 1}\n    x: 2\nc:\n  <<: *b\n"
    assert load_yaml(text) == {"k": {"deep": {"x": 2}}, "c": {"x": 2}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", r"'a' twice \(first on line 1\) on line 3"),
        ("train:\n  lr: 1\n  lr: 1\n", r"'lr' twice \(first on line 2\) on line 3"),
        ("lq: {2: a, 2.0: b}\n", r"'2.0' twice \(first on line 1\) on line 1"),
        ("1.5: a\n2: b\n1.50: c\n", r"'1.50' twice \(first on line 1\) on line 3"),
        ("a: {b: 1, b: 2}\n", r"'b' twice \(first on line 1\) on line 1"),
    ],
)
def test_equal_keys_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_yaml(text)
    assert yaml.safe_load(text)


def test_equal_names_of_different_type_are_different_keys() -> None:
    assert load_yaml("1: a\n'1': b\n") == {1: "a", "1": "b"}


@pytest.mark.parametrize("text", ["a: [1, 2\nb: 3", "a: b: c", "\ta: 1", "- 1\n- 2", "", "just text"])
def test_what_is_no_mapping_is_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as error:
        load_yaml(text)
    assert "\n" not in str(error.value)


def test_files_are_named_in_messages(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text("name: bäume\n", encoding="utf-8")
    assert load_yaml(path) == load_yaml(str(path)) == {"name": "bäume"}
    path.write_text("a: 1\na: 2\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.yml, got the key 'a' twice"):
        load_yaml(path)
    with pytest.raises(FileNotFoundError):
        load_yaml(tmp_path / "absent.yml")


CODE = [
    "!!python/object/apply:os.mkdir [ran]", "!!python/object/new:os.mkdir [ran]", "!!python/name:os.mkdir ''",
    "!!python/module:os ''", "!!python/object:os.Foo {}", "!!python/tuple [1]",
    "!<tag:yaml.org,2002:python/name:os.mkdir> ''",
]  # fmt: skip


@pytest.mark.parametrize("value", CODE)
def test_no_tag_of_python_is_followed(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yml").write_text(f"name: x\ntrain: {{lr: {value}}}\n")
    for read in (lambda: load_yaml(tmp_path / "a.yml"), lambda: parse_value(value)):
        with pytest.raises(ValueError, match="expected valid YAML"):
            read()
    assert [path.name for path in tmp_path.iterdir()] == ["a.yml"]


@pytest.mark.parametrize(
    "value", ["!!bool maybe", "!!bool ''", "!!int ''", "!!int '+'", "!!int 0x", "!!float '-'", "!!float ''", "!!null x"]
)
def test_a_tag_on_text_that_it_does_not_fit_is_one_sentence(value: str) -> None:
    with pytest.raises(ValueError, match=r"got '.*', which !!\w+ does not fit, on line 2$"):
        load_yaml(f"a: 1\nb: {value}\n")
    with pytest.raises(ValueError, match="does not fit"):
        parse_value(value)


def bomb(levels: int, leaf: str = "[x,x,x,x,x,x,x,x,x]") -> str:
    steps = (f",&a{n + 1} [{','.join([f'*a{n}'] * 9)}]" for n in range(levels))
    return f"[&a0 {leaf}{''.join(steps)}]"


@pytest.mark.parametrize(
    "text",
    [
        f"name: {bomb(40)}", f"datasets: {{train: {{dataroot_gt: {bomb(9)}}}}}", f"a: {bomb(9, '{k: v}')}",
        f"a: {bomb(3, 'x' * 10_000)}",
        f"a: &a {{{','.join(f'k{n}: 1' for n in range(2000))}}}\nb: {{<<: [{'*a,' * 2000}]}}",
    ],
)  # fmt: skip
def test_what_aliases_make_huge_is_refused_at_once(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(ValueError, match=r"a\.yml, got more than 1048576 characters of it through aliases$"):
        load_yaml(tmp_path / "a.yml")
    with pytest.raises(ValueError, match="through aliases"):
        parse_value(bomb(9))
    assert load_yaml("a: &a [1, 2]\nb: [*a, *a]\n") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}


def test_ids_and_times_are_text() -> None:
    assert load_yaml("a: [010, 007, 1:30, 190:20:30.5]\nb: [0, 10, 0x1F, 1_000]\n") == {
        "a": ["010", "007", "1:30", "190:20:30.5"], "b": [0, 10, 31, 1000],
    }  # fmt: skip


def test_tags_of_other_kinds_are_refused_and_dates_are_text() -> None:
    for value in ("!!binary aGVsbG8=", "!!set {a}", "!!omap [a: 1]", "!!timestamp 2024-01-01", "!mine {a: 1}"):
        with pytest.raises(ValueError, match="expected valid YAML"):
            parse_value(value)
    assert parse_value("2024-01-01") == "2024-01-01"
    assert parse_value("2024-13-45") == "2024-13-45"


DEEP = ["a: &loop [*loop]", "a: &loop {again: *loop}", "[" * 5000, "a: " + "[" * 100 + "]" * 100]


@pytest.mark.parametrize("text", DEEP)
def test_values_deeper_than_people_write_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"at most 64 levels in the YAML text|expected valid YAML"):
        load_yaml(text)


@pytest.mark.parametrize(("opening", "inner", "closing"), [("[", "", "]"), ("{a: ", "1", "}")])
def test_64_levels_of_a_value_are_read(opening: str, inner: str, closing: str) -> None:
    load_yaml("a: " + opening * 64 + inner + closing * 64)
    with pytest.raises(ValueError, match="at most 64 levels in the YAML text"):
        load_yaml("a: " + opening * 65 + inner + closing * 65)


def test_a_file_that_is_no_option_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "huge.yml").write_text("a: " + "x" * 2_000_000)
    with pytest.raises(ValueError, match=r"at most 1048576 bytes of YAML in .*huge\.yml"):
        load_yaml(tmp_path / "huge.yml")
    (tmp_path / "binary.yml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ValueError, match=r"expected UTF-8 text in .*binary\.yml"):
        load_yaml(tmp_path / "binary.yml")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yml")
    with pytest.raises(ValueError, match=r"a\.yml: expected a file of text, got a pipe"):
        load_yaml(tmp_path / "a.yml")
