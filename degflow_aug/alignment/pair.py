"""One LR photograph against its HR photograph: the motion, the gains, what is left, and whether that will do."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from degflow_aug.alignment.comparison import SmallGrid, rival
from degflow_aug.alignment.features import match_features
from degflow_aug.alignment.geometry import Motion, Rectangle, covered, largest_rectangle, motion_of
from degflow_aug.alignment.luminance import Exposure, gain, luminance, to_light
from degflow_aug.alignment.refinement import Seen, refine
from degflow_aug.alignment.residual import FEWEST, NOTHING_MEASURED, Residual, judge
from degflow_aug.alignment.windows import measure

BLURS = (0.1, 0.17, 0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
"""Variances of LR's blur that are tried, in LR pixels."""
INSET = 2.0
"""LR pixels at its edge that views do not use: cubic interpolation reaches so far."""
SMALLEST_CROP = 64
SMALLEST_SCALE = 0.9
LARGEST_ANISOTROPY = 1.03
MOST_RIVAL = 0.9
GRID = 200


class NotAligned(ValueError):
    """Why there is no motion to judge."""


@dataclass(frozen=True)
class Alignment:
    """What was found of an LR photograph.

    Attributes:
        matrix: (3, 3) from HR to LR pixels; None where none was found.
        motion: scale, rotation and shift at the middle of HR.
        gains: how many times more linear light LR has than HR, (red, green, blue).
        residual: in HR pixels.
        reason: why the view must not be used; empty for an aligned one.
    """

    matrix: np.ndarray | None = None
    motion: Motion | None = None
    gains: tuple[float, float, float] | None = None
    residual: Residual = NOTHING_MEASURED
    reason: str = ""


def align_pair(hr: np.ndarray, lr: np.ndarray, *, scale: float | None = None, limit: float = 0.3) -> Alignment:
    """Find the motion between two photographs of one scene and judge it.

    Args:
        hr, lr: sRGB levels (H, W, 3) in uint8 or uint16, of any sizes.
        scale: roughly the scale, which helps to find features again; None if it is not known.
        limit: HR pixels that the residual must stay below.
    """
    found = Alignment()
    try:
        hr_light, lr_light = luminance(hr), luminance(lr)
        matrix, view = _first_guess(hr_light, lr_light, scale)
        motion = motion_of(matrix, hr.shape[:2], lr.shape[:2])
        found = Alignment(motion=motion)
        for kind in ("affine", "homography"):
            candidate, view = _refined(matrix, hr_light, lr_light, view, kind)
            crop = common_crop([candidate], hr.shape[:2], [lr.shape[:2]])
            if min(crop.right - crop.left, crop.bottom - crop.top) < SMALLEST_CROP:
                raise NotAligned(f"the photographs share {_sides(crop)} HR pixels only")
            residual = judge(measure(candidate, hr_light, lr_light, view), crop, limit)
            if found.matrix is None or residual.worst < found.residual.worst:
                motion = motion_of(candidate, hr.shape[:2], lr.shape[:2])
                found = Alignment(candidate, motion, None, residual)
            if found.residual.worst < limit:
                break
        assert found.matrix is not None
        assert found.motion is not None
        grid = SmallGrid(found.matrix, hr.shape[:2], lr.shape[:2], found.motion.scale)
        found = dataclasses.replace(found, gains=_gains(grid, hr, lr))
        images = view.exposure.of_hr(grid.hr(hr_light)), view.exposure.of_lr(grid.lr(lr_light))
        _check(found, rival(*images, grid.inside), limit)
    except (NotAligned, ValueError) as error:
        return dataclasses.replace(found, reason=str(error))
    return found


