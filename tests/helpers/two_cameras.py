"""Pairs of two simulated cameras of clearly different blur, in a folder each, and options for a stage on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from helpers.tiny_camera import in_memory, stage_options

from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.simulator.camera import SimulatedCamera
from degflow_aug.degradations.simulator.optics import CameraOptics
from degflow_aug.files.image_file import write_image

CAMERAS = ("Lab_Sharp", "Lab_Soft")
OPTICS = {"Lab_Sharp": CameraOptics(blur=0.4, shot_noise=0, read_noise=0, sharpening=0.8),
          "Lab_Soft": CameraOptics(blur=1.2, shot_noise=0, read_noise=0, sharpening=0.0)}  # fmt: skip
SCALE = 2.0


def picture(seed: int, size: int = 96) -> np.ndarray:
    """Blocks of random colours at two sizes over a ramp, (H, W, 3) in uint8."""
    rng = np.random.default_rng(seed)
    coarse, fine = (
        rng.integers(0, 256, (size // side, size // side, 3)).repeat(side, 0).repeat(side, 1) for side in (12, 4)
    )
    ramp = np.linspace(0, 255, size)[None, :, None]
    return (0.45 * coarse + 0.35 * fine + 0.2 * ramp).astype(np.uint8)


def write_two_cameras(folder: Path, scenes: int = 3, size: int = 96) -> dict[str, Any]:
    """``{camera}/HR/{id}.png`` and ``{camera}/x2/{id}.png``, the same HR images; returns the pattern."""
    for name in CAMERAS:
        for scene in range(scenes):
            hr = picture(scene, size)
            view = SimulatedCamera(OPTICS[name]).render(to_tensor(hr)[None], SCALE)[0]
            for kind, image in (("HR", hr), ("x2", to_array(view))):
                path = folder / name / kind / f"{scene:03d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_image(path, image)
    pattern = {"hr": "{camera}/HR/{id}.png", "views": {"2": "{camera}/x2/{id}.png"}}
    (folder / "pattern.yml").write_text(json.dumps(pattern), encoding="utf-8")
    return pattern


def camera_options(stage: str, pairs: Path, root: Path, iterations: int = 12, **degflow: Any) -> dict[str, Any]:
    """:func:`tiny_camera.stage_options` with both cameras told apart."""
    opt = stage_options(stage, pairs, root, iterations, cameras=list(CAMERAS), **degflow)
    if stage == "lfm":
        opt["network_g"]["cameras"] = len(CAMERAS)
    return in_memory(opt, root)
