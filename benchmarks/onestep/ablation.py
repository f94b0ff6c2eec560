"""What the losses of FluxSR and OMGSR change at tiny size: distillation, TV-LPIPS and refinement, on and off.

    python -m benchmarks.onestep.ablation [--steps 250] [--seeds 0,1] [--out benchmarks/results/onestep_ablation]

Tiny random backbones with VAEs that were taught photographs for a minute, LoRA of rank 4, DegFlow's simulator as the
camera. LPIPS is that of VGG16 with random weights. On parts of photographs that were not trained on:

- latent gap: root mean square between the latents of one step and those of HR, over that of the HR latents
- encoder gap: the same between the LR latents that the encoder makes and what the backbone takes for its state's mean
- PSNR of the image; of its total variation; and the share of its spectrum at a period of 16 pixels, where FLUX's
  artefacts lie, over that of HR
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor

from benchmarks.onestep.tiny import run, tiny_options, write_photograph_pairs
from benchmarks.onestep.tiny_autoencoder import read_folder, teach_vaes
from benchmarks.shared.results import RESULTS, facts, markdown_table, write_results
from degflow_aug.degradations.grid import resize
from degflow_aug.models.training.checkpoint import read_trained_state
from degflow_aug.onestep.losses.tv_lpips_loss import total_variation
from degflow_aug.onestep.networks.onestep_network import OneStepNetwork
from degflow_aug.onestep.onestep_checkpoint import NETWORKS
from tests.helpers.tiny_backbones import write_tiny_backbones, write_vgg

PERIOD = 16
TV = {"type": "TVLPIPSLoss", "loss_weight": 1.0, "gamma": 1.0}
CHUNKED = {"type": "OverlapChunkedLPIPSLoss", "loss_weight": 1.0, "chunk": 32}
VARIANTS: dict[str, tuple[str, dict[str, Any], dict[str, Any] | None]] = {
    "FluxSR": ("fluxsr", {}, TV),
    "FluxSR without FTD": ("fluxsr", {"distillation_weight": 0.0}, TV),
    "FluxSR with LPIPS for TV-LPIPS": ("fluxsr", {}, {**TV, "gamma": 0.0}),
    "FluxSR without attention diversification": ("fluxsr", {"diversification_weight": 0.0}, TV),
    "OMGSR-S": ("omgsr_s", {}, CHUNKED),
    "OMGSR-S without LDR": ("omgsr_s", {"refinement_weight": 0.0}, CHUNKED),
    "OMGSR-F": ("omgsr_f", {}, CHUNKED),
    "OMGSR-F without LDR": ("omgsr_f", {"refinement_weight": 0.0}, CHUNKED),
}
COLUMNS = ("latent gap", "encoder gap", "PSNR", "PSNR of TV", "energy at 1/16")
NOTE = """Means of {seeds} seeds with half of their range; the tiny VAE gives HR itself back at {ceiling:.2f} dB.

Random backbones know no images: nothing here says how sharp a result looks, which is what distillation is for, and the
paper's trade of PSNR against scores without reference cannot show. What can: whether a loss pulls what it is said to
pull. LDR is said to close the encoder's gap, FTD that of the latents after one step, TV-LPIPS artefacts of a grid."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train every variant with every seed, print the table, and write it."""
    args = parse(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="onestep_") as name, contextlib.chdir(name):
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        images, backbones = write_photograph_pairs(folder / "images"), write_tiny_backbones(folder / "backbones")
        teach_vaes(backbones, images, args.vae_steps)
        vgg = write_vgg(folder / "vgg16.pth")
        pairs = [read_folder(images / "pairs" / sub) for sub in ("HR", "x4")]
        rows: dict[str, list[dict[str, float]]] = {}
        ceiling = 0.0
        for variant in args.variants:
            for seed in args.seeds:
                network = train(variant, backbones, images, vgg, args.steps, seed)
                rows.setdefault(variant, []).append(measure(network, *pairs))
                ceiling = max(ceiling, psnr(decoded(network, pairs[0]), pairs[0]))
                print(variant, seed, rows[variant][-1], file=sys.stderr, flush=True)
    return report(args, rows, ceiling)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--vae-steps", type=int, default=600)
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--variants", help="names, separated by semicolons (default: all)")
    parser.add_argument("--out", type=Path, default=RESULTS / "onestep_ablation", help="results without suffix")
    args = parser.parse_args(arguments)
    args.out = args.out.resolve()
    args.seeds = [int(seed) for seed in args.seeds.split(",")]
    args.variants = args.variants.split(";") if args.variants else list(VARIANTS)
    unknown = [name for name in args.variants if name not in VARIANTS]
    if unknown:
        parser.error(f"expected variants out of {'; '.join(VARIANTS)}, got {unknown[0]}")
    return args


