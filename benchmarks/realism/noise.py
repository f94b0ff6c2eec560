"""How like the noise of a generator is to what real LR holds beside its deterministic LR.

    degflow noise camera.safetensors --pairs City100/City100_iPhoneX --layout city100 --scenes 001-060
    python -m benchmarks.realism.noise --bundle camera.safetensors --pairs City100/City100_iPhoneX --scenes 061-070

On held-out pairs, residuals of real LR (real - deterministic) are compared with those of generated LR, without noise
and with it under several seeds. All LR is rounded to 8 bits, so that the deterministic residual is that rounding. The
last row compares every other real image with the rest: what two samples of the truth differ by. Writes JSON, Markdown
and plots below ``benchmarks/results/<device>/``.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.realism.noise_fidelity import (
    autocorrelation,
    excess_kurtosis,
    high_pass_kld,
    log_ratio_error,
    radial_spectrum,
    variance_by,
)
from benchmarks.shared.arguments import add_bundle_and_pairs, add_device, held_out_scenes
from benchmarks.shared.plot import Axis, Points, write_plot
from benchmarks.shared.results import device_name, facts, markdown_table, results_folder, write_results
from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.console.progress import track
from degflow_aug.data.aligned_scales_dataset import AlignedScales
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.degradations.noise.noise_fields import local_contrast, luma
from degflow_aug.metrics.noise_divergence import residual_kld

DETERMINISTIC, REAL, SPLIT = "deterministic", "real", "real, odd against even"
LEVELS = torch.linspace(0, 1, 11)
CONTRASTS = torch.tensor([0, 0.5, 1, 2, 4, 8, 16, 32, 64]) / 255
SPECTRUM_WINDOW = 64
COLUMNS = {
    "kld": ("KLD", "{:.4f}"), "kld_each": ("KLD, mean of images", "{:.4f}"),
    "high_pass_kld": ("high-pass KLD", "{:.4f}"),
    "by_level": ("variance by level, dB", "{:.2f}"), "by_contrast": ("by contrast, dB", "{:.2f}"),
    "autocorrelation": ("autocorrelation", "{:.3f}"), "spectrum": ("spectrum, dB", "{:.2f}"),
    "kurtosis": ("excess kurtosis", "{:.1f}"),
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """LR images (1, 3, h, w), and the deterministic ones of the same HR images."""

    images: Sequence[Tensor]
    deterministic: Sequence[Tensor]

    @property
    def residuals(self) -> list[Tensor]:
        """What the images hold beside the deterministic ones."""
        return [image - clean for image, clean in zip(self.images, self.deterministic, strict=True)]

    def every_other(self, first: int) -> Sample:
        """Half of the images."""
        return Sample(self.images[first::2], self.deterministic[first::2])


@dataclass(frozen=True)
class Curves:
    """What a sample's residuals are like."""

    by_level: Tensor
    by_contrast: Tensor
    level_counts: Tensor
    contrast_counts: Tensor
    autocorrelation: Tensor
    frequencies: Tensor
    spectrum: Tensor

    @classmethod
    def of(cls, sample: Sample) -> Curves:
        """Variances, autocorrelation and spectrum."""
        residuals, clean = sample.residuals, sample.deterministic
        by_level, level_counts = variance_by(residuals, [luma(each) for each in clean], LEVELS)
        by_contrast, contrast_counts = variance_by(residuals, [local_contrast(each) for each in clean], CONTRASTS)
        smallest = min(min(each.shape[-2:]) for each in clean)
        spectrum = radial_spectrum(residuals, min(SPECTRUM_WINDOW, 1 << (smallest.bit_length() - 1)))
        return cls(by_level, by_contrast, level_counts, contrast_counts, autocorrelation(residuals), *spectrum)


def row(name: str, real: Sample, other: Sample) -> dict[str, Any]:
    """How far ``other`` is from ``real``."""
    truth, found = Curves.of(real), Curves.of(other)
    pairs = zip(real.residuals, other.residuals, strict=False)
    return {
        "name": name,
        "kld": residual_kld(real.residuals, other.residuals),
        "kld_each": statistics.fmean(residual_kld([a], [b]) for a, b in pairs) if name != SPLIT else None,
        "high_pass_kld": high_pass_kld(real.images, other.images),
        "by_level": log_ratio_error(truth.by_level, found.by_level, truth.level_counts),
        "by_contrast": log_ratio_error(truth.by_contrast, found.by_contrast, truth.contrast_counts),
        "autocorrelation": float((found.autocorrelation - truth.autocorrelation).square().mean().sqrt()),
        "spectrum": log_ratio_error(truth.spectrum, found.spectrum),
        "kurtosis": excess_kurtosis(other.residuals),
    }


