"""The figures of degflow_aug/docs, from the shipped simulator's generator and a held-out photograph of scikit-image.

    python -m benchmarks.release.docs_figures --out degflow_aug/docs/figures

``pipeline.png`` shows what happens in training and in use; ``path.png`` the latents of the camera's true views and
the paths of the LFM stage through the knots; ``views.png`` a crop at several scales, as the camera sees it and as the
generator makes it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from benchmarks.shared.plot import Axis, write_plot
from degflow_aug import load_generator
from degflow_aug.commands.demo.simulated_pairs import bundled_photographs
from degflow_aug.commands.shared.contact_sheet import middle_crop, write_contact_sheet
from degflow_aug.data.tensors import to_tensor
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.simulator.phone import SimulatedPhone
from degflow_aug.files.image_file import write_image
from degflow_aug.flow.time_map import TimeMap
from degflow_aug.flow.trajectory import trajectory

BUNDLE, PHOTOGRAPH, CORNER, SIDE = "simulator", "chelsea", (0, 40), 256
PATH_SCALES = tuple(1 + 0.25 * step for step in range(13))
SHOWN_SCALES = (1.5, 2.0, 2.9, 4.0)
CROP, ENLARGED = 48, 2
ROWS = {
    "training": (
        "aligned pairs\nHR and LR",
        "the camera\nwithout networks\nkernel or pipeline",
        "RAE\nview <-> latent\nbeside HR features",
        "LFM\nvelocity from HR\nto every scale",
        "refine both\non the views\nthey render",
        "one bundle",
    ),
    "in use": (
        "HR, scale s",
        "encode\nlatent, features",
        "flow\nfrom t = 0 to t(s)\nin two steps",
        "decode\nadded to the view\nwithout networks",
        "view\non the HR grid",
        "LR\nsmaller, with noise\nwhere asked for",
    ),
}
BOX, ARROW, TOP = (150, 84), 34, 26


def draw_pipeline(path: Path) -> None:
    """Two rows of boxes with arrows between them."""
    width = 6 * BOX[0] + 5 * ARROW + 20
    sheet = Image.new("RGB", (width, len(ROWS) * (BOX[1] + TOP + 14) + 6), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for line, (name, boxes) in enumerate(ROWS.items()):
        top = line * (BOX[1] + TOP + 14) + TOP
        pen.text((10, top - 20), name, fill="#555555", font=font)
        for place, text in enumerate(boxes):
            left = 10 + place * (BOX[0] + ARROW)
            pen.rounded_rectangle((left, top, left + BOX[0], top + BOX[1]), 8, fill="#eef3fa", outline="#1f77b4")
            centre = (left + BOX[0] / 2, top + BOX[1] / 2)
            pen.multiline_text(centre, text, fill="black", font=font, anchor="mm", align="center")
            if place:
                tip, middle = left - 3, top + BOX[1] / 2
                pen.line([(left - ARROW + 3, middle), (tip, middle)], fill="#1f77b4", width=2)
                pen.polygon([(tip, middle), (tip - 8, middle - 5), (tip - 8, middle + 5)], fill="#1f77b4")
    write_image(path, np.asarray(sheet))


@torch.no_grad()
def latents(generator: DegFlow, camera: SimulatedPhone, hr: Tensor) -> Tensor:
    """Standardised latents (S, n) of the camera's true views at ``PATH_SCALES``."""
    rae = generator.rae
    views = torch.cat([camera.render(hr, scale) for scale in PATH_SCALES])
    return rae.standardise(rae.encode(views * 2 - 1)[0]).flatten(1)


def through_knots(name: str, points: Tensor, knots: Sequence[float], time_map: TimeMap) -> Tensor:
    """The path of that name through the latents (S, n) of the knots, at ``PATH_SCALES``."""
    at_knots = torch.stack([points[PATH_SCALES.index(knot)] for knot in knots])[:, None]
    times = torch.tensor([time_map.time(knot) for knot in knots])
    path = trajectory(name)
    return torch.cat([path(at_knots, times, torch.tensor([time_map.time(scale)])).position for scale in PATH_SCALES])


def principal(points: Tensor, *others: Tensor) -> list[list[tuple[float, float]]]:
    """Coordinates of each set (S, n) along the two directions in which ``points`` spread most, from its first one."""
    axes = torch.linalg.svd(points - points.mean(0), full_matrices=False).Vh[:2]
    # A direction has no sign of its own: the path goes to the right and ends above its beginning.
    axes = axes * torch.sign(axes @ (points[-1] - points[0]))[:, None]
    return [[(x, y) for x, y in ((each - points[0]) @ axes.T).tolist()] for each in (points, *others)]


def draw_path(path: Path, generator: DegFlow, points: Tensor) -> None:
    """The true latents and both paths in the plane in which the true ones spread most."""
    paths = [through_knots(name, points, generator.knots, generator.time_map) for name in ("spline", "linear")]
    true, spline, straight = principal(points, *paths)
    knots = ", ".join(f"{knot:g}" for knot in generator.knots)
    series = {"true views": true, f"spline through {knots}": spline, f"straight through {knots}": straight}
    title = f"Latents of {PHOTOGRAPH} from scale 1 (left) to {PATH_SCALES[-1]:g}, a point every 0.25"
    write_plot(path, title, series, Axis("first principal direction"), Axis("second"))


def draw_views(path: Path, generator: DegFlow, camera: SimulatedPhone, hr: Tensor) -> None:
    """Crops of HR and of views, one column per scale."""

    def enlarged(view: Tensor) -> np.ndarray:
        return middle_crop(view, CROP).repeat(ENLARGED, 0).repeat(ENLARGED, 1)

    seen = [camera.render(hr, scale) for scale in SHOWN_SCALES]
    made = generator.render_scales(hr, SHOWN_SCALES)
    names = ["HR", *(f"x{scale:g}" for scale in SHOWN_SCALES)]
    rows = {
        name: {column: enlarged(view) for column, view in zip(names, (hr, *views), strict=True)}
        for name, views in (("camera", seen), ("DegFlow", made))
    }
    write_contact_sheet(path, rows)


def main() -> None:
    """Write the three figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the figures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    generator, camera = load_generator(BUNDLE), SimulatedPhone()
    camera.seed(0)
    photograph = to_tensor(bundled_photographs()[1][PHOTOGRAPH])[None]
    top, left = CORNER
    hr = photograph[..., top : top + SIDE, left : left + SIDE]
    draw_pipeline(out / "pipeline.png")
    draw_path(out / "path.png", generator, latents(generator, camera, hr))
    draw_views(out / "views.png", generator, camera, hr)


if __name__ == "__main__":
    main()
