"""The option file of ``degflow train liif --camera FILE --photos DIR``: one that ships, fitted to what is there."""

from __future__ import annotations

import argparse
import os
import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from degflow_aug.bundles.spec import KernelSpec
from degflow_aug.commands.shared.arguments import pick_device, process_of_group
from degflow_aug.commands.shared.option_files import shipped_file
from degflow_aug.console.plain_text import one_line
from degflow_aug.console.progress import note
from degflow_aug.data.layouts import SPLIT_LAYOUTS
from degflow_aug.files.writing import atomic_path
from degflow_aug.options.yaml_file import load_yaml

NETWORKS = ("liif",)
HIGHEST = 4.0
"""Networks learn no higher scales unless an option file says so."""
CPU_ITERATIONS = 2000
_OF_CAMERA = ("camera", "photos", "val", "name", "iters")


def check_source(args: argparse.Namespace) -> None:
    """Refuse arguments that name an option file and a network, or neither of them whole.

    Raises:
        ValueError: such arguments.
    """
    named = [f"--{key}" for key in _OF_CAMERA if getattr(args, key) is not None]
    if args.network is None:
        if args.opt is None:
            raise ValueError("expected -opt FILE.yml, or liif --camera FILE.safetensors --photos DIR, got neither")
        if named:
            raise ValueError(
                f"expected {named[0]} with liif, for which the option file is written, got -opt {args.opt}"
            )
    elif args.opt is not None:
        raise ValueError(f"expected {args.network} or -opt, got both; an option file names its network itself")
    else:
        for key in ("camera", "photos"):
            if getattr(args, key) is None:
                raise ValueError(f"expected --{key} with {args.network}, got none; see degflow train --help")


def camera_options(args: argparse.Namespace) -> dict[str, Any]:
    """Make the options: scales of the camera, layouts of the folders, sizes for a GPU or for a CPU.

    Raises:
        ValueError: no such bundle, or pairs of none of its scales.
    """
    from degflow_aug.bundles.bundle import load_any_bundle
    from degflow_aug.bundles.likeness import read_likenesses
    from degflow_aug.data.layouts.guess import guess_layout
    from degflow_aug.degradations.fitted.camera_kernels import kind_of

    bundle = load_any_bundle(args.camera)
    spec, gpu = bundle.spec, pick_device("auto").type == "cuda"
    opt = load_yaml(shipped_file("liif_degflow" if gpu else "liif_cpu"))
    opt["name"] = args.name or args.network
    kind = kind_of(bundle.kernels[0]).__name__ if isinstance(spec, KernelSpec) else "DegFlow"
    opt["degradation"] = {"type": kind, "bundle": args.camera, "noise": 1.0 if bundle.noise else 0.0}
    if spec.cameras:
        opt["degradation"]["camera"] = "any"
    elif any(read_likenesses(spec)):
        opt["degradation"]["student"] = "auto"
    scales = [1.0, min(spec.knots[-1], HIGHEST)]
    opt["degflow"]["scale_range"] = scales
    train = opt["datasets"]["train"]
    for key in ("layout", "scenes"):
        train.pop(key, None)
    side = round(opt["degflow"]["lr_size"] * scales[1])
    train |= {"name": "photographs", "dataroot_gt": args.photos, "gt_size": side}
    train["num_worker_per_gpu"] = max(1, min(train["num_worker_per_gpu"], (os.cpu_count() or 1) - 1))
    with suppress(ValueError):
        # Pairs are photographs too: those of HR.
        train["layout"] = guess_layout(args.photos)[0]
    opt["datasets"].pop("val")
    if args.val is None:
        opt.pop("val")
    else:
        opt["val"]["best"] = {"metric": "psnr"}
        opt["datasets"]["val"] = _validation(args, spec.training.get("scenes") or [], scales[1], train, gpu)
    _set_iterations(opt, args.iters or (opt["train"]["total_iter"] if gpu else CPU_ITERATIONS))
    return opt


