"""What a fit is asked for, and the options of its stages, as a user's YAML would hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from degflow_aug.archs.generator.generator_arch import DegFlowGenerator
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.bundles.spec import LATEST
from degflow_aug.data.aligned_scales_dataset import AlignedScales
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.fit.presets import Preset, StagePreset

MODEL_TYPES = {"rae": "RAEModel", "lfm": "LFMModel", "refine": "RefineModel", "distill": "LFMDistillModel"}

# The key of a stage for the generator of the stage before it.
STARTS = {"refine": "generator", "distill": "teacher"}


@dataclass(frozen=True)
class FitSettings:
    """What one fit is asked for.

    Attributes:
        scenes: pairs to train on.
        knots: scales of the pairs, 1 first.
        camera: name kept in the bundle.
        work: folder of checkpoints.
        seed: of everything drawn.
        gpus: 0 for the CPU, 1 for a GPU.
        workers: processes that load images.
        cameras: those of the pairs that the generator is to tell apart; empty: one camera.
        incomplete: what becomes of scenes that lack a view at a knot; see :class:`AlignedScales`.
        rank, world: number of this process, and how many fit together; the batch of a stage is that of each.
    """

    scenes: Sequence[Scene]
    knots: Sequence[float]
    camera: str
    work: Path
    seed: int = 0
    gpus: int = 0
    workers: int = 0
    cameras: Sequence[str] = ()
    incomplete: str = "refuse"
    rank: int = 0
    world: int = 1

    def pairs(self, crop: int | None = None) -> AlignedScales:
        """The pairs as training items: crops of that side, turned at random, or whole images.

        Raises:
            ValueError: as :class:`AlignedScales`.
        """
        random = crop is not None
        return AlignedScales(
            self.scenes, self.knots, crop_size=crop, flip=random, rotate=random, incomplete=self.incomplete
        )


def stage_options(stage: str, preset: Preset, settings: FitSettings) -> dict[str, Any]:
    """Options of one stage, the same keys as in ``basicsr_options/``; the fit has a schedule of its own."""
    recipe = preset.stages[stage]
    root = settings.work / stage
    return {
        "name": stage, "model_type": MODEL_TYPES[stage], "scale": 1, "num_gpu": settings.gpus,
        "manual_seed": settings.seed, "is_train": True, "dist": settings.world > 1, "rank": settings.rank,
        "world_size": settings.world,
        "path": {
            "experiments_root": str(root), "models": str(root / "models"),
            "training_states": str(root / "training_states"), "visualization": str(root / "visualization"),
        },
        "network_g": _network(stage, preset, len(settings.cameras)),
        "datasets": {"train": {
            "gt_size": crop_side(recipe), "batch_size_per_gpu": recipe.batch, "num_worker_per_gpu": settings.workers,
        }},
        "degflow": _section(stage, preset, settings),
        "train": _training(recipe),
    }  # fmt: skip


def _network(stage: str, preset: Preset, cameras: int) -> dict[str, Any]:
    if stage == "rae":
        return {"type": "ResidualAutoencoder", **preset.rae}
    with torch.device("meta"):
        rae = ResidualAutoencoder(**preset.rae)
    latent, condition = preset.rae.get("latent_channels", 4), rae.condition_channels if preset.conditioned else 0
    velocity = {"type": "NCSNpp", "latent_channels": latent, **preset.velocity, "condition_channels": condition}
    if cameras:
        velocity["cameras"] = cameras
    if stage == "refine":
        parts = ({key: value for key, value in each.items() if key != "type"} for each in (preset.rae, velocity))
        return {"type": "DegFlowGenerator", **dict(zip(("rae", "velocity"), parts, strict=True))}
    return {**velocity, "end_time": True} if stage == "distill" else velocity


def crop_side(recipe: StagePreset) -> int:
    """Side of the images that a stage is given: the crop, what its losses leave out around it, and what it zooms in."""
    return recipe.crop + int(2 * recipe.options.get("crop_margin", 0)) + int(recipe.options.get("zoom_room", 0))


def _section(stage: str, preset: Preset, settings: FitSettings) -> dict[str, Any]:
    section = {
        "knots": list(settings.knots), "camera": settings.camera,
        "kernel": str(settings.work / "kernel.safetensors"), **preset.stages[stage].options,
    }  # fmt: skip
    if settings.cameras:
        section["cameras"] = list(settings.cameras)
    if stage in STARTS:
        stages = list(preset.stages)
        section[STARTS[stage]] = str(settings.work / stages[stages.index(stage) - 1] / "models" / LATEST)
    elif stage != "rae":
        section["rae"] = str(settings.work / "rae" / "models" / "net_g_latest.pth")
        if settings.knots[-1] != 4:
            section.pop("times", None)
    elif section["hr_share"] < 0:
        section["hr_share"] = 1 / len(settings.knots)
    return section


def _training(recipe: StagePreset) -> dict[str, Any]:
    optimizer = {"lr": recipe.lr, "betas": list(recipe.betas), "weight_decay": recipe.weight_decay}
    return {
        "optim_g": {"type": "AdamW" if recipe.weight_decay else "Adam", **optimizer},
        "scheduler": {"type": "MultiStepLR", "milestones": []},
        "ema_decay": recipe.ema,
        "pixel_opt": {"type": recipe.loss, "loss_weight": 1.0, "reduction": "mean"},
    }  # fmt: skip


def largest_crop(preset: Preset, stage: str, wanted: int, smallest: int) -> int:
    """Side of the crops of a stage, ``wanted`` or, where the pairs are smaller, the largest that its networks take.

    What :func:`check_sides` has seen to hold the crops of stage 1 may not hold the larger ones of a later stage.
    """
    if wanted <= smallest or stage != "refine":
        return wanted
    with torch.device("meta"):
        network = DegFlowGenerator(**{key: value for key, value in _network(stage, preset, 0).items() if key != "type"})
    multiple = network.rae.multiple * network.velocity.multiple
    margin = 2 * preset.stages[stage].options.get("crop_margin", 0)
    return (smallest - margin) // multiple * multiple + margin


def check_sides(preset: Preset, settings: FitSettings) -> None:
    """Look whether the pairs hold the crops of stage 1, before anything is written.

    Raises:
        ValueError: they are smaller.
    """
    wanted, smallest = crop_side(preset.stages["rae"]), settings.pairs().smallest_side
    if smallest < wanted:
        raise ValueError(
            f"expected pairs of at least {wanted} pixels a side for this preset and recipe, got {smallest}; take "
            "--preset tiny with --recipe ours (96 pixels), or leave smaller scenes out"
        )
