"""LPIPS against the ``lpips`` package and against a second implementation, with random VGG16 weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import lpips
import pytest
import torch
import torch.nn.functional as F
import torchvision
from helpers.seeded_vgg import spare_classifier, vgg_features, write_seeded_vgg
from torch import Tensor

from degflow_aug.metrics.lpips_loss import LPIPSLoss, read_vgg

POOL_BEFORE = (5, 10, 17, 24)
MEAN_AND_STD = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
TAPS = (2, 7, 14, 21, 28)


@pytest.fixture(scope="module", autouse=True)
def small_vgg() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        spare_classifier(patch)
        yield


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    features, generator = vgg_features(), torch.Generator().manual_seed(0)
    for parameter in features.parameters():
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 400
        parameter.data = torch.randn(parameter.shape, generator=generator) * (2 / fan_in) ** 0.5
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save({f"features.{key}": value for key, value in features.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def average(vgg_file: Path) -> LPIPSLoss:
    return LPIPSLoss(vgg_path=vgg_file)


def image_pair(size: tuple[int, int] = (48, 40)) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    target = torch.rand(3, 3, *size, generator=generator) * 2 - 1
    noise = torch.randn(target.shape, generator=generator) * torch.tensor([0.02, 0.1, 0.4])[:, None, None, None]
    return (target + noise).clamp(-1, 1), target


def distance_by_hand(prediction: Tensor, target: Tensor, state: dict[str, Tensor], pool: str) -> Tensor:
    """LPIPS (B,) by definition: squared difference of unit-normalised VGG features, weighted by the learned layers."""
    learned = Path(lpips.__file__).parent / "weights/v0.1/vgg.pth"
    weights = torch.load(learned, map_location="cpu", weights_only=True)
    mean, std = (torch.tensor(values)[:, None, None] for values in MEAN_AND_STD)

    def features(image: Tensor) -> list[Tensor]:
        h, found = ((image + 1) / 2 - mean) / std, []
        for layer in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28):
            if layer in POOL_BEFORE:
                h = F.avg_pool2d(h, 2) if pool == "average" else F.max_pool2d(h, 2)
            h = F.relu(F.conv2d(h, state[f"features.{layer}.weight"], state[f"features.{layer}.bias"], padding=1))
            if layer in TAPS:
                found.append(h / h.square().sum(1, keepdim=True).sqrt().add(1e-10))
        return found

    total = torch.zeros(len(prediction))
    for index, (one, other) in enumerate(zip(features(prediction), features(target), strict=True)):
        weight = weights[f"lin{index}.model.1.weight"].flatten()
        total += torch.einsum("bchw,c->bhw", (one - other) ** 2, weight).mean((1, 2))
    return total


def test_with_max_pooling_it_is_the_package_s_own(vgg_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = torch.load(vgg_file, weights_only=True)

    def pretrained(**settings: object) -> SimpleNamespace:
        features = vgg_features()
        features.load_state_dict({key.removeprefix("features."): value for key, value in state.items()})
        return SimpleNamespace(features=features)

    monkeypatch.setattr(torchvision.models, "vgg16", pretrained)
    reference, pair = lpips.LPIPS(net="vgg", verbose=False), image_pair()
    found = LPIPSLoss(vgg_path=vgg_file, average_pooling=False).per_sample(*pair)
    assert found.shape == (3,)
    torch.testing.assert_close(found, reference(*pair).flatten(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found, distance_by_hand(*pair, state, "max"), rtol=1e-4, atol=1e-5)


def test_with_average_pooling_it_is_its_definition(average: LPIPSLoss, vgg_file: Path) -> None:
    pair, state = image_pair(), torch.load(vgg_file, weights_only=True)
    found = average.per_sample(*pair)
    torch.testing.assert_close(found, distance_by_hand(*pair, state, "average"), rtol=1e-4, atol=1e-5)
    assert ((found - distance_by_hand(*pair, state, "max")).abs() > 1e-3 * found).all()


def test_values_and_gradients_of_the_official_loss(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = torch.load(official / "lpips.pt", weights_only=True)
    loss = LPIPSLoss(vgg_path=write_seeded_vgg(reference, tmp_path / "vgg.pth", monkeypatch), unit_range=True)
    prediction, target = (reference[key].float() / 255 for key in ("prediction", "target"))
    torch.testing.assert_close(loss.per_sample(prediction, target), reference["value_float32"], rtol=1e-4, atol=1e-8)
    loss.double()
    # The package has its constants of normalisation in single precision.
    mean, std = (torch.tensor(values, dtype=torch.float64)[:, None, None] for values in MEAN_AND_STD)
    loss.distance.scaling_layer.shift, loss.distance.scaling_layer.scale = 2 * mean - 1, 2 * std
    prediction, target = (reference[key].double() / 255 for key in ("prediction", "target"))
    distances = loss.per_sample(prediction.requires_grad_(), target)
    distances.sum().backward()
    torch.testing.assert_close(distances, reference["value"], rtol=1e-9, atol=0)
    torch.testing.assert_close(prediction.grad, reference["gradient"], rtol=1e-9, atol=1e-15)


def test_equal_images_have_no_distance_and_more_noise_has_more(average: LPIPSLoss) -> None:
    prediction, target = image_pair()
    assert not average.per_sample(target, target).any()
    distances = average.per_sample(prediction, target).tolist()
    assert distances == sorted(distances)
    assert distances[0] > 0


def test_the_loss_is_the_weighted_mean(average: LPIPSLoss, vgg_file: Path) -> None:
    pair = image_pair()
    torch.testing.assert_close(average(*pair), average.per_sample(*pair).mean())
    torch.testing.assert_close(LPIPSLoss(0.1, vgg_file)(*pair), 0.1 * average(*pair))


def test_the_gradient_reaches_the_prediction_and_no_weight(average: LPIPSLoss) -> None:
    prediction, target = image_pair((32, 32))
    prediction.requires_grad_(True)
    average(prediction, target).backward()
    assert prediction.grad is not None
    assert torch.isfinite(prediction.grad).all()
    assert (prediction.grad.abs().amax((1, 2, 3)) > 0).all()
    assert not any(parameter.requires_grad for parameter in average.parameters())
    step = prediction.detach() - 1e-2 * prediction.grad / prediction.grad.abs().max()
    assert average(step, target) < average(prediction.detach(), target)


def test_pixels_without_any_feature_leave_the_gradient_finite(vgg_file: Path, tmp_path: Path) -> None:
    state = torch.load(vgg_file, weights_only=True)
    state["features.28.bias"] -= 1e3
    torch.save(state, tmp_path / "dark.pth")
    prediction, target = image_pair((32, 32))
    prediction.requires_grad_(True)
    LPIPSLoss(vgg_path=tmp_path / "dark.pth")(prediction, target).backward()
    assert prediction.grad is not None
    assert torch.isfinite(prediction.grad).all()


def test_it_stays_in_evaluation_mode(average: LPIPSLoss) -> None:
    assert average.train() is average
    assert not any(module.training for module in average.modules())


def test_nothing_is_printed(vgg_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LPIPSLoss(vgg_path=vgg_file)
    assert capsys.readouterr() == ("", "")


def test_missing_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"VGG16 weights for LPIPS at .*vgg16.*\.pth, got none; place .* or degflow.lpips_weight: 0 train"
    with pytest.raises(ValueError, match=message):
        LPIPSLoss(vgg_path=tmp_path / "vgg16.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ValueError, match=message):
        LPIPSLoss()


def test_torchvision_s_cache_is_the_default(vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "vgg16-397923af.pth").symlink_to(vgg_file)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert read_vgg(None).keys() == read_vgg(vgg_file).keys()


@pytest.mark.parametrize(
    "content",
    [
        torch.zeros(3),
        [],
        {},
        {"classifier.0.weight": torch.zeros(3)},
        {f"features.{index}.{kind}": torch.zeros(1) for index in range(30) for kind in ("weight", "bias")},
    ],
)
def test_weights_of_another_network_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"expected .*VGG16"):
        LPIPSLoss(vgg_path=tmp_path / "other.pth")


def test_bytes_and_code_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.pth").write_bytes(b"no weights")
    torch.save({"features.0.weight": SimpleNamespace()}, tmp_path / "code.pth")
    for name in ("bytes.pth", "code.pth"):
        with pytest.raises(ValueError, match=f"{name}, which is damaged, another kind of file, or holds code"):
            LPIPSLoss(vgg_path=tmp_path / name)
