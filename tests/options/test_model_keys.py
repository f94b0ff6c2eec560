"""Keys that BasicSR knows and the model of a file does not read: named, with their place where they have one."""

from __future__ import annotations

import copy
import functools
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny_sr import L1, register, sr_options, with_discriminator

from degflow_aug.options import basicsr_keys

pytest.importorskip("basicsr", reason="option files are BasicSR's")
register()

from degflow_aug.compat.options import check_options  # noqa: E402
from degflow_aug.options.yaml_file import load_yaml  # noqa: E402

FILES = Path(__file__).resolve().parents[2] / "basicsr_options"
PAIRS = {"name": "v", "type": "PairedImageDataset", "io_backend": {"type": "disk"}}
STAGES = ("rae_city100", "lfm_city100", "refine_city100", "distill_city100")
SR = ("liif_degflow", "rrdbnet_x4_degflow", "onestep_fluxsr")
PLAIN = (*STAGES, *SR)


@functools.cache
def _text(name: str) -> dict[str, Any]:
    return load_yaml(FILES / f"{name}.yml")


def shipped(name: str) -> dict[str, Any]:
    """A file of ``basicsr_options``, to be changed."""
    return copy.deepcopy(_text(name))


def check(opt: dict[str, Any], **changes: Any) -> None:
    """Check an option file with ``section__key=value`` changed."""
    for keys, value in changes.items():
        *sections, last = keys.split("__")
        section = opt
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    check_options(opt, "run.yml", is_train="train" in opt)


BLURRED = {**PAIRS, "blur_sigma": [1, 2]}
KEYED = {**PAIRS, "io_backend": {"type": "disk", "db_paths": "x"}}
FOREIGN: list[tuple[tuple[str, ...], str, Any, str]] = [
    (PLAIN, "network_G", {"type": "EDSR"}, "'network_G' in the options, .*did you mean 'network_g'"),
    (PLAIN, "network_x", {"type": "EDSR"}, "'network_x' in the options"),
    (PLAIN, "path__pretrain_network_G", "a.pth", "'pretrain_network_G' in path, .*did you mean 'pretrain_network_g'"),
    (PLAIN, "path__param_key_G", "params", "'param_key_G' in path, .*did you mean 'param_key_g'"),
    (PLAIN, "path__pretrain_network_d", "a.pth", "'pretrain_network_d' in path"),
    (PLAIN, "path__strict_load_d", True, "'strict_load_d' in path"),
    (PLAIN, "path__experiments_root", "runs", "'experiments_root' in path"),
    (PLAIN, "train__optim_G", {"type": "Adam"}, "'optim_G' in train, .*did you mean 'optim_g'"),
    (PLAIN, "train__optim_d", {"type": "Adam"}, "'optim_d' in train"),
    (PLAIN, "train__net_d_iters", 2, "'net_d_iters' in train"),
    (PLAIN, "train__net_d_reg_every", 16, "'net_d_reg_every' in train"),
    (PLAIN, "train__fix_flow", 5, "'fix_flow' in train"),
    (PLAIN, "val__center_frame_only", True, "'center_frame_only' in val"),
    (PLAIN, "val__num_val_samples", 4, "'num_val_samples' in val"),
    (PLAIN, "gt_usm", True, "'gt_usm' in the options"),
    (PLAIN, "auto_resume", True, "'auto_resume' in the options"),
    (PLAIN, "gt_size", 64, "it belongs in datasets.train"),
    (PLAIN, "ema_decay", 0.9, "it belongs in train"),
    (PLAIN, "train__val_freq", 10, "it belongs in val"),
    (PLAIN, "val__logger", {}, "it belongs at the top of the file"),
    (PLAIN, "datasets__train__phase", "val", "no phase in datasets.train, whose name is its phase"),
    (PLAIN, "datasets__train__use_shuffle", False, "no use_shuffle: false in datasets.train"),
    (PLAIN, "datasets__train__num_prefetch_queue", 2, "num_prefetch_queue with prefetch_mode: cpu"),
    (PLAIN, "datasets__val__use_hflip", True, "no use_hflip in datasets.val, got True"),
    (PLAIN, "datasets__val__batch_size_per_gpu", 4, "no batch_size_per_gpu in datasets.val, got 4"),
    (PLAIN, "datasets__val_2", BLURRED, "'blur_sigma' in datasets.val_2, which PairedImageDataset"),
    (PLAIN, "datasets__val_2", {**PAIRS, "num_frame": 5}, "'num_frame' in datasets.val_2, which PairedImageDataset"),
    (PLAIN, "datasets__val_2", {**PAIRS, "color": "y"}, "three channels in datasets.val_2"),
    (PLAIN, "datasets__val_2", {**PAIRS, "color": "gray"}, "expected y or rgb in datasets.val_2.color, got 'gray'"),
    (PLAIN, "datasets__val_2", KEYED, "'db_paths' in datasets.val_2.io"),
    (SR, "jpeg_range", [30, 95], "'jpeg_range' in the options, .*it belongs in degradation"),
    (SR, "resize_range2", [0.3, 1], "'resize_range2' in the options, .*it belongs in degradation"),
    (SR, "second_blur_prob", 0.8, "'second_blur_prob' in the options, .*it belongs in degradation"),
    (SR, "train__blur_sigma", [1, 2], "'blur_sigma' in train; it belongs in degradation"),
    (STAGES[1:], "train__pixel_opt", L1, "'pixel_opt' in train"),
    (STAGES, "train__perceptual_opt", L1, "'perceptual_opt' in train"),
    (STAGES, "degradation", {"type": "Bicubic"}, "'degradation' in the options"),
    ((*STAGES, "liif_degflow"), "scale", 4, "expected scale: 1 for .*, got 4"),
    (SR[1:], "datasets__val__scale", 3, "no scale in datasets.val, got 3"),
    (("onestep_omgsr_s", "onestep_fluxsr"), "train__ldl_opt", L1, "'ldl_opt' in train"),
    (("onestep_omgsr_s",), "train__net_d_init_iters", 5, "'net_d_init_iters' in train"),
    (SR[:2], "path__param_key_d", "params", "'param_key_d' in path, .* without network_d"),
    (SR[:2], "train__optim_d", {"type": "Adam"}, "'optim_d' in train, .* without network_d"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "key", "value", "said"), FOREIGN)
