"""What a page holds: its data, and its images decoded with another library than the one that wrote them."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

import numpy as np
from PIL import Image

OUTSIDE = re.compile(r"https?:|@import|url\(|\bsrc=|\bhref=|//[a-z]")


def page_data(page: str) -> Any:
    """The JSON that a page carries."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def pixels_of(uri: str) -> np.ndarray:
    """The image (H, W, 3) in a data URI."""
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGB"))


def without_data_uris(page: str) -> str:
    """The page with its images taken out, to be searched for references."""
    return re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", page)
