"""Pairs of a phone whose truth is known at every scale: photographs as the simulated phone takes them."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from degflow_aug.degradations.base import Degradation

PATTERN_FILE = "pattern.yml"
TESTED = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
"""Scales of the held-out views."""
CROP = 160
"""Side of a crop on the contact sheet, in pixels."""


def write_simulated_pairs(
    photographs: Mapping[str, np.ndarray],
    scales: Sequence[float],
    folder: Path,
    report: Callable[[str, int, int, float], None],
    camera: Degradation | None = None,
) -> Path:
    """Write every photograph as HR and its views at ``scales``; files that are there whole are kept.

    Args:
        photographs: (H, W, 3), 8 bit, by name.
        scales: scales of the views, each above 1.
        folder: gets ``HR/``, a folder a scale, and the file that describes them.
        report: called as (stage, photographs done, total, nan).
        camera: what photographs them; default: the simulated phone.

    Returns:
        The description, for ``--layout pattern --pattern``.
    """
    import torch

    from degflow_aug.data.tensors import to_tensor
    from degflow_aug.degradations.simulator.phone import SimulatedPhone
    from degflow_aug.files.writing import atomic_path

    camera = camera or SimulatedPhone()
    camera.seed(0)
    for done, (name, photograph) in enumerate(photographs.items(), 1):
        hr = to_tensor(photograph)[None]
        _write_once(folder / "HR" / f"{name}.png", functools.partial(torch.clone, hr))
        for scale in scales:
            _write_once(folder / f"x{scale:g}" / f"{name}.png", functools.partial(camera.render, hr, scale))
        report("simulated photographs", done, len(photographs), math.nan)
    views = {f"{scale:g}": f"x{scale:g}/{{id}}.png" for scale in scales}
    with atomic_path(folder / PATTERN_FILE) as partial:
        # JSON is YAML, and leaves no doubt about types.
        partial.write_text(json.dumps({"hr": "HR/{id}.png", "views": views}), encoding="utf-8")
    return folder / PATTERN_FILE


def layout_arguments(folder: Path) -> list[str]:
    """Return the arguments by which a command finds pairs of :func:`write_simulated_pairs`."""
    return ["--layout", "pattern", "--pattern", str(folder / PATTERN_FILE)]


def _write_once(path: Path, image: Callable[[], Tensor]) -> None:
    from degflow_aug.data.tensors import to_array
    from degflow_aug.files.fingerprint import is_as_written
    from degflow_aug.files.image_file import bytes_of, write_image

    if not is_as_written(bytes_of(path), None):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, to_array(image()[0]))


def bundled_photographs() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Load the photographs of scikit-image's package: those to train on, and those held out."""
    import numpy as np
    from skimage import color, data

    def rgb(image: np.ndarray) -> np.ndarray:
        return color.gray2rgb(image) if image.ndim == 2 else np.ascontiguousarray(image[..., :3])

    left, right, _ = data.stereo_motorcycle()
    training = {
        "astronaut": data.astronaut(), "brick": data.brick(), "coffee": data.coffee(), "grass": data.grass(),
        "gravel": data.gravel(), "hubble": data.hubble_deep_field(), "ihc": data.immunohistochemistry(),
        "motorcycle_left": left, "motorcycle_right": right, "retina": data.retina(),
    }  # fmt: skip
    held_out = {"chelsea": data.chelsea(), "rocket": data.rocket()}
    return (
        {name: rgb(image) for name, image in training.items()},
        {name: rgb(image) for name, image in held_out.items()},
    )
