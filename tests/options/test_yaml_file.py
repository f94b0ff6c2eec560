"""Option files: numbers, equal keys, unknown keys."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.basicsr_experiment import OPTIONS
from hypothesis import given, settings
from hypothesis import strategies as st

from degflow_aug.options.yaml_file import check_basicsr_options, check_known_keys, load_yaml, parse_value


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


def test_values_are_data_not_code() -> None:
    with pytest.raises(ValueError, match="expected valid YAML"):
        parse_value("!!python/object/apply:os.getcwd []")


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


def test_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"^unknown key 'ema_decy' in train; did you mean 'ema_decay'\?$"):
        check_known_keys({"ema_decy": 1}, ("ema_decay", "total_iter"), "train")
    with pytest.raises(ValueError, match=r"^unknown key 'zzz' in train$"):
        check_known_keys({"zzz": 1}, ("ema_decay",), "train")
    check_known_keys({"ema_decay": 1, "network_g": 2}, ("ema_decay", "network_*"), "train")


def options(**changes: Any) -> dict[str, Any]:
    """The tiny experiment's options with ``section__key=value`` changed."""
    result = copy.deepcopy(OPTIONS)
    for keys, value in changes.items():
        *sections, last = keys.split("__")
        section = result
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    return result


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"netwrok_g": {}}, "'netwrok_g' in the options; did you mean 'network_g'"),
        ({"manual_sed": 1}, "'manual_sed' in the options; did you mean 'manual_seed'"),
        ({"train__ema_decy": 0.9}, "'ema_decy' in train; did you mean 'ema_decay'"),
        ({"train__optim_g__betaz": [0, 1]}, "'betaz' in train.optim_g; did you mean 'betas'"),
        ({"train__optim_g": {"type": "AdamW", "lr": 1, "weight_decy": 0}}, "did you mean 'weight_decay'"),
        ({"train__scheduler__milestone": []}, "'milestone' in train.scheduler; did you mean 'milestones'"),
        ({"train__scheduler": {"type": "CosineAnnealingRestartLR", "period": 1}}, "did you mean 'periods'"),
        ({"path__pretrain_g": "x"}, "'pretrain_g' in path; did you mean 'pretrain_network_g'"),
        ({"path__stage_one": "x"}, "'stage_one' in path"),
        ({"logger__print_frequency": 1}, "'print_frequency' in logger; did you mean 'print_freq'"),
        ({"val__val_frq": 1}, "'val_frq' in val; did you mean 'val_freq'"),
        ({"val__metrics": {"p": {"type": "calculate_psnr", "test_y_chanel": True}}}, "did you mean 'test_y_channel'"),
        ({"datasets__val__use_hfilp": True}, "'use_hfilp' in datasets.val; did you mean 'use_hflip'"),
        ({"train": 3}, "expected a mapping of options in train, got a int"),
        ({"scale": 2.5}, "expected an integer for scale, got 2.5"),
    ],
)
def test_mistakes_in_standard_sections(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_basicsr_options(options(**change))


def test_correct_options_pass() -> None:
    check_basicsr_options(options())
    check_basicsr_options(options(path=None, degflow={"anything": 1}, degradation={"type": "DegFlow"}, network_x={}))
    optimizer = {"type": "AdamW", "lr": 1e-4, "weight_decay": 0.1, "betas": [0.9, 0.99]}
    check_basicsr_options(options(train__optim_g=optimizer))


def test_unknown_datasets_are_checked_once_they_declare_their_keys() -> None:
    opt = options(datasets__train__typ="x")
    check_basicsr_options(opt)
    extra = {"datasets.RecordingDataset": ("io_backend", "gt_size", "use_hflip", "use_rot")}
    with pytest.raises(ValueError, match=r"'typ' in datasets\.train; did you mean 'type'"):
        check_basicsr_options(opt, extra)
    check_basicsr_options(options(), extra)


def test_extra_keys_extend_a_section() -> None:
    opt = options(train__clip_grad=1.0, stage=2)
    with pytest.raises(ValueError, match="unknown key"):
        check_basicsr_options(opt)
    check_basicsr_options(opt, {"train": ("clip_grad",), "options": ("stage",)})


def test_every_option_that_basicsr_reads_is_known() -> None:
    """The key tables against BasicSR's own source: every literal key of an option mapping is in one of them."""
    import re

    from degflow_aug.options import basicsr_keys

    basicsr = pytest.importorskip("basicsr", reason="its source is read")

    known = {*basicsr_keys.TOP_LEVEL, *basicsr_keys.LOADER, *basicsr_keys.DATASET}
    known |= {key for keys in basicsr_keys.SECTIONS.values() for key in keys}
    # Subsections with owners of their own: io_backend, wandb, loss, optimizer and network arguments.
    owned = {"client_keys", "db_paths", "lr", "num_style_feat", "project", "resume_id", "window_size"}
    source = Path(basicsr.__file__).parent
    read = set()
    for path in [*source.glob("data/*.py"), *source.glob("models/*.py"), source / "train.py"]:
        pattern = r"opt(?:\['\w+'\])*(?:\[|\.get\()['\"](\w+)['\"]"
        read |= set(re.findall(pattern, path.read_text(encoding="utf-8")))
    prefixes = tuple(key[:-1] for key in known if key.endswith("*"))
    assert len(read) > 60
    assert {key for key in read if not key.startswith(prefixes)} <= known | owned


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
