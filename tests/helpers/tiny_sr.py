"""Options and batches for super-resolution models that take milliseconds a step, and BasicSR's parts in small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from helpers.photographs import photograph, write_photographs
from helpers.random_networks import random_rae, random_velocity
from helpers.tiny_camera import in_memory
from torch import Tensor, nn

import degflow_aug
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle

BICUBIC = {"type": "Bicubic"}
REAL_ESRGAN = {"type": "RealESRGAN"}
LIIF = {
    "type": "LIIF", "encoder_spec": {"name": "edsr-baseline", "args": {"n_resblocks": 1, "n_feats": 8}},
    "imnet_spec": {"name": "mlp", "args": {"hidden_list": [16]}},
}  # fmt: skip
EDSR = {"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 2, "img_range": 1.0}
UNET = {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4}
MODELS = {"arbitrary": "ArbitraryScaleSRModel", "fixed": "DegradedSRModel", "gan": "DegradedESRGANModel"}
GAN = {"type": "GANLoss", "gan_type": "vanilla", "real_label_val": 1.0, "fake_label_val": 0.0, "loss_weight": 0.05}
ADAM = {"type": "Adam", "lr": 2e-3, "betas": [0.9, 0.99]}
L1 = {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"}


def register() -> None:
    """This package's classes, and those of this file, in BasicSR's registries."""
    degflow_aug.register()
    from basicsr.utils.registry import ARCH_REGISTRY, LOSS_REGISTRY

    for registry, item in ((ARCH_REGISTRY, TinyDiscriminator), (LOSS_REGISTRY, TextureLoss)):
        if item.__name__ not in registry:
            registry.register(item)


class TinyDiscriminator(nn.Module):
    """A logit for every pixel; no normalisation, so that samples do not depend on each other."""

    def __init__(self, num_feat: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, num_feat, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(num_feat, 1, 3, padding=1)
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.body(image)


class TextureLoss(nn.Module):
    """Differences of neighbours and of their squares: two losses, as BasicSR's perceptual loss gives them."""

    def __init__(self, loss_weight: float = 1.0, style_weight: float = 0.5) -> None:
        super().__init__()
        self.weights = (loss_weight, style_weight)

    def forward(self, output: Tensor, target: Tensor) -> tuple[Tensor | None, Tensor | None]:
        edges = [image[..., 1:] - image[..., :-1] for image in (output, target)]
        losses = (F.l1_loss(*edges), F.l1_loss(edges[0] ** 2, edges[1] ** 2))
        percep, style = (weight * loss if weight else None for weight, loss in zip(self.weights, losses, strict=True))
        return percep, style


def sr_options(
    kind: str, root: Path, *, iterations: int = 4, degradation: dict[str, Any] | None = BICUBIC, **degflow: Any
) -> dict[str, Any]:
    """An option file as a dictionary: ``arbitrary``, ``fixed`` (x2) or ``gan`` (x2), on photographs in ``root/hr``."""
    if not (root / "hr").is_dir():
        write_photographs(root / "hr", 3, height=48, width=48)
    arbitrary = {"lr_size": 8, "scale_range": [1, 4], "queries": 48} if kind == "arbitrary" else {}
    train: dict[str, Any] = {
        "ema_decay": 0.9, "optim_g": dict(ADAM), "total_iter": iterations, "warmup_iter": 3, "pixel_opt": dict(L1),
        "scheduler": {"type": "MultiStepLR", "milestones": [max(1, iterations // 2)], "gamma": 0.5},
    }  # fmt: skip
    opt: dict[str, Any] = {
        "name": kind, "model_type": MODELS[kind], "scale": 1 if kind == "arbitrary" else 2, "num_gpu": 0,
        "manual_seed": 3, "network_g": dict(LIIF if kind == "arbitrary" else EDSR),
        "datasets": {
            "train": {
                "name": "train", "type": "HRCropDataset", "dataroot_gt": str(root / "hr"), "gt_size": 32,
                "use_hflip": True, "use_rot": True, "num_worker_per_gpu": 0, "batch_size_per_gpu": 2,
                "dataset_enlarge_ratio": 2,
            }
        },
        "degflow": {**arbitrary, **degflow}, "path": {"pretrain_network_g": None, "resume_state": None}, "train": train,
        "logger": {"print_freq": 1, "save_checkpoint_freq": 2, "use_tb_logger": False},
    }  # fmt: skip
    if degradation is not None:
        opt["degradation"] = dict(degradation)
    return with_discriminator(opt) if kind == "gan" else opt


def with_discriminator(opt: dict[str, Any], network: dict[str, Any] | None = None, **train: Any) -> dict[str, Any]:
    """The same options with a discriminator beside the network."""
    opt["network_d"] = dict(network or UNET)
    opt["train"] |= {"gan_opt": dict(GAN), "optim_d": dict(ADAM), **train}
    return opt


def build(opt: dict[str, Any], folder: Path, seed: int = 0, **more: Any) -> Any:
    """The model of an option file, built without ``train_pipeline``."""
    from basicsr.models import build_model

    torch.manual_seed(seed)
    return build_model({**in_memory(opt, folder), **more})


def hr_batch(count: int = 2, side: int = 32, seed: int = 0) -> dict[str, Any]:
    """What a loader makes of HR-only items."""
    images = [torch.from_numpy(photograph(100 * seed + i, side, side)).permute(2, 0, 1) for i in range(count)]
    return {"gt": torch.stack(images), "gt_path": [f"{i}.png" for i in range(count)]}


def pair_batch(count: int = 2, side: int = 32, scale: int = 2, seed: int = 0) -> dict[str, Any]:
    """What a loader makes of BasicSR's paired images: float HR and LR, no scale."""
    gt = hr_batch(count, side, seed)["gt"].float() / 255
    lq = F.interpolate(gt, scale_factor=1 / scale, mode="bicubic", antialias=True).clamp(0, 1)
    return {"gt": gt, "lq": lq, "gt_path": [""] * count, "lq_path": [""] * count}


def train(model: Any, batches: list[dict[str, Any]], start: int = 0) -> list[dict[str, float]]:
    """``train_pipeline``'s loop over the batches; the log of every step."""
    logs = []
    for step, batch in enumerate(batches, start + 1):
        model.update_learning_rate(step, warmup_iter=3)
        model.feed_data(dict(batch))
        model.optimize_parameters(step)
        logs.append(model.get_current_log())
    return logs


def weights(model: Any) -> list[Tensor]:
    """All that is trained: the network, its EMA and the discriminator, buffers too."""
    networks = [model.get_bare_model(model.net_g), model.net_g_ema]
    adversary = getattr(model, "adversary", None)
    networks += [model.get_bare_model(adversary.network)] if adversary else []
    return [value.clone() for network in networks if network is not None for value in network.state_dict().values()]


def equal(first: list[Tensor], second: list[Tensor]) -> bool:
    """Whether two lists of weights are the same bit for bit."""
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def write_random_bundle(path: Path) -> Path:
    """A generator with random weights for scales 1 to 4."""
    rae, velocity = random_rae(2, 3, residual=True), random_velocity(3, base_channels=8, rae_channels=2)
    save_bundle(path, Bundle(GeneratorSpec(rae.spec, velocity.spec, (1.0, 2.0, 4.0), 4.0, steps=1), rae, velocity))
    return path
