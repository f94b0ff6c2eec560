"""A step of every one-step system on a fake CUDA device: no device is mixed, and the GPU is not waited for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.fake_cuda import FakeCUDA
from helpers.onestep_networks import write_teacher
from helpers.tiny_sr import build, hr_batch, register

pytest.importorskip("basicsr", reason="training needs BasicSR")
pytest.importorskip("diffusers", reason="the extra onestep is not installed")
register()

from benchmarks.onestep.tiny import shrunk_options  # noqa: E402

TIMES: dict[str, dict[str, Any]] = {
    "omgsr_s": {"mid_timestep": 273},
    "omgsr_f": {"mid_timestep": 500},
    "fluxsr": {"lr_time": 0.5},
}
SLOW = [pytest.param(system, marks=pytest.mark.slow) for system in ("omgsr_s", "omgsr_f", "flowsr_1", "flowsr_2")]


@pytest.mark.parametrize("system", ["fluxsr", *SLOW])
def test_a_step_waits_for_nothing(
    system: str, tiny_backbones: Path, photograph_pairs: Path, vgg: Path, tmp_path: Path, fake_cuda: FakeCUDA,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    opt = shrunk_options(system, tiny_backbones, photograph_pairs, vgg)
    if system == "flowsr_2":
        write_teacher(Path("experiments") / opt["degflow"]["teacher"] / "models/net_g_latest.pth", tiny_backbones)
    # Previews are for people, who wait for them; a time is matched to pairs once, before the first step.
    opt["degflow"] |= {"preview_freq": 0, "accumulate": 1, **TIMES.get(system, {})}
    opt["network_g"]["gradient_checkpointing"] = False
    opt["num_gpu"] = 1
    model: Any = build(opt, tmp_path)
    model.feed_data(hr_batch())
    fake_cuda.waits = False
    model.optimize_parameters(1)
