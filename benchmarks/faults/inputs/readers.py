"""Every reader of the command line: how many malformed inputs it gets, and its largest valid one."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.faults.inputs.cases import KERNEL, Reader, pairs_of
from benchmarks.faults.inputs.image_cases import generated_set, image_reader, lmdb_folder
from benchmarks.faults.inputs.tensor_cases import (
    bundle,
    fit_arguments,
    fit_folder,
    network_in_options,
    official_checkpoint,
    own_checkpoint,
    training_state,
)
from benchmarks.faults.inputs.text_cases import environment, forced_options, option_file, pattern_file, words


def _generate_small(folder: Path, seeds: Path, bundle: str) -> list[str]:
    hr = str(seeds / "pairs/x4/000.png")
    return ["generate", hr, "--bundle", bundle, "--scales", "2", "--out", str(folder / "out")]


def _convert_large(folder: Path, seeds: Path) -> list[str]:
    rae, flow = str(seeds / "large_official_rae.pth"), str(seeds / "large_official_flow.pth")
    return ["convert", "--rae", rae, "--flow", flow, "--out", str(folder / "large.safetensors")]


def _train_valid(folder: Path, seeds: Path) -> list[str]:
    shutil.copytree(seeds / "experiments/rae/models", folder / "experiments/rae/models")
    return ["train", "-opt", str(seeds / "lfm.yml")]


def _generate_again(folder: Path, seeds: Path) -> list[str]:
    hr = str(seeds / "pairs/HR")
    return ["generate", hr, "--bundle", str(seeds / KERNEL), "--scales", "2,4", "--out", str(folder / "again")]


def _fit_kernel(folder: Path, seeds: Path) -> list[str]:
    fit = ["fit", *pairs_of(seeds / "pairs"), "--preset", "kernel", "--held-out", "none"]
    return [*fit, "--out", str(folder / "k.safetensors")]


def _fit_again(folder: Path, seeds: Path) -> list[str]:
    shutil.copytree(seeds / "fitted.fit", folder / "fitted.fit")
    return fit_arguments(seeds)


READERS: tuple[Reader, ...] = (
    image_reader(("small.png", "palette.png"), "large.png", 200, "PNG"),
    image_reader(("small16.png",), "large16.png", 120, "PNG of 16 bits"),
    image_reader(("small.jpg", "progressive.jpg"), "large.jpg", 200, "JPEG"),
    image_reader(("small.tif", "raw.tif", "tiff_lzw.tif", "packbits.tif", "small16.tif"), "large.tif", 200, "TIFF"),
    image_reader(("small.webp", "lossy.webp"), "large.webp", 140, "WebP"),
    image_reader(("small.bmp",), "large.bmp", 100, "BMP"),
    Reader("option file", 320, option_file, _train_valid),
    Reader("--force_yml", 120, forced_options, _train_valid),
    Reader("pattern file", 140, pattern_file, _fit_kernel),
    Reader("bundle", 320, bundle, lambda folder, seeds: _generate_small(folder, seeds, "city100-iphone")),
    Reader("official checkpoint", 180, official_checkpoint, _convert_large),
    Reader("checkpoint of ours", 120, own_checkpoint, _convert_large),
    Reader("checkpoint in options", 120, network_in_options, _train_valid),
    Reader("training state", 140, training_state, _train_valid),
    Reader("manifest and records", 140, generated_set, _generate_again),
    Reader("LMDB", 160, lmdb_folder, _train_valid),
    Reader("work folder of a fit", 120, fit_folder, _fit_again),
    Reader("words of the command line", 120, words, _generate_again),
    Reader("environment", 40, environment, _train_valid),
)
