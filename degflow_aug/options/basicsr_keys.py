"""The option keys that BasicSR 1.4.2 reads, and those that this package adds, with what their values may be.

Data only: a table per section, from keys to hints as :mod:`degflow_aug.options.values` knows them. Which of them a
model of this package reads is in :mod:`degflow_aug.options.model_keys`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from degflow_aug.options.values import Amount, Between, Count, CountFrom0, Pixels, Share, Side

Table = dict[str, Any]

_SECTION = Mapping | None
_NAME = str | None
_RANGE = tuple[float, float] | None
_WEIGHTS = tuple[Amount, ...] | None
_FROM_MINUS_ONE = Annotated[int, Between(-1, 10**9)]
_Processes = Annotated[int, Between(0, 1024)]
_DECAY = Annotated[float, Between(0, 1, open="high")]
_KERNEL_SIDE = Annotated[int, Between(1, 255)] | None

# RealESRGANModel and RealESRNetModel read their degradation from the top level.
_REALESRGAN_NOISE: Table = {
    "gaussian_noise_prob": Share, "gaussian_noise_prob2": Share, "gray_noise_prob": Share, "gray_noise_prob2": Share,
    "jpeg_range": _RANGE, "jpeg_range2": _RANGE, "noise_range": _RANGE, "noise_range2": _RANGE,
    "poisson_scale_range": _RANGE, "poisson_scale_range2": _RANGE, "resize_prob": _WEIGHTS, "resize_prob2": _WEIGHTS,
    "resize_range": _RANGE, "resize_range2": _RANGE, "second_blur_prob": Share,
}  # fmt: skip
_REALESRGAN_BLUR: Table = {
    "betag_range": _RANGE, "betag_range2": _RANGE, "betap_range": _RANGE, "betap_range2": _RANGE,
    "blur_kernel_size": _KERNEL_SIDE, "blur_kernel_size2": _KERNEL_SIDE, "blur_sigma": _RANGE, "blur_sigma2": _RANGE,
    "final_sinc_prob": Share | None, "kernel_list": tuple[str, ...] | None, "kernel_list2": tuple[str, ...] | None,
    "kernel_prob": _WEIGHTS, "kernel_prob2": _WEIGHTS, "sinc_prob": Share | None, "sinc_prob2": Share | None,
}  # fmt: skip
REALESRGAN = frozenset((*_REALESRGAN_NOISE, *_REALESRGAN_BLUR))
"""What Real-ESRGAN's models and data set read of their degradation, and this package in ``degradation:``."""

ADDED: Table = {
    "auto_resume": bool, "dist": bool, "is_train": bool, "rank": CountFrom0, "root_path": str, "world_size": Count,
}  # fmt: skip
"""What parse_options and train_pipeline write over the options that they were given."""

TOP_LEVEL: Table = {
    "datasets": Mapping, "degflow": _SECTION, "degradation": _SECTION, "dist_params": _SECTION,
    "find_unused_parameters": bool, "logger": _SECTION, "manual_seed": Annotated[int, Between(0, 2**32 - 2**16)] | None,
    "model_type": str, "name": str, "network_*": _SECTION, "num_gpu": _Processes | Literal["auto"],
    "path": _SECTION, "scale": Annotated[int, Between(1, 256)], "train": _SECTION, "val": _SECTION,
    # RealESRGANModel and RealESRNetModel:
    "gan_gt_usm": bool, "gt_size": Side, "gt_usm": bool, "high_order_degradation": bool, "l1_gt_usm": bool,
    "percep_gt_usm": bool, "queue_size": Annotated[int, Between(1, 10**6)],
    **ADDED, **_REALESRGAN_NOISE,
}  # fmt: skip

