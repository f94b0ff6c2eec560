"""Names our classes in BasicSR's registries, once. Only models need BasicSR to be imported; the rest does not."""

from __future__ import annotations

from typing import Any

from degflow_aug import compat

_done = False


def register() -> None:
    """Make BasicSR work on current stacks and fill its registries.

    Raises:
        ValueError: BasicSR is not installed (Python 3.13).
    """
    global _done
    if _done:
        return
    compat.require_basicsr("training")
    compat.apply()
    from basicsr.utils import registry

    models = _models()
    compat.patch_training()
    for target, items in (
        (registry.ARCH_REGISTRY, _networks()),
        (registry.DATASET_REGISTRY, _datasets()),
        (registry.LOSS_REGISTRY, _losses()),
        (registry.METRIC_REGISTRY, _metrics()),
        (registry.MODEL_REGISTRY, models),
    ):
        for item in items:
            if item.__name__ not in target:
                target.register(item)
    _done = True


def _networks() -> tuple[Any, ...]:
    from degflow_aug.archs.arbitrary_scale.ciaosr_arch import CiaoSR
    from degflow_aug.archs.arbitrary_scale.liif_arch import LIIF
    from degflow_aug.archs.arbitrary_scale.lte_arch import LTE
    from degflow_aug.archs.arbitrary_scale.metasr_arch import MetaSR
    from degflow_aug.archs.generator.generator_arch import DegFlowGenerator
    from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
    from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
    from degflow_aug.onestep.networks.chunked_discriminator_arch import OverlapChunkedDiscriminator
    from degflow_aug.onestep.networks.onestep_arch import OneStepFlux, OneStepUNet

    ours = (ResidualAutoencoder, NCSNpp, DegFlowGenerator, LIIF, LTE, MetaSR, CiaoSR)
    return (*ours, OneStepUNet, OneStepFlux, OverlapChunkedDiscriminator)


def _datasets() -> tuple[Any, ...]:
    from degflow_aug.data.aligned_scales_dataset import AlignedScalesDataset
    from degflow_aug.data.any_scale_pair_dataset import AnyScalePairDataset
    from degflow_aug.data.hr_crop_dataset import HRCropDataset
    from degflow_aug.data.mixed_pair_dataset import MixedPairDataset
    from degflow_aug.onestep.fluxsr.noise_image_dataset import NoiseImageDataset

    return (AlignedScalesDataset, HRCropDataset, AnyScalePairDataset, MixedPairDataset, NoiseImageDataset)


def _losses() -> tuple[Any, ...]:
    from degflow_aug.losses.lpips_loss import LPIPSLoss
    from degflow_aug.onestep.losses.attention_diversification_loss import AttentionDiversificationLoss
    from degflow_aug.onestep.losses.overlap_chunked_gan_loss import OverlapChunkedGANLoss
    from degflow_aug.onestep.losses.overlap_chunked_lpips_loss import OverlapChunkedLPIPSLoss
    from degflow_aug.onestep.losses.tv_lpips_loss import TVLPIPSLoss

    chunked = (OverlapChunkedLPIPSLoss, OverlapChunkedGANLoss)
    return (LPIPSLoss, TVLPIPSLoss, *chunked, AttentionDiversificationLoss)


def _metrics() -> tuple[Any, ...]:
    from degflow_aug.metrics.lpips_metric import calculate_lpips
    from degflow_aug.metrics.pyiqa_metric import calculate_pyiqa, calculate_pyiqa_fr

    return (calculate_lpips, calculate_pyiqa, calculate_pyiqa_fr)


def _models() -> tuple[Any, ...]:
    from degflow_aug.models.arbitrary_scale_sr_model import ArbitraryScaleSRModel
    from degflow_aug.models.degraded_sr_model import DegradedESRGANModel, DegradedSRModel
    from degflow_aug.models.distill_model import LFMDistillModel
    from degflow_aug.models.lfm_model import LFMModel
    from degflow_aug.models.rae_model import RAEModel
    from degflow_aug.models.refine_model import RefineModel
    from degflow_aug.onestep.flowsr.flowsr_model import FlowSRModel
    from degflow_aug.onestep.fluxsr.fluxsr_model import FluxSRModel
    from degflow_aug.onestep.omgsr.omgsr_model import OMGSRModel

    stages = (RAEModel, LFMModel, RefineModel, LFMDistillModel)
    return (*stages, ArbitraryScaleSRModel, DegradedSRModel, DegradedESRGANModel, OMGSRModel, FluxSRModel, FlowSRModel)
