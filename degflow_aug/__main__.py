"""``python -m degflow_aug`` is ``degflow``."""

from __future__ import annotations

import sys

from degflow_aug.cli import main

if __name__ == "__main__":
    sys.exit(main())
