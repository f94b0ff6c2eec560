"""What is left between HR and a view, measured on their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from degflow_aug.alignment.windows import measure_view


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.5, -0.3)])
def test_a_view_that_is_shifted_is_measured_so(shift: tuple[float, float]) -> None:
    """SciPy moves what HR shows by ``shift`` (x, y), blurred as a camera of half the resolution does."""
    hr = np.repeat(data.gravel()[:300, :320, None], 3, 2)
    blurred = ndimage.gaussian_filter(hr.astype(float), (1.2, 1.2, 0))
    view = ndimage.shift(blurred, (shift[1], shift[0], 0), order=3, mode="nearest")
    windows = measure_view(hr, view.round().clip(0, 255).astype(np.uint8), 2.0)
    assert len(windows.places) > 20
    assert np.median(np.abs(windows.displacements - windows.displacements.mean(0)), 0).max() < 0.03
    assert np.abs(windows.displacements.mean(0)) == pytest.approx(np.abs(shift), abs=0.03)
