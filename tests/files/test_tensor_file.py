"""Files of torch.save: what is read is what was written, code is not run, and no byte becomes a thousand."""

from __future__ import annotations

import codecs
import io
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from degflow_aug.files.tensor_file import load_tensors


class Runs:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_tensors_and_plain_values_come_back(tmp_path: Path, zipped: bool, dtype: torch.dtype) -> None:
    weights = torch.arange(24).reshape(2, 3, 4).to(dtype)
    content = {
        "params": {"w": weights, "part": weights[:, 1], "none": weights[:0]},
        "iter": 3,
        "names": ["a", ("b", None)],
    }
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    found = load_tensors(tmp_path / "a.pth")
    assert found["iter"] == 3
    assert found["names"] == ["a", ("b", None)]
    assert all(torch.equal(found["params"][key], value) for key, value in content["params"].items())


def test_weights_and_their_equal_average_come_back(tmp_path: Path) -> None:
    weights = {str(index): torch.randn(50) for index in range(4)}
    torch.save({"params": weights, "params_ema": weights}, tmp_path / "a.pth")
    assert torch.equal(load_tensors(tmp_path / "a.pth")["params_ema"]["3"], weights["3"])


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle", "pickle 4"])
def test_code_is_not_run(tmp_path: Path, how: str) -> None:
    content = {"params": {"w": torch.ones(2)}, "spec": Runs(tmp_path / "ran")}
    if how.startswith("pickle"):
        (tmp_path / "a.pth").write_bytes(pickle.dumps(content["spec"], protocol=4 if how.endswith("4") else 2))
    else:
        torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=how == "zip")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"^[^\n]*(not run|damaged)[^\n]*$"):
            load_tensors(tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()
    # The file does hold it: a reader that believes it runs it.
    if how == "pickle":
        pickle.loads((tmp_path / "a.pth").read_bytes())
        assert (tmp_path / "ran").is_dir()


class Calls:
    """Unpickled, it is what a call returns."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("module", ["builtins", "__builtin__"])
def test_calls_that_fill_the_memory_are_refused_before(
    tmp_path: Path, zipped: bool, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pth"
    torch.save({"params": Calls(bytearray, 1_500_000_000)}, path, _use_new_zipfile_serialization=zipped)
    if module == "builtins" and not zipped:
        path.write_bytes(path.read_bytes().replace(b"c__builtin__\n", b"cbuiltins\n"))
    assert path.stat().st_size < 2000
    monkeypatch.setattr(torch, "load", lambda *arguments, **options: pytest.fail("it was loaded"))
    with pytest.raises(ValueError, match=r"^it calls builtins.bytearray, which weights do not need"):
        load_tensors(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_encodings_that_double_each_time_are_refused(tmp_path: Path, zipped: bool) -> None:
    content: Any = b"a"
    for _ in range(20):
        content = Calls(codecs.encode, content, "hex")
    torch.save({"params": content}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"^it calls _codecs.encode"):
        load_tensors(tmp_path / "a.pth")


TENSORS = {
    "stretched": lambda: torch.zeros(1).expand(1000, 1000),
    "stretched a little": lambda: torch.zeros(2, 1).expand(2, 2),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "without values": lambda: torch.empty(10**6, device="meta"),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_that_are_not_stored_are_refused(tmp_path: Path, kind: str) -> None:
    torch.save({"params": {"w": TENSORS[kind]()}}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="holds a tensor"):
        load_tensors(tmp_path / "a.pth")


def test_one_storage_for_very_many_tensors_is_refused(tmp_path: Path) -> None:
    whole = torch.randn(2000)
    torch.save([whole[index:] for index in range(100)], tmp_path / "a.pth")
    with pytest.raises(ValueError, match="share what is stored of them too often"):
        load_tensors(tmp_path / "a.pth")


def test_compressed_records_are_refused_before_they_are_read(tmp_path: Path) -> None:
    buffer, path = io.BytesIO(), tmp_path / "bomb.pth"
    torch.save({"w": torch.zeros(5_000_000)}, buffer)
    with zipfile.ZipFile(buffer) as before, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            after.writestr(name, before.read(name))
    assert path.stat().st_size < 100_000
    with pytest.raises(ValueError, match="compressed records"):
        load_tensors(path)


def test_values_without_end_are_refused(tmp_path: Path) -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    laughs: list[Any] = [1] * 10
    for _ in range(8):
        laughs = [laughs] * 10
    for name, content in (("loop", loop), ("deep", deep), ("laughs", laughs)):
        torch.save(content, tmp_path / name)
        with pytest.raises(ValueError, match=r"expected at most \d+ (levels|values)"):
            load_tensors(tmp_path / name)


@pytest.mark.parametrize("cut", [0, 1, 3, 30, 200, -1, -30])
def test_cut_off_files_are_refused(tmp_path: Path, cut: int) -> None:
    torch.save({"w": torch.randn(100)}, tmp_path / "a.pth")
    data = (tmp_path / "a.pth").read_bytes()
    (tmp_path / "a.pth").write_bytes(data[:cut])
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        load_tensors(tmp_path / "a.pth")


def test_a_missing_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_tensors(tmp_path / "a.pth")
