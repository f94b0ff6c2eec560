"""One picture that shows what a generator does: crops of each photograph, a column per method, a row per scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from degflow_aug.console.plain_text import one_line

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

GAP, LABEL = 4, 18
Cells = Sequence[Mapping[str, "np.ndarray"]]


def draw_contact_sheet(
    rows: Mapping[str, Mapping[str, np.ndarray]], captions: Mapping[str, Mapping[str, str]] | None = None
) -> np.ndarray:
    """Draw a sheet (H, W, 3), 8 bit, of equally large crops with the names of rows and columns above them.

    Args:
        rows: by the row's name, images (h, w, 3) of one size by the column's name.
        captions: lines beneath the images, by the same names.
    """
    import numpy as np
    from PIL import Image, ImageDraw

    first = next(iter(rows.values()))
    height, width = next(iter(first.values())).shape[:2]
    columns = list(first)
    pitch = height + LABEL * (2 if captions else 1) + GAP
    sheet = Image.new("RGB", (len(columns) * (width + GAP) + GAP, len(rows) * pitch + GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for line, (name, row) in enumerate(rows.items()):
        top = GAP + line * pitch
        for place, column in enumerate(columns):
            left = GAP + place * (width + GAP)
            shown = one_line(f"{name}  {column}" if place == 0 else column)
            pen.text((left + 2, top + 3), shown, fill="black")
            sheet.paste(Image.fromarray(row[column]), (left, top + LABEL))
            if captions:
                pen.text((left + 2, top + LABEL + height + 3), one_line(captions[name].get(column, "")), fill="black")
    return np.asarray(sheet)


def write_contact_sheet(
    path: Path,
    rows: Mapping[str, Mapping[str, np.ndarray]],
    captions: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Write :func:`draw_contact_sheet` as a PNG, whole or not at all."""
    from degflow_aug.files.image_file import write_image

    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, draw_contact_sheet(rows, captions))


def middle_crop(image: Tensor, side: int) -> np.ndarray:
    """Cut the middle out of an image (1, 3, H, W) in [0, 1], as (side, side, 3), 8 bit."""
    from degflow_aug.data.tensors import to_array

    top, left = ((extent - side) // 2 for extent in image.shape[-2:])
    return to_array(image[0, :, top : top + side, left : left + side])
