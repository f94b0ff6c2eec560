"""The benchmarks of one-step systems run at tiny size, and published sizes have the published numbers of parameters."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

for package in ("basicsr", "diffusers", "peft", "transformers"):
    pytest.importorskip(package, reason="one-step systems need BasicSR and the extra onestep")
from benchmarks.onestep import ablation as onestep_ablation  # noqa: E402
from benchmarks.onestep import cost as onestep_cost  # noqa: E402
from degflow_aug.onestep.networks.onestep_network import VELOCITY, OneStepNetwork  # noqa: E402
from degflow_aug.onestep.outline import sample_activations  # noqa: E402


def trained_in(network: OneStepNetwork, part: str) -> float:
    """Millions."""
    names = [name for name in network.trained_names if name.startswith(part)]
    return sum(network.get_parameter(name).numel() for name in names) / 1e6


@pytest.mark.parametrize(
    ("size", "total", "backbone", "encoder"), [("sd21", 949.57, 25.3, 1.48), ("flux", 11985.2, 179.5, 5.91)]
)
def test_lora_at_published_sizes(size: str, total: float, backbone: float, encoder: float) -> None:
    network = onestep_cost.build(size, torch.device("meta"))
    frozen = sum(value.numel() for value in network.parameters() if not value.requires_grad) / 1e6
    assert frozen == pytest.approx(total, rel=1e-4)
    assert trained_in(network, "backbone") == pytest.approx(backbone, abs=0.06)
    assert trained_in(network, "latents") == pytest.approx(encoder, abs=0.01)
    assert sample_activations(network, 512) > 0


def test_flowsr_has_the_published_number_of_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """982 million: UNet, VAE and LoRA of rank 32, with feed-forward layers and none on the VAE."""
    monkeypatch.setattr(onestep_cost, "NOISE", VELOCITY)
    found, rank, _, tokens = onestep_cost.SIZES["sd21"]
    monkeypatch.setitem(onestep_cost.SIZES, "sd21", (found, rank, 0, tokens))
    network = onestep_cost.build("sd21", torch.device("meta"))
    assert sum(value.numel() for value in network.parameters()) / 1e6 == pytest.approx(982.0, abs=0.1)


def test_cost_at_tiny_size(tmp_path: Path) -> None:
    words = ["--sizes", "tiny,tiny-flux", "--side", "32", "--steps", "1", "--device", "cpu"]
    assert onestep_cost.main([*words, "--out", str(tmp_path / "cost")]) == 0
    found = json.loads((tmp_path / "cost.json").read_text())
    assert found["rows"]["tiny"]["seconds"] > 0
    assert found["facts"]["device_type"] == "cpu"
    assert "| tiny |" in (tmp_path / "cost.md").read_text()


def test_ablation_of_a_few_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--steps", "2", "--vae-steps", "2", "--seeds", "0", "--variants", "OMGSR-F without LDR"]
    assert onestep_ablation.main([*words, "--out", str(tmp_path / "ablation")]) == 0
    assert "| OMGSR-F without LDR |" in capsys.readouterr().out
    found = json.loads((tmp_path / "ablation.json").read_text())
    for rows in found["rows"].values():
        assert len(rows) == 1
        assert all(math.isfinite(value) for row in rows for value in row.values())


def test_energy_at_a_period() -> None:
    grid = torch.cos(2 * math.pi * torch.arange(96) / 16).expand(1, 3, 96, 96)
    assert onestep_ablation.energy_at(grid, 16) == pytest.approx(0.5, abs=1e-4)
    assert onestep_ablation.energy_at(grid, 8) < 1e-6
    assert onestep_ablation.energy_at(torch.rand(1, 3, 96, 96), 16) < 0.01
