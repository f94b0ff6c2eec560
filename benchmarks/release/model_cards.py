"""Writes degflow_aug/weights/README.md: a model card for each shipped bundle, its numbers taken from the header.

python -m benchmarks.release.model_cards
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.release.recipes import RECIPES
from benchmarks.shared.results import markdown_table
from degflow_aug.bundles.bundle import GeneratorSpec, read_spec
from degflow_aug.bundles.spec import WEIGHTS, bundle_path, shipped_names
from degflow_aug.evaluation.bundle_metrics import METHODS, Measurement, read_measurements
from degflow_aug.files.writing import atomic_path

CARDS = WEIGHTS / "README.md"
HEAD = """# Bundles that ship with the package

Made by `python -m benchmarks.release.train_shipped`; this file by `python -m benchmarks.release.model_cards`, from the
headers of the bundles, which hold the scores of every scene. Y-PSNR in dB / Y-SSIM of whole views against the real
ones, both rounded to 8 bits.
`degflow bundles NAME` prints a header.
"""


def cards() -> str:
    """The file's text."""
    names = [name for name in shipped_names() if name in RECIPES]
    return "\n".join([HEAD, *(card(name, read_spec(name)) for name in names)])


def card(name: str, spec: GeneratorSpec) -> str:
    """One section."""
    recipe, size = RECIPES[name], bundle_path(name).stat().st_size / 1e6
    knots = ", ".join(f"{knot:g}" for knot in spec.knots)
    measured = "\n\n".join(_measured(measurement) for measurement in read_measurements(spec))
    warnings = "\n".join(f"- {warning}" for warning in recipe.not_good_for)
    return (
        f"## `{name}`\n\n{recipe.about} Scales 1 to {spec.knots[-1]:g}, learned at {knots}; {size:.1f} MB.\n\n"
        f"**Trained** on {_trained(spec.training)}.\n\n{measured}\n\n**Not good for**\n\n{warnings}\n\n"
        f"**Licence.** {spec.licence}.\n"
    )


def _trained(facts: dict[str, Any]) -> str:
    by_camera: dict[str, list[str]] = {}
    for scene in facts["scenes"]:
        by_camera.setdefault(scene.partition("/")[0], []).append(scene.partition("/")[2])
    scenes = " and ".join(
        f"{len(names)} scenes of {camera} ({names[0]} to {names[-1]})" for camera, names in by_camera.items()
    )
    iterations = ", ".join(f"{count} iterations of {stage}" for stage, count in facts["iterations"].items())
    return (
        f"{scenes}: preset {facts['preset']}, recipe {facts['recipe']}, seed {facts['seed']}, {iterations}, "
        f"{facts['seconds'] / 60:.0f} minutes on {facts['device']}"
    )


def _measured(measurement: Measurement) -> str:
    rows = measurement.rows()
    scales = list(dict.fromkeys(row.scale for row in rows))
    found = {(row.method, row.scale): row for row in rows}
    cells = [
        [method, *(f"{row.psnr_y:.2f} / {row.ssim_y:.4f}" for scale in scales if (row := found.get((method, scale))))]
        for method in METHODS
        if (method, scales[0]) in found
    ]
    head = [f"{measurement.data}, {len(measurement.scenes)} scenes", *(f"x{scale:g}" for scale in scales)]
    return f"{markdown_table(head, cells)}\n\n`{measurement.rerun}`"


def write_cards() -> None:
    """Write the file, whole or not at all."""
    WEIGHTS.mkdir(exist_ok=True)
    with atomic_path(CARDS) as partial:
        partial.write_text(cards(), encoding="utf-8")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    write_cards()
