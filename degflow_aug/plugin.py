"""Names our classes in BasicSR's registries, once. Only models need BasicSR to be imported; the rest does not."""

from __future__ import annotations

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

    from degflow_aug.archs.ciaosr_arch import CiaoSR
    from degflow_aug.archs.generator_arch import DegFlowGenerator
    from degflow_aug.archs.liif_arch import LIIF
    from degflow_aug.archs.lte_arch import LTE
    from degflow_aug.archs.metasr_arch import MetaSR
    from degflow_aug.archs.ncsnpp_arch import NCSNpp
    from degflow_aug.archs.rae_arch import ResidualAutoencoder
    from degflow_aug.data.aligned_scales_dataset import AlignedScalesDataset
    from degflow_aug.data.any_scale_pair_dataset import AnyScalePairDataset
    from degflow_aug.data.hr_crop_dataset import HRCropDataset
    from degflow_aug.data.mixed_pair_dataset import MixedPairDataset
    from degflow_aug.data.noise_image_dataset import NoiseImageDataset
    from degflow_aug.losses.attention_diversification_loss import AttentionDiversificationLoss
    from degflow_aug.losses.lpips_loss import LPIPSLoss
    from degflow_aug.losses.overlap_chunked_gan_loss import OverlapChunkedGANLoss
    from degflow_aug.losses.overlap_chunked_lpips_loss import OverlapChunkedLPIPSLoss
    from degflow_aug.losses.tv_lpips_loss import TVLPIPSLoss
    from degflow_aug.metrics.lpips_metric import calculate_lpips
    from degflow_aug.metrics.pyiqa_metric import calculate_pyiqa, calculate_pyiqa_fr
    from degflow_aug.models.arbitrary_scale_sr_model import ArbitraryScaleSRModel
    from degflow_aug.models.degraded_sr_model import DegradedESRGANModel, DegradedSRModel
    from degflow_aug.models.distill_model import LFMDistillModel
    from degflow_aug.models.flowsr_model import FlowSRModel
    from degflow_aug.models.fluxsr_model import FluxSRModel
    from degflow_aug.models.lfm_model import LFMModel
    from degflow_aug.models.omgsr_model import OMGSRModel
    from degflow_aug.models.rae_model import RAEModel
    from degflow_aug.models.refine_model import RefineModel
    from degflow_aug.onestep.chunked_discriminator import OverlapChunkedDiscriminator
    from degflow_aug.onestep.published import OneStepFlux, OneStepUNet

    compat.patch_training()
    stages = (RAEModel, LFMModel, RefineModel, LFMDistillModel)
    one_step = (FlowSRModel, OMGSRModel, FluxSRModel)
    models = (*stages, ArbitraryScaleSRModel, DegradedSRModel, DegradedESRGANModel, *one_step)
    losses = (
        LPIPSLoss, TVLPIPSLoss, OverlapChunkedLPIPSLoss, OverlapChunkedGANLoss, AttentionDiversificationLoss
    )  # fmt: skip
    datasets = (AlignedScalesDataset, HRCropDataset, AnyScalePairDataset, MixedPairDataset, NoiseImageDataset)
    networks = (ResidualAutoencoder, NCSNpp, DegFlowGenerator, LIIF, LTE, MetaSR, CiaoSR)
    published = (OneStepUNet, OneStepFlux, OverlapChunkedDiscriminator)
    for target, classes in (
        (registry.ARCH_REGISTRY, (*networks, *published)),
        (registry.DATASET_REGISTRY, datasets),
        (registry.LOSS_REGISTRY, losses),
        (registry.METRIC_REGISTRY, (calculate_lpips, calculate_pyiqa, calculate_pyiqa_fr)),
        (registry.MODEL_REGISTRY, models),
    ):
        for item in classes:
            if item.__name__ not in target:
                target.register(item)
    _done = True
