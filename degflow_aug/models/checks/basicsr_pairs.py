"""Whether BasicSR's PairedImageDataset takes the pairs of a section for what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from degflow_aug.files.home_path import at_home
from degflow_aug.files.image_file import image_size, images_in


def check_scale_of_pairs(section: Mapping[str, Any], scale: object, where: str) -> None:
    """Compare the sizes of the first pair of a PairedImageDataset for validation with ``scale`` of the option file.

    Of HR that is larger than that times LR BasicSR keeps the top left corner, without a word.

    Raises:
        ValueError: HR would be cut by more than the pixels that are no multiple of the scale.
    """
    roots = [Path(at_home(str(section.get(key)))) for key in ("dataroot_gt", "dataroot_lq")]
    if section.get("type") != "PairedImageDataset" or not isinstance(scale, (int, float)) or scale < 1:
        return
    if not all(root.is_dir() and root.suffix != ".lmdb" for root in roots):
        return
    for hr in images_in(roots[0])[:1]:
        lr = roots[1] / f"{str(section.get('filename_tmpl', '{}')).format(hr.stem)}{hr.suffix}"
        if not lr.is_file():
            continue
        large, small = image_size(hr), image_size(lr)
        if any(side >= (part + 1) * scale for side, part in zip(large, small, strict=True)):
            raise ValueError(
                f"expected pairs of scale {scale:g} (scale at the top of the option file) in {where}, got {hr} of "
                f"{large[0]}x{large[1]} pixels (height x width) and LR of {small[0]}x{small[1]}; PairedImageDataset "
                "would cut HR to a corner; set scale, or take AnyScalePairDataset with layout: folders"
            )
