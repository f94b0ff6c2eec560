"""Whether training waits for its images: crops that one loader worker reads a second, beside what steps take.

    python -m benchmarks.cost.reading --photographs City100/City100_NikonD5500

The photographs are pasted together to such of 2040x1404 pixels, and cut into sub-images as BasicSR's
``extract_subimages.py`` does; ``HRCropDataset`` reads a crop of each. Beside them stand a step of ``liif_cpu.yml``
here, and one of ``liif_degflow.yml`` on an H200, which is computed: the longer of its operations, counted by PyTorch,
at ``UTILISATION`` of ``PEAK``, and ``LAUNCH`` for each of its kernels. LR is there already in both. Times are those of
the processor, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.shared.photographs import patches
from benchmarks.shared.results import facts, markdown_table, results_folder, write_results
from benchmarks.shared.step_models import OPTION_FILES, build
from degflow_aug.data.hr_crop_dataset import HRCrops
from degflow_aug.files.image_file import read_image
from degflow_aug.files.image_tree import TreeImage, find_images
from degflow_aug.options.yaml_file import load_yaml

WIDTH, HEIGHT = 2040, 1404
KINDS = {
    "2K photographs, PNG": (0, ".png"),
    "sub-images of 480, PNG": (480, ".png"),
    "sub-images of 240, PNG": (240, ".png"),
    "sub-images of 480, BMP": (480, ".bmp"),
}
CACHED = "2K photographs in cache_mb"
PEAK, UTILISATION, LAUNCH = 790e12, 0.3, 4e-6
"""Operations a second of dense bf16 on an H200, the share of it that is reached, and seconds to launch a kernel:
assumed, on the side of many crops."""
WORKERS = 16


class Kernels(TorchDispatchMode):
    """Counts operations that launch a kernel: those that are not views."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def photograph_of_2k(photographs: list[Path], number: int) -> np.ndarray:
    """Four photographs beside and below each other, cut to 2K."""
    parts = [read_image(photographs[(4 * number + part) % len(photographs)]) for part in range(4)]
    high, wide = (min(part.shape[axis] for part in parts) for axis in (0, 1))
    parts = [part[:high, :wide] for part in parts]
    return np.concatenate([np.concatenate(parts[:2], 1), np.concatenate(parts[2:], 1)])[:HEIGHT, :WIDTH]


def write_sources(photographs: list[Path], folder: Path, count: int) -> dict[str, list[TreeImage]]:
    """``count`` photographs of 2K and their sub-images, by kind."""
    found: dict[str, list[TreeImage]] = {name: [] for name in KINDS}
    for number in range(count):
        image = photograph_of_2k(photographs, number)
        for name, (side, ending) in KINDS.items():
            tops, lefts = (range(0, length - (side or length) + 1, side or length) for length in image.shape[:2])
            for top, left in ((top, left) for top in tops for left in lefts):
                path = folder / name / f"{number}_{top}_{left}{ending}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image[top : top + (side or HEIGHT), left : left + (side or WIDTH)]).save(path)
                found[name].append(TreeImage(path.stem, path))
    return found


def seconds(call: Callable[[int], object], count: int) -> float:
    """Processor time of one call out of ``count``, after a first."""
    call(0)
    begin = time.process_time()
    for number in range(count):
        call(number)
    return (time.process_time() - begin) / count


