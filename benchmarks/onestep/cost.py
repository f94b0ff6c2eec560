"""One training step of one-step systems at published sizes: time, and the most memory, on a GPU.

    python -m benchmarks.onestep.cost [--sizes sd21,flux] [--side 512] [--out benchmarks/results/onestep_cost]

Configurations alone are published here and weights are random, in bfloat16, with gradient checkpointing; the step is
OMGSR's without a discriminator and without LPIPS: encoder, backbone and decoder forward and backward, and AdamW. The
estimate that trainings print before they start stands beside what was taken.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.shared.results import RESULTS, facts, markdown_table, write_results
from degflow_aug.onestep.memory import GIB
from degflow_aug.onestep.networks.onestep_network import NOISE, VELOCITY, OneStepNetwork
from degflow_aug.onestep.networks.parts import Configurations, assemble, is_flux
from degflow_aug.onestep.omgsr.omgsr_model import refinement_loss
from degflow_aug.onestep.outline import estimate
from tests.helpers import tiny_backbones

_VAE: dict[str, Any] = {
    "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "norm_num_groups": 32, "sample_size": 768,
}  # fmt: skip
VAE_SD = {**tiny_backbones.VAE_SD, **_VAE}
VAE_FLUX = {**tiny_backbones.VAE_FLUX, **_VAE}
UNET_SD21: dict[str, Any] = {
    "sample_size": 64, "in_channels": 4, "out_channels": 4, "layers_per_block": 2,
    "block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20],
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3], "use_linear_projection": True,
}  # fmt: skip
FLUX_DEV: dict[str, Any] = {
    "patch_size": 1, "in_channels": 64, "num_layers": 19, "num_single_layers": 38, "attention_head_dim": 128,
    "num_attention_heads": 24, "joint_attention_dim": 4096, "pooled_projection_dim": 768, "guidance_embeds": True,
    "axes_dims_rope": [16, 56, 56],
}  # fmt: skip
SIZES: dict[str, tuple[Configurations, int, int, int]] = {
    "tiny": (Configurations(tiny_backbones.VAE_SD, tiny_backbones.UNET, tiny_backbones.DDPM), 4, 4, 77),
    "tiny-flux": (Configurations(tiny_backbones.VAE_FLUX, tiny_backbones.FLUX, {}), 4, 4, 512),
    "sd21": (Configurations(VAE_SD, UNET_SD21, tiny_backbones.DDPM), 32, 16, 77),
    "flux": (Configurations(VAE_FLUX, FLUX_DEV, {}), 64, 64, 512),
}
"""Configurations, ranks of backbone and encoder, and tokens of the prompt."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every size, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="sd21,flux", help=f"out of {', '.join(SIZES)}")
    parser.add_argument("--side", type=int, default=512, help="of the crops (default: 512)")
    parser.add_argument("--steps", type=int, default=5, help="timed, after two (default: 5)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=RESULTS / "onestep_cost", help="results without suffix")
    args = parser.parse_args(arguments)
    device, rows = torch.device(args.device), {}
    for name in args.sizes.split(","):
        if name not in SIZES:
            parser.error(f"expected sizes out of {', '.join(SIZES)}, got {name}")
        rows[name] = measure(name, args.side, args.steps, device)
        print(name, rows[name], flush=True)
    table = markdown_table(
        ["", "parameters (M)", "trained (M)", "s a step", "most memory (GiB)", "estimate (GiB)"],
        [[name, *(f"{value:.3g}" for value in row.values())] for name, row in rows.items()],
    )
    print(table)
    write_results(args.out, {"facts": facts(device, side=args.side, steps=args.steps), "rows": rows}, table)
    return 0


def measure(name: str, side: int, steps: int, device: torch.device) -> dict[str, float]:
    """Figures of one size."""
    network = build(name, device)
    # On the CPU there is nothing that counts memory.
    counts = device.type == "cuda"
    if counts:
        torch.cuda.reset_peak_memory_stats(device)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=counts)
    seconds = [step(network, optimizer, side, device) for _ in range(steps + 2)][2:]
    most = torch.cuda.max_memory_allocated(device) / GIB if counts else float("nan")
    return {
        "parameters": sum(each.numel() for each in network.parameters()) / 1e6,
        "trained": sum(each.numel() for each in trained) / 1e6, "seconds": sorted(seconds)[len(seconds) // 2],
        "memory": most, "estimate": estimate(network, 8, 1, side).total / GIB,
    }  # fmt: skip


def build(name: str, device: torch.device) -> OneStepNetwork:
    """A network of random weights, made on its device."""
    from diffusers import AutoencoderKL, FluxTransformer2DModel, UNet2DConditionModel

    found, rank, encoder_rank, tokens = SIZES[name]
    flux = is_flux(found.backbone)
    kind = FluxTransformer2DModel if flux else UNet2DConditionModel
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with device:
            models = AutoencoderKL.from_config(found.vae), kind.from_config(found.backbone)
    finally:
        torch.set_default_dtype(before)
    width = found.backbone["joint_attention_dim" if flux else "cross_attention_dim"]
    prompt = {"embeds": torch.randn(1, tokens, width)}
    if flux:
        prompt["pooled"] = torch.randn(1, found.backbone["pooled_projection_dim"])
    made = OneStepNetwork(
        assemble(found, *models), prompt, prediction=VELOCITY if flux else NOISE, rank=rank,
        encoder_rank=encoder_rank, gradient_checkpointing=True,
    ).to(device)  # fmt: skip
    made.time = 0.5 if flux else 273.0
    return made


def step(network: OneStepNetwork, optimizer: torch.optim.Optimizer, side: int, device: torch.device) -> float:
    """Seconds of one step on one crop."""
    hr, lr = (torch.rand(1, 3, side, side, device=device) * 2 - 1 for _ in range(2))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(device.type, torch.bfloat16):
        true = network.latents.encode_original(hr)
        latents = network.latents.encode(lr)
        loss = 5 * refinement_loss(latents, true, *network.noise_level())
        loss = loss + (network.latents.decode(network.clean(latents, network.times(1))) - hr).square().mean()
    loss.backward()
    optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
