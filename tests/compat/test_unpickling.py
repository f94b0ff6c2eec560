"""No module of BasicSR unpickles: what each of them calls torch reads tensors alone."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import torch

from degflow_aug import compat
from degflow_aug.compat.unpickling import MODULES
from tests.files.test_tensor_file import Runs


@pytest.fixture(scope="module", autouse=True)
def patched() -> None:
    compat.patch_training()


def test_every_module_that_loads_is_known() -> None:
    import basicsr

    root = Path(basicsr.__file__).parent
    loading = {
        ".".join(file.relative_to(root).with_suffix("").parts)
        for file in root.rglob("*.py")
        if re.search(r"\btorch\.load\(|\bpickle\.load", file.read_text(encoding="utf-8"))
    }
    assert loading == set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_code_is_not_run(tmp_path: Path, name: str) -> None:
    torch.save({"params": Runs(tmp_path / "ran")}, tmp_path / "a.pth")
    torch.save({"params": {"w": torch.ones(3)}}, tmp_path / "b.pth")
    module = importlib.import_module(f"basicsr.{name}")
    with pytest.raises(ValueError, match=r"plain tensors, got .*a\.pth"):
        module.torch.load(tmp_path / "a.pth", map_location="cpu", weights_only=False)
    assert not (tmp_path / "ran").exists()
    assert torch.equal(module.torch.load(str(tmp_path / "b.pth"))["params"]["w"], torch.ones(3))
    assert module.torch.nn is torch.nn


def test_a_model_of_basicsr_itself_does_not_run_code(tmp_path: Path) -> None:
    from basicsr.models.base_model import BaseModel

    torch.save({"params": {"weight": torch.ones(1, 1), "x": Runs(tmp_path / "ran")}}, tmp_path / "a.pth")
    model = BaseModel({"num_gpu": 0, "is_train": False})
    with pytest.raises(ValueError, match="plain tensors"):
        model.load_network(torch.nn.Linear(1, 1), str(tmp_path / "a.pth"))
    assert not (tmp_path / "ran").exists()