def step_cost(file: str, folder: Path, steps: int) -> dict[str, float]:
    """Processor seconds of a step on the CPU without its degradation, its batch, and the operations in it."""
    opt = load_yaml(OPTION_FILES / file)
    opt |= {"num_gpu": 0, "is_train": True, "dist": False, "rank": 0, "world_size": 1, "name": "reading"}
    opt |= {"degradation": {"type": "Bicubic"}, "manual_seed": 0}
    opt["degflow"] = {**opt["degflow"], "preview_freq": 0, "amp": "none"}
    opt["path"] |= {name: str(folder) for name in ("experiments_root", "models", "training_states", "visualization")}
    model, _ = build(opt, {})
    train = opt["datasets"]["train"]
    batch = {"gt": patches(train["batch_size_per_gpu"], train["gt_size"], train["gt_size"])}
    model.feed_data(batch)
    with FlopCounterMode(display=False) as counted, Kernels() as kernels:
        model.optimize_parameters(1)
    taken = seconds(lambda number: model.optimize_parameters(number + 2), steps) if steps else 0.0
    return {"batch": train["batch_size_per_gpu"], "seconds": taken, "operations": counted.get_total_flops(),
            "kernels": kernels.count}  # fmt: skip


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True, help="a folder")
    parser.add_argument("--count", type=int, default=6, help="of photographs of 2K (default: 6)")
    parser.add_argument("--crop", type=int, default=128, help="side of the crops (default: 128, as in both files)")
    parser.add_argument("--reads", type=int, default=100, help="of each kind (default: 100)")
    parser.add_argument("--steps", type=int, default=3, help="of liif_cpu.yml (default: 3)")
    parser.add_argument("--out", type=Path, help="without suffix (default: below results/<device>)")
    return parser.parse_args(arguments)


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Crops a second of each kind of file, and crops a second that both steps take."""
    chosen = [image.path for image in find_images(args.photographs)][: 4 * args.count]
    sources = write_sources(chosen, folder, args.count)
    turned = {"crop_size": args.crop, "flip": True, "rotate": True}
    made = {name: HRCrops(images, **turned, cache_bytes=0) for name, images in sources.items()}
    made[CACHED] = HRCrops(next(iter(sources.values())), **turned)
    for number in range(len(made[CACHED])):
        made[CACHED][number]
    rates = {name: 1 / seconds(lambda n, data=each: data[n % len(data)], args.reads) for name, each in made.items()}  # type: ignore[misc]
    here = step_cost("liif_cpu.yml", folder, args.steps)
    gpu = step_cost("liif_degflow.yml", folder, 0)
    gpu["seconds"] = max(gpu["operations"] / (PEAK * UTILISATION), gpu["kernels"] * LAUNCH)
    return {
        "crops_a_second": rates,
        "steps": {"liif_cpu.yml here": here, "liif_degflow.yml on an H200": gpu},
    }


def report(found: dict[str, Any]) -> str:
    """Markdown: how many times what each step takes one worker reads, or on the H200 sixteen."""
    (cpu, here), (gpu, there) = found["steps"].items()
    needs = {cpu: here["batch"] / here["seconds"], gpu: there["batch"] / there["seconds"]}
    rows = [
        [name, f"{rate:.0f}", f"{rate / needs[cpu]:.1f}", f"{WORKERS * rate / needs[gpu]:.1f}"]
        for name, rate in found["crops_a_second"].items()
    ]
    head = ["8 bit", "crops a second of a worker", f"times {cpu}, 1 worker", f"times {gpu}, {WORKERS} workers"]
    told = "; ".join(f"{name} takes {need:.0f} crops a second" for name, need in needs.items())
    work = (
        f"On the H200 {there['operations'] / 1e12:.2f} Tflop at {UTILISATION:.0%} of {PEAK / 1e12:.0f} TFLOP/s or "
        f"{there['kernels']} kernels at {1e6 * LAUNCH:.0f} us, for {there['batch']} crops: "
        f"{1e3 * there['seconds']:.1f} ms."
    )
    return f"# Reading crops\n\n{told}. {work}\n\n{markdown_table(head, rows)}"


def main(arguments: list[str] | None = None) -> None:
    """Measure, write, print."""
    args = parse(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args, Path(folder))
    known = facts(torch.device("cpu"), seed=0, photographs=args.count, crop=args.crop, reads=args.reads)
    text = report(found)
    write_results(args.out or results_folder(torch.device("cpu")) / "reading", {"facts": known, **found}, text)
    print(text)


if __name__ == "__main__":
    main()
