"""Packaging. Plain setuptools, because BasicSR users install this way and the top level is fixed."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (ROOT / "degflow_aug/__init__.py").read_text(encoding="utf-8"))[1]

setup(
    name="degflow_aug",
    version=VERSION,
    description="Learn a real camera's degradation from a few HR-LR pairs and feed it to BasicSR training",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["degflow_aug", "degflow_aug.*"]),
    package_data={
        "degflow_aug": [
            "py.typed",
            "weights/*.safetensors",
            "weights/README.md",
            "pages/*.css",
            "pages/*.html",
            "pages/*.js",
        ]
    },
    python_requires=">=3.10",
    install_requires=[
        "torch>=2.4",
        "torchvision",
        "basicsr==1.4.2; python_version < '3.13'",
        # BasicSR imports distutils, which Python 3.12 has only inside setuptools.
        "setuptools; python_version >= '3.12' and python_version < '3.13'",
        "lpips",
        "numpy",
        "pillow",
        "scipy",
        "opencv-python",
        "pyyaml",
        "safetensors",
        "tqdm",
        "lmdb",
        "scikit-image",
    ],
    extras_require={
        "test": [
            "pytest",
            "pytest-xdist",
            "hypothesis",
            "playwright",
            "ruff",
            "mypy",
            "types-PyYAML",
            "types-tqdm",
            "types-setuptools",
        ],
        "onestep": [],
    },
    entry_points={"console_scripts": ["degflow=degflow_aug.cli:main"]},
)
