"""What ``degflow upscale --compare`` shows: windows of results beside bicubic interpolation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from degflow_aug.commands.preview.window import place_window
from degflow_aug.console.progress import note, track
from degflow_aug.data.tensors import to_8_bits, to_array, to_tensor
from degflow_aug.degradations.grid import to_hr_grid
from degflow_aug.files.image_file import read_image
from degflow_aug.pages.compare_page import Compared, compare_page
from degflow_aug.report.report_file import write_page

MOST_SHOWN = 12
LARGEST_SIDE = 768


def write_comparison(page: Path, made: Mapping[Path, Path], network: str, command: str) -> None:
    """Write the page.

    Args:
        page: where.
        made: results by photograph; the first ``MOST_SHOWN`` are shown, or a window of each where most detail is.
        network: what made them.
        command: what makes the page again.

    Raises:
        ValueError, OSError: a result that cannot be read, or a page that cannot be written.
    """
    shown = list(made.items())[:MOST_SHOWN]
    pairs = [_compare(*pair) for pair in track(shown, "compare", "image")]
    write_page(page, compare_page(pairs, ("bicubic interpolation", network), command))
    rest = f"; the first {len(shown)} of {len(made)} images" if len(made) > len(shown) else ""
    note(f"comparison: {page}{rest}")


def _compare(photograph: Path, result: Path) -> Compared:
    right = to_8_bits(read_image(result))
    size = (right.shape[0], right.shape[1])
    side = min(LARGEST_SIDE, *size)
    top, left = (0, 0) if max(size) <= LARGEST_SIDE else place_window(right, side, None)
    cut = (slice(top, top + LARGEST_SIDE), slice(left, left + LARGEST_SIDE))
    bicubic = to_array(to_hr_grid(to_tensor(read_image(photograph))[None], size)[0][:, cut[0], cut[1]])
    return Compared(photograph.name, size, (top, left), bicubic, right[cut])
