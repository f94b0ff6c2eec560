"""What tests of other people's projects share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from degflow_aug.bundles.spec import bundle_path


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a camera, that of another bundle where a test asks for one."""
    shutil.copy(bundle_path(getattr(request, "param", "simulator")), tmp_path / "camera.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path