SECTIONS: dict[str, Table] = {
    "train": {
        "dcn_lr_mul": Amount, "ema_decay": _DECAY,
        "feature_matching_opt": _SECTION, "fix_flow": CountFrom0 | None, "flow_lr_mul": Amount, "gan_opt": _SECTION,
        "ldl_opt": _SECTION, "lr_flow": Amount, "mixing_prob": Share, "net_d_init_iters": CountFrom0,
        "net_d_iters": Count, "net_d_reg_every": Count, "net_g_reg_every": Count, "optim_*": _SECTION,
        "path_batch_shrink": Count, "path_reg_weight": Amount, "perceptual_opt": _SECTION, "pixel_opt": _SECTION,
        "r1_reg_weight": Amount, "scheduler": Mapping, "total_iter": Count, "tsa_iter": CountFrom0 | None,
        "warmup_iter": _FROM_MINUS_ONE,
    },
    "val": {
        "best": _SECTION, "center_frame_only": bool, "flip_seq": bool, "metrics": _SECTION, "num_val_samples": Count,
        "pbar": bool, "save_img": bool, "suffix": str | int | None, "val_freq": Count,
    },
    "path": {
        "experiments_root": str, "ignore_resume_networks": tuple[str, ...] | str | None, "log": str, "models": str,
        "param_key_*": _NAME, "pretrain_network_*": _NAME, "results_root": str, "resume_state": _NAME,
        "strict_load_*": bool, "training_states": str, "visualization": str,
    },
    "logger": {"print_freq": Count, "save_checkpoint_freq": Count, "use_tb_logger": bool, "wandb": _SECTION},
    "dist_params": {"backend": str, "port": Annotated[int, Between(1, 65535)] | None},
}  # fmt: skip
WANDB: Table = {"project": _NAME, "resume_id": _NAME}

_MULTI_STEP: Table = {
    "gamma": Amount, "milestones": tuple[CountFrom0, ...], "restart_weights": tuple[Amount, ...],
    "restarts": tuple[CountFrom0, ...], "type": str,
}  # fmt: skip
SCHEDULERS: dict[str, Table] = {
    "MultiStepLR": _MULTI_STEP,
    "MultiStepRestartLR": _MULTI_STEP,
    "CosineAnnealingRestartLR": {
        "eta_min": Amount, "peak_iter": Count, "periods": tuple[Count, ...], "restart_weights": tuple[Amount, ...],
        "type": str,
    },
}  # fmt: skip

# Arguments of the optimisers of torch; others are looked at for numbers without end.
OPTIMIZER: Table = {
    "type": str, "lr": Amount, "betas": tuple[_DECAY, _DECAY], "eps": Amount,
    "weight_decay": Amount, "momentum": Share, "dampening": Amount, "amsgrad": bool, "nesterov": bool,
    "maximize": bool, "capturable": bool, "differentiable": bool, "decoupled_weight_decay": bool,
    "foreach": bool | None, "fused": bool | None,
}  # fmt: skip

_BETTER = Literal["higher", "lower"] | None
_BORDER = Pixels | Literal["scale"]
# Images of validation are (H, W, C): in another order scores would be of stripes.
_ORDER = Literal["HWC"]
_PAIR_METRIC: Table = {
    "better": _BETTER, "crop_border": _BORDER, "input_order": _ORDER, "test_y_channel": bool, "type": str,
}  # fmt: skip
_PAPER_METRIC: Table = {"better": _BETTER, "crop_border": _BORDER, "type": str}
_NETWORK_METRIC: Table = {"better": _BETTER, "crop_border": _BORDER, "device": _NAME, "type": str}
METRICS: dict[object, Table] = {
    "calculate_psnr": _PAIR_METRIC,
    "calculate_ssim": _PAIR_METRIC,
    "calculate_psnr_interflow": {**_PAPER_METRIC, "multiple": Side},
    "calculate_ssim_interflow": {**_PAPER_METRIC, "multiple": Side},
    "calculate_psnr_realarbisr": _PAPER_METRIC,
    "calculate_psnr_degflow": _PAPER_METRIC,
    "calculate_lpips": {**_NETWORK_METRIC, "vgg_path": _NAME},
    "calculate_lpips_interflow": {"better": _BETTER, "device": _NAME, "multiple": Side, "type": str, "vgg_path": _NAME},
    "calculate_pyiqa": {**_NETWORK_METRIC, "metric": str},
    "calculate_pyiqa_fr": {**_NETWORK_METRIC, "metric": str},
    "calculate_niqe": {
        "better": _BETTER, "convert_to": Literal["y", "gray"], "crop_border": _BORDER, "input_order": _ORDER,
        "type": str,
    },
}  # fmt: skip