def _validation(
    args: argparse.Namespace, seen: list[str], highest: float, train: dict[str, Any], gpu: bool
) -> dict[str, object]:
    """Make the section of the pairs, of scales and devices of the camera, and of scenes that it was not fitted to."""
    from degflow_aug.data.layouts.find import find_pair_scenes
    from degflow_aug.data.layouts.guess import guess_layout
    from degflow_aug.files.image_tree import find_images

    layout, pattern = guess_layout(args.val)
    section: dict[str, object] = {
        "name": "pairs",
        "type": "AnyScalePairDataset",
        "dataroot_gt": args.val,
        "layout": layout,
    }
    scenes = find_pair_scenes(args.val, layout, split="Test", pattern=load_yaml(pattern) if pattern else None)
    cameras = {scene.camera for scene in scenes}
    if own := cameras & {name.rpartition("/")[0] for name in seen}:
        scenes = [scene for scene in scenes if scene.camera in own]
        if own < cameras:
            section["cameras"] = sorted(own)
    there = sorted({scale for scene in scenes for scale in scene.scales})
    if there[0] > highest:
        raise ValueError(
            f"{args.val}: expected pairs at scales up to {highest:g}, which {args.camera} has, got {there[0]:g}"
        )
    if there[-1] > highest:
        beyond = ", ".join(f"x{scale:g}" for scale in there if scale > highest)
        if process_of_group()[0] == 0:
            note(f"{args.val}: pairs at {beyond} are not validated on, which {args.camera} does not have")
        section["scales"] = [scale for scale in there if scale <= highest]
    names = [f"{scene.camera}/{scene.name}" for scene in scenes]
    unseen = [name for name in names if name not in seen]
    # Scenes of both splits have the same names.
    if layout not in SPLIT_LAYOUTS and 0 < len(unseen) < len(names):
        section["scenes"] = unseen
        if Path(args.photos).resolve() == Path(args.val).resolve():
            train["scenes"] = [name for name in names if name in seen]
            return section if gpu else {**section, "crop": 160}
        scenes = [scene for scene, name in zip(scenes, names, strict=True) if name in unseen]
    trained = {Path(image.path).resolve() for image in find_images(args.photos)}
    both = sum(scene.hr.resolve() in trained for scene in scenes)
    if both and process_of_group()[0] == 0:
        note(
            f"{both} of the {len(scenes)} HR images of {args.val} that are validated on are trained on as well, which "
            "flatters the network; name other --val pairs"
        )
    return section if gpu else {**section, "crop": 160}


def _set_iterations(opt: dict[str, Any], total: int) -> None:
    """Fit all that counts iterations into ``total``."""
    train, scheduler = opt["train"], opt["train"]["scheduler"]
    before, train["total_iter"] = train["total_iter"], total
    for key in ("periods", "milestones"):
        if key in scheduler:
            scheduler[key] = [round(at * total / before) for at in scheduler[key]]
    for section, key in (("degflow", "preview_freq"), ("logger", "save_checkpoint_freq"), ("val", "val_freq")):
        if section in opt:
            opt[section][key] = max(1, min(opt[section][key] * max(1, total // before), total))


def write_camera_options(args: argparse.Namespace, opt: dict[str, Any], first: bool) -> None:
    """Write the options to ``args.opt``, whole, where the same do not stand already; the ``first`` process says so.

    Raises:
        ValueError: another file is there.
        OSError: it cannot be written.
    """
    words = ["degflow", "train", args.network]
    for key in _OF_CAMERA:
        value = getattr(args, key)
        words += [] if value is None else [f"--{key}", str(value)]
    again = f"degflow train -opt {shlex.quote(args.opt)}"
    text = f"# Written by {one_line(shlex.join(words))}\n#   {one_line(again)}\n"
    text += yaml.safe_dump(opt, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    path, scales = Path(args.opt), opt["degflow"]["scale_range"]
    if not path.exists():
        with atomic_path(path) as partial:
            partial.write_text(text, encoding="utf-8")
    elif path.read_bytes() != text.encode():
        raise ValueError(
            f"expected {path} as this command writes it, got another file; train that by {again}, or name a new run by "
            "--name"
        )
    if not first:
        return
    note(
        f"option file: {path.absolute()}, {opt['train']['total_iter']} iterations at scales 1 to {scales[1]:g} on "
        f"{'a GPU' if opt['num_gpu'] else 'the CPU'}"
    )
    if not opt["degradation"]["noise"]:
        note(f"{args.camera} holds no noise: LR is the mean of what the camera does; degflow noise teaches it")
    if scenes := opt["datasets"].get("val", {}).get("scenes"):
        count = f"{len(scenes)} scene{'s' * (len(scenes) > 1)}"
        note(f"{args.val}: validates on the {count} that {args.camera} was not fitted to")
