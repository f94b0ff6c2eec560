"""Packaging. Plain setuptools, because BasicSR users install this way and the top level is fixed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (ROOT / "degflow_aug/__init__.py").read_text(encoding="utf-8"))[1]


# Lowest versions are those that most of the quick suite was run with, on Python 3.11 (docs/limits.md).
ONE_STEP = ["diffusers>=0.35.1", "peft>=0.17", "transformers>=4.56", "accelerate>=0.34"]
# Networks that BasicSR lacks, such as HAT.
NETWORKS = ["spandrel>=0.4.2"]


class BuildWithOptions(build_py):
    """Puts the option files into the package, where ``degflow options`` finds them without a checkout."""

    def run(self) -> None:
        """Build, and copy; an editable install has the files beside the package."""
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib, "degflow_aug", "basicsr_options")
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted((ROOT / "basicsr_options").glob("*.yml")):
            shutil.copy(file, folder / file.name)


class WholeSource(sdist):
    """Adds what the wheel does not need: MANIFEST.in, where this is said else, would stand at the top level."""

    def make_distribution(self) -> None:
        """Pack tests, option files, benchmarks and the settings of the tools."""
        for name in ("basicsr_options", "benchmarks", "tests", ".ci", ".github"):
            self.filelist.extend(
                str(file.relative_to(ROOT))
                for file in sorted((ROOT / name).rglob("*"))
                if file.is_file() and "__pycache__" not in file.parts
            )
        self.filelist.extend(file.name for file in sorted(ROOT.glob(".*.*")) if file.is_file())
        super().make_distribution()


setup(
    name="degflow_aug",
    version=VERSION,
    description="Learn a real camera's degradation from a few HR-LR pairs and feed it to BasicSR training",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["degflow_aug/LICENSE", "degflow_aug/THIRD_PARTY_NOTICES.md"],
    author="degflow_aug authors",
    keywords="super-resolution, degradation, image restoration, flow matching, BasicSR",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: GPU :: NVIDIA CUDA",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Image Processing",
        "Typing :: Typed",
    ],
    cmdclass={"build_py": BuildWithOptions, "sdist": WholeSource},
    packages=find_packages(include=["degflow_aug", "degflow_aug.*"]),
    package_data={
        "degflow_aug": [
            "py.typed",
            "LICENSE",
            "THIRD_PARTY_NOTICES.md",
            "weights/*.safetensors",
            "weights/README.md",
            "docs/*.md",
            "docs/figures/*.png",
            "pages/assets/*",
        ]
    },
    python_requires=">=3.10",
    install_requires=[
        "torch>=2.6",
        "torchvision>=0.21",
        "basicsr==1.4.2; python_version < '3.13'",
        # BasicSR imports distutils, which Python 3.12 has only inside setuptools.
        "setuptools>=65.5; python_version >= '3.12' and python_version < '3.13'",
        "lpips>=0.1.4",
        "numpy>=1.26",
        # The first that reads AVIF; 10.1 neither turns by XMP nor writes a TIFF's EXIF.
        "pillow>=11.3",
        "scipy>=1.11.3",
        "opencv-python>=4.8.1.78",
        "pyyaml>=6.0.1",
        "safetensors>=0.4.3",
        "tqdm>=4.66",
        "filelock>=3.30",
        "lmdb>=1.4.1",
        "scikit-image>=0.22",
        "matplotlib>=3.8",
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
            *ONE_STEP,
            *NETWORKS,
        ],
        "networks": NETWORKS,
        "onestep": ONE_STEP,
        "heic": ["pillow-heif>=1.8"],
        # What else the examples of integrate.md are for: others' trainers and transforms; only their tests need them.
        "clients": ["lightning>=2.4", "kornia>=0.8", "realesrgan==0.3.0; python_version < '3.13'"],
    },
    entry_points={"console_scripts": ["degflow=degflow_aug.cli:main"]},
)
