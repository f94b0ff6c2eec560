"""GPU hours of the paper's runs by arithmetic: operations of a step of each option file, times its steps and batch.

    python -m benchmarks.rehearsal.hours --tflops 100

Operations (two for a multiplication and an addition) are those of convolutions and matrix products, forward and
backward, counted by PyTorch on tensors without values. ``--tflops`` is what a GPU is assumed to do of them in a
second, 10^12; nothing is measured, and reading, validation and tests are left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

import degflow_aug
from benchmarks.shared.results import markdown_table
from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.options.yaml_file import load_yaml

OPTIONS = Path(__file__).resolve().parents[2] / "basicsr_options"
HEUN_EVALUATIONS = 8


def operations(step: Callable[[], object]) -> int:
    """Operations of a call, on images without values."""
    with FakeTensorMode(allow_non_fake_inputs=True), FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def image(side: int) -> Tensor:
    """An image."""
    return torch.empty(1, 3, side, side)


def of_stage_1(rae: ResidualAutoencoder, side: int) -> int:
    """Both encodings and the decoding, forward and backward."""
    return operations(lambda: rae(image(side), image(side))[0].sum().backward())


def of_stage_2(rae: ResidualAutoencoder, velocity: NCSNpp, side: int, knots: int) -> int:
    """Encoding of the knots, a velocity, and LPIPS of the decoded jump, of which one image has a gradient."""
    rae.requires_grad_(False)
    layers = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"], batch_norm=False)
    vgg = layers.requires_grad_(False)

    def step() -> None:
        latent, features = rae.encode(image(side))
        for _ in range(knots - 1):
            rae.encode(image(side))
        found = velocity(latent, torch.empty(1))
        vgg(image(side))
        vgg(rae.decode(found, features)).sum().backward()

    return operations(step)


def of_lr(rae: ResidualAutoencoder, velocity: NCSNpp, side: int) -> int:
    """A view by four Heun steps, without gradients."""

    def render() -> None:
        latent, features = rae.encode(image(side))
        for _ in range(HEUN_EVALUATIONS):
            velocity(latent, torch.empty(1))
        rae.decode(latent, features)

    with torch.no_grad():
        return operations(render)


def of_network(opt: dict[str, Any]) -> int:
    """A super-resolution network on one sample, forward and backward."""
    network, data = build(opt), opt["datasets"]["train"]
    if opt["model_type"] != "ArbitraryScaleSRModel":
        return operations(lambda: network(image(data["gt_size"])).sum().backward())
    queries = opt["degflow"]["queries"]

    def step() -> None:
        points, cell = torch.empty(1, queries, 2), torch.empty(1, queries, 2)
        network(image(data["lr_size"]), points, cell).sum().backward()

    return operations(step)


def build(opt: dict[str, Any]) -> nn.Module:
    """The network of an option file."""
    from basicsr.archs import build_network

    network: nn.Module = build_network(dict(opt["network_g"]))
    return network


def rows(tflops: float) -> list[list[str]]:
    """A row for each option file: samples, operations of one, hours."""
    files = {name: load_yaml(OPTIONS / f"{name}_realsr_paper.yml") for name in ("rae", "lfm")}
    rae, velocity = build(files["rae"]), build(files["lfm"])
    assert isinstance(rae, ResidualAutoencoder)
    assert isinstance(velocity, NCSNpp)
    side, knots = (files["lfm"]["datasets"]["train"][key] for key in ("gt_size", "knots"))
    counted = [
        ("rae_realsr_paper", files["rae"], of_stage_1(rae, side)),
        ("lfm_realsr_paper", files["lfm"], of_stage_2(rae, velocity, side, len(knots))),
    ]
    for file in sorted(OPTIONS.glob("[af]*_realsr_*_paper.yml")):
        opt = load_yaml(file)
        data = opt["datasets"]["train"]
        made = of_lr(rae, velocity, data["gt_size"]) * (1 - data.get("real_share", 0))
        counted.append((file.stem, opt, round(of_network(opt) + made)))
    found = []
    for name, opt, count in counted:
        gpus = opt["num_gpu"] if isinstance(opt["num_gpu"], int) else 1
        samples = opt["train"]["total_iter"] * opt["datasets"]["train"]["batch_size_per_gpu"] * gpus
        hours = samples * count / (tflops * 1e12) / 3600
        found.append([f"`{name}`", f"{samples / 1e6:.2f}", f"{count / 1e12:.3f}", f"{hours:.1f}"])
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tflops", type=float, default=100.0, help="assumed of a GPU, per second (default: 100)")
    args = parser.parse_args(arguments)
    degflow_aug.register()
    found = rows(args.tflops)
    print(markdown_table(["option file", "million samples", "TFLOP per sample", "GPU hours"], found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
