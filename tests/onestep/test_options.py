"""The ``degflow:`` section of one-step models: keys that others leave without effect are said."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("basicsr", reason="checks are of BasicSR's option files")

from degflow_aug.files import notice
from degflow_aug.models.checks.effects import say_idle_keys
from degflow_aug.onestep.options import IDLE, FlowSROptions, FluxSROptions, OMGSROptions

SECOND = {"stage": 2, "teacher": "run"}


@pytest.mark.parametrize(("kind", "section", "idle"), [
    (FlowSROptions, {"slow_steps": 8, "caption_weight": 0.1}, ["slow_steps", "caption_weight"]),
    (FlowSROptions, {**SECOND, "adversarial_weight": 0, "adversarial_lr": 1e-4, "slow_steps": 8}, ["adversarial_lr"]),
    (FlowSROptions, {**SECOND, "caption_weight": 0.1}, ["caption_weight"]),
    (FlowSROptions, {**SECOND, "caption_model": "clip", "caption_weight": 0.1, "adversarial_start": 5}, []),
    (OMGSROptions, {"mid_timestep": 300, "match_pairs": 4}, ["match_pairs"]),
    (OMGSROptions, {"match_pairs": 4}, []),
    (FluxSROptions, {"lr_time": 0.3, "match_pairs": 4}, ["match_pairs"]),
    (FluxSROptions, {"lr_time": "auto", "match_pairs": 4}, []),
])  # fmt: skip
def test_keys_that_others_leave_idle(
    kind: Any, section: dict[str, Any], idle: list[str], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(notice, "_SAID", set())
    say_idle_keys(kind(**section), section, IDLE)
    assert [record.message.partition(" ")[0] for record in caplog.records] == [f"degflow.{key}" for key in idle]
