"""The images of a preview: the generator's, with its noise, the real ones, bicubic's and Real-ESRGAN's."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import degflow_aug
from degflow_aug import compat
from degflow_aug.bundles.bundle import load_any_bundle
from degflow_aug.commands.preview.changing_scales import candidate_scales, evenly_changing, view_changes
from degflow_aug.commands.preview.window import place_window, read_real_lr
from degflow_aug.commands.shared.arguments import check_camera, named_camera, pick_device
from degflow_aug.console.progress import Progress, track
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.build import generator_of
from degflow_aug.files.image_file import read_image
from degflow_aug.metrics.fidelity import psnr_y
from degflow_aug.metrics.spectrum_distance import SMALLEST, gray_levels, radial_power
from degflow_aug.pages.preview_page import PreviewFacts, Series, preview_page

CANDIDATES = 65
LEARNED, NOISY, REAL, BICUBIC = "learned", "learned + noise", "real LR", "bicubic"
# Power of rounding to 8 bits: what lies below it is in no file.
_ROUNDING = 1 / 12
_SHEET_ROWS = 5
# What a contact sheet shows where there is no real LR.
_NOTHING = np.full((1, 1, 3), 128, np.uint8)


@dataclass
class Preview:
    """Render what a page and a sheet ask for, and keep it.

    Attributes:
        hr: the window, (1, 3, P, P) in [0, 1] on the generator's device.
        real: real LR images (1, 3, h, w) of the window, by scale.
        methods: what makes LR, by name, with a sentence about each.
        seed: of random draws, which are the same at every scale.
        candidates, changes: scales and how the generator's views change between them.
        facts: what the page says, but for the measurements and the command.
    """

    hr: Tensor
    real: Mapping[float, Tensor]
    methods: Mapping[str, tuple[Degradation, str]]
    candidates: Sequence[float]
    changes: Sequence[float]
    facts: PreviewFacts
    seed: int = 0
    _frames: dict[tuple[str, float], np.ndarray] = field(default_factory=dict)

    def frame(self, name: str, scale: float) -> np.ndarray:
        """Render LR (h, w, 3) in uint8 by a method."""
        if (name, scale) not in self._frames:
            degradation = self.methods[name][0]
            degradation.seed(self.seed)
            self._frames[name, scale] = to_array(degradation(self.hr, scale)[0])
        return self._frames[name, scale]

    def series(self, scales: Sequence[float]) -> list[Series]:
        """Return HR, the methods, and real LR after the generator's."""
        found = [
            _series(name, note, {scale: self.frame(name, scale) for scale in track(scales, name, "scale")})
            for name, (_, note) in self.methods.items()
        ]
        if self.real:
            frames = {scale: to_array(image[0]) for scale, image in self.real.items()}
            place = sum(name in (LEARNED, NOISY) for name in self.methods)
            found.insert(place, _series(REAL, "what the camera took", frames))
        return [_series("HR", "the image itself", {1.0: to_array(self.hr[0])}, fixed=True), *found]

    def page(self, count: int, command: str) -> str:
        """Make the page with at most ``count`` scales, unless more are knots or have real LR."""
        always = [scale for scale in (*self.facts.knots, *self.real) if scale in self.candidates]
        scales = evenly_changing(self.candidates, self.changes, count, always)
        facts = PreviewFacts(**{**vars(self.facts), "measured": self._measured(), "command": command})
        return preview_page(facts, scales, self.series(scales), (LEARNED, REAL if self.real else BICUBIC))

    def _measured(self) -> dict[float, dict[str, float]]:
        """Measure Y-PSNR to the real LR, both in 8 bits."""
        rows: dict[float, dict[str, float]] = {}
        for scale, real in self.real.items():
            images = {name: to_tensor(self.frame(name, scale))[None] for name in self.methods}
            rows[scale] = {name: float(psnr_y(image, real.cpu(), eight_bit=True)) for name, image in images.items()}
        # Equal images have an infinite PSNR, which no table shows.
        return {scale: {n: v for n, v in row.items() if np.isfinite(v)} for scale, row in rows.items()}

    def sheet_rows(self) -> dict[str, dict[str, np.ndarray]]:
        """Return rows of a contact sheet at a few scales, knots among them, all images at the size of HR."""
        always = [scale for scale in (*self.facts.knots, *self.real) if scale in self.candidates]
        scales = evenly_changing(self.candidates, self.changes, _SHEET_ROWS, always)[1:]
        side = self.hr.shape[-1]
        rows = {}
        for scale in scales:
            row = {one.name: one.frames.get(one.places([scale])[0], _NOTHING) for one in self.series([scale])}
            rows[f"x{scale:g}"] = {name: _enlarged(image, side) for name, image in row.items()}
        return rows


