"""The option keys that BasicSR 1.4.2 reads, and those that this package adds to its sections. Data only."""

from __future__ import annotations

# What parse_options and train_pipeline add to the options they were given.
_ADDED = ("auto_resume", "dist", "is_train", "rank", "root_path", "world_size")

# RealESRGANModel and RealESRNetModel read their degradation from the top level.
_REALESRGAN = (
    "gan_gt_usm", "gaussian_noise_prob", "gaussian_noise_prob2", "gray_noise_prob", "gray_noise_prob2", "gt_size",
    "gt_usm", "high_order_degradation", "jpeg_range", "jpeg_range2", "l1_gt_usm", "noise_range", "noise_range2",
    "percep_gt_usm", "poisson_scale_range", "poisson_scale_range2", "queue_size", "resize_prob", "resize_prob2",
    "resize_range", "resize_range2", "second_blur_prob",
)  # fmt: skip

TOP_LEVEL = (
    "datasets", "degflow", "degradation", "dist_params", "find_unused_parameters", "logger", "manual_seed",
    "model_type", "name", "network_*", "num_gpu", "path", "scale", "train", "val", *_ADDED, *_REALESRGAN,
)  # fmt: skip

SECTIONS: dict[str, tuple[str, ...]] = {
    "train": (
        "dcn_lr_mul", "ema_decay", "feature_matching_opt", "fix_flow", "flow_lr_mul", "gan_opt", "ldl_opt", "lr_flow",
        "mixing_prob", "net_d_init_iters", "net_d_iters", "net_d_reg_every", "net_g_reg_every", "optim_d", "optim_g",
        "path_batch_shrink", "path_reg_weight", "perceptual_opt", "pixel_opt", "r1_reg_weight", "scheduler",
        "total_iter", "tsa_iter", "warmup_iter",
    ),
    "val": (
        "best", "center_frame_only", "flip_seq", "metrics", "num_val_samples", "pbar", "save_img", "suffix", "val_freq",
    ),
    "path": (
        "experiments_root", "ignore_resume_networks", "log", "models", "param_key_*", "pretrain_network_*",
        "results_root", "resume_state", "strict_load_*", "training_states", "visualization",
    ),
    "logger": ("print_freq", "save_checkpoint_freq", "use_tb_logger", "wandb"),
}  # fmt: skip

SCHEDULERS: dict[str, tuple[str, ...]] = {
    "MultiStepLR": ("gamma", "milestones", "restart_weights", "restarts", "type"),
    "MultiStepRestartLR": ("gamma", "milestones", "restart_weights", "restarts", "type"),
    "CosineAnnealingRestartLR": ("eta_min", "periods", "restart_weights", "type"),
}

_PAIR_METRIC = ("better", "crop_border", "input_order", "test_y_channel", "type")
METRICS: dict[object, tuple[str, ...]] = {
    "calculate_psnr": _PAIR_METRIC,
    "calculate_ssim": _PAIR_METRIC,
    "calculate_lpips": ("better", "crop_border", "device", "type", "vgg_path"),
    "calculate_pyiqa": ("better", "crop_border", "device", "metric", "type"),
    "calculate_pyiqa_fr": ("better", "crop_border", "device", "metric", "type"),
    "calculate_niqe": ("better", "convert_to", "crop_border", "input_order", "type"),
}

# What every dataset section may hold: the data loader or parse_options reads or writes it (nothing reads use_shuffle,
# but nearly every published BasicSR option file has it).
LOADER = (
    "batch_size_per_gpu", "dataroot_gt", "dataroot_lq", "dataset_enlarge_ratio", "name", "num_prefetch_queue",
    "num_worker_per_gpu", "persistent_workers", "phase", "pin_memory", "prefetch_mode", "scale", "type", "use_shuffle",
)  # fmt: skip

DATASET = (
    "betag_range", "betag_range2", "betap_range", "betap_range2", "blur_kernel_size", "blur_kernel_size2",
    "blur_sigma", "blur_sigma2", "cache_data", "color", "dataroot_flow", "filename_tmpl", "final_sinc_prob",
    "flip_sequence", "gt_size", "interval_list", "io_backend", "kernel_list", "kernel_list2", "kernel_prob",
    "kernel_prob2", "mean", "meta_info", "meta_info_file", "num_frame", "padding", "random_reverse", "sinc_prob",
    "sinc_prob2", "std", "test_mode", "use_duf_downsampling", "use_hflip", "use_rot", "val_partition",
)  # fmt: skip

DATASET_TYPES = frozenset({
    "FFHQDataset", "PairedImageDataset", "REDSDataset", "REDSRecurrentDataset", "RealESRGANDataset",
    "RealESRGANPairedDataset", "SingleImageDataset", "VideoRecurrentTestDataset", "VideoTestDUFDataset",
    "VideoTestDataset", "VideoTestVimeo90KDataset", "Vimeo90KDataset", "Vimeo90KRecurrentDataset",
})  # fmt: skip
