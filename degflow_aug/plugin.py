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

    from degflow_aug.archs.ncsnpp_arch import NCSNpp
    from degflow_aug.archs.rae_arch import ResidualAutoencoder
    from degflow_aug.data.aligned_scales_dataset import AlignedScalesDataset
    from degflow_aug.losses.lpips_loss import LPIPSLoss
    from degflow_aug.metrics.lpips_metric import calculate_lpips
    from degflow_aug.models.lfm_model import LFMModel
    from degflow_aug.models.rae_model import RAEModel

    compat.patch_training()
    for target, classes in (
        (registry.ARCH_REGISTRY, (ResidualAutoencoder, NCSNpp)),
        (registry.DATASET_REGISTRY, (AlignedScalesDataset,)),
        (registry.LOSS_REGISTRY, (LPIPSLoss,)),
        (registry.METRIC_REGISTRY, (calculate_lpips,)),
        (registry.MODEL_REGISTRY, (RAEModel, LFMModel)),
    ):
        for item in classes:
            if item.__name__ not in target:
                target.register(item)
    _done = True
