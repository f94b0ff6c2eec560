"""The luma metrics against BasicSR's and against scikit-image's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from degflow_aug import compat
from degflow_aug.metrics.fidelity import psnr_y, ssim_y


def pair(seed: int, height: int, width: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Two batches of two 8-bit images (2, 3, H, W) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2, 3, height // 4 + 1, width // 4 + 1, generator=generator)
    a = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    b = (a + noise * torch.randn(a.shape, generator=generator)).clamp(0, 1)
    return (a * 255).round() / 255, (b * 255).round() / 255


SIZES = [(11, 11), (12, 31), (40, 57), (128, 96)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("noise", [0.003, 0.05, 0.5])
def test_equals_basicsr(size: tuple[int, int], noise: float) -> None:
    pytest.importorskip("basicsr", reason="BasicSR is the reference") if not compat.has_basicsr() else compat.apply()
    from basicsr.metrics import calculate_psnr, calculate_ssim

    a, b = pair(size[0], *size, noise)
    for index, (psnr, ssim) in enumerate(zip(psnr_y(a, b), ssim_y(a, b), strict=True)):
        images = [(image[index].flip(0).permute(1, 2, 0) * 255).round().byte().numpy() for image in (a, b)]
        assert abs(psnr - calculate_psnr(*images, crop_border=0, test_y_channel=True)) < 1e-3
        assert abs(ssim - calculate_ssim(*images, crop_border=0, test_y_channel=True)) < 1e-3


def test_equals_scikit_image() -> None:
    a, b = pair(1, 48, 64, 0.1)
    weights = np.array([65.481, 128.553, 24.966])
    y = [16 + (image[0].double().numpy() * weights[:, None, None]).sum(0) for image in (a, b)]
    _, full = structural_similarity(
        *y, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert ssim_y(a, b)[0] == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-9)
    assert psnr_y(a, b)[0] == pytest.approx(10 * np.log10(255**2 / np.mean((y[0] - y[1]) ** 2)), abs=1e-9)


def test_a_constant_step_has_the_psnr_of_its_size() -> None:
    a = torch.full((1, 3, 16, 16), 0.25)
    step = 219 * 0.1
    assert psnr_y(a, a + 0.1).item() == pytest.approx(20 * np.log10(255 / step), abs=1e-5)


def test_equal_images_are_infinitely_near() -> None:
    a, _ = pair(0, 16, 16, 0.1)
    assert torch.isinf(psnr_y(a, a)).all()
    assert torch.allclose(ssim_y(a, a), torch.ones(2, dtype=torch.float64))


def test_eight_bit_rounds_and_clips_both() -> None:
    a, b = pair(3, 32, 32, 0.05)
    disturbed_a, disturbed_b = a + 0.4 / 255, b - 0.4 / 255
    assert torch.equal(psnr_y(disturbed_a, disturbed_b, eight_bit=True), psnr_y(a, b, eight_bit=True))
    assert not torch.equal(psnr_y(disturbed_a, disturbed_b), psnr_y(a, b))
    assert torch.equal(ssim_y(disturbed_a, disturbed_b, eight_bit=True), ssim_y(a, b, eight_bit=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_returns_float64_whatever_comes(dtype: torch.dtype) -> None:
    a, b = (image.to(dtype) for image in pair(0, 16, 16, 0.1))
    assert psnr_y(a, b).dtype == ssim_y(a, b).dtype == torch.float64


def test_refuses_other_shapes() -> None:
    a = torch.zeros(1, 3, 16, 16)
    with pytest.raises(ValueError, match=r"of one shape, got \(1, 3, 16, 16\) and \(1, 3, 16, 17\)"):
        psnr_y(a, torch.zeros(1, 3, 16, 17))
    with pytest.raises(ValueError, match="RGB images"):
        psnr_y(a[:, :1], a[:, :1])
    with pytest.raises(ValueError, match="at least 11x11 for SSIM, got 10x16"):
        ssim_y(a[:, :, :10], a[:, :, :10])