def prepare_preview(args: argparse.Namespace) -> Preview:
    """Read what ``args`` name, choose the window and see where the generator's views change.

    Raises:
        ValueError: something cannot be read, or does not go together.
    """
    device = pick_device(args.device)
    bundle, camera = load_any_bundle(args.bundle), named_camera(args.camera)
    settings = {
        "solver": args.solver, "steps": args.steps, "tolerance": args.tolerance, "tile": args.tile, "camera": camera,
    }  # fmt: skip
    generator = generator_of(bundle, **settings).to(device)
    check_camera(generator)
    hr = read_image(args.image)
    generator.check_scales([scale for scale, _ in args.real])
    side = min(args.side, *hr.shape[:2])
    top, left = place_window(hr, side, args.window)
    cut = np.s_[top : top + side, left : left + side]
    window = to_tensor(np.ascontiguousarray(hr[cut]))[None].to(device)
    real = {scale: read_real_lr(path, hr.shape, cut, scale).to(device) for scale, path in sorted(args.real)}
    methods: dict[str, tuple[Degradation, str]] = {LEARNED: (generator, "what the camera does, without its noise")}
    if bundle.noise:
        noisy = generator_of(bundle, **settings, noise=1.0).to(device)
        methods[NOISY] = (noisy, "the same with the camera's noise, as networks are trained on it")
    methods[BICUBIC] = (Bicubic().to(device), "antialiased bicubic resizing")
    if compat.has_basicsr():
        from degflow_aug.degradations.realesrgan.realesrgan import RealESRGAN

        methods["Real-ESRGAN"] = (RealESRGAN().to(device), "one random draw, the same at every scale")
    scales = sorted({*candidate_scales(*generator.scale_range, CANDIDATES), *bundle.spec.knots, *real})
    with Progress() as progress:
        changes = view_changes(generator, window, scales, lambda done: progress("views", done, len(scales)))
    facts = PreviewFacts(
        image=Path(args.image).name,
        window=(top, left, side),
        bundle=Path(args.bundle).name,
        camera=camera or bundle.spec.camera or "the camera",
        knots=bundle.spec.knots,
        measured={},
        command="",
        versions={
            "degflow_aug": degflow_aug.__version__,
            "torch": torch.__version__,
            "Python": platform.python_version(),
        },
    )
    return Preview(window, real, methods, scales, changes, facts, args.seed)


def _series(name: str, note: str, frames: Mapping[float, np.ndarray], fixed: bool = False) -> Series:
    spectra = {scale: row for scale, frame in frames.items() if (row := _spectrum(frame, scale))}
    return Series(name, note, frames, spectra, fixed)


def _spectrum(frame: np.ndarray, scale: float) -> list[float]:
    """Measure radial power in dB per HR pixel; none of images too small for it."""
    if min(frame.shape[:2]) < SMALLEST:
        return []
    image = to_tensor(frame)[None]
    power = radial_power(gray_levels(image, image, SMALLEST)[0])[0] + _ROUNDING
    # Power per unit of frequency area: a pixel of LR covers s^2 pixels of HR.
    return (10 * torch.log10(power * scale**2)).tolist()


def _enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """Repeat pixels to (side, side, 3)."""
    rows, columns = ((np.arange(side) * extent) // side for extent in image.shape[:2])
    return image[rows[:, None], columns]
