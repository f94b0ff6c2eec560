"""Values of options are taken as they are meant or refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from degflow_aug.data import dataset_keys as keys
from degflow_aug.options.basicsr_keys import LOADER


def test_keys_of_the_loader_are_always_known() -> None:
    keys.check_keys(dict.fromkeys(LOADER, 1), "Set", ())
    keys.check_keys({"own": 1, "mean": None}, "Set", {"own"}, keys.UNSCALED)
    with pytest.raises(ValueError, match=r"expected options of Set, got 'owm'; did you mean 'own'\?"):
        keys.check_keys({"owm": 1}, "Set", {"own"})
    with pytest.raises(ValueError, match=r"expected no mean for Set, got 0\.5: images stay in \[0, 1\]"):
        keys.check_keys({"mean": 0.5}, "Set", (), keys.UNSCALED)
    with pytest.raises(ValueError, match="expected no dataroot_lq for Set, got 'x': none"):
        keys.check_keys({"dataroot_lq": "x"}, "Set", (), {"dataroot_lq": "none"})


def test_values(tmp_path: Path) -> None:
    assert keys.required({"a": 0}, "a", "Set") == 0
    assert keys.whole_number({"a": 4.0}, "a", "Set") == 4
    assert keys.number({"a": None}, "a", 2.5) == 2.5
    assert keys.turns_and_cache({"cache_mb": 0.5, "use_rot": False}) == {
        "flip": True, "rotate": False, "cache_bytes": 2**19,
    }  # fmt: skip
    assert keys.turns_and_cache({})["cache_bytes"] == 2**31
    assert keys.selection({"cameras": ["a"]}, True) == {
        "split": "Train", "cameras": ["a"], "pattern": None, "scenes": None, "true_scales": None,
    }  # fmt: skip
    assert [keys.selection({"split": split}, False)["split"] for split in (None, "Train")] == ["Test", "Train"]
    (tmp_path / "pattern.yml").write_text('hr: "{id}.png"\nviews: {2: "{id}x2.png"}\n')
    found = keys.selection({"pattern": str(tmp_path / "pattern.yml")}, True)["pattern"]
    assert found == {"hr": "{id}.png", "views": {2: "{id}x2.png"}}
    assert [keys.flag({"a": value}, "a") for value in (True, False, None)] == [True, False, True]
    assert [keys.is_training({"phase": phase}) for phase in ("train", "val", "test")] == [True, False, False]
    backends: list[Any] = [None, "disk", {"type": "disk"}, {"type": "lmdb"}]
    assert [keys.is_lmdb({"io_backend": backend}) for backend in backends] == [False, False, False, True]
    assert keys.path({"a": "b/c"}, "a", "Set") == Path("b/c")


@pytest.mark.parametrize(("function", "value"), [
    (lambda opt: keys.required(opt, "a", "Set"), None),
    *((lambda opt: keys.whole_number(opt, "a", "Set"), value) for value in (None, "4", 4.5, True, [4], float("nan"))),
    (lambda opt: keys.whole_number(opt, "a", "Set"), float("inf")),
    *((lambda opt: keys.number(opt, "a", 1), value) for value in ("4", True, float("nan"), float("inf"), [1])),
    *((lambda opt: keys.flag(opt, "a"), value) for value in ("no", 1, [])),
])  # fmt: skip
def test_other_values_are_refused(function: Any, value: Any) -> None:
    with pytest.raises(ValueError, match="expected a"):
        function({"a": value})


@pytest.mark.parametrize("layout", ["city100", "pattern", "folders"])
def test_layouts_without_a_split_refuse_one(layout: str) -> None:
    with pytest.raises(ValueError, match=f"expected split with the layouts .*, got 'Test' with '{layout}'"):
        keys.selection({"layout": layout, "split": "Test"}, False)
    keys.selection({"layout": layout, "split": None}, False)
    assert keys.selection({"layout": "realarbisr", "split": "Test"}, True)["split"] == "Test"
