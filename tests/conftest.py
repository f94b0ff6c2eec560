"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import torch

from degflow_aug.degradations.fitted import pipeline_estimation
from degflow_aug.fit import noise_training

torch.set_num_threads(1)
# Few and small ones behind tiny trainings, which fixtures of any scope run.
noise_training.STEPS, noise_training.BATCH = 5, 2

# Set DEGFLOW_CITY100 where the data lies elsewhere.
CITY100 = Path(os.environ.get("DEGFLOW_CITY100", Path(__file__).resolve().parents[2] / "shared" / "data" / "City100"))

# Set DEGFLOW_OFFICIAL where results of the official code lie elsewhere.
OFFICIAL = Path(
    os.environ.get("DEGFLOW_OFFICIAL", Path(__file__).resolve().parents[2] / "shared" / "parity" / "official_protocol")
)

# Set DEGFLOW_ASSR where checkpoints of arbitrary-scale networks in their authors' formats lie elsewhere.
ASSR = Path(os.environ.get("DEGFLOW_ASSR", OFFICIAL.with_name("assr")))


@pytest.fixture(autouse=True)
def short_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps for pipelines behind tiny trainings; tests of the pipeline itself ask for all of them."""
    monkeypatch.setattr(pipeline_estimation, "ITERATIONS", 5)


@pytest.fixture(scope="session")
def city100() -> Path:
    """The City100 folder of real camera pairs; tests that need it skip where it is absent."""
    if not CITY100.is_dir():
        pytest.skip(f"City100 pairs are not at {CITY100}")
    return CITY100


@pytest.fixture(scope="session")
def official() -> Path:
    """Results of the official code that are too large to travel with the tests; these skip where they are absent."""
    if not OFFICIAL.is_dir():
        pytest.skip(f"results of the official code are not at {OFFICIAL}")
    return OFFICIAL


@pytest.fixture(scope="session")
def assr() -> Path:
    """Checkpoints of arbitrary-scale networks by their authors' code, with its output; tests skip where absent."""
    if not ASSR.is_dir():
        pytest.skip(f"checkpoints of arbitrary-scale networks by their authors' code are not at {ASSR}")
    return ASSR


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Small reference outputs that travel with the tests."""
    return Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Headless Chromium, driven by Playwright; tests that need it skip where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := which(name))), None
    )
    if program is None:
        pytest.skip("no Chromium on PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def tiny_backbones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with random backbones in diffusers' format: sd, flux, clip and dino; prompts are cached beside them."""
    for name in ("diffusers", "peft", "transformers"):
        pytest.importorskip(name, reason="the extra onestep is not installed")
    from helpers import tiny_backbones

    folder = tmp_path_factory.mktemp("backbones")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        tiny_backbones.write_tiny_backbones(folder)
        yield folder


@pytest.fixture
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A CUDA device whose tensors have no values; see ``helpers.fake_cuda``."""
    from helpers.fake_cuda import fake_cuda

    with fake_cuda(monkeypatch) as mode:
        yield mode
