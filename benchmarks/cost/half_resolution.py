"""What decoding at half resolution would cost and save where LR is wanted at a scale of 2 or more.

    python -m benchmarks.cost.half_resolution --bundle camera.safetensors --pairs unseen_scales/test \\
        --layout pattern --pattern unseen_scales/test/pattern.yml

An RAE with a pixel-unshuffled stem can give its view averaged over 2x2 pixels for nothing but another last layer: the
mean of the channels of a square is that of its convolutions. LR from such a half view is compared with LR from the
whole one, and both with LR from the true view; the two are timed in turn. Writes JSON and Markdown below
``benchmarks/results/<device>/``.
"""

from __future__ import annotations

import copy
import statistics
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.cost.solver_curve import pairs, parse
from benchmarks.shared.measurement import medians
from benchmarks.shared.results import facts, markdown_table, results_folder, write_results
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.archs.generator.rae_coders import HRFeatures
from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.degradations.camera_choice import CameraLike
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.grid import lr_size, resize
from degflow_aug.metrics.fidelity import psnr_y

REPETITIONS = 9


class HalfAutoencoder(nn.Module):
    """The decoder of an RAE with its last layer averaged over 2x2 pixels of the view."""

    def __init__(self, rae: ResidualAutoencoder) -> None:
        super().__init__()
        side = rae.encoder.unshuffle
        if side % 2:
            raise ValueError(f"expected an RAE with an even pixel-unshuffle, got {side}; take a bundle of `small`")
        self.decoder = copy.deepcopy(rae.decoder)
        self.decoder.unshuffle = side // 2
        last: Any = self.decoder.refine[1]
        half = nn.Conv2d(last.in_channels, last.out_channels // 4, 3, padding=1)
        half.weight.data = _average(last.weight.data, side)
        half.bias.data = _average(last.bias.data, side)  # type: ignore[union-attr]
        self.decoder.refine[1] = half.to(memory_format=torch.channels_last)

    def forward(self, latent: Tensor, projected: HRFeatures) -> Tensor:
        """The view (B, 3, H/2, W/2), each pixel the mean of four of the whole one."""
        return self.decoder(latent, HRFeatures(projected.levels, F.avg_pool2d(projected.image, 2)))


def _average(values: Tensor, side: int) -> Tensor:
    """Values (3 u^2, ...) of the channels of a square of u pixels as those of a square of u / 2, (3 u^2 / 4, ...)."""
    square = values.reshape(3, side // 2, 2, side // 2, 2, *values.shape[1:])
    return square.mean((2, 4)).reshape(-1, *values.shape[1:])


class HalfDegFlow(DegFlow):
    """A generator whose LR images come from views of half the size."""

    def halve(self) -> HalfDegFlow:
        """Replace the autoencoder's decoder."""
        half = HalfAutoencoder(self.rae)
        self.rae.decode_projected = half.forward  # type: ignore[method-assign]
        return self

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float, camera: CameraLike | Tensor | None = None) -> Tensor:
        """LR of ``hr``, of even sides, at ``scale``."""
        height, width = hr.shape[-2:]
        times = torch.full(hr.shape[:1], self.time_map.time(scale), device=hr.device)
        view = self._views(hr, [times], self.camera_weights(hr, camera))[0]
        return resize(view[..., : height // 2, : width // 2], lr_size(height, width, scale)).clamp(0, 1)


def fidelity(whole: DegFlow, half: DegFlow, images: list[Any]) -> list[dict[str, float]]:
    """Means of Y-PSNR in dB by scale: LR of both to that of the true view, and of one to the other."""
    rows = []
    for scale in sorted({scale for _, views in images for scale in views if scale >= 2}):
        found = []
        for hr, views in images:
            size = lr_size(hr.shape[-2], hr.shape[-1], scale)
            truth, one, other = resize(views[scale], size).clamp(0, 1), whole(hr, scale), half(hr, scale)
            found.append([float(psnr_y(a, b, eight_bit=True)) for a, b in ((one, truth), (other, truth), (other, one))])
        means = [statistics.fmean(column) for column in zip(*found, strict=True)]
        rows.append({"scale": scale, "whole": means[0], "half": means[1], "between": means[2]})
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Compare, time, write, print."""
    args = parse(arguments)
    torch.set_num_threads(args.threads)
    whole = DegFlow.from_bundle(load_bundle(args.bundle))
    half = HalfDegFlow.from_bundle(load_bundle(args.bundle)).halve()
    rows = fidelity(whole, half, list(pairs(args)))
    hr = torch.rand(8, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    times = medians(
        {"whole": lambda: whole(hr, whole.knots[-1]), "half": lambda: half(hr, half.knots[-1])}, REPETITIONS
    )
    cells = [[f"{row['scale']:g}", *(f"{row[key]:.2f}" for key in ("whole", "half", "between"))] for row in rows]
    text = (
        f"# Decoding at half resolution, {args.bundle.name}\n\nMean Y-PSNR in dB of LR images to LR of the true views, "
        "and of one to the other.\n\n"
        + markdown_table(["scale", "whole view", "half view", "half to whole"], cells)
        + f"\n\nEight 256x256 images at the last scale: {times['whole']:.0f} ms from whole views, {times['half']:.0f} "
        f"from half ones, ratio {times['half'] / times['whole']:.2f}."
    )
    content = {"facts": facts(torch.device("cpu"), bundle=args.bundle.name), "rows": rows, "milliseconds": times}
    write_results(args.out or results_folder(torch.device("cpu")) / "half_resolution", content, text)
    print(text)


if __name__ == "__main__":
    main()
