"""``degflow trajectories``: make the noise-image pairs of FLUX that FluxSR is trained on, once before training."""

from __future__ import annotations

import argparse
from pathlib import Path

from degflow_aug.commands.shared.arguments import (
    MOST_STEPS,
    count,
    pick_device,
    positive_number,
    up_to,
    whole_number,
)
from degflow_aug.console.json_output import add_json_argument, print_json
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import track
from degflow_aug.files.writing import sole_writer

MULTIPLE = 16
MOST_PROMPTS = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("out", metavar="OUT", help="folder for OUT/NUMBER.png and OUT/NUMBER.safetensors")
    parser.add_argument("--pretrained", required=True, help="FLUX.1 of diffusers, a folder or a hub id")
    parser.add_argument("--count", type=whole_number, default=2400, help="samples (default: 2400, the paper's)")
    parser.add_argument("--size", type=up_to(8192), default=1024, help="side in pixels, a multiple of 16")
    parser.add_argument("--steps", type=up_to(MOST_STEPS), default=28, help="solver steps (default: 28)")
    parser.add_argument("--guidance", type=positive_number, default=3.5, help="FLUX's guidance (default: 3.5)")
    parser.add_argument("--prompts", metavar="FILE", help="one prompt a line (default: twelve of our own)")
    parser.add_argument("--seed", type=count, default=0, help="of the noise (default: 0)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto: a GPU where there is one)")
    add_json_argument(parser)
    parser.epilog = "Run again, it goes on where it was stopped."


def run(args: argparse.Namespace) -> int:
    """Make the samples that are not there yet.

    Raises:
        ValueError, OSError: no such model, or nothing can be written.
    """
    if args.size % MULTIPLE:
        raise ValueError(f"expected --size as a multiple of {MULTIPLE}, got {args.size}")
    prompts = _prompts(args.prompts)
    device = pick_device(args.device)
    out = Path(args.out)
    import torch

    from degflow_aug.onestep.fluxsr.noise_image_dataset import NoiseImages, describe
    from degflow_aug.onestep.fluxsr.noise_image_pairs import load_pipeline, seeds_and_prompts, trajectory

    # Looked at before the weights are read, which takes minutes.
    settings = describe(args.pretrained, args.size, args.steps, args.guidance, args.seed, prompts)
    with sole_writer(out, out / ".lock"):
        images = NoiseImages(out, settings)
        missing = [each for each in seeds_and_prompts(args.count, prompts, args.seed) if not images.has(each[0])]
        if missing:
            dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
            pipeline = load_pipeline(args.pretrained, device, dtype)
        for number, seed, prompt in track(missing, "trajectories", "sample", done=args.count - len(missing)):
            made = trajectory(pipeline, prompt, args.size, args.steps, args.guidance, seed)
            images.write(number, made.noise, made.latents, made.image)
    summary = {"out": out, "samples": args.count, "there_before": args.count - len(missing)}
    if args.json:
        print_json(summary)
    else:
        say(f"{out}: {args.count} samples of {args.size}x{args.size} ({args.count - len(missing)} were there)")
    return 0


def _prompts(file: str | None) -> tuple[str, ...]:
    if file is None:
        from degflow_aug.onestep.fluxsr.noise_image_pairs import PROMPTS

        return PROMPTS
    from degflow_aug.files.text_file import read_lines

    prompts = tuple(read_lines(Path(file)))
    if not 1 <= len(prompts) <= MOST_PROMPTS:
        raise ValueError(f"{file}: expected 1 to {MOST_PROMPTS} prompts, one a line, got {len(prompts)}")
    return prompts
