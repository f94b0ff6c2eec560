"""Reads DegFlow's official checkpoints: every size is inferred from the tensors' shapes, and no code is unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.archs.network_arguments import check_weights_fit, outline
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, misfit
from degflow_aug.files.tensor_file import bare, check_weights, load_tensors

State = dict[str, Tensor]


def convert_official(rae_path: str | Path, flow_path: str | Path, camera: str = "") -> Bundle:
    """A bundle from the official autoencoder and flow files (RealSR knots 1, 2 and 4), with the official solver.

    Raises:
        ValueError: a file is missing, holds code, or is not what it should be.
    """
    rae_file = read_official(rae_path, ("encoder", "decoder"))
    flow_file = read_official(flow_path, ("model",))
    rae, velocity = official_rae(rae_file, str(rae_path)), official_velocity(flow_file["model"], str(flow_path))
    if rae.spec["latent_channels"] != velocity.spec["latent_channels"]:
        raise ValueError(
            f"expected the two files of one training, got latents of {rae.spec['latent_channels']} channels "
            f"in {rae_path} and {velocity.spec['latent_channels']} in {flow_path}"
        )
    spec = GeneratorSpec(
        rae=rae.spec,
        velocity=velocity.spec,
        knots=(1.0, 2.0, 4.0),
        s_max=4.0,
        camera=camera,
        solver="rk45",
        training={"source": "official release"},
    )
    return Bundle(spec, rae, velocity)


def read_official(path: str | Path, parts: tuple[str, ...]) -> dict[str, State]:
    """A file of ``torch.save`` or safetensors as dictionaries of tensors, read without running code.

    Raises:
        ValueError: no such file, one that holds more than tensors, or one that lacks ``parts``.
    """
    content = load_tensors(path)
    found = {part: state for part in parts if (state := _part_of(content, part))}
    missing = [part for part in parts if part not in found]
    if missing:
        raise ValueError(f"expected {', '.join(parts)} in the official checkpoint {path}, got no {', '.join(missing)}")
    for state in found.values():
        check_weights(state, path)
    return found


def _part_of(content: object, part: str) -> State:
    """A part by its name, or the tensors whose names begin with it, as in a file without parts; without wrappers."""
    content = content if isinstance(content, dict) else {}
    if _is_state(content.get(part)):
        return bare(content[part])
    if not _is_state(content):
        return {}
    state = bare(content)
    return {key.removeprefix(f"{part}."): value for key, value in state.items() if key.startswith(f"{part}.")} or (
        state if part == "model" else {}
    )


def _is_state(part: object) -> bool:
    if not isinstance(part, dict) or not part:
        return False
    return all(isinstance(key, str) and isinstance(value, Tensor) for key, value in part.items())


def official_rae(parts: dict[str, State], name: str) -> ResidualAutoencoder:
    """The autoencoder whose encoder and decoder tensors are ``parts``; its width is that of the stem."""
    try:
        encoder = parts["encoder"]
        base, latent = encoder["stem.weight"].shape[0], encoder["conv_out.weight"].shape[0]
        sizes = {"base_channels": base, "latent_channels": latent}
        outline(ResidualAutoencoder, sizes).get_submodule("encoder").load_state_dict(encoder, assign=True)
        rae = ResidualAutoencoder(base_channels=base, latent_channels=latent)
        rae.encoder.load_state_dict(encoder)
        rae.decoder.load_state_dict(parts["decoder"])
    except (KeyError, RuntimeError, IndexError, ValueError) as error:
        raise ValueError(f"expected DegFlow's autoencoder in {name}, got other tensors: {misfit(error)}") from None
    return rae.eval().requires_grad_(False)


def official_velocity(state: State, name: str) -> NCSNpp:
    """The velocity network whose tensors are ``state``; the dead buffer ``sigmas`` is dropped."""
    state = {key: value for key, value in state.items() if key != "sigmas"}
    try:
        sizes = velocity_sizes(state)
        check_weights_fit(NCSNpp, sizes, state)
        velocity = NCSNpp(**sizes)
        velocity.load_state_dict(state)
    except (KeyError, RuntimeError, IndexError, ValueError, StopIteration, ZeroDivisionError) as error:
        raise ValueError(f"expected DegFlow's NCSN++ in {name}, got other tensors: {misfit(error)}") from None
    return velocity.eval().requires_grad_(False)


def velocity_sizes(state: State) -> dict[str, Any]:
    """Sizes of the NCSN++ with these tensors, from the widths of its down path.

    The down path is modules 3 to the bottleneck; a block that keeps its width and yet has a shortcut convolution is
    one that halves the image, so it ends a level.
    """
    stem = state["all_modules.2.weight"]
    base = stem.shape[0]
    attention = next(int(key.split(".")[1]) for key in state if key.endswith("NIN_0.W"))
    multipliers, first_level = [1], 0
    for index in range(3, attention - 1):
        out_channels, in_channels = state[f"all_modules.{index}.Conv_0.weight"].shape[:2]
        halves = f"all_modules.{index}.Conv_2.weight" in state and out_channels == in_channels
        if halves:
            multipliers.append(1)
            first_level = first_level or index
        else:
            multipliers[-1] = out_channels // base
    return {
        "latent_channels": stem.shape[1],
        "base_channels": base,
        "multipliers": multipliers,
        "blocks": (first_level or attention - 1) - 3,
    }
