"""Backbones of random weights in diffusers' own format, small enough for a CPU: for tests and benchmarks.

They say nothing about images; what is trained on them shows that the machinery works, and how long it takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

_VAE: dict[str, Any] = {
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [16] * 4, "layers_per_block": 1, "norm_num_groups": 8, "sample_size": 64,
}  # fmt: skip
VAE_SD: dict[str, Any] = {**_VAE, "latent_channels": 4, "scaling_factor": 0.18215}
VAE_FLUX: dict[str, Any] = {
    **_VAE, "latent_channels": 16, "scaling_factor": 0.3611, "shift_factor": 0.1159, "use_quant_conv": False,
    "use_post_quant_conv": False,
}  # fmt: skip
UNET: dict[str, Any] = {
    "sample_size": 8, "in_channels": 4, "out_channels": 4, "layers_per_block": 1, "block_out_channels": [32, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": 32, "attention_head_dim": 8, "norm_num_groups": 8, "use_linear_projection": True,
}  # fmt: skip
FLUX: dict[str, Any] = {
    "patch_size": 1, "in_channels": 64, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16,
    "num_attention_heads": 2, "joint_attention_dim": 32, "pooled_projection_dim": 16, "guidance_embeds": True,
    "axes_dims_rope": [4, 4, 8],
}  # fmt: skip
DDPM: dict[str, Any] = {
    "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000,
    "prediction_type": "epsilon", "clip_sample": False, "steps_offset": 1,
}  # fmt: skip
FLOW_MATCHING: dict[str, Any] = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
_CLIP_TEXT: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 64,
    "max_position_embeddings": 77, "projection_dim": 16, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
}  # fmt: skip
_CLIP_IMAGE: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32,
    "patch_size": 8, "projection_dim": 16,
}  # fmt: skip
_DINO: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
}  # fmt: skip


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from ``seed`` inside the block, and leave torch's random state as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def write_tiny_backbones(folder: str | Path) -> Path:
    """``sd``, ``flux``, ``clip`` and ``dino`` in a folder."""
    folder = Path(folder)
    write_stable_diffusion(folder / "sd")
    write_flux(folder / "flux")
    write_clip(folder / "clip")
    write_dino(folder / "dino")
    return folder


def write_stable_diffusion(folder: str | Path, seed: int = 0) -> Path:
    """A folder as of ``stabilityai/sd-turbo``: vae, unet, scheduler, text_encoder, tokenizer, model_index.json."""
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    folder = Path(folder)
    with seeded(seed):
        AutoencoderKL(**VAE_SD).save_pretrained(folder / "vae")
        UNet2DConditionModel(**UNET).save_pretrained(folder / "unet")
        CLIPTextModel(CLIPTextConfig(**_CLIP_TEXT)).save_pretrained(folder / "text_encoder")
    DDPMScheduler(**DDPM).save_pretrained(folder / "scheduler")
    write_tokenizer(folder / "tokenizer")
    parts = {
        "vae": ["diffusers", "AutoencoderKL"], "unet": ["diffusers", "UNet2DConditionModel"],
        "scheduler": ["diffusers", "DDPMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "safety_checker": [None, None],
        "feature_extractor": [None, None], "image_encoder": [None, None],
    }  # fmt: skip
    _write_json(folder / "model_index.json", {"_class_name": "StableDiffusionPipeline", **parts})
    return folder


def write_flux(folder: str | Path, seed: int = 0) -> Path:
    """A folder as of ``FLUX.1-dev``: vae, transformer, scheduler, and both text encoders with their tokenizers."""
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    folder = Path(folder)
    clip = {**_CLIP_TEXT, "hidden_size": FLUX["pooled_projection_dim"]}
    t5 = T5Config(vocab_size=64, d_model=FLUX["joint_attention_dim"], d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    with seeded(seed):
        AutoencoderKL(**VAE_FLUX).save_pretrained(folder / "vae")
        FluxTransformer2DModel(**FLUX).save_pretrained(folder / "transformer")
        CLIPTextModel(CLIPTextConfig(**clip)).save_pretrained(folder / "text_encoder")
        T5EncoderModel(t5).save_pretrained(folder / "text_encoder_2")
    FlowMatchEulerDiscreteScheduler(**FLOW_MATCHING).save_pretrained(folder / "scheduler")
    write_tokenizer(folder / "tokenizer")
    _write_t5_tokenizer(folder / "tokenizer_2")
    parts = {
        "vae": ["diffusers", "AutoencoderKL"], "transformer": ["diffusers", "FluxTransformer2DModel"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "text_encoder": ["transformers", "CLIPTextModel"], "text_encoder_2": ["transformers", "T5EncoderModel"],
        "tokenizer_2": ["transformers", "T5TokenizerFast"], "image_encoder": [None, None],
        "feature_extractor": [None, None],
    }  # fmt: skip
    _write_json(folder / "model_index.json", {"_class_name": "FluxPipeline", **parts})
    return folder


def write_clip(folder: str | Path, seed: int = 0) -> Path:
    """A folder as of ``openai/clip-vit-base-patch32``: image and text encoder with a tokenizer."""
    from transformers import CLIPConfig, CLIPModel

    folder = Path(folder)
    with seeded(seed):
        config = CLIPConfig(text_config=_CLIP_TEXT, vision_config=_CLIP_IMAGE, projection_dim=16)
        CLIPModel(config).save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def write_dino(folder: str | Path, seed: int = 0) -> Path:
    """A folder as of ``facebook/dinov2-base``, with three blocks."""
    from transformers import Dinov2Config, Dinov2Model

    with seeded(seed):
        Dinov2Model(Dinov2Config(**_DINO)).save_pretrained(folder)
    return Path(folder)


def write_vgg(file: Path) -> Path:
    """Random convolutions of VGG16 as torchvision names them, for LPIPS."""
    import torchvision

    with seeded(0):
        state = torchvision.models.vgg16(weights=None).features.state_dict()
    torch.save({f"features.{key}": value for key, value in state.items()}, file)
    return file


def write_vgg19(file: Path) -> Path:
    """VGG19 as torchvision saves it, for BasicSR's perceptual loss: random convolutions, a classifier of zeros."""
    import torchvision

    with torch.device("meta"):
        state = torchvision.models.vgg19(weights=None).state_dict()
    generator = torch.Generator().manual_seed(0)
    for key, value in state.items():
        # What is not used is stored as one number.
        state[key] = torch.zeros(1).expand(value.shape)
        if key.startswith("features") and value.ndim == 4:
            state[key] = torch.randn(value.shape, generator=generator) * (2 / value[0].numel()) ** 0.5
    torch.save(state, file)
    return file


def write_tokenizer(folder: Path) -> None:
    """A tokenizer of CLIP's kind, which spells words letter by letter."""
    letters = [letter + end for letter in "abcdefghijklmnopqrstuvwxyz,." for end in ("", "</w>")]
    words = ["<|unk|>", "<|startoftext|>", "<|endoftext|>", *letters]
    _write_json(folder / "vocab.json", {word: number for number, word in enumerate(words)})
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    settings = {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": words[1], "eos_token": words[2],
        "pad_token": words[2], "unk_token": words[0],
    }  # fmt: skip
    _write_json(folder / "tokenizer_config.json", settings)


def _write_t5_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -1.0)]
    pieces += [(letter, -2.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=512, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    wrapped.save_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    _write_json(folder / "tokenizer_config.json", {**settings, "tokenizer_class": "T5TokenizerFast"})


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