@torch.no_grad()
def samples(args: argparse.Namespace, scale: float, device: torch.device) -> dict[str, Sample]:
    """Real, deterministic and generated LR at one scale, by name."""
    generator = DegFlow.from_bundle(load_bundle(args.bundle), noise=args.noise).to(device)
    assert generator.residual is not None
    clean, real = [], []
    for hr, view in _pairs(args, scale, device):
        clean.append(to_lr_grid(generator.render(hr, scale), scale))
        real.append(to_lr_grid(view, scale))
    found = {REAL: real, DETERMINISTIC: clean}
    scales = torch.tensor([scale])
    for seed in args.seeds:
        draw = torch.Generator(device).manual_seed(seed)
        noisy = [generator.residual(image, scales.to(device), args.noise, draw) for image in clean]
        found[f"noise {args.noise:g}, seed {seed}"] = noisy
    return {name: Sample([_as_8_bits(image) for image in images], clean) for name, images in found.items()}


def _as_8_bits(image: Tensor) -> Tensor:
    return image.clamp(0, 1).mul(255).round().div(255)


def _pairs(args: argparse.Namespace, scale: float, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    dataset = AlignedScales(held_out_scenes(args), [1.0, scale], incomplete="drop", cache_bytes=0)
    for index in track(range(len(dataset)), "images", "scene"):
        item = dataset[index]
        yield item["hr"][None].to(device), item["views"][0][None].to(device)


def rows(found: Mapping[str, Sample]) -> list[dict[str, Any]]:
    """A row for every kind of LR against the real one; the last is real against real, where there are two images."""
    real = found[REAL]
    compared = [row(name, real, sample) for name, sample in found.items() if name != REAL]
    if len(real.images) > 1:
        compared.append(row(SPLIT, real.every_other(0), real.every_other(1)))
    return compared


def table(compared: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown."""
    cells = [
        [each["name"], *("" if each[key] is None else form.format(each[key]) for key, (_, form) in COLUMNS.items())]
        for each in compared
    ]
    return markdown_table(["LR", *(head for head, _ in COLUMNS.values())], cells)


def curves(found: Mapping[str, Sample]) -> dict[str, dict[str, Points]]:
    """Points to plot: by what is plotted and whose it is. Deviations are in gray levels, densities in their squares."""
    plotted: dict[str, dict[str, Points]] = {"level": {}, "contrast": {}, "autocorrelation": {}, "spectrum": {}}
    for name, sample in found.items():
        curve = Curves.of(sample)
        middles = [(edges[:-1] + edges[1:]) / 2 * 255 for edges in (LEVELS, CONTRASTS)]
        plotted["level"][name] = _points(middles[0], curve.by_level.sqrt() * 255)
        plotted["contrast"][name] = _points(middles[1], curve.by_contrast.sqrt() * 255)
        along = curve.autocorrelation.diagonal(dim1=-2, dim2=-1).mean((0, 2))
        plotted["autocorrelation"][name] = _points(torch.arange(len(along)), along)
        plotted["spectrum"][name] = _points(curve.frequencies, curve.spectrum * 255**2)
    return plotted


def _points(x: Tensor, y: Tensor) -> Points:
    there = torch.isfinite(y)
    return list(zip(x[there].tolist(), y[there].tolist(), strict=True))


def draw(stem: Path, plotted: Mapping[str, Mapping[str, Points]], title: str) -> None:
    """The four plots beside the results."""
    deviation, residual = Axis("deviation of the residual, gray levels", True), "gray levels^2"
    axes = {
        "level": (Axis("level, gray levels"), deviation),
        "contrast": (Axis("local contrast, gray levels", True), deviation),
        "autocorrelation": (Axis("lag, pixels"), Axis("autocorrelation, mean of axes and channels")),
        "spectrum": (Axis("cycles a pixel"), Axis(f"spectral density of the residual, {residual}", True)),
    }
    for name, (x, y) in axes.items():
        write_plot(stem.with_name(f"{stem.name}_{name}.png"), title, plotted[name], x, y)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_bundle_and_pairs(parser, "a bundle that has learned its noise")
    parser.add_argument("--scale", type=float, help="a knot of the bundle (default: its last)")
    parser.add_argument("--noise", type=float, default=1.0, help="strength")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    add_device(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Render, draw noise, compare, write, print."""
    args = parse(arguments)
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    scale = args.scale or load_bundle(args.bundle).spec.knots[-1]
    found = samples(args, scale, device)
    compared = rows(found)
    known = facts(
        device, bundle=args.bundle.name, images=len(found[REAL].images), scale=scale, noise=args.noise,
        seeds=args.seeds, scenes=args.scenes, real_kurtosis=excess_kurtosis(found[REAL].residuals),
    )  # fmt: skip
    text = (
        f"# Noise of {known['bundle']} at x{scale:g}\n\nAgainst the residuals of {known['images']} real LR images, "
        f"whose excess kurtosis is {known['real_kurtosis']:.1f}. KLD in nats; root mean square differences of "
        f"variances and spectrum in dB, of the autocorrelation up to 7 pixels as it is.\n\n{table(compared)}"
    )
    stem = args.out or results_folder(device) / f"noise_{args.bundle.stem}"
    plotted = curves(found)
    write_results(stem, {"facts": known, "rows": compared, "curves": plotted}, text)
    draw(stem, plotted, f"{args.bundle.name} at x{scale:g}, {device_name(device)}")
    print(text)


if __name__ == "__main__":
    main()
