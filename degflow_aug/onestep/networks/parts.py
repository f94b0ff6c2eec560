"""A published backbone with its VAE and schedule, from a folder or a hub id as diffusers' users name them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from degflow_aug.onestep.networks.backbones import FluxBackbone, UNetBackbone
from degflow_aug.onestep.networks.latent_space import LatentSpace
from degflow_aug.onestep.networks.noise_levels import alpha_bars
from degflow_aug.onestep.networks.packages import in_one_line, need_packages

FOLDERS = {"unet": "unet", "flux": "transformer"}
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


@dataclass
class Parts:
    """What a one-step network is put together from; nothing has a gradient yet."""

    latents: LatentSpace
    backbone: UNetBackbone | FluxBackbone


@dataclass(frozen=True)
class Configurations:
    """Contents of the ``config.json`` files of a backbone; they tell its sizes before any weight is read."""

    vae: dict[str, Any]
    backbone: dict[str, Any]
    scheduler: dict[str, Any]

    @property
    def multiple(self) -> int:
        """What both sides of an image have to be multiples of."""
        factor = _halvings(self.vae)
        return factor * (2 if is_flux(self.backbone) else _halvings(self.backbone))


def is_flux(backbone: dict[str, Any]) -> bool:
    """Whether a configuration is that of FLUX's transformer."""
    return "joint_attention_dim" in backbone


def _halvings(network: dict[str, Any]) -> int:
    """By what a network of so many levels makes its input smaller."""
    return int(2 ** (len(network["block_out_channels"]) - 1))


def read_configurations(pretrained: str, family: str, vae: str | None = None) -> Configurations:
    """The configurations alone.

    Args:
        pretrained: a folder with ``vae``, ``scheduler`` and ``unet`` or ``transformer``, or a hub id.
        family: unet or flux.
        vae: folder or hub id of another VAE.

    Raises:
        ValueError: no extra, nothing there, or a VAE that is not the backbone's.
    """
    need_packages("one-step super-resolution")
    from diffusers import AutoencoderKL, FluxTransformer2DModel, UNet2DConditionModel

    source, sub = (vae, None) if vae else (pretrained, "vae")
    autoencoder = _config(AutoencoderKL, source, sub)
    if family == "flux":
        found = Configurations(autoencoder, _config(FluxTransformer2DModel, pretrained, "transformer"), {})
    else:
        unet = _config(UNet2DConditionModel, pretrained, "unet")
        found = Configurations(autoencoder, unet, _scheduler(pretrained))
    check_fit(found, source)
    return found


def check_fit(found: Configurations, source: str) -> None:
    """Look whether the VAE's latents are what the backbone takes.

    Raises:
        ValueError: they are not, or a backbone that needs more than latents, a time and one prompt.
    """
    for config in (found.vae, found.backbone):
        levels = config.get("block_out_channels", [0])
        if not isinstance(levels, (list, tuple)) or not levels:
            raise ValueError(f"expected block_out_channels as a list in the configurations of {source}, got {levels!r}")
    if not is_flux(found.backbone):
        check_schedule(found.scheduler, source)
    # Older configurations leave out what is the library's default.
    channels, wanted = found.vae.get("latent_channels", 4), found.backbone.get("in_channels", 4)
    if is_flux(found.backbone):
        wanted //= 4
    if channels != wanted:
        raise ValueError(
            f"expected a VAE of {wanted} latent channels for this backbone, got one of {channels} in {source}; take "
            "the VAE that was published with it"
        )
    if not is_flux(found.backbone) and found.backbone.get("addition_embed_type"):
        raise ValueError("expected a UNet of Stable Diffusion 1 or 2, got one with further conditions, such as SDXL's")


def check_schedule(scheduler: dict[str, Any], source: str) -> None:
    """Raise a ValueError where a schedule leaves its numbers to the library, whose own are those of no backbone."""
    if not {"beta_start", "beta_end", "beta_schedule"} <= set(scheduler):
        raise ValueError(f"expected beta_start, beta_end and beta_schedule in the scheduler of {source}, got none")
    try:
        alpha_bars(scheduler)
    except (NotImplementedError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"expected a noise schedule of diffusers in the scheduler of {source}, got {in_one_line(error)}"
        ) from None


def load_parts(pretrained: str, family: str, vae: str | None = None, dtype: str = "float32") -> Parts:
    """The networks with their weights, frozen.

    Raises:
        ValueError: as :func:`read_configurations`, an unknown dtype, or no weights.
    """
    if dtype not in DTYPES:
        raise ValueError(f"expected a dtype out of {', '.join(DTYPES)}, got {dtype!r}")
    found = read_configurations(pretrained, family, vae)
    from diffusers import AutoencoderKL, FluxTransformer2DModel, UNet2DConditionModel

    kind = FluxTransformer2DModel if family == "flux" else UNet2DConditionModel
    source, sub = (vae, None) if vae else (pretrained, "vae")
    return assemble(
        found,
        _model(AutoencoderKL, source, sub, DTYPES[dtype]),
        _model(kind, pretrained, FOLDERS[family], DTYPES[dtype]),
    )


def assemble(found: Configurations, vae: Any, backbone: Any) -> Parts:
    """Put models of diffusers behind our calls, frozen and in evaluation mode."""
    for model in (vae, backbone):
        model.eval().requires_grad_(False)
    if is_flux(found.backbone):
        return Parts(LatentSpace(vae), FluxBackbone(backbone))
    predicts = str(found.scheduler.get("prediction_type", "epsilon"))
    return Parts(LatentSpace(vae), UNetBackbone(backbone, alpha_bars(found.scheduler), predicts))


def _config(kind: Any, source: str, sub: str | None) -> dict[str, Any]:
    try:
        found = kind.load_config(source, subfolder=sub)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(_nothing_there(source, sub, error)) from None
    if not isinstance(found, dict):
        raise ValueError(f"expected a configuration of names and values in {source}/{sub or ''}, got {found!r}")
    return found


def _scheduler(source: str) -> dict[str, Any]:
    from diffusers import DDPMScheduler

    return _config(DDPMScheduler, source, "scheduler")


def _loaded(kind: Any, source: str, sub: str | None, dtype: torch.dtype) -> Any:
    try:
        return kind.from_pretrained(source, subfolder=sub, torch_dtype=dtype)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
        raise ValueError(_nothing_there(source, sub, error)) from None


def _model(kind: Any, source: str, sub: str | None, dtype: torch.dtype) -> Any:
    """Weights that the files lack are left without values, on ``meta``."""
    model = _loaded(kind, source, sub, dtype)
    lacking = [name for name, value in model.named_parameters() if value.is_meta]
    if lacking:
        raise ValueError(f"expected all weights of {source}/{sub or ''}, got none for {lacking[0]}; download it again")
    return model


def _nothing_there(source: str, sub: str | None, error: Exception) -> str:
    what = f"{sub or 'VAE'} of a diffusers model"
    if Path(source).is_dir():
        place = f"{source}/{sub}" if sub else source
        return f"expected configuration and weights of the {what} in {place}, got {in_one_line(error)}"
    return (
        f"expected the {what} at {source!r}, got neither such a folder nor a reply from the hub "
        f"({type(error).__name__}); download it, and name its folder in pretrained"
    )
