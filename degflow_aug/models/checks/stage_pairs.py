"""Whether the aligned pairs of a stage are those that its section ``degflow`` speaks of."""

from __future__ import annotations

from typing import Any

from degflow_aug.data.aligned_scales_dataset import AlignedScales
from degflow_aug.models.stages.sample_cameras import known_camera
from degflow_aug.options.stages import StageOptions


def check_stage_pairs(options: StageOptions, dataset: Any) -> None:
    """Compare the knots and cameras of ``datasets.train`` with those of a stage, which takes views by their order.

    Args:
        options: the section ``degflow``.
        dataset: ``datasets.train`` as it was built; of other kinds than :class:`AlignedScales` nothing is checked.

    Raises:
        ValueError: other knots, a knot or a camera without any pair, or pairs of a camera that is not named.
    """
    if not isinstance(dataset, AlignedScales):
        return
    if [round(knot, 4) for knot in dataset.knots] != [round(knot, 4) for knot in options.knots]:
        found, wanted = (", ".join(f"{knot:g}" for knot in knots) for knots in (dataset.knots, options.knots))
        raise ValueError(
            f"expected the knots of datasets.train in degflow.knots, [{found}], got [{wanted}]; write the same in "
            "degflow.knots and datasets.train.knots"
        )
    there = {scale for scene in dataset.scenes for scale in scene.scales}
    for knot in dataset.knots[1:]:
        if knot not in there:
            raise ValueError(
                f"expected pairs at every knot of degflow.knots, got none at x{knot:g} in datasets.train; take it out "
                "of both knots"
            )
    if options.cameras:
        found_cameras = dict.fromkeys(scene.camera for scene in dataset.scenes)
        numbers = {known_camera(name, options.cameras) for name in found_cameras}
        for number, name in enumerate(options.cameras):
            if number not in numbers:
                raise ValueError(
                    f"expected pairs of every camera of degflow.cameras, got none of {name} in datasets.train, whose "
                    f"cameras are {', '.join(found_cameras)}; take it out"
                )
