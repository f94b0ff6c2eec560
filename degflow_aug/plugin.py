"""The table of our classes in BasicSR's registries. Only models need BasicSR to be imported; the rest does not."""

from __future__ import annotations

import importlib

from degflow_aug import compat

ARCHS = (
    "archs.arbitrary_scale.ciaosr_arch:CiaoSR",
    "archs.arbitrary_scale.liif_arch:LIIF",
    "archs.arbitrary_scale.lte_arch:LTE",
    "archs.arbitrary_scale.metasr_arch:MetaSR",
    "archs.fixed_scale.spandrel_arch:SpandrelNetwork",
    "archs.fixed_scale.unshuffled_arch:Unshuffled",
    "archs.generator.generator_arch:DegFlowGenerator",
    "archs.generator.ncsnpp_arch:NCSNpp",
    "archs.generator.rae_arch:ResidualAutoencoder",
    "onestep.networks.chunked_discriminator_arch:OverlapChunkedDiscriminator",
    "onestep.networks.onestep_arch:OneStepUNet OneStepFlux",
)
DATASETS = (
    "data.aligned_scales_dataset:AlignedScalesDataset",
    "data.any_scale_pair_dataset:AnyScalePairDataset",
    "data.hr_crop_dataset:HRCropDataset",
    "data.mixed_pair_dataset:MixedPairDataset",
    "data.view_pair_dataset:ViewPairDataset",
    "onestep.fluxsr.noise_image_dataset:NoiseImageDataset",
)
LOSSES = (
    "metrics.lpips_loss:LPIPSLoss",
    "onestep.fluxsr.attention_diversification_loss:AttentionDiversificationLoss",
    "onestep.losses.overlap_chunked_gan_loss:OverlapChunkedGANLoss",
    "onestep.losses.overlap_chunked_lpips_loss:OverlapChunkedLPIPSLoss",
    "onestep.losses.tv_lpips_loss:TVLPIPSLoss",
)
METRICS = (
    "metrics.lpips_metric:calculate_lpips calculate_lpips_interflow",
    "metrics.paper_metric:calculate_psnr_interflow calculate_ssim_interflow calculate_psnr_realarbisr "
    "calculate_psnr_degflow",
    "metrics.pyiqa_metric:calculate_pyiqa calculate_pyiqa_fr",
)
MODELS = (
    "models.arbitrary_scale_sr_model:ArbitraryScaleSRModel",
    "models.degraded_sr_model:DegradedSRModel DegradedESRGANModel",
    "models.distill_model:LFMDistillModel",
    "models.lfm_model:LFMModel",
    "models.rae_model:RAEModel",
    "models.refine_model:RefineModel",
    "onestep.flowsr.flowsr_model:FlowSRModel",
    "onestep.fluxsr.fluxsr_model:FluxSRModel",
    "onestep.omgsr.omgsr_model:OMGSRModel",
)
TABLE = {"MODEL": MODELS, "ARCH": ARCHS, "DATASET": DATASETS, "LOSS": LOSSES, "METRIC": METRICS}


def register() -> None:
    """Make BasicSR work on current stacks and fill its registries.

    Raises:
        ValueError: BasicSR is not installed (Python 3.13).
    """
    compat.require_basicsr("training")
    compat.apply()
    from basicsr.utils import registry

    for kind, rows in TABLE.items():
        target = getattr(registry, f"{kind}_REGISTRY")
        for module, _, names in (row.partition(":") for row in rows):
            for name in names.split():
                if name not in target:
                    target.register(getattr(importlib.import_module(f"degflow_aug.{module}"), name))
    compat.patch_training()
