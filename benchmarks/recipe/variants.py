"""What ``python -m benchmarks.recipe`` compares: our recipe, and our recipe with one thing changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from degflow_aug.fit.presets import Preset, preset

Change = Callable[[Preset], Preset]


@dataclass(frozen=True)
class Variant:
    """A recipe.

    Attributes:
        change: our preset -> that of the variant.
        note: what it is, for the table.
        every_scale: trained on real views at all scales that the pairs have, and not at the knots alone.
    """

    change: Change
    note: str
    every_scale: bool = False


def with_options(stages: Mapping[str, Mapping[str, Any]]) -> Change:
    """Other ``degflow`` options in some stages; stages that a preset lacks are passed over."""

    def change(chosen: Preset) -> Preset:
        changed = {
            name: replace(stage, options={**stage.options, **stages.get(name, {})})
            for name, stage in chosen.stages.items()
        }
        return replace(chosen, stages=changed)

    return change


def unrefined(chosen: Preset) -> Preset:
    """No stage on rendered views; its budget goes to the other two, and rendering takes heun, as nothing has learned
    two Euler steps."""
    kept = {name: stage for name, stage in chosen.stages.items() if name != "refine"}
    total = sum(stage.share for stage in kept.values())
    stages = {name: replace(stage, share=stage.share / total) for name, stage in kept.items()}
    return with_options({"lfm": {"solver": "heun"}})(replace(chosen, stages=stages))


def unconditioned(chosen: Preset) -> Preset:
    """A velocity network that does not see HR features."""
    return replace(chosen, conditioned=False)


def unanchored(chosen: Preset) -> Preset:
    """The decoder adds to the HR image, and not to the fitted camera's view."""
    return replace(chosen, rae={**chosen.rae, "anchored": False})


def linear(chosen: Preset) -> Preset:
    """A linear kernel behind anchor and pseudo-views, and not a pipeline."""
    return replace(chosen, pipeline="never")


def plain(chosen: Preset) -> Preset:
    """The paper's losses, knots and path at our learning rates, crops and batches, with our networks."""
    no_pseudo = {"rae": {"pseudo_share": 0.0, "latent_noise": 0.0, "kl_weight": 0.0}, "lfm": {"pseudo_spacing": 0.0}}
    changed = with_options({**no_pseudo, "lfm": {"pseudo_spacing": 0.0, "trajectory": "spline"}})(chosen)
    return linear(unanchored(unconditioned(unrefined(changed))))


def paper(chosen: Preset) -> Preset:
    """The published recipe to the letter (without LPIPS, whose weights are not here) with the preset's sizes."""
    published = preset("official", "paper")
    sizes = {key: value for key, value in chosen.rae.items() if key not in ("residual", "anchored")}
    velocity = {key: value for key, value in chosen.velocity.items() if key not in ("dropout", "local")}
    found = Preset({**sizes, "residual": False}, {**velocity, "dropout": 0.1}, False, published.stages, "never")
    return with_options({"lfm": {"lpips_weight": 0.0}})(found)


REAL_ALONE = {"pseudo_share": 0.0, "zoom_share": 0.0}
VARIANTS: dict[str, Variant] = {
    "ours": Variant(lambda chosen: chosen, "the default"),
    "no pseudo-views": Variant(
        with_options({"rae": {"pseudo_share": 0.0}, "lfm": {"pseudo_spacing": 0.0}, "refine": REAL_ALONE}),
        "real views alone in all stages",
    ),
    "no pseudo-views in refine": Variant(
        with_options({"refine": REAL_ALONE}), "rendered views are compared with real ones alone"
    ),
    "no smaller pairs": Variant(
        with_options({"refine": {"pseudo_share": 0.5, "zoom_share": 0.0}}), "pseudo-views alone between knots"
    ),
    "not anchored": Variant(unanchored, "the decoder adds to the HR image, not to the fitted camera's view"),
    "pipeline": Variant(
        lambda chosen: replace(chosen, pipeline="always"), "anchor and pseudo-views are a pipeline's on any camera"
    ),
    "linear": Variant(linear, "anchor and pseudo-views are those of a linear kernel, not of a pipeline"),
    "no latent noise": Variant(with_options({"rae": {"latent_noise": 0.0}}), "the decoder sees clean latents"),
    "no KL": Variant(with_options({"rae": {"kl_weight": 0.0}}), "latents may outgrow their noise"),
    "no HR condition": Variant(unconditioned, "the velocity sees latents alone"),
    "spline": Variant(with_options({"lfm": {"trajectory": "spline"}}), "the path of the paper"),
    "no refine": Variant(unrefined, "stages 1 and 2 alone, heun with 2 steps"),
    "refine the flow alone": Variant(
        with_options({"refine": {"train_rae": False}}), "the autoencoder stays as stage 1 left it"
    ),
    "plain": Variant(plain, "the paper's losses and path at our rates, crops and batches"),
    "paper": Variant(paper, "the published recipe to the letter, without LPIPS"),
    "every scale": Variant(lambda chosen: chosen, "ceiling: real views at all scales", every_scale=True),
}
