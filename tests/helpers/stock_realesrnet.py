"""BasicSR's own Real-ESRGAN degradation, as its models run it, on the CPU."""

from __future__ import annotations

import torch

from degflow_aug.degradations.realesrgan.settings import RealESRGANSettings


def degrade_with_realesrnet(batch: int) -> list[int]:
    """Shape of the LR batch that ``RealESRNetModel.feed_data`` makes of 64-pixel HR at x2, with every blur."""
    from basicsr.models.realesrnet_model import RealESRNetModel
    from basicsr.utils import DiffJPEG

    model = object.__new__(RealESRNetModel)
    model.opt = {**vars(RealESRGANSettings(second_blur_prob=1.0)), "scale": 2, "gt_size": 64, "gt_usm": False}
    model.is_train, model.device, model.jpeger = True, torch.device("cpu"), DiffJPEG(differentiable=False)
    # The pool of pairs is on CUDA whatever the device.
    model._dequeue_and_enqueue = lambda: None
    kernels = torch.full((batch, 21, 21), 1 / 441)
    hr = torch.rand(batch, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    model.feed_data({"gt": hr, "kernel1": kernels, "kernel2": kernels, "sinc_kernel": kernels})
    return list(model.lq.shape)
