"""Which camera a stage fits or finds: a linear kernel or a pipeline, as its options say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_camera import write_pairs

import degflow_aug
from degflow_aug.data.aligned_scales_dataset import AlignedScales
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.models.stages import kernel_source
from degflow_aug.models.stages.kernel_source import fit_camera_kernels, kernel_for, whole_pairs, write_kernel
from degflow_aug.models.training import interrupt
from degflow_aug.options.stages import StageOptions
from degflow_aug.options.yaml_file import load_yaml

KNOTS = (1.0, 2.0, 4.0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    degflow_aug.register()
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder)
    return {
        "name": "pairs", "type": "AlignedScalesDataset", "dataroot_gt": str(folder), "layout": "pattern",
        "pattern": load_yaml(folder / "pattern.yml"), "knots": list(KNOTS),
    }  # fmt: skip


@pytest.fixture(scope="module")
def pairs(dataset: dict[str, Any]) -> AlignedScales:
    return whole_pairs(dataset)


@pytest.mark.parametrize(
    ("pipeline", "largest", "kind"),
    [
        ("never", 0.5, FittedKernel),
        ("always", 0.0, FittedPipeline),
        ("auto", 2.0, FittedPipeline),
        ("auto", 0.0, FittedKernel),
    ],
)
def test_auto_takes_the_pipeline_that_explains_enough(
    pipeline: str, largest: float, kind: type, pairs: AlignedScales, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_source, "LARGEST_LEFT", largest)
    assert type(fit_camera_kernels(pairs, (), pipeline=pipeline)) is kind


@pytest.mark.parametrize(("kept", "refused"), [("never", "always"), ("always", "never")])
def test_a_kernel_of_the_other_kind_is_refused(
    kept: str, refused: str, dataset: dict[str, Any], pairs: AlignedScales, tmp_path: Path
) -> None:
    path = tmp_path / "kernel.safetensors"
    write_kernel(path, fit_camera_kernels(pairs, (), pipeline=kept))
    opt = {"path": {"experiments_root": str(tmp_path)}, "datasets": {"train": dataset}}
    for fine in (kept, "auto"):
        found = kernel_for(opt, StageOptions(knots=KNOTS, pipeline=fine))
        assert torch.equal(found.knots, torch.tensor(KNOTS))
    with pytest.raises(
        ValueError, match=f"expected degflow.pipeline {kept} or auto for .*, got {refused}; name another"
    ):
        kernel_for(opt, StageOptions(knots=KNOTS, pipeline=refused))


def test_a_fit_says_how_far_it_is_and_stops_where_a_signal_asks(
    pairs: AlignedScales, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int, int]] = []
    fit_camera_kernels(
        pairs, (), pipeline="always", report=lambda stage, done, total, loss: seen.append((stage, done, total))
    )
    kernel = [state for state in seen if state[0] == "kernel"]
    # Three images, three times for the kernel and once for the windows of the pipeline.
    assert kernel == [("kernel", done, 12) for done in range(1, 13)]
    steps = [done for stage, done, total in seen if stage == "pipeline"]
    assert steps[0] == 0
    assert steps == sorted(steps)
    assert steps[-1] >= 3

    for stage in ("kernel", "pipeline"):
        asked: list[str] = []

        def ask(at: str, *state: object, stage: str = stage, asked: list[str] = asked) -> None:
            if at == stage:
                asked.append(at)

        def check(asked: list[str] = asked) -> None:
            if asked:
                raise SystemExit(143)

        monkeypatch.setattr(interrupt, "check", check)
        with pytest.raises(SystemExit):
            fit_camera_kernels(pairs, (), pipeline="always", report=ask)
        assert asked == [stage]


def test_a_search_that_cannot_be_read_is_begun_anew(pairs: AlignedScales, tmp_path: Path) -> None:
    expected = fit_camera_kernels(pairs, (), pipeline="always")
    for content in (b"cut off", b""):
        (tmp_path / "search_0.pth").write_bytes(content)
        found = fit_camera_kernels(pairs, (), pipeline="always", keep=tmp_path)
        assert all(torch.equal(value, found.state_dict()[key]) for key, value in expected.state_dict().items())
    torch.save({"start": torch.ones(2)}, tmp_path / "search_0.pth")
    found = fit_camera_kernels(pairs, (), pipeline="always", keep=tmp_path)
    assert all(torch.equal(value, found.state_dict()[key]) for key, value in expected.state_dict().items())
