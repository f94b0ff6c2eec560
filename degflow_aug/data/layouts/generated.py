"""Folders that ``degflow generate`` has filled, known by their manifest."""

from __future__ import annotations

import json
from pathlib import Path

MANIFEST = "manifest.json"
FORMAT = "degflow-generated-1"


def is_generated(lr: Path, scale: float) -> bool:
    """Tell whether an LR image lies in ``OUT/{scale}`` of a generated set."""
    for folder in lr.parents:
        manifest = folder.parent / MANIFEST
        if folder.name == f"{scale:g}" and manifest.is_file():
            try:
                content = json.loads(manifest.read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError):
                continue
            if isinstance(content, dict) and content.get("format") == FORMAT:
                return True
    return False