# What every dataset section may hold: the data loader or parse_options reads or writes it (nothing reads use_shuffle,
# but nearly every published BasicSR option file has it). Null counts as absent.
LOADER: Table = {
    "batch_size_per_gpu": Side, "dataroot_gt": str | tuple[str, ...] | None,
    "dataroot_lq": _NAME, "dataset_enlarge_ratio": Annotated[float, Between(0, 10**6, open="low")],
    "name": str | int | float | None,
    "num_prefetch_queue": Annotated[int, Between(1, 1024)] | None, "num_worker_per_gpu": _Processes,
    "persistent_workers": bool | None, "phase": str, "pin_memory": bool | None,
    "prefetch_mode": Literal["cpu", "cuda"] | None, "scale": Annotated[int, Between(1, 256)] | None, "type": str,
    "use_shuffle": bool | None,
}  # fmt: skip

IN_VALIDATION: Table = {
    "batch_size_per_gpu": 1, "dataset_enlarge_ratio": 1, "gt_size": None, "lr_size": None, "num_worker_per_gpu": 0,
    "use_hflip": False, "use_rot": False, "use_shuffle": False,
}  # fmt: skip
"""What validation and tests do whatever a section says: whole images, one by one, in their order, none turned."""

# What the data sets of BasicSR and of this package read beside it.
DATASET: Table = {
    **_REALESRGAN_BLUR, "cache_data": bool | None, "color": Literal["y", "rgb"] | None, "dataroot_flow": _NAME,
    "filename_tmpl": _NAME, "flip_sequence": bool | None, "gt_size": Side | None,
    "interval_list": tuple[Count, ...] | None, "io_backend": Mapping | str | None,
    "mean": tuple[float, ...] | None, "meta_info": _NAME, "meta_info_file": _NAME, "num_frame": _FROM_MINUS_ONE | None,
    "padding": _NAME, "random_reverse": bool | None, "std": tuple[float, ...] | None, "test_mode": bool | None,
    "use_duf_downsampling": bool | None, "use_hflip": bool | None, "use_rot": bool | None, "val_partition": _NAME,
}  # fmt: skip
IO_BACKEND: Table = {"type": Literal["disk", "lmdb", "memcached"]}
MEMCACHED = ("client_cfg", "server_list_cfg", "sys_path")
OWN_DATASET: Table = {
    "cache_mb": Annotated[float, Between(0, 2**30)] | None, "cameras": str | tuple[str, ...] | None,
    "crop": Side | None, "dataroot_views": _SECTION, "hr": _SECTION, "incomplete": _NAME,
    "knots": tuple[float, ...] | None, "layout": _NAME, "lq": _SECTION,
    "lr_size": Side | None, "multiple": Side, "real": _SECTION, "real_share": Share | None,
    "scales": tuple[float, ...] | Mapping[str, float | None] | None, "split": _NAME,
}  # fmt: skip

OWN_DATASET_TYPES = frozenset({
    "AlignedScalesDataset", "AnyScalePairDataset", "HRCropDataset", "MixedPairDataset", "NoiseImageDataset",
    "ViewPairDataset",
})  # fmt: skip
_LIST = ("io_backend", "meta_info_file")
_TURNS = ("gt_size", "use_hflip", "use_rot")
_PAIRS = (*_TURNS, "io_backend", "filename_tmpl", "mean", "std")
_CLIPS = (*_TURNS, *_LIST, "num_frame", "random_reverse")
_REDS = (*_CLIPS, "interval_list", "val_partition")
_VIDEO = (*_LIST, "cache_data", "num_frame", "padding")
DATASET_TYPES: dict[str, tuple[str, ...]] = {
    "FFHQDataset": ("io_backend", "mean", "std", "use_hflip"),
    "PairedImageDataset": (*_PAIRS, "color", "meta_info_file"),
    "REDSDataset": (*_REDS, "dataroot_flow"),
    "REDSRecurrentDataset": (*_REDS, "test_mode"),
    "RealESRGANDataset": ("io_backend", "meta_info", "use_hflip", "use_rot", *_REALESRGAN_BLUR),
    "RealESRGANPairedDataset": (*_PAIRS, "meta_info"),
    "SingleImageDataset": (*_LIST, "color", "mean", "std"),
    "VideoRecurrentTestDataset": _VIDEO,
    "VideoTestDUFDataset": (*_VIDEO, "use_duf_downsampling"),
    "VideoTestDataset": _VIDEO,
    "VideoTestVimeo90KDataset": (*_LIST, "cache_data", "num_frame"),
    "Vimeo90KDataset": _CLIPS,
    "Vimeo90KRecurrentDataset": (*_CLIPS, "flip_sequence"),
}  # fmt: skip
"""The data sets of BasicSR, and what each reads beside the keys of the loader."""
