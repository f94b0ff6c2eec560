"""One-step networks as option files name them: a published backbone, and what is trained of it."""

from __future__ import annotations

from typing import Any

from degflow_aug.onestep.networks.onestep_network import NOISE, VELOCITY, OneStepNetwork
from degflow_aug.onestep.networks.parts import DTYPES, load_parts, read_configurations
from degflow_aug.onestep.networks.prompts import check_prompt, prompt_of


def check_text(value: object, key: str) -> None:
    """Raise a ValueError unless an option is a folder or a hub id."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected network_g.{key} as a folder or a hub id, got {value!r}")


class _Pretrained(OneStepNetwork):
    """What an option file names in ``network_g``: a published backbone and what is trained of it."""

    family: str
    predictions: tuple[str, ...]

    def __init__(
        self,
        pretrained: str,
        rank: int = 32,
        encoder_rank: int = 0,
        prediction: str | None = None,
        vae: str | None = None,
        prompt: str | None = "",
        prompt_file: str | None = None,
        dtype: str = "float32",
        gradient_checkpointing: bool = False,
    ) -> None:
        if prediction is not None and prediction not in self.predictions:
            raise ValueError(f"expected prediction out of {', '.join(self.predictions)}, got {prediction!r}")
        parts = load_parts(pretrained, self.family, vae, dtype)
        embedding = None if prompt is None else prompt_of(pretrained, self.family, prompt, prompt_file)
        super().__init__(
            parts,
            embedding,
            prediction=prediction or self.predictions[0],
            rank=rank,
            encoder_rank=encoder_rank,
            gradient_checkpointing=gradient_checkpointing,
        )
        self.spec = {
            "type": type(self).__name__, "pretrained": pretrained, "rank": rank, "encoder_rank": encoder_rank,
            "prediction": self.prediction, "vae": vae, "dtype": dtype,
        }  # fmt: skip

    @classmethod
    def check_arguments(
        cls, pretrained: str, vae: str | None = None, prompt_file: str | None = None, **others: Any
    ) -> None:
        """Look for the backbone and what belongs to it without reading weights.

        Raises:
            ValueError: what loading would raise of them.
        """
        check_text(pretrained, "pretrained")
        if vae is not None:
            check_text(vae, "vae")
        if not isinstance(others.get("prompt", ""), str):
            raise ValueError(f"expected network_g.prompt as text, empty for none, got {others['prompt']!r}")
        if not isinstance(others.get("gradient_checkpointing", False), bool):
            raise ValueError(
                f"expected network_g.gradient_checkpointing: true or false, got {others['gradient_checkpointing']!r}"
            )
        if others.get("rank", 1) == 0 and not others.get("encoder_rank"):
            raise ValueError("expected network_g.rank or encoder_rank above 0, got neither; nothing would be trained")
        for key in ("rank", "encoder_rank"):
            rank = others.get(key, 0)
            if not isinstance(rank, int) or isinstance(rank, bool) or rank < 0:
                raise ValueError(f"expected network_g.{key} as a whole number of at least 0, got {rank!r}")
        for key, known in (("dtype", tuple(DTYPES)), ("prediction", cls.predictions)):
            if others.get(key) is not None and others[key] not in known:
                raise ValueError(f"expected network_g.{key} out of {', '.join(known)}, got {others[key]!r}")
        found = read_configurations(pretrained, cls.family, vae)
        if prompt_file:
            check_prompt(prompt_of(pretrained, cls.family, "", prompt_file), found.backbone)

    @classmethod
    def image_multiple(cls, pretrained: str, vae: str | None = None) -> int:
        """What both sides of an image have to be multiples of."""
        return read_configurations(pretrained, cls.family, vae).multiple


class OneStepUNet(_Pretrained):
    """Stable Diffusion's UNet and VAE (SD-Turbo, SD 2.1).

    Args:
        pretrained: folder or hub id.
        rank: of the LoRA of the backbone.
        encoder_rank: of the LoRA of the VAE's encoder; 0 for none.
        prediction: noise (OMGSR-S) or velocity (FlowSR).
        vae: folder or hub id of another VAE.
        prompt: fixed text; None where a checkpoint brings its embedding.
        prompt_file: its embedding.
        dtype: float32 or bf16, of what is frozen; LoRA is in float32.
        gradient_checkpointing: compute activations twice and keep few.

    Raises:
        ValueError: one sentence on what is missing or does not fit.
    """

    family, predictions = "unet", (NOISE, VELOCITY)


class OneStepFlux(_Pretrained):
    """FLUX.1's transformer and VAE; arguments as for :class:`OneStepUNet`, prediction always velocity."""

    family, predictions = "flux", (VELOCITY,)
