"""Options that say which real pairs a command works on, those pairs, and what their scales and cameras are."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from degflow_aug.commands.shared.arguments import argument, one_of
from degflow_aug.data.layouts import LAYOUTS, SPLIT_LAYOUTS
from degflow_aug.files.notice import notice

if TYPE_CHECKING:
    import torch

    from degflow_aug.bundles.spec import GeneratorSpec, KernelSpec
    from degflow_aug.data.layouts.scene import Scene
    from degflow_aug.evaluation.evaluation import EvaluationScene

LARGEST_HELD_OUT = 8
PAIRS_OPTIONS = ("layout", "pattern", "split", "true_scales", "cameras", "scenes")
_AS_NAMED = object()


def add_pairs_arguments(parser: argparse.ArgumentParser, split: str) -> None:
    """Add those of ``PAIRS_OPTIONS``; ``split`` is the default of the RealSR layouts."""
    parser.add_argument(
        "--layout",
        type=one_of(*LAYOUTS),
        metavar="NAME",
        help=f"{', '.join(LAYOUTS)} (default: told by what lies in the folder)",
    )
    parser.add_argument(
        "--pattern",
        metavar="FILE.yml",
        help="for layout pattern: where files lie, see degflow_aug/docs/fit.md (default: pattern.yml in the folder)",
    )
    parser.add_argument("--split", help=f"for the RealSR layouts: Train or Test (default: {split})")
    parser.set_defaults(default_split=split)
    parser.add_argument(
        "--true-scales", type=argument(_scales_by_label), metavar="2=2.1,4=3.75",
        help="the scales that labels of pairs stand for, such as RealSR's (default: the labels)",
    )  # fmt: skip
    parser.add_argument("--cameras", metavar="A,B", help="cameras to take (default: all)")
    parser.add_argument("--scenes", metavar="001-060,075", help="scenes to take (default: all)")


def add_oracle_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--oracle``."""
    parser.add_argument(
        "--oracle",
        action="store_true",
        help="show the autoencoder's reconstruction of the real views as well, in the table and on the page",
    )


def find_pairs(args: argparse.Namespace, scenes: Any = _AS_NAMED) -> list[Scene]:
    """Find the scenes that ``args`` names; ``scenes`` takes the place of ``--scenes``.

    Raises:
        ValueError: no pairs there, or a pattern without its layout.
    """
    from degflow_aug.data.layouts.find import find_scenes

    _settle_layout(args)
    if (args.pattern is None) == (args.layout == "pattern"):
        given = f"--pattern {args.pattern}" if args.pattern else "no --pattern"
        raise ValueError(f"expected --pattern FILE.yml with --layout pattern only, got {given} with {args.layout}")
    return find_scenes(
        args.pairs,
        args.layout,
        **how_found(args),
        scenes=args.scenes if scenes is _AS_NAMED else scenes,
    )


def _settle_layout(args: argparse.Namespace) -> None:
    """Fill in ``--layout`` and ``--pattern`` where they are not given, by what lies in the folder of the pairs.

    Raises:
        ValueError: that does not tell the layout, or one that only data sets of pairs take.
    """
    from degflow_aug.data.layouts.guess import PATTERN_FILE, guess_layout

    own = Path(args.pairs) / PATTERN_FILE
    if args.layout is None and args.pattern is not None:
        args.layout = "pattern"
    elif args.layout is None:
        layout, pattern = guess_layout(args.pairs)
        if layout not in LAYOUTS:
            raise ValueError(f"{args.pairs}: expected views on the HR grid ({', '.join(LAYOUTS)}), got {layout}")
        args.layout, args.pattern = layout, pattern and str(pattern)
    elif args.layout == "pattern" and args.pattern is None and own.is_file():
        args.pattern = str(own)


def split_scenes(args: argparse.Namespace) -> tuple[list[Scene], list[Scene]]:
    """Scenes to train on and those held out.

    Raises:
        ValueError: no pairs there, or none left to train on.
    """
    selected = find_pairs(args)
    if args.held_out == "none":
        return selected, []
    if args.held_out != "auto":
        held_out = find_pairs(args, scenes=args.held_out)
    else:
        every = find_pairs(args, scenes=None)
        cameras = {scene.camera for scene in selected}
        others = [scene for scene in every if scene not in selected and scene.camera in cameras]
        held_out = [scene for group in _by_camera(others) for scene in group[:LARGEST_HELD_OUT]]
        if not held_out:
            held_out = [scene for group in _by_camera(selected) if len(group) >= 4 for scene in _last_tenth(group)]
    names = {(scene.camera, scene.name) for scene in held_out}
    training = [scene for scene in selected if (scene.camera, scene.name) not in names]
    if not training:
        raise ValueError("expected scenes to train on beside those held out, got none; name fewer in --held-out")
    return training, held_out


