"""``degflow demo --shipped``: LR of photographs by the generators in the package, without training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from degflow_aug.commands import evaluate, generate
from degflow_aug.commands.demo.simulated_pairs import (
    CROP,
    TESTED,
    bundled_photographs,
    layout_arguments,
    write_simulated_pairs,
)
from degflow_aug.commands.shared.contact_sheet import middle_crop, write_contact_sheet
from degflow_aug.commands.shared.invocation import run_step
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

SIMULATOR = "simulator"
GENERATED = (1.5, 2.0, 2.9, 4.0)
SHOWN = (1.5, 2.0, 2.9)


def show_shipped(out: Path, as_json: bool = False) -> dict[str, Any]:
    """Generate, compare the simulator's generator with the truth, and draw the cameras side by side.

    With ``as_json`` the steps print nothing, and what they would have printed for machines is returned.

    Raises:
        ValueError, OSError: the package came without its bundles, or the folder cannot be written.
    """
    from degflow_aug.bundles.bundle import read_spec
    from degflow_aug.bundles.spec import shipped_names

    names = shipped_names()
    if SIMULATOR not in names:
        raise ValueError(
            f"expected the bundle '{SIMULATOR}' in the package, got {', '.join(names) or 'none'}; install it anew"
        )
    _, photographs = bundled_photographs()
    pairs, images, sheet = out / "pairs" / "test", out / "shipped", out / "shipped.png"
    with Progress() as progress:
        write_simulated_pairs(photographs, TESTED, pairs, progress)
    say(f"1. LR images of {' and '.join(photographs)} by {', '.join(names)}: {images}")
    generated = []
    for name in names:
        scales = ",".join(f"{scale:g}" for scale in GENERATED if scale <= read_spec(name).knots[-1])
        for folder, camera in _cameras(name).items():
            generated.append(run_step(generate, [
                str(pairs / "HR"), "--bundle", name, "--scales", scales, "--out", str(images / folder),
                *(["--camera", camera] if camera else []),
            ], as_json))  # fmt: skip
    say(f"2. views of '{SIMULATOR}' against the truth; it has learned from scales 1, 2 and 4")
    compared = run_step(evaluate, [
        SIMULATOR, "--pairs", str(pairs), *layout_arguments(pairs),
        "--report", str(out / f"{SIMULATOR}.evaluation.html"),
    ], as_json)  # fmt: skip
    write_contact_sheet(sheet, camera_rows(names, photographs))
    say(f"3. the cameras side by side: {sheet}")
    return {"out": out, "generate": generated, "evaluate": compared, "sheet": sheet}


def camera_rows(names: list[str], photographs: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Crop HR, bicubic and every generator's views, a row per photograph and scale that all have."""
    from degflow_aug import load_generator
    from degflow_aug.data.tensors import to_tensor
    from degflow_aug.degradations.bicubic import Bicubic

    generators = {
        label: load_generator(name, camera=camera) for name in names for label, camera in _cameras(name).items()
    }
    highest = min(generator.scale_range[1] for generator in generators.values())
    rows: dict[str, dict[str, np.ndarray]] = {}
    for photograph, pixels in photographs.items():
        hr = to_tensor(pixels)[None]
        for scale in (scale for scale in SHOWN if scale <= highest):
            views: dict[str, Tensor] = {"HR": hr, "bicubic": Bicubic().render(hr, scale)}
            views |= {name: generator.render(hr, scale) for name, generator in generators.items()}
            rows[f"{photograph} x{scale:g}"] = {name: middle_crop(view, CROP) for name, view in views.items()}
    return rows


def _cameras(name: str) -> dict[str, str | None]:
    """Return the label of each camera of a bundle and the name to choose it by, None where there is one."""
    from degflow_aug.bundles.bundle import read_spec

    cameras = read_spec(name).cameras
    return {f"{name} {camera}": camera for camera in cameras} if cameras else {name: None}
