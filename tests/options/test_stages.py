"""The ``degflow:`` section: every slip in it is one sentence that names the key."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from degflow_aug.flow.solver import SOLVERS
from degflow_aug.flow.trajectory import TRAJECTORIES
from degflow_aug.options.sections import read_options
from degflow_aug.options.stages import (
    DISTILLATIONS,
    DistillOptions,
    LFMOptions,
    RAEOptions,
    RefineOptions,
    StageOptions,
)


def test_a_section_is_read_with_its_defaults() -> None:
    options = read_options(
        RAEOptions, {"knots": [1, 2, 4.0], "camera": "Canon", "hr_share": 0, "crop_margin": 8}, "degflow"
    )
    assert options == RAEOptions(knots=(1.0, 2.0, 4.0), camera="Canon", hr_share=0.0, crop_margin=8)
    assert all(isinstance(knot, float) for knot in options.knots)
    assert isinstance(options.hr_share, float)
    assert read_options(LFMOptions, {"knots": (1, 2.9), "s_max": 4, "compile": True}, "degflow").last_scale == 4
    assert StageOptions(knots=(1.0, 2.9)).last_scale == 2.9


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(("kind", "change", "message"), [
    (LFMOptions, {"knots": []}, "rise from 1"),
    (LFMOptions, {"knots": [1]}, "rise from 1"),
    (LFMOptions, {"knots": [2, 4]}, "rise from 1"),
    (LFMOptions, {"knots": [1, 4, 2]}, "rise from 1"),
    (LFMOptions, {"knots": [1, 2, 2]}, "rise from 1"),
    (LFMOptions, {"knots": [1, NAN]}, "number from 1 to 1000 in degflow.knots"),
    (LFMOptions, {"knots": [1, NAN, 2]}, "number from 1 to 1000 in degflow.knots"),
    (LFMOptions, {"knots": [1, 2, INF]}, "number from 1 to 1000 in degflow.knots"),
    (LFMOptions, {"s_max": 1.5}, "s_max of at least the last knot 2"),
    (LFMOptions, {"s_max": NAN}, "a number from 0 to 1000 in degflow.s_max"),
    (LFMOptions, {"s_max": -1.0}, "s_max"),
    (LFMOptions, {"s_max": INF}, "a number from 0 to 1000 in degflow.s_max"),
    (LFMOptions, {"amp": "fp16"}, "amp to be none or bf16"),
    (LFMOptions, {"grad_clip": -1.0}, "a number from 0 to 1000000000 in degflow.grad_clip"),
    (LFMOptions, {"grad_clip": NAN}, "a number .* in degflow.grad_clip"),
    (LFMOptions, {"velocity_weight": 0.0}, "velocity_weight, rollout_weight or lpips_weight above 0, got none"),
    (LFMOptions, {"times": {2: 0.4, 1.5: 0.6}}, r"times that rise with their scales, from 0 at x1 to 1 at x2, .* got"),
    (LFMOptions, {"times": {5: 0.4}}, "degflow.times that rise"),
    (LFMOptions, {"times": {"2": 0.4}}, "degflow.times that rise"),
    (LFMOptions, {"times": {2: 1.4}}, "number from 0 to 1 in degflow.times.2"),
    (LFMOptions, {"trajectory": "pchip"}, "trajectory to be spline or linear"),
    (LFMOptions, {"pseudo_spacing": 0.01}, "pseudo_spacing of 0 or at least 0.05"),
    (LFMOptions, {"pseudo_share": 1.5}, "from 0 to 1 in degflow.pseudo_share"),
    (LFMOptions, {"pseudo_share": -0.5}, "pseudo_share"),
    (LFMOptions, {"lpips_weight": -0.1}, "lpips_weight"),
    (LFMOptions, {"rollout_weight": INF}, "rollout_weight"),
    (LFMOptions, {"rollout_steps": 0}, "from 1 to 1000 in degflow.rollout_steps"),
    (LFMOptions, {"steps": 0}, "from 1 to 1000 in degflow.steps"),
    (LFMOptions, {"steps": 10**9}, "from 1 to 1000 in degflow.steps"),
    (LFMOptions, {"solver": "dopri5"}, "solver out of euler, midpoint, heun, rk4"),
    (LFMOptions, {"solver": "Heun"}, "solver out of"),
    (LFMOptions, {"solver": "jump"}, "solver out of .*LFMDistillModel trains one-step students"),
    (DistillOptions, {"method": "progressive"}, "method out of average, consistency"),
    (DistillOptions, {"method": ""}, "method out of"),
    (DistillOptions, {"steps": 0}, "from 1 to 1000 in degflow.steps"),
    (DistillOptions, {"latent_weight": -1.0}, "a number .* in degflow.latent_weight"),
    (DistillOptions, {"image_weight": NAN}, "image_weight"),
    (DistillOptions, {"image_weight": 0, "latent_weight": 0}, "above 0, got none"),
    (DistillOptions, {"pseudo_spacing": 0.01}, "pseudo_spacing of 0 or at least 0.05"),
    (DistillOptions, {"rae": "rae"}, "rae"),
    (DistillOptions, {"solver": "euler"}, "solver"),
    (DistillOptions, {"teacher": 3}, "text in degflow.teacher"),
    (RAEOptions, {"hr_share": 0.6, "pseudo_share": 0.5}, "at most 1"),
    (RAEOptions, {"hr_share": 1.2}, "from 0 to 1 in degflow.hr_share"),
    (RAEOptions, {"hr_share": -0.1}, "hr_share"),
    (RAEOptions, {"pseudo_share": NAN}, "pseudo_share"),
    (RAEOptions, {"crop_margin": -1}, "crop_margin"),
    (RAEOptions, {"latent_noise": -1}, "latent_noise"),
    (RAEOptions, {"kl_weight": NAN}, "kl_weight"),
    (RefineOptions, {"pseudo_share": 1.5}, "from 0 to 1 in degflow.pseudo_share"),
    (RefineOptions, {"steps": 0}, "from 1 to 1000 in degflow.steps"),
])  # fmt: skip
def test_a_value_out_of_range_is_refused(kind: type[StageOptions], change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_options(kind, {"knots": [1, 2], **change}, "degflow")


def test_every_name_that_the_options_take_exists() -> None:
    for solver in SOLVERS:
        assert LFMOptions(knots=(1.0, 2.0), solver=solver).solver == solver
    for method in DISTILLATIONS:
        assert DistillOptions(knots=(1.0, 2.0), method=method).method == method
    for trajectory in TRAJECTORIES:
        assert LFMOptions(knots=(1.0, 2.0), trajectory=trajectory).trajectory == trajectory


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 0, 1, 2])
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
KEYS = sorted({item.name for kind in (RAEOptions, LFMOptions, DistillOptions) for item in fields(kind)})
sections = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=6) | st.integers(), values, max_size=6)
plausible = st.fixed_dictionaries(
    {"knots": st.lists(st.floats(1, 8), min_size=1, max_size=5).map(lambda more: [1, *sorted(set(more))])},
    optional={
        "s_max": st.floats(0, 16),
        "grad_clip": st.floats(),
        "crop_margin": st.integers(),
        "latent_noise": values,
        "hr_share": st.floats(-1, 2),
        "pseudo_share": st.floats(0, 1),
        "steps": st.integers(-1, 9),
        "pseudo_spacing": st.floats(0, 2),
    },
)


@settings(max_examples=300, deadline=None)
@given(section=sections | plausible, kind=st.sampled_from([RAEOptions, LFMOptions, DistillOptions]))
def test_any_section_gives_options_or_one_sentence(section: dict[Any, Any], kind: type[StageOptions]) -> None:
    try:
        options = read_options(kind, section, "degflow")
    except ValueError:
        return
    assert isinstance(options, kind)
    numbers = [value for value in asdict(options).values() if isinstance(value, float)]
    assert all(math.isfinite(value) and value >= 0 for value in [*numbers, *options.knots])
    assert options.knots[0] == 1
    assert all(low < high for low, high in zip(options.knots, options.knots[1:], strict=False))
    assert options.last_scale >= options.knots[-1]
    for key, value in section.items():
        stored = getattr(options, key)
        assert (list(stored) if isinstance(stored, tuple) else stored) == value


@given(knots=st.lists(st.floats(1.01, 6), min_size=1, max_size=4, unique=True), spacing=st.floats(0.05, 3))
def test_path_scales_hold_the_knots_and_equal_parts_between(knots: list[float], spacing: float) -> None:
    options = LFMOptions(knots=(1.0, *sorted(knots)), pseudo_spacing=spacing)
    scales = options.path_scales()
    assert set(options.knots) <= set(scales)
    gaps = [high - low for low, high in itertools.pairwise(scales)]
    assert min(gaps) > 0
    assert max(gaps) <= spacing * (1 + 1e-5)
    for low, high in zip(options.knots, options.knots[1:], strict=False):
        parts = [b - a for a, b in itertools.pairwise(scales) if low <= a and b <= high]
        assert max(parts) == pytest.approx(min(parts), abs=1e-9)
        assert len(parts) == 1 or (high - low) / (len(parts) - 1) > spacing * (1 - 1e-5)


def test_without_spacing_paths_go_through_the_knots_alone() -> None:
    assert LFMOptions(knots=(1.0, 2.0, 4.0)).path_scales() == (1, 2, 4)
