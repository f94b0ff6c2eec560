"""Generated views where DegFlow's own generator has them, as its downstream code and InterFlow's read them.

``{camera}/version0/{scale}/{prefix}_HR.png`` and ``{prefix}_LR{scale}.png``, both on the HR grid, whose sides are cut
to multiples of 64. Those readers count the HR images of a folder and open Canon_001, Canon_002, ... whatever the
camera, so images are numbered so in the order of their names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from degflow_aug.data.generated_store import FolderStore
from degflow_aug.files.image_tree import TreeImage

MULTIPLE = 64


class OfficialStore(FolderStore):
    """``root/version0/{scale}/{prefix}_LR{scale}.png`` and, in the same folder, ``{prefix}_HR.png``.

    What else a set keeps lies in ``root``: those readers may take all of ``version0`` for scales.
    """

    @staticmethod
    def place(root: Path, scale: float) -> Path:
        """Return the folder of one scale."""
        return root / "version0" / f"{scale:g}"

    def hr_paths(self, name: str) -> list[Path]:
        """An HR image in the folder of each scale."""
        return [self.place(self.root, scale) / f"{name}_HR.png" for scale in self.scales]

    def _path(self, name: str, scale: float) -> Path:
        return self.place(self.root, scale) / f"{name}_LR{scale:g}.png"


def official_folder(out: Path, camera: str) -> Path:
    """The folder of a camera.

    Raises:
        ValueError: a path with HR in it, by which those readers know HR images, or a camera that names no folder.
    """
    if camera in (".", ".."):
        raise ValueError(f"expected the name of a camera for its folder in --layout official, got {camera!r}")
    folder = out / (camera.replace("/", "_") or "camera")
    if "HR" in str(folder):
        raise ValueError(
            f"expected --out and camera without HR in them for --layout official, got {folder}; code that reads such "
            "folders would take all files there for HR"
        )
    return folder


def numbered(images: Sequence[TreeImage]) -> list[TreeImage]:
    """The same images, named Canon_001 and so on."""
    return [image._replace(name=f"Canon_{number:03d}") for number, image in enumerate(images, start=1)]


def names_digest(images: Sequence[TreeImage]) -> str:
    """A digest of the names: with other images the numbers are others."""
    return hashlib.sha256("\n".join(image.name for image in images).encode("utf-8", "surrogateescape")).hexdigest()


def cut_sides(image: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) without what lies beyond multiples of 64 at its bottom and right.

    Raises:
        ValueError: it is smaller than that.
    """
    height, width = (side - side % MULTIPLE for side in image.shape[:2])
    if not (height and width):
        raise ValueError(
            f"expected HR of at least {MULTIPLE}x{MULTIPLE} pixels for --layout official, got "
            f"{image.shape[0]}x{image.shape[1]}"
        )
    return np.ascontiguousarray(image[:height, :width])
