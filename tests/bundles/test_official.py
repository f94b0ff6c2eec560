"""Official checkpoints: sizes inferred from the tensors alone, values kept, and other files refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.official_networks import relative
from helpers.random_networks import randomise
from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.bundles.bundle import load_bundle, save_bundle
from degflow_aug.bundles.official import convert_official, official_velocity, read_official, velocity_sizes


def write_official(folder: Path, rae: ResidualAutoencoder, velocity: NCSNpp) -> tuple[Path, Path]:
    """The two files as the official trainers write them: t_params and sigmas included."""
    rae_file, flow_file = folder / "ae.pth", folder / "flow.pth"
    t_params = {"LR2": torch.tensor(-0.693), "LR3": torch.tensor(0.693)}
    torch.save(
        {"encoder": rae.encoder.state_dict(), "decoder": rae.decoder.state_dict(), "t_params": t_params}, rae_file
    )
    sigmas = torch.linspace(0, 1, 1000, dtype=torch.float64)
    torch.save({"model": {"sigmas": sigmas, **velocity.state_dict()}}, flow_file)
    return rae_file, flow_file


def test_tiny_official_files_convert_and_agree(fixtures: Path, tmp_path: Path) -> None:
    bundle = convert_official(fixtures / "tiny_ae.pth", fixtures / "tiny_flow.pth", "Canon")
    save_bundle(tmp_path / "canon.safetensors", bundle)
    bundle = load_bundle(tmp_path / "canon.safetensors")
    assert bundle.spec.rae == ResidualAutoencoder(base_channels=8).spec
    assert bundle.spec.velocity == NCSNpp(base_channels=16, blocks=1).spec
    assert (bundle.spec.knots, bundle.spec.s_max, bundle.spec.camera) == ((1.0, 2.0, 4.0), 4.0, "Canon")

    reference = torch.load(fixtures / "tiny_reference.pt", weights_only=True)
    latent, features = bundle.rae.encode(reference["image"])
    assert relative(latent, reference["latent"]) < 5e-6
    assert relative(bundle.rae.decode(reference["latent"], features), reference["decoded"]) < 5e-6
    assert relative(bundle.rae.standardise(latent), reference["latent"]) < 5e-6
    for t, truth in zip(reference["t"], reference["velocity"], strict=True):
        assert relative(bundle.velocity(reference["latent"], t[None])[0], truth) < 5e-6


@pytest.mark.parametrize(
    ("latent", "base", "multipliers", "blocks"),
    [
        (4, 8, (1, 2, 2, 2), 1),
        (4, 8, (1,), 1),
        (4, 8, (1,), 3),
        (8, 12, (2,), 2),
        (1, 4, (1, 1), 2),
        (3, 8, (1, 2, 3), 1),
        (16, 8, (2, 1, 1), 2),
        (4, 8, (3, 3), 4),
        (4, 48, (1, 1, 2), 1),
    ],
)
def test_sizes_are_inferred_back(
    tmp_path: Path, latent: int, base: int, multipliers: tuple[int, ...], blocks: int
) -> None:
    rae = ResidualAutoencoder(base_channels=3, latent_channels=latent)
    velocity = NCSNpp(latent_channels=latent, base_channels=base, multipliers=multipliers, blocks=blocks)
    randomise(rae)
    randomise(velocity)
    bundle = convert_official(*write_official(tmp_path, rae, velocity))
    assert bundle.rae.spec == rae.spec
    assert bundle.velocity.spec == velocity.spec
    z, t = torch.randn(1, latent, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0.4])
    assert torch.equal(bundle.velocity(z, t), velocity(z, t))


def test_the_full_official_sizes_are_inferred_from_shapes_alone() -> None:
    with torch.device("meta"):
        state = NCSNpp().state_dict()
    expected = {"latent_channels": 4, "base_channels": 128, "multipliers": [1, 2, 2, 2], "blocks": 4}
    assert velocity_sizes(state) == expected


def refused(rae: Path, flow: Path) -> str:
    with pytest.raises(ValueError, match="expected") as caught:
        convert_official(rae, flow)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_swapped_files_are_named(fixtures: Path) -> None:
    message = refused(fixtures / "tiny_flow.pth", fixtures / "tiny_ae.pth")
    assert "encoder, decoder" in message
    assert "tiny_flow.pth" in message
    assert "model" in refused(fixtures / "tiny_ae.pth", fixtures / "tiny_ae.pth")


def test_files_of_two_trainings_are_named(fixtures: Path, tmp_path: Path) -> None:
    _, flow = write_official(
        tmp_path,
        ResidualAutoencoder(base_channels=1),
        NCSNpp(latent_channels=8, base_channels=8, multipliers=(1,), blocks=1),
    )
    assert "of one training, got latents of 4 channels" in refused(fixtures / "tiny_ae.pth", flow)


def stem(base: int = 8) -> dict[object, Tensor]:
    return {"all_modules.2.weight": torch.zeros(base, 4, 3, 3)}


ATTENTION = {"all_modules.5.NIN_0.W": torch.zeros(1)}


@pytest.mark.parametrize(
    "state",
    [
        {},
        [torch.zeros(1)],
        torch.zeros(3),
        "text",
        None,
        {"conv.weight": torch.zeros(3, 3)},
        {0: torch.zeros(1)},
        {**stem(), 0: torch.zeros(1)},
        stem(),
        {"all_modules.2.weight": torch.zeros(()), **ATTENTION},
        {**stem(), "NIN_0.W": torch.zeros(1)},
        {**stem(), "all_modules.x.NIN_0.W": torch.zeros(1)},
        {**stem(0), **ATTENTION, "all_modules.3.Conv_0.weight": torch.zeros(8, 4, 3, 3)},
        {**stem(), **ATTENTION},
        {**stem(), **ATTENTION, "all_modules.3.Conv_0.weight": torch.zeros(1)},
        {**stem(), **ATTENTION, "all_modules.3.Conv_0.weight": torch.zeros(0, 8)},
    ],
)
def test_foreign_checkpoints_are_refused(fixtures: Path, tmp_path: Path, state: object) -> None:
    torch.save({"model": state}, tmp_path / "foreign.pth")
    assert "foreign.pth" in refused(fixtures / "tiny_ae.pth", tmp_path / "foreign.pth")
    torch.save({"encoder": state, "decoder": state}, tmp_path / "foreign.pth")
    assert "foreign.pth" in refused(tmp_path / "foreign.pth", fixtures / "tiny_flow.pth")
    torch.save(state, tmp_path / "foreign.pth")
    assert "foreign.pth" in refused(fixtures / "tiny_ae.pth", tmp_path / "foreign.pth")


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("all_modules.7.Conv_0.bias"),
        lambda state: state.update({"all_modules.7.Conv_0.bias": torch.zeros(1)}),
        lambda state: state.update({"all_modules.99.weight": torch.zeros(1)}),
    ],
)
def test_a_changed_official_checkpoint_is_refused(
    fixtures: Path, change: Callable[[dict[str, Tensor]], object]
) -> None:
    state = dict(read_official(fixtures / "tiny_flow.pth", ("model",))["model"])
    change(state)
    with pytest.raises(ValueError, match="expected DegFlow's NCSN") as caught:
        official_velocity(state, "flow.pth")
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_bytes_are_refused(fixtures: Path, tmp_path: Path) -> None:
    assert "nothing there" in refused(tmp_path / "absent.pth", fixtures / "tiny_flow.pth")
    assert "a folder" in refused(tmp_path, fixtures / "tiny_flow.pth")
    for content in (b"", b"text", bytes(range(256))):
        (tmp_path / "bytes.pth").write_bytes(content)
        assert "bytes.pth, which is damaged" in refused(tmp_path / "bytes.pth", fixtures / "tiny_flow.pth")
    whole = (fixtures / "tiny_ae.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    assert "cut.pth, which is damaged" in refused(tmp_path / "cut.pth", fixtures / "tiny_flow.pth")