def test_a_key_that_the_model_does_not_read_is_named(files: tuple[str, ...], key: str, value: Any, said: str) -> None:
    for file in files:
        with pytest.raises(ValueError, match=said):
            check(shipped(file), **{key: copy.deepcopy(value)})


@pytest.mark.parametrize("name", [file.stem for file in sorted(FILES.glob("*.yml"))])
def test_what_ships_passes_also_with_keys_that_are_null(name: str) -> None:
    check(shipped(name), path__pretrain_network_d=None, datasets__val_2={**PAIRS, "num_frame": None})


def test_keys_of_a_discriminator_are_for_files_that_have_one(tmp_path: Path) -> None:
    opt = sr_options("arbitrary", tmp_path, window=8)
    check(with_discriminator(opt, net_d_iters=2, net_d_init_iters=1), path__pretrain_network_d="d.pth")


@pytest.mark.parametrize("model", ["SRModel", "ESRGANModel", "RealESRGANModel"])
@pytest.mark.parametrize("section", ["degflow", "degradation"])
def test_sections_of_ours_beside_a_model_of_basicsr(model: str, section: str, tmp_path: Path) -> None:
    opt = sr_options("gan", tmp_path, degradation=None)
    opt.pop("degflow")
    # RealESRGANModel reads its ranges from the top level.
    check(opt, model_type=model, jpeg_range=[30, 95], val={"center_frame_only": True}, degflow={})
    with pytest.raises(ValueError, match=f"no section {section} for {model}, .* use DegradedESRGANModel"):
        check(opt, **{section: {"type": "Bicubic"}})


def test_each_data_set_of_basicsr_reads_the_keys_of_its_row() -> None:
    """The rows against BasicSR's own source: the literal keys of the classes, and of those that they extend."""
    from basicsr.utils.registry import DATASET_REGISTRY

    loader = {*basicsr_keys.LOADER, "client_keys", "db_paths"}
    for name, row in basicsr_keys.DATASET_TYPES.items():
        known = name if name in DATASET_REGISTRY else f"{name}_basicsr"
        classes = [each for each in DATASET_REGISTRY.get(known).__mro__ if each.__module__.startswith("basicsr.")]
        source = "".join(map(inspect.getsource, classes))
        read = set(re.findall(r"opt(?:\[|\.get\()['\"](\w+)", source)) | set(
            re.findall(r"'(\w+)' in self.opt\b", source)
        )
        assert set(row) == read - loader, name