def how_found(args: argparse.Namespace) -> dict[str, Any]:
    """What decides which files the scenes are, beside the folder of the pairs and the scenes themselves.

    Raises:
        ValueError: a split of a layout that has none, or a pattern that cannot be read.
    """
    if args.split is not None and args.layout not in SPLIT_LAYOUTS:
        raise ValueError(
            f"expected --split with a RealSR layout, got --layout {args.layout}; name scenes by --scenes instead"
        )
    found = {"split": args.split or args.default_split, "pattern": _pattern(args), "cameras": _cameras(args)}
    return {**found, "true_scales": args.true_scales} if args.true_scales else found


def knots_of(named: tuple[float, ...] | None, scenes: list[Scene]) -> tuple[float, ...]:
    """Scales to learn, 1 first: those named, or all of the scenes.

    Raises:
        ValueError: a named one that the scenes lack.
    """
    there = sorted({scale for scene in scenes for scale in scene.scales})
    chosen = [scale for scale in named or there if scale != 1]
    missing = [scale for scale in chosen if scale not in there]
    if missing or not chosen:
        shown = ", ".join(f"{scale:g}" for scale in there)
        raise ValueError(
            f"expected --knots among the scales of the pairs ({shown}), got {missing[0] if missing else 1:g}"
        )
    return (1.0, *chosen)


def cameras_of(scenes: Sequence[Scene]) -> str:
    """Name of the cameras of the scenes, for a bundle."""
    return " + ".join(dict.fromkeys(scene.camera for scene in scenes))


def say_what_teaches(scenes: Sequence[Scene], spec: GeneratorSpec | KernelSpec) -> None:
    """Say which pairs are of another camera than that of a bundle of one, as far as names tell, and which views are at
    none of its training scales."""
    from degflow_aug.degradations.camera_choice import is_one_of

    beyond = sorted({scale for scene in scenes for scale in scene.scales} - set(spec.knots))
    if beyond:
        shown, knots = (", ".join(f"x{scale:g}" for scale in each) for each in (beyond, spec.knots[1:]))
        notice(f"views at {shown} teach nothing: the training scales of the bundle are {knots}")
    if spec.camera and not spec.cameras:
        found = dict.fromkeys(scene.camera for scene in scenes if scene.camera)
        others = [camera for camera in found if not is_one_of(camera, spec.camera)]
        if others:
            notice(f"pairs of {', '.join(others)} teach a bundle of {spec.camera}; --cameras leaves some out")


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


def load_scenes(
    scenes: Sequence[Scene], scales: Sequence[float], device: torch.device, stage: str = "evaluate", least: int = 1
) -> Iterator[EvaluationScene]:
    """Whole scenes on the device, one at a time, with the progress of ``stage`` shown; those without any of the scales
    are left out.

    Raises:
        ValueError: no scene has a view at any of the scales, a view is of another size, or HR smaller than ``least``.
    """
    from degflow_aug.console.progress import track
    from degflow_aug.data.layouts.common_part import PairSize, scene_sizes
    from degflow_aug.data.layouts.scene import take_complete
    from degflow_aug.data.tensors import bring_to_grid, to_tensor
    from degflow_aug.evaluation.evaluation import EvaluationScene
    from degflow_aug.files.image_file import read_image

    def read(path: Path, size: tuple[int, int], part: PairSize | None = None) -> torch.Tensor:
        return to_tensor(bring_to_grid(read_image(path), size, part))[None].to(device)

    taken = take_complete(scenes, (1.0, *scales), "keep")
    found = list(zip(taken, scene_sizes(taken, scales), strict=True))
    for scene, (size, _) in found:
        if min(size) < least:
            raise ValueError(
                f"{scene.hr}: expected at least {least}x{least} pixels to compare, got {size[1]}x{size[0]}"
            )
    for scene, (size, parts) in track(found, stage, "scene"):
        views = {scale: path for scale in scales if (path := scene.views.get(scale)) is not None}
        on_grid = {scale: read(path, size, parts[path]) for scale, path in views.items()}
        yield EvaluationScene(scene.name, scene.camera, read(scene.hr, size), on_grid)


def _scales_by_label(text: str) -> dict[float, float]:
    """``2=2.1,4=3.75`` as numbers."""
    try:
        pairs = [(float(label), float(scale)) for label, scale in (part.split("=") for part in text.split(","))]
    except ValueError:
        raise ValueError(f"expected scales by label such as 2=2.1,4=3.75, got {text!r}") from None
    if len(dict(pairs)) < len(pairs):
        raise ValueError(f"expected each label once, got {text!r}")
    return dict(pairs)


def _pattern(args: argparse.Namespace) -> dict[str, Any] | None:
    from degflow_aug.options.yaml_file import load_yaml

    return load_yaml(Path(args.pattern)) if args.pattern else None


def _cameras(args: argparse.Namespace) -> list[str] | None:
    return args.cameras.split(",") if args.cameras else None


def _by_camera(scenes: list[Scene]) -> list[list[Scene]]:
    """The scenes of each camera."""
    return [[scene for scene in scenes if scene.camera == name] for name in dict.fromkeys(s.camera for s in scenes)]


def _last_tenth(scenes: list[Scene]) -> list[Scene]:
    return scenes[-min(LARGEST_HELD_OUT, max(1, len(scenes) // 10)) :]