def train(variant: str, backbones: Path, images: Path, vgg: Path, steps: int, seed: int) -> OneStepNetwork:
    """The network of a variant after its steps, LoRA not fused: its encoder without LoRA is asked for too."""
    system, degflow, perceptual = VARIANTS[variant]
    opt = tiny_options(system, backbones, images, **degflow)
    opt |= {"name": f"{system}_{len(list(Path().glob('*.yml')))}", "manual_seed": seed}
    for key in ("gan_opt", "optim_d"):
        opt["train"].pop(key, None)
    opt.pop("network_d", None)
    if perceptual:
        opt["train"]["perceptual_opt"] = {**perceptual, "vgg_path": str(vgg)}
    opt["val"]["val_freq"] = opt["logger"]["save_checkpoint_freq"] = steps
    with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
        experiment = run(opt, steps)
    content = read_trained_state(experiment / "models" / f"net_g_{steps}.pth")
    section = dict(content["spec"]["network"])
    network = NETWORKS[section.pop("type")](**section, prompt=None)
    network.load_trained_state(content["params"])
    network.time = content["spec"]["time"]
    return network


@torch.no_grad()
def measure(network: OneStepNetwork, hr: Tensor, view: Tensor) -> dict[str, float]:
    """The columns of the table.

    Args:
        network: trained.
        hr: (N, 3, H, W) in [0, 1].
        view: LR brought back to HR's size, likewise.
    """
    lr = resize(resize(view, (hr.shape[-2] // 4, hr.shape[-1] // 4)), (hr.shape[-2], hr.shape[-1])).clamp(0, 1)
    true = network.latents.encode_original(2 * hr - 1)
    latents = network.latents.encode(2 * lr - 1)
    clean = network.clean(latents, network.times(len(hr)))
    made = ((network.latents.decode(clean) + 1) / 2).clamp(0, 1)
    signal, _ = network.noise_level()
    spread = true.square().mean().sqrt()
    values = (
        (clean - true).square().mean().sqrt() / spread,
        (latents - signal * true).square().mean().sqrt() / spread,
        psnr(made, hr),
        psnr(total_variation(made), total_variation(hr)),
        energy_at(made, PERIOD) / energy_at(hr, PERIOD),
    )
    return dict(zip(COLUMNS, map(float, values), strict=True))


@torch.no_grad()
def decoded(network: OneStepNetwork, hr: Tensor) -> Tensor:
    """HR through the VAE and back."""
    return ((network.latents.decode(network.latents.encode_original(2 * hr - 1)) + 1) / 2).clamp(0, 1)


def psnr(made: Tensor, true: Tensor) -> float:
    """Over all pixels and channels, in dB."""
    return float(-10 * (made - true).square().mean().log10())


def energy_at(images: Tensor, period: int) -> float:
    """Share of the spectrum's energy, but for the mean, at this period along either axis."""
    spectrum = torch.fft.fft2(images - images.mean(dim=(-2, -1), keepdim=True)).abs().square()
    rows, columns = (side // period for side in images.shape[-2:])
    return float((spectrum[..., rows, 0] + spectrum[..., 0, columns]).sum() / spectrum.sum())


def report(args: argparse.Namespace, rows: dict[str, list[dict[str, float]]], ceiling: float) -> int:
    """Print and write the means over seeds, with half of their range."""
    lines = []
    for variant, found in rows.items():
        columns = [[each[name] for each in found] for name in COLUMNS]
        lines.append([variant, *(f"{sum(c) / len(c):.3f} ± {(max(c) - min(c)) / 2:.3f}" for c in columns)])
    table = markdown_table(["", *COLUMNS], lines)
    note = NOTE.format(ceiling=ceiling, seeds=len(args.seeds))
    print(f"{table}\n\n{note}")
    where = facts(torch.device("cpu"), steps=args.steps, vae_steps=args.vae_steps, seeds=args.seeds)
    write_results(args.out, {"facts": where, "ceiling": ceiling, "rows": rows}, f"{table}\n\n{note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
