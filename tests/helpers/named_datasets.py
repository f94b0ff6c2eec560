"""The data sets that our option files name: a few small scenes of each, in folders and files named as theirs are."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from helpers.tiny_camera import write_pairs, write_scene


def write_named_datasets(folder: Path, size: int = 144) -> None:
    """City100 (iPhone X), RealSR (Canon, Nikon), RealArbiSR, photographs of DF2K, and ``my_pairs`` below ``folder``."""
    rng = np.random.default_rng(0)
    city100 = folder / "datasets/City100/City100_iPhoneX"
    for scene in ("001", "060", "061"):
        write_scene({1.0: city100 / f"{scene}H.PNG", 2.9: city100 / f"{scene}L.PNG"}, rng, size)
    for split in ("Train", "Test"):
        for camera, scale in itertools.product(("Canon", "Nikon"), (2.0, 3.0, 4.0)):
            realsr = folder / f"datasets/RealSR_v2_ordered/{camera}/{split}/{scale:g}"
            views = {1.0: realsr / f"{camera}_001_HR.png", scale: realsr / f"{camera}_001_LR{scale:g}.png"}
            write_scene(views, np.random.default_rng(len(split + camera)), size)
        for scale in (1.5, 2.5, 3.0, 3.5, 4.0):
            name, arbitrary = f"{scale:g}".replace(".", "dot"), folder / "datasets/RealArbiSR" / split
            write_scene({1.0: arbitrary / f"HR{name}/1.png", scale: arbitrary / f"LR{name}/1.png"}, rng, size)
    for number in range(3):
        write_scene({1.0: folder / f"datasets/DF2K/HR/{number:04d}.png"}, rng, size)
    write_pairs(folder / "my_pairs", size=size)
