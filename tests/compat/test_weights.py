"""Reading weights of any origin: BasicSR's files, ours, bare states, and what is refused."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from degflow_aug.compat.weights import fill_network
from degflow_aug.files.tensor_file import write_checkpoint
from degflow_aug.models.training.checkpoint import state_on_cpu


def network(seed: int, width: int = 4) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Conv2d(width, 3, 3))


def same(first: nn.Module, second: nn.Module) -> bool:
    theirs = second.state_dict()
    return all(torch.equal(value, theirs[key]) for key, value in first.state_dict().items())


def saved(folder: Path, content: Any) -> Path:
    path = folder / "net.pth"
    torch.save(content, path)
    return path


def named(prefix: str, state: dict[str, Any]) -> dict[str, Any]:
    return {prefix + key: value for key, value in state.items()}


FIRST, SECOND = network(1).state_dict(), network(2).state_dict()


@pytest.mark.parametrize(
    ("content", "part", "expected"),
    [
        ({"params": FIRST, "params_ema": SECOND}, "params", 1),
        ({"params": FIRST, "params_ema": SECOND}, "params_ema", 2),
        ({"params_ema": SECOND}, "params", 2),
        ({"params": FIRST}, "params_ema", 1),
        ({"params": FIRST, "spec": {"width": 4}}, "params", 1),
        ({"params": None, "params_ema": SECOND}, "params", 2),
        (FIRST, "params", 1),
        (FIRST, None, 1),
        ({f"module.{key}": value for key, value in FIRST.items()}, "params", 1),
        ({"params": {f"module.{key}": value for key, value in FIRST.items()}}, "params", 1),
        ({"params": named("_orig_mod.", FIRST)}, "params", 1),
        ({"state_dict": named("module._orig_mod.", FIRST), "epoch": 3}, "params", 1),
        ({"model": named("_orig_mod.module.", FIRST), "optimizer": {"lr": 1.0}}, "params", 1),
        ({"generator": FIRST, "discriminator": {"0.weight": torch.ones(1)}}, "params", 1),
        ({"params-ema": SECOND, "params": FIRST}, "params_ema", 2),
        ({"state_dict": {**named("net_g.", FIRST), **named("net_g_ema.", SECOND)}}, "params", 1),
        ({"state_dict": {**named("net_g.", FIRST), **named("net_g_ema.", SECOND)}}, "params_ema", 2),
        ({"model": {"state_dict": named("module.", FIRST)}}, "params", 1),
        (named("params_ema.", SECOND), "params", 2),
        ({**FIRST, "epoch": 3}, "params", 1),
        ({"gen": FIRST, "params": {"0.weight": torch.ones(1)}}, "gen", 1),
        ({"n_averaged": torch.tensor(3), **named("module.", FIRST)}, "params", 1),
        ({"state_dict": {**named("swa.module.", SECOND), "swa.n_averaged": torch.tensor(3)}}, "params_ema", 2),
        ({"Params": FIRST, "Params_EMA": SECOND}, "params", 1),
        ({"PARAMS": FIRST, "PARAMS_EMA": SECOND}, "params_ema", 2),
        ({"params": FIRST, "Params": SECOND}, "params", 1),
        ({"history": {"params": SECOND}, "params": FIRST}, "params", 1),
        ({"best": {"params": FIRST}, "last": {"params": SECOND}}, "last.params", 2),
        ({"one": {"gen": FIRST}, "two": {"gen": FIRST}}, "gen", 1),
        ({"one": FIRST, "two": {key: value.double() for key, value in FIRST.items()}}, "params", 1),
        ({"ema": {"last": named("net.", SECOND)}, "state_dict": named("net.", FIRST)}, "params", 1),
        ({**FIRST, **named("ema.", SECOND)}, "params", 1),
        ({"state_dict": {**FIRST, **named("ema.", SECOND)}}, "params_ema", 2),
        ({**FIRST, **named("ema_model.module.", SECOND), "ema_model.n_averaged": torch.tensor(3)}, "params", 1),
    ],
)
def test_weights_are_found_where_they_are(content: Any, part: str, expected: int, tmp_path: Path) -> None:
    filled = network(9)
    fill_network(filled, saved(tmp_path, content), True, part)
    assert same(filled, network(expected))


def test_what_basicsr_writes_is_read(tmp_path: Path) -> None:
    pytest.importorskip("basicsr", reason="needs BasicSR")
    from basicsr.models.base_model import BaseModel

    model = BaseModel({"num_gpu": 0, "is_train": True, "path": {"models": str(tmp_path)}})
    model.save_network([network(1), network(2)], "net_g", 7, ["params", "params_ema"])
    for part, seed in (("params", 1), ("params_ema", 2)):
        filled = network(9)
        fill_network(filled, tmp_path / "net_g_7.pth", True, part)
        assert same(filled, network(seed))


def test_what_we_write_is_read_by_basicsr(tmp_path: Path) -> None:
    pytest.importorskip("basicsr", reason="needs BasicSR")
    from basicsr.models.base_model import BaseModel

    write_checkpoint(tmp_path / "net_g_7.pth", {"params": state_on_cpu(network(1)), "spec": {"width": 4}})
    filled = network(9)
    BaseModel({"num_gpu": 0, "is_train": True}).load_network(filled, str(tmp_path / "net_g_7.pth"))
    assert same(filled, network(1))


def test_loosely_what_fits_is_kept_as_basicsr_does(tmp_path: Path) -> None:
    pytest.importorskip("basicsr", reason="compares with BasicSR")
    from basicsr.models.base_model import BaseModel

    wider = {**network(1, width=6).state_dict(), "2.bias": torch.tensor([7.0, 8, 9]), "extra.weight": torch.ones(2)}
    del wider["0.bias"]
    path = saved(tmp_path, {"params": wider})
    ours, stock = network(9), network(9)
    fill_network(ours, path, False, "params")
    BaseModel({"num_gpu": 0, "is_train": True}).load_network(stock, str(path), strict=False)
    assert same(ours, stock)
    assert ours[2].bias.tolist() == [7, 8, 9]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"weights of this Sequential in .*net\.pth, got those of another network"):
        fill_network(network(9), path)
    with pytest.raises(ValueError, match=r"expected some weights of this Sequential in .*none that fits"):
        fill_network(network(9), saved(tmp_path, {"params": {"other.weight": torch.ones(2)}}), False, "params")


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_strictly_every_weight_has_to_be_there_and_no_other(change: str, tmp_path: Path) -> None:
    state = network(1).state_dict()
    if change == "missing":
        del state["0.weight"]
    else:
        state["9.weight"] = torch.ones(1)
    with pytest.raises(ValueError, match=r"another network or (width|a deeper one)"):
        fill_network(network(9), saved(tmp_path, {"params": state}))


def test_safetensors_are_read_under_any_name(tmp_path: Path) -> None:
    for name in ("net.safetensors", "net.pth"):
        save_file({f"module.{key}": value for key, value in FIRST.items()}, tmp_path / name)
        filled = network(9)
        fill_network(filled, tmp_path / name)
        assert same(filled, network(1))


def test_what_is_left_out_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = {"module.0.bias": torch.zeros(4), "module.2.bias": torch.zeros(9), "of.theirs": torch.ones(1)}
    filled = network(9)
    logged(filled, saved(tmp_path, {"state_dict": state}), caplog, strict=False)
    assert filled[0].bias.eq(0).all()  # type: ignore[union-attr]
    assert "1 of 9 tensors of this Sequential loaded from" in caplog.text
    assert "left out: 2.bias, of.theirs, 0.weight, 1.weight, 1.bias and 4 more" in caplog.text


def logged(filled: nn.Module, path: Path, caplog: pytest.LogCaptureFixture, **how: Any) -> str:
    with caplog.at_level("INFO", logger="basicsr"):
        logging.getLogger("basicsr").addHandler(caplog.handler)
        fill_network(filled, path, **how)
        logging.getLogger("basicsr").removeHandler(caplog.handler)
    return caplog.messages[-1]


@pytest.mark.parametrize(
    ("content", "part", "said"),
    [
        (
            {"params": FIRST, "params_ema": SECOND}, "params",
            "9 of 9 tensors of this Sequential loaded from FILE, params",
        ),
        ({"params": FIRST}, "params_ema", "FILE, params in place of params_ema, which is not there"),
        (
            {"params": {"0.bias": FIRST["0.bias"]}, "params_ema": SECOND}, "params",
            "params_ema in place of params, of which 1 fit",
        ),
        ({"state_dict": named("net_g.", FIRST)}, "params", "FILE, net_g in place of params, which is not there"),
        ({"model": {"params": FIRST}}, "params", "FILE, model.params"),
        ({"one": FIRST, "two": FIRST}, "params", "FILE, one in place of params, which is not there"),
        (FIRST, "params", "FILE, bare keys"),
    ],
)  # fmt: skip
def test_it_is_said_what_was_taken(
    content: Any, part: str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(tmp_path, content)
    assert logged(network(9), path, caplog, strict=False, part=part).endswith(said.replace("FILE", str(path)))


@pytest.mark.parametrize(
    "content",
    [
        {"net_a": FIRST, "net_b": SECOND}, {**named("net_a.", FIRST), **named("net_b.", SECOND)},
        {"state_dict": {**named("net_a.", FIRST), **named("module.net_b.", SECOND)}, "net_c": {"x": torch.ones(1)}},
    ],
)  # fmt: skip
def test_of_two_that_fit_as_well_none_is_guessed(content: Any, tmp_path: Path) -> None:
    path = saved(tmp_path, content)
    for part in ("params", "params_ema"):
        with pytest.raises(
            ValueError, match=r"'params.*net\.pth, got two others that fit, net_a and net_b; .*param_key_g"
        ):
            fill_network(network(9), path, part=part)
    for how in ({"part": "net_b"}, {"part": "params_ema", "instead": "net_b"}):
        filled = network(9)
        fill_network(filled, path, **how)  # type: ignore[arg-type]
        assert same(filled, network(2))


@pytest.mark.parametrize(
    ("content", "part", "names"),
    [
        ({"best": {"params": FIRST}, "last": {"params": SECOND}}, "params", "best.params and last.params"),
        ({"one": {"gen": FIRST}, "two": {"gen": SECOND}}, "gen", "one.gen and two.gen"),
        (
            {"1": {"state_dict": named("net.", FIRST)}, "2": {"state_dict": named("net.", SECOND)}},
            "params",
            "net and net",
        ),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_nor_of_two_that_go_by_one_name(
    content: dict[str, Any], part: str, names: str, turned: bool, tmp_path: Path
) -> None:
    if turned:
        content, names = dict(reversed(content.items())), " and ".join(reversed(names.split(" and ")))
    with pytest.raises(ValueError, match=f"got two others that fit, {names}; name one"):
        fill_network(network(9), saved(tmp_path, content), part=part)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"params": {**FIRST, **named("module.", SECOND)}}, r"expected one 0\.weight in .*, got several"),
        ({"a": {"b": {"c": {"d": {"e": FIRST}}}}}, "below at most 3 names in .* holds something else"),
    ],
)
def test_what_cannot_be_told_apart_or_lies_too_deep_is_refused(content: Any, said: str, tmp_path: Path) -> None:
    for strict in (True, False):
        with pytest.raises(ValueError, match=said):
            fill_network(network(9), saved(tmp_path, content), strict)


@pytest.mark.parametrize("kind", [torch.int8, torch.int64, torch.bool])
@pytest.mark.parametrize("strict", [True, False])
def test_whole_numbers_are_no_weights(kind: torch.dtype, strict: bool, tmp_path: Path) -> None:
    for key in ("2.bias", "1.running_mean"):
        path = saved(tmp_path, {"params": {**FIRST, key: FIRST[key].to(kind)}})
        with pytest.raises(ValueError, match=rf"expected real numbers as {key} in .*net\.pth, got a tensor of "):
            fill_network(network(9), path, strict)


@pytest.mark.parametrize(
    "wrong", [torch.zeros(3, dtype=torch.complex64), torch.tensor([0, float("nan"), 0]), torch.full((3,), float("inf"))]
)
@pytest.mark.parametrize("strict", [True, False])
def test_weights_that_are_no_finite_numbers_are_refused(wrong: torch.Tensor, strict: bool, tmp_path: Path) -> None:
    path = saved(tmp_path, {"params": {**FIRST, "2.bias": wrong}})
    with pytest.raises(ValueError, match=r"expected (real|finite) numbers as 2\.bias in .*net\.pth, got"):
        fill_network(network(9), path, strict)


class Malicious:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (Path.touch, (self.trace,))


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    for write in (torch.save, lambda item, path: path.write_bytes(pickle.dumps(item))):
        write({"params": Malicious(tmp_path / "ran")}, tmp_path / "net.pth")
        with pytest.raises(ValueError, match=r"net\.pth, which is .*; it was not run$"):
            fill_network(network(9), tmp_path / "net.pth")
    assert not (tmp_path / "ran").exists()


def test_what_is_no_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing there"):
        fill_network(network(9), tmp_path / "none.pth")
    with pytest.raises(ValueError, match="a folder"):
        fill_network(network(9), tmp_path)
    whole = saved(tmp_path, {"params": FIRST}).read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="damaged"):
        fill_network(network(9), tmp_path / "cut.pth")
    for content in ([1, 2], {"epoch": 3}, {"params": [1]}, {"params": {"0.weight": 3}}):
        with pytest.raises(ValueError, match="holds something else"):
            fill_network(network(9), saved(tmp_path, content))


def test_wrappers_leave_no_trace() -> None:
    wrapped = nn.DataParallel(network(1))
    assert state_on_cpu(wrapped).keys() == FIRST.keys()
