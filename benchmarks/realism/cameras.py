"""One generator of several cameras: is each camera's LR its own, and is there a way from one to the other?

    python -m benchmarks.realism.cameras --bundle both.safetensors --pairs City100 \\
        --scenes City100_iPhoneX/061-070,City100_NikonD5500/019-024

Every held-out scene is rendered with the embedding of its own camera and with that of each other one, and compared with
its real view (Y-PSNR, SSIM). Then the first two cameras are mixed, w = 0 ... 1: distance to both ends, and how evenly
views move (largest second difference along w in a pixel, and how far pixels go beyond both ends, in gray levels of
255; a smooth way has little of both). Writes JSON, a table and a strip of pictures.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import degflow_aug
from benchmarks.shared.arguments import add_bundle_and_pairs, add_device, held_out_scenes
from benchmarks.shared.results import facts, markdown_table, results_folder, write_results
from degflow_aug.console.progress import track
from degflow_aug.data.aligned_scales_dataset import AlignedScales
from degflow_aug.data.tensors import to_array
from degflow_aug.degradations.camera_choice import find_camera
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.files.image_file import write_image
from degflow_aug.metrics.fidelity import psnr_y, ssim_y

# Equal images would be infinitely near; 8 bits cannot tell more than about this.
CEILING_DB = 99.0
SHOWN = (0.0, 0.25, 0.5, 0.75, 1.0)
CROP = 160
Row = dict[str, Any]


def compare(generator: DegFlow, dataset: AlignedScales, device: torch.device) -> list[Row]:
    """A row for each camera of the pairs, scale and embedding; the kernels of all cameras are compared as well."""
    found: dict[tuple[str, float, str, str], list[tuple[float, float]]] = {}
    for index in track(range(len(dataset)), "cameras", "scene"):
        item = dataset[index]
        hr, own = item["hr"][None].to(device), generator.cameras[find_camera(item["camera"], generator.cameras)]
        for scale, view in zip(dataset.knots[1:], item["views"], strict=True):
            real = view[None].to(device)
            for camera in generator.cameras:
                methods = {"DegFlow": generator.render(hr, scale, camera)}
                generator.use_camera(camera)
                if generator.kernels:
                    kernel = FittedKernel(generator.kernels["knots"], generator.kernels["kernels"])
                    methods["fitted kernel"] = kernel.render(hr, scale)
                for method, image in methods.items():
                    found.setdefault((own, scale, method, camera), []).append(fidelity(image, real))
    return [
        {"pairs": own, "scale": scale, "method": method, "as": camera, "scenes": len(values),
         "psnr_y": statistics.fmean(psnr for psnr, _ in values), "ssim_y": statistics.fmean(ssim for _, ssim in values)}
        for (own, scale, method, camera), values in found.items()
    ]  # fmt: skip


def fidelity(image: Tensor, real: Tensor) -> tuple[float, float]:
    """Y-PSNR in dB and Y-SSIM of views rounded to 8 bits."""
    psnr, ssim = (float(metric(image, real, eight_bit=True)) for metric in (psnr_y, ssim_y))
    return min(CEILING_DB, psnr), ssim


def sweep(generator: DegFlow, hr: Tensor, scale: float, ends: Sequence[str], steps: int) -> tuple[list[Tensor], Row]:
    """Views (1, 3, H, W) at w = 0 ... 1 from one camera of ``ends`` to the other, and what is measured along them."""
    weights = [step / steps for step in range(steps + 1)]
    views = [generator.render(hr, scale, {ends[0]: 1 - weight, ends[1]: weight}) for weight in weights]
    second = [(255 * (a - 2 * b + c)).abs() for a, b, c in zip(views, views[1:], views[2:], strict=False)]
    low, high = torch.minimum(views[0], views[-1]), torch.maximum(views[0], views[-1])
    beyond = [255 * torch.maximum(low - view, view - high).clamp(min=0) for view in views]
    return views, {
        "weights": weights,
        "to_first": [min(CEILING_DB, float(psnr_y(view, views[0]))) for view in views],
        "to_last": [min(CEILING_DB, float(psnr_y(view, views[-1]))) for view in views],
        "second_difference": max(float(each.max()) for each in second),
        "beyond_both_ends": max(float(each.max()) for each in beyond),
        "beyond_both_ends_mean": max(float(each.mean()) for each in beyond),
        "between_ends": float((255 * (views[0] - views[-1])).abs().max()),
    }


def mean_sweep(rows: Sequence[Row]) -> Row:
    """Means over images of distances, and the largest of differences."""
    columns = {key: [statistics.fmean(values) for values in zip(*(row[key] for row in rows), strict=True)]
               for key in ("weights", "to_first", "to_last")}  # fmt: skip
    worst = ("second_difference", "beyond_both_ends", "beyond_both_ends_mean", "between_ends")
    return {**columns, **{key: max(row[key] for row in rows) for key in worst}, "images": len(rows)}


def strip(views: Sequence[Tensor], weights: Sequence[float], hr: Tensor) -> Tensor:
    """HR and some of the views (3, side, n side), from the middle of the image."""
    chosen = [views[min(range(len(weights)), key=lambda index: abs(weights[index] - shown))] for shown in SHOWN]
    top, left = (max(0, (side - CROP) // 2) for side in hr.shape[-2:])
    return torch.cat([image[0, :, top : top + CROP, left : left + CROP] for image in (hr, *chosen)], 2)


def report(content: Row) -> str:
    """Both tables with what they are of."""
    known, path = content["facts"], content["sweep"]
    rows = [
        [row["pairs"], f"{row['scale']:g}", row["method"], row["as"], f"{row['psnr_y']:.2f}", f"{row['ssim_y']:.4f}"]
        for row in content["rows"]
    ]
    ends = content["ends"]
    columns = tuple(zip(ends, ("to_first", "to_last"), strict=True))
    between = markdown_table(
        ["w", *(f"{weight:g}" for weight in path["weights"])],
        [[f"to {name}", *(f"{value:.2f}" for value in path[key])] for name, key in columns],
    )
    return (
        f"# Cameras of {known['bundle']}\n\nY-PSNR in dB and Y-SSIM of full frames against each camera's real views."
        "\n\n"
        + markdown_table(["real views of", "scale", "method", "as camera", "Y-PSNR", "Y-SSIM"], rows)
        + f"\n\nFrom {ends[0]} (w = 0) to {ends[1]} (w = 1) at scale {known['sweep_scale']:g}, {path['images']} "
        f"images, PSNR in dB to both ends:\n\n{between}\n\nThe ends differ by up to {path['between_ends']:.1f} gray "
        f"levels; the largest second difference along w is {path['second_difference']:.2f}, the furthest beyond both "
        f"ends {path['beyond_both_ends']:.2f} (mean {path['beyond_both_ends_mean']:.3f})."
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_bundle_and_pairs(parser, "a generator that knows several cameras")
    parser.add_argument("--steps", type=int, default=8, help="of the way from camera to camera")
    parser.add_argument("--sweeps", type=int, default=2, help="scenes of each camera to go that way with")
    add_device(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Compare, mix, write, print."""
    args = parse(arguments)
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    generator = degflow_aug.load_generator(args.bundle).to(device)
    if len(generator.cameras) < 2:
        raise SystemExit(
            f"expected a bundle that knows several cameras, got {args.bundle}; fit one to pairs of several"
        )
    dataset = AlignedScales(held_out_scenes(args), cache_bytes=0)
    rows, ends, scale = compare(generator, dataset, device), generator.cameras[:2], dataset.knots[-1]
    measured, pictures = [], []
    for index in track(_first_of_each(dataset, args.sweeps), "between cameras", "scene"):
        hr = dataset[index]["hr"][None].to(device)
        views, row = sweep(generator, hr, scale, ends, args.steps)
        measured.append(row)
        pictures.append(strip(views, row["weights"], hr))
    known = facts(
        device, bundle=args.bundle.name, scenes=args.scenes, cameras=list(generator.cameras), sweep_scale=scale,
        training=degflow_aug.bundles.bundle.load_bundle(args.bundle).spec.training,
    )  # fmt: skip
    content = {"facts": known, "rows": rows, "ends": list(ends), "sweep": mean_sweep(measured)}
    stem = args.out or results_folder(device) / f"cameras_{args.bundle.stem}"
    write_results(stem, content, text := report(content))
    write_image(stem.with_name(stem.name + ".png"), to_array(torch.cat(pictures, 1).cpu()))
    print(text)


def _first_of_each(dataset: AlignedScales, count: int) -> list[int]:
    cameras = [scene.camera for scene in dataset.scenes]
    return [index for index, camera in enumerate(cameras) if cameras[:index].count(camera) < count]


if __name__ == "__main__":
    main()
