"""The map from scales to times, and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from degflow_aug.flow.time_map import TimeMap


def test_the_paper_s_map_is_the_default() -> None:
    assert [TimeMap().time(scale) for scale in (1.0, 2.0, 2.5, 4.0)] == [0, 1 / 3, 0.5, 1]


@pytest.mark.parametrize("scales", [(1.0, 2.0, 2.6, 3.0, 4.0), (1.3, 3.7, 5.5)])
def test_times_in_between_are_interpolated(scales: tuple[float, ...]) -> None:
    time_map = TimeMap(4.0, ((2.0, 0.4), (3.0, 0.6)))
    times = [time_map.time(scale) for scale in scales]
    known = ([1, 2, 3, 4, 7], [0, 0.4, 0.6, 1, 2.2])
    assert times == pytest.approx(np.interp(scales, *known))
    assert [time_map.scale(time) for time in times] == pytest.approx(scales)
    assert time_map.time(torch.tensor(scales)).tolist() == pytest.approx(times)
    assert time_map.scale(torch.tensor(times)).tolist() == pytest.approx(scales)


@given(s_max=st.floats(1.01, 64), share=st.floats(0, 1))
def test_scale_and_time_are_inverse(s_max: float, share: float) -> None:
    time_map = TimeMap(s_max)
    scale = 1 + share * (s_max - 1)
    assert time_map.time(scale) == pytest.approx(share, abs=1e-12)
    assert time_map.scale(time_map.time(scale)) == pytest.approx(scale, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_go_the_way_of_floats(dtype: torch.dtype) -> None:
    time_map = TimeMap(2.9)
    scales = torch.tensor([1.0, 1.3, 2.1, 2.9], dtype=dtype)
    times = time_map.time(scales)
    assert times.dtype == dtype
    torch.testing.assert_close(times, torch.tensor([time_map.time(scale) for scale in scales.tolist()], dtype=dtype))
    torch.testing.assert_close(time_map.scale(times), scales)


@pytest.mark.parametrize("s_max", [1.0, 0.5, -2.0, math.nan, math.inf])
def test_an_s_max_that_is_no_scale_above_1_is_refused(s_max: float) -> None:
    with pytest.raises(ValueError, match="expected s_max to be a finite scale above 1"):
        TimeMap(s_max)
