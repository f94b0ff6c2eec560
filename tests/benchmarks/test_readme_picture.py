"""README's picture: crops of LR images of their own pixels, and scores against the real LR images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.photographs import photograph
from PIL import Image

from degflow_aug import compat
from degflow_aug.files.image_file import write_image

pytestmark = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
SIDE = 87  # 30 LR pixels


def test_the_picture_shows_and_scores_lr_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.release import readme_picture

    (tmp_path / "City100_iPhoneX").mkdir()
    for kind in "HL":
        write_image(tmp_path / f"City100_iPhoneX/061{kind}.PNG", photograph(0, SIDE, SIDE))
    for name, small in (("SHOWN", {"061": (2, 3)}), ("HEIGHT", 20), ("WIDTH", 24)):
        monkeypatch.setattr(readme_picture, name, small)
    pairs, out = str(tmp_path / "City100_iPhoneX"), tmp_path / "picture"
    readme_picture.main(["--pairs", pairs, "--scenes", "061", "--out", str(out)])
    scores = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["scores"]["061"]
    assert {column: len(seeds) for column, seeds in scores.items()} == readme_picture.SEEDS
    # The real view is HR itself here, whose LR image is the bicubic one.
    assert scores["bicubic"][0][1] == 0
    assert all(np.isfinite(score) for score in scores["learned + noise"][0])
    picture = np.asarray(Image.open(out.with_suffix(".png")).convert("RGB"))
    zoom, left = readme_picture.ZOOM, readme_picture.MARGIN
    crop = picture[readme_picture.HEAD : readme_picture.HEAD + 20 * zoom, left : left + 24 * zoom]
    assert np.array_equal(crop, crop[::zoom, ::zoom].repeat(zoom, 0).repeat(zoom, 1))
    assert "| learned + noise |" in out.with_suffix(".md").read_text(encoding="utf-8")
