"""Which scenes ``degflow fit`` learns from, which it holds out, and whether their cameras are told apart."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from degflow_aug.commands.shared.pairs_arguments import find_pairs

if TYPE_CHECKING:
    from degflow_aug.data.layouts.scene import Scene

LARGEST_HELD_OUT = 8


def split_scenes(args: argparse.Namespace) -> tuple[list[Scene], list[Scene]]:
    """Scenes to train on and those held out."""
    selected = find_pairs(args)
    if args.held_out == "none":
        return selected, []
    if args.held_out != "auto":
        held_out = find_pairs(args, scenes=args.held_out)
    else:
        every = find_pairs(args, scenes=None)
        cameras = {scene.camera for scene in selected}
        others = [scene for scene in every if scene not in selected and scene.camera in cameras]
        held_out = [scene for group in by_camera(others) for scene in group[:LARGEST_HELD_OUT]]
        if not held_out:
            held_out = [scene for group in by_camera(selected) if len(group) >= 4 for scene in _last_tenth(group)]
    names = {(scene.camera, scene.name) for scene in held_out}
    training = [scene for scene in selected if (scene.camera, scene.name) not in names]
    if not training:
        raise ValueError("expected scenes to train on beside those held out, got none; name fewer in --held-out")
    return training, held_out


def by_camera(scenes: list[Scene]) -> list[list[Scene]]:
    """The scenes of each camera."""
    return [[scene for scene in scenes if scene.camera == name] for name in dict.fromkeys(s.camera for s in scenes)]


def _last_tenth(scenes: list[Scene]) -> list[Scene]:
    return scenes[-min(LARGEST_HELD_OUT, max(1, len(scenes) // 10)) :]


def cameras_apart(wanted: bool | None, recipe: str, scenes: list[Scene]) -> list[str]:
    """The cameras to tell apart; none where the pairs are learned as those of one.

    Pairs of several cameras are told apart unless the recipe is the published one: learned as one they give the mean
    of the cameras, which is none of them, while an embedding costs next to nothing and ``camera: any`` still has all.

    Raises:
        ValueError: they are wanted apart, and there is one.
    """
    cameras = list(dict.fromkeys(scene.camera for scene in scenes))
    if wanted and len(cameras) < 2:
        raise ValueError(f"expected pairs of several cameras for --cameras-apart, got those of {cameras[0]}")
    apart = recipe == "ours" if wanted is None else wanted
    return cameras if apart and len(cameras) > 1 else []
