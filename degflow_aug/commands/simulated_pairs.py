"""Pairs of a camera whose truth is known at every scale: photographs seen by the simulator, written as a data set."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def pattern(scales: Sequence[float]) -> dict[str, Any]:
    """The ``pattern`` layout of what :func:`write_simulated_pairs` writes."""
    return {"hr": "HR/{id}.png", "views": {scale: f"x{scale:g}/{{id}}.png" for scale in scales if scale != 1}}


def write_simulated_pairs(
    photographs: Mapping[str, np.ndarray], scales: Sequence[float], folder: Path, progress: Callable[[int], None]
) -> None:
    """Write every photograph (H, W, 3), 8 bit, as HR and its views at ``scales``; files that exist are kept.

    Args:
        photographs: by name.
        scales: scales of the views; 1 is HR.
        folder: gets ``HR/`` and a folder a scale.
        progress: called with the number of photographs done.
    """
    from degflow_aug.data.image_file import to_array, to_tensor, write_image
    from degflow_aug.degradations.camera import Camera

    camera = Camera()
    for done, (name, photograph) in enumerate(photographs.items(), 1):
        hr = to_tensor(photograph)[None]
        paths = {scale: folder / f"x{scale:g}" / f"{name}.png" for scale in scales if scale != 1}
        for path, image in [(folder / "HR" / f"{name}.png", lambda: hr)] + [
            (path, lambda scale=scale: camera.render(hr, scale)) for scale, path in paths.items()
        ]:
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_image(path, to_array(image()[0]))
        progress(done)


def bundled_photographs() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Photographs that scikit-image carries in its package: those to train on, and those held out."""
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
    return ({name: rgb(image) for name, image in training.items()}, {name: rgb(image) for name, image in held_out.items()})
