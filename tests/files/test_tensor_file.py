"""Files of torch.save: what is read is what was written, and no reader runs code."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from degflow_aug import compat
from degflow_aug.archs.arbitrary_scale.official_checkpoint import load_official
from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.bundles.official import convert_official
from degflow_aug.compat.resume import read_training_state
from degflow_aug.compat.weights import fill_network
from degflow_aug.files.tensor_file import check_weights, load_safetensors, load_tensors
from degflow_aug.metrics.lpips_loss import read_vgg
from degflow_aug.models.training.checkpoint import read_checkpoint


class CreatesFile:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


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


def load_network_of_basicsr(path: Path) -> None:
    compat.require_basicsr("this")
    compat.patch_training()
    from basicsr.models.base_model import BaseModel

    BaseModel({"num_gpu": 0, "is_train": False}).load_network(torch.nn.Linear(1, 1), str(path))


READERS: dict[str, Callable[[Path], object]] = {
    "tensors": load_tensors,
    "checkpoint": read_checkpoint,
    "weights": lambda path: fill_network(torch.nn.Linear(1, 1), path),
    "training state": read_training_state,
    "official generator": lambda path: convert_official(path, path),
    "official arbitrary-scale network": load_official,
    "bundle": load_bundle,
    "VGG16": read_vgg,
    "BasicSR's networks": load_network_of_basicsr,
}


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle", "pickle 4"])
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_runs_code(tmp_path: Path, reader: str, how: str) -> None:
    if reader == "BasicSR's networks" and not compat.has_basicsr():
        pytest.skip("BasicSR is not installed")
    content = {"params": {"w": torch.ones(2)}, "spec": CreatesFile(tmp_path / "ran")}
    if how.startswith("pickle"):
        (tmp_path / "a.pth").write_bytes(pickle.dumps(content["spec"], protocol=4 if how.endswith("4") else 2))
    else:
        torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=how == "zip")
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        with pytest.raises(ValueError, match=r"^[^\n]*$"):
            READERS[reader](tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()
    # The file does hold it: a reader that believes it runs it.
    if how == "pickle":
        pickle.loads((tmp_path / "a.pth").read_bytes())
        assert (tmp_path / "ran").is_file()


@pytest.mark.parametrize("cut", [0, 1, 3, 30, 200, -1, -30])
def test_cut_off_files_are_refused(tmp_path: Path, cut: int) -> None:
    torch.save({"w": torch.randn(100)}, tmp_path / "a.pth")
    data = (tmp_path / "a.pth").read_bytes()
    (tmp_path / "a.pth").write_bytes(data[:cut])
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        load_tensors(tmp_path / "a.pth")


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("not enough memory: you tried\nto allocate it")])
def test_a_file_larger_than_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise error

    torch.save({}, tmp_path / "a.pth")
    monkeypatch.setattr(torch, "load", refuse)
    with pytest.raises(ValueError, match=r"^expected .*a\.pth, which takes too much memory$"):
        load_tensors(tmp_path / "a.pth")


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "a.pth", "nothing there"), (tmp_path, "a folder")):
        with pytest.raises(ValueError, match=f"expected a checkpoint, got {path}: {said}"):
            load_tensors(path)


def write_other_form(path: Path, form: str) -> None:
    """Write a file of another form; those that could hold code hold the creation of ``ran`` beside it."""
    code = pickle.dumps(CreatesFile(path.parent / "ran"), protocol=2)
    if form.startswith(("tar", "gzip")):
        name = "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." if form.endswith("first bytes") else "a"
        with tarfile.open(
            path, "w:gz" if form == "gzip" else "w", format=tarfile.GNU_FORMAT, encoding="latin-1"
        ) as tar:
            for member, data in {name: b"", "storages": pickle.dumps(0, 2), "pickle": code}.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    elif form in ("TorchScript", "zip"):
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("data", "constants") if form == "TorchScript" else ("other",):
                archive.writestr(f"archive/{name}.pkl", code)
    elif form == "compressed":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", b"(" * 10**6)
    elif form == "npz":
        np.savez(path.with_suffix(".npz"), np.array([CreatesFile(path.parent / "ran")], dtype=object))
        path.with_suffix(".npz").rename(path)
    elif form == "npy":
        with path.open("wb") as file:
            np.save(file, np.array([CreatesFile(path.parent / "ran")], dtype=object))
    else:
        path.write_bytes({"pickle": code, "text": b"params: 1\n", "nothing": b"", "zeros": bytes(2000)}[form])


@pytest.mark.parametrize("reader", ["tensors", "weights", "training state", "official generator", "VGG16"])
@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("tar", "a tar archive"),
        ("tar with torch's first bytes", "a tar archive"),
        ("gzip", "a gzip archive"),
        ("TorchScript", "a program"),
        ("zip", "a zip archive without torch's layout"),
        ("compressed", "an archive whose parts are compressed"),
        ("npz", "an archive of NumPy arrays"),
        ("npy", "a NumPy array"),
        ("pickle", "a pickle that torch has not written"),
        ("text", "damaged, another kind of file"),
        ("nothing", "damaged, another kind of file"),
        ("zeros", "damaged, another kind of file"),
    ],
)
def test_other_forms_are_named_and_come_near_no_reader(
    form: str, said: str, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", None)
    write_other_form(tmp_path / "a.pth", form)
    with pytest.raises(ValueError, match=rf"^expected .*a\.pth, which is {said}.*; it was not run$"):
        READERS[reader](tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()


def test_safetensors_below_a_name_that_is_no_text(tmp_path: Path) -> None:
    for name in ("text", os.fsdecode(b"old disk \xff\xfe")):
        (tmp_path / name).mkdir()
        weights = {"w": torch.arange(6.0)}
        (tmp_path / name / "a.safetensors").write_bytes(save(weights))
        assert torch.equal(load_safetensors(tmp_path / name / "a.safetensors")["w"], weights["w"])
        with pytest.raises(OSError, match="a"):
            load_safetensors(tmp_path / name / "none")


def test_a_tensor_that_its_file_only_repeats_takes_no_memory() -> None:
    # A petabyte, out of four bytes.
    check_weights({"weight": torch.ones(1).expand(2**24, 2**24)}, "a.pth")
    with pytest.raises(ValueError, match="expected finite numbers as weight"):
        check_weights({"weight": torch.full((1,), torch.nan).expand(2**24, 2**24)}, "a.pth")
