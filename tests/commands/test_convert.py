"""``degflow convert`` on the official format and on our own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from helpers.random_networks import random_rae, random_velocity
from helpers.refusals import refused
from torch import nn

from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, load_bundle, save_bundle
from degflow_aug.bundles.official import convert_official
from degflow_aug.cli import main
from degflow_aug.files.tensor_file import write_checkpoint
from degflow_aug.models.training.checkpoint import state_on_cpu


def convert(rae: Path, flow: Path, out: Path, *more: str) -> int:
    """Exit code of the command."""
    return main(["convert", "--rae", str(rae), "--flow", str(flow), "--out", str(out), *more])


def same(a: nn.Module, b: nn.Module) -> bool:
    """Whether two networks hold the same tensors."""
    mine, others = a.state_dict(), b.state_dict()
    return mine.keys() == others.keys() and all(torch.equal(value, others[key]) for key, value in mine.items())


def test_official_checkpoints(fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rae, flow = fixtures / "tiny_ae.pth", fixtures / "tiny_flow.pth"
    assert convert(rae, flow, tmp_path / "new" / "camera.safetensors", "--camera", "Canon 5D") == 0
    made, expected = load_bundle(tmp_path / "new" / "camera.safetensors"), convert_official(rae, flow, "Canon 5D")
    assert made.spec == expected.spec
    assert same(made.rae, expected.rae)
    assert same(made.velocity, expected.velocity)
    said = capsys.readouterr().out
    assert "knots 1, 2, 4, scales 1 to 4" in said
    assert "camera Canon 5D" in said


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Path]:
    """Checkpoints of both our stages, as runs leave them, with the bundle beside the second; the EMA is what counts."""
    rae, velocity = random_rae(residual=True), random_velocity()
    for name, network in (("stage1", rae), ("stage2", velocity)):
        (tmp_path / name).mkdir()
        dead = {key: torch.zeros_like(value) for key, value in state_on_cpu(network).items()}
        content = {"params": dead, "params_ema": state_on_cpu(network), "spec": network.spec}
        write_checkpoint(tmp_path / name / "net_g_500.pth", content)
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=(1.0, 2.9), s_max=3.0, camera="Phone", steps=3)
    kernels = {"knots": torch.tensor([1.0, 2.9])}
    later = Bundle(spec, random_rae(residual=True, seed=7), random_velocity(seed=8), [kernels])
    save_bundle(tmp_path / "stage2" / "generator_latest.safetensors", later)
    return tmp_path / "stage1" / "net_g_500.pth", tmp_path / "stage2" / "net_g_500.pth"


def test_our_own_checkpoints(run: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(*run, tmp_path / "camera.safetensors") == 0
    made = load_bundle(tmp_path / "camera.safetensors")
    assert (made.spec.knots, made.spec.s_max, made.spec.camera, made.spec.steps) == ((1.0, 2.9), 3.0, "Phone", 3)
    assert same(made.rae, random_rae(residual=True))
    assert same(made.velocity, random_velocity())
    assert torch.equal(made.kernels[0]["knots"], torch.tensor([1.0, 2.9]))
    said = capsys.readouterr().out
    assert "generator_latest.safetensors, which is a bundle itself" in said
    assert f"{run[0]} is not the RAE that the flow was trained with" in said


def no_bundle(capsys: pytest.CaptureFixture[str], rae: Path, flow: Path, out: Path) -> str:
    """What the command says when it refuses; it leaves nothing behind."""
    said = refused(capsys, "convert", "--rae", rae, "--flow", flow, "--out", out)
    assert not out.is_file()
    return said


def test_our_own_without_the_bundle(run: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stage2" / "generator_latest.safetensors").unlink()
    assert "which a run of stage 2 writes whenever it saves" in no_bundle(capsys, *run, tmp_path / "o.safetensors")


def test_our_own_in_the_wrong_place(run: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    swapped = tmp_path / "stage2" / "net_g_1.pth"
    shutil.copy(run[0], swapped)
    assert "in --rae, as generator_latest" in no_bundle(capsys, run[1], run[1], tmp_path / "o.safetensors")
    assert "in --flow, as generator_latest" in no_bundle(capsys, run[0], swapped, tmp_path / "o.safetensors")


def test_ours_and_the_official_do_not_mix(
    run: tuple[Path, Path], fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o.safetensors"
    assert "both official or both of degflow_aug" in no_bundle(capsys, fixtures / "tiny_ae.pth", run[1], out)
    assert "both official or both of degflow_aug" in no_bundle(capsys, run[0], fixtures / "tiny_flow.pth", out)
    assert "got no encoder, decoder" in no_bundle(capsys, fixtures / "tiny_flow.pth", fixtures / "tiny_ae.pth", out)


def test_the_name_of_the_bundle(fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rae, flow = fixtures / "tiny_ae.pth", fixtures / "tiny_flow.pth"
    assert "name a .safetensors file, got" in no_bundle(capsys, rae, flow, tmp_path / "camera.pth")
    (tmp_path / "folder.safetensors").mkdir()
    assert "got the folder" in no_bundle(capsys, rae, flow, tmp_path / "folder.safetensors")


def test_a_bundle_that_cannot_be_written(
    fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    said = no_bundle(capsys, fixtures / "tiny_ae.pth", fixtures / "tiny_flow.pth", tmp_path / "o.safetensors")
    assert "No space left on device" in said
    assert list(tmp_path.iterdir()) == []