def common_crop(
    matrices: list[np.ndarray], hr: tuple[int, int], lr: list[tuple[int, int]], inset: float = INSET
) -> Rectangle:
    """Find the largest rectangle of HR that every LR photograph shows whole, to about 1 / 200 of HR's side.

    Args:
        matrices: of the LR photographs.
        hr: (height, width) of HR.
        lr: those of the LR photographs.
        inset: LR pixels to stay away from their edges.
    """
    step = max(1, max(hr) // GRID)
    mask = np.logical_and.reduce(
        [covered(matrix, hr, size, inset, step) for matrix, size in zip(matrices, lr, strict=True)]
    )
    left, top, right, bottom = largest_rectangle(mask)
    if right <= left:
        return Rectangle(0, 0, 0, 0)
    # Between covered places of a convex region everything is covered.
    return Rectangle(left * step, top * step, (right - 1) * step + 1, (bottom - 1) * step + 1)


def _first_guess(hr: np.ndarray, lr: np.ndarray, scale: float | None) -> tuple[np.ndarray, Seen]:
    matrix, agreeing = match_features(hr, lr, scale)
    if matrix is None:
        raise NotAligned(
            f"only {agreeing} features of both photographs agree: too little texture, blur, or two different scenes"
        )
    motion = motion_of(matrix, hr.shape, lr.shape)
    if np.isnan(motion.scale):
        raise NotAligned("features that agree give no motion: too little texture, or two different scenes")
    if motion.scale < SMALLEST_SCALE:
        raise NotAligned(f"the LR photograph is {1 / motion.scale:.2f} times finer than HR; HR must be the finest")
    grid = SmallGrid(matrix, hr.shape, lr.shape, motion.scale)
    ratio = gain(grid.hr(hr)[grid.inside], grid.lr(lr)[grid.inside])
    if not np.isfinite(ratio):
        raise NotAligned("one of the photographs is all black or white where they overlap")
    return matrix, Seen(max(1.0, motion.scale), Exposure.of(ratio))


def _refined(matrix: np.ndarray, hr: np.ndarray, lr: np.ndarray, view: Seen, kind: str) -> tuple[np.ndarray, Seen]:
    """ECC with a usual blur, then with the one that explains LR best."""
    matrix = refine(matrix, hr, lr, view, kind)
    view = view._replace(scale=max(1.0, motion_of(matrix, hr.shape, lr.shape).scale))
    blur = _best_blur(matrix, hr, lr, view)
    if blur != view.blur:
        view = view._replace(blur=blur)
        matrix = refine(matrix, hr, lr, view, kind, finest_only=True)
    return matrix, view


def _best_blur(matrix: np.ndarray, hr: np.ndarray, lr: np.ndarray, view: Seen) -> float:
    """The variance that leaves least of LR unexplained, from a few windows; the search goes down, then up."""

    def unexplained(blur: float) -> float:
        noise = measure(matrix, hr, lr, view._replace(blur=blur), rows=4, columns=5).noise
        return float(np.median(noise)) if len(noise) else 0.0

    index = BLURS.index(view.blur)
    best = unexplained(BLURS[index])
    for direction in (-1, 1):
        while 0 <= index + direction < len(BLURS) and (value := unexplained(BLURS[index + direction])) < best:
            best, index = value, index + direction
    return BLURS[index]


def _gains(grid: SmallGrid, hr: np.ndarray, lr: np.ndarray) -> tuple[float, float, float]:
    values = [
        gain(grid.hr(to_light(hr[..., channel]))[grid.inside], grid.lr(to_light(lr[..., channel]))[grid.inside])
        for channel in range(3)
    ]
    if not np.isfinite(values).all():
        raise NotAligned("a channel is all black or white where the photographs overlap")
    return values[0], values[1], values[2]


def _check(found: Alignment, rivalry: float, limit: float) -> None:
    """Raise :class:`NotAligned` with the reason why a motion must not be used."""
    assert found.motion is not None
    residual = found.residual
    if residual.windows < FEWEST:
        raise NotAligned(f"too little texture to measure the residual ({residual.windows} windows)")
    if residual.mismatched > 0.05:
        raise NotAligned(f"{residual.mismatched:.0%} of the windows show something else (movement, depth, other scene)")
    if not residual.worst < limit:
        raise NotAligned(f"residual {residual.worst:.2f} px, expected below {limit:g}")
    if found.motion.anisotropy > LARGEST_ANISOTROPY:
        raise NotAligned(f"the motion stretches the image by {found.motion.anisotropy:.3f}, expected one scene")
    if rivalry > MOST_RIVAL:
        raise NotAligned("the texture repeats itself, so that another place fits as well")


def _sides(crop: Rectangle) -> str:
    return f"{crop.right - crop.left}x{crop.bottom - crop.top}"
