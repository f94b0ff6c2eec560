"""``degflow convert``: make a bundle of DegFlow's official checkpoints, or of those of our own two stages."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from degflow_aug.bundles.spec import LATEST
from degflow_aug.commands.shared.arguments import bundle_output
from degflow_aug.console.json_output import add_json_argument, print_json, said_to_people
from degflow_aug.console.plain_text import say
from degflow_aug.files.writing import sole_writer

if TYPE_CHECKING:
    from torch import nn

    from degflow_aug.bundles.bundle import Bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--rae", required=True, metavar="FILE.pth", help="official, or net_g_*.pth of stage 1")
    parser.add_argument("--flow", required=True, metavar="FILE.pth", help="official, or net_g_*.pth of stage 2")
    parser.add_argument("--out", required=True, metavar="FILE.safetensors", help="the bundle to write")
    parser.add_argument("--camera", default="", help="name of the device, kept in the bundle")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Write the bundle and say what is in it; returns 0.

    Raises:
        ValueError, OSError: a file that is none of the two kinds, or a bundle that cannot be written.
    """
    out = bundle_output(args.out)
    from degflow_aug.bundles.bundle import save_bundle
    from degflow_aug.bundles.official import convert_official

    own = [path for path in (args.rae, args.flow) if _is_own(path)]
    if len(own) == 1:
        raise ValueError(
            f"expected --rae and --flow both official or both of degflow_aug, got only {own[0]} of degflow_aug; take "
            "the two of one training"
        )
    make = _own_bundle if own else convert_official
    with said_to_people(args), sole_writer(out):
        bundle = make(args.rae, args.flow, args.camera)
        save_bundle(out, bundle)
    if args.json:
        rae, velocity = _parameters(bundle)
        spec = bundle.spec
        print_json({
            "bundle": out, "camera": spec.camera, "knots": spec.knots, "s_max": spec.s_max, "rae_parameters": rae,
            "velocity_parameters": velocity, "latent_channels": spec.rae["latent_channels"],
        })  # fmt: skip
    else:
        say(f"{out}: {_describe(bundle)}")
    return 0


def _is_own(path: str) -> bool:
    """Whether one of our stages wrote this checkpoint; anything else is for the official reader to judge."""
    from degflow_aug.models.training.checkpoint import read_checkpoint

    try:
        read_checkpoint(path)
    except ValueError:
        return False
    return True


def _own_bundle(rae_path: str, flow_path: str, camera: str) -> Bundle:
    """Join the networks of two checkpoints with the knots and kernels of the bundle that stage 2 keeps."""
    import torch

    from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
    from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
    from degflow_aug.bundles.bundle import Bundle, load_bundle

    latest = Path(flow_path).with_name(LATEST)
    if not latest.is_file():
        raise ValueError(
            f"expected {latest}, which a run of stage 2 writes whenever it saves and which alone holds the knots, got "
            "nothing there; give --flow where the run has put it"
        )
    kept = load_bundle(latest)
    rae, velocity = ResidualAutoencoder(**kept.spec.rae), NCSNpp(**kept.spec.velocity)
    _fill(rae, rae_path, kept.spec.rae, "--rae")
    _fill(velocity, flow_path, kept.spec.velocity, "--flow")
    if any(not torch.equal(*pair) for pair in zip(rae.parameters(), kept.rae.parameters(), strict=True)):
        say(f"{rae_path} is not the RAE that the flow was trained with, which {latest} holds; views may be wrong")
    say(f"knots and kernels come from {latest}, which is a bundle itself and may be all you need")
    facts = {**kept.spec.training, "rae": Path(rae_path).name, "flow": Path(flow_path).name}
    return Bundle(replace(kept.spec, camera=camera or kept.spec.camera, training=facts), rae, velocity, kept.kernels)


def _fill(network: nn.Module, path: str, spec: dict[str, object], option: str) -> None:
    from degflow_aug.models.training.checkpoint import read_checkpoint

    found, state = read_checkpoint(path)
    if found != spec:
        raise ValueError(f"expected {spec} in {option}, as {LATEST} beside the flow has, got {path} with {found}")
    try:
        network.load_state_dict(state)
    except RuntimeError:
        kind = type(network).__name__
        raise ValueError(f"expected in {option} the tensors of a {kind}, got others in {path}") from None


def _parameters(bundle: Bundle) -> tuple[int, int]:
    rae, velocity = (sum(value.numel() for value in net.parameters()) for net in (bundle.rae, bundle.velocity))
    return rae, velocity


def _describe(bundle: Bundle) -> str:
    spec = bundle.spec
    rae, velocity = (count / 1e6 for count in _parameters(bundle))
    knots = ", ".join(f"{knot:g}" for knot in spec.knots)
    camera = f", camera {spec.camera}" if spec.camera else ""
    return (
        f"knots {knots}, scales 1 to {spec.s_max:g}, RAE of {rae:.2f} and velocity network of {velocity:.2f} "
        f"million parameters, latent of {spec.rae['latent_channels']} channels{camera}"
    )
