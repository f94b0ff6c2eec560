"""The sections that BasicSR reads: every slip in them is one sentence that names the key."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from helpers.basicsr_experiment import OPTIONS

from degflow_aug.options import basicsr_keys
from degflow_aug.options.basicsr_sections import check_basicsr_options

READ = {"options": ("degradation", "scale"), "train": ("pixel_opt",)}


def options(**changes: Any) -> dict[str, Any]:
    """The tiny experiment's options with ``section__key=value`` changed."""
    result = copy.deepcopy(OPTIONS)
    for keys, value in changes.items():
        *sections, last = keys.split("__")
        section = result
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
    return result


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"netwrok_g": {}}, "'netwrok_g' in the options; did you mean 'network_g'"),
        ({"manual_sed": 1}, "'manual_sed' in the options; did you mean 'manual_seed'"),
        ({"train__ema_decy": 0.9}, "'ema_decy' in train; did you mean 'ema_decay'"),
        ({"train__optim_g__betaz": [0, 1]}, "'betaz' in train.optim_g; did you mean 'betas'"),
        ({"train__optim_g": {"type": "AdamW", "lr": 1, "weight_decy": 0}}, "did you mean 'weight_decay'"),
        ({"train__scheduler__milestone": []}, "'milestone' in train.scheduler; did you mean 'milestones'"),
        ({"train__scheduler": {"type": "CosineAnnealingRestartLR", "period": 1}}, "did you mean 'periods'"),
        ({"path__pretrain_g": "x"}, "'pretrain_g' in path; did you mean 'pretrain_network_g'"),
        ({"path__stage_one": "x"}, "'stage_one' in path"),
        ({"logger__print_frequency": 1}, "'print_frequency' in logger; did you mean 'print_freq'"),
        ({"val__val_frq": 1}, "'val_frq' in val; did you mean 'val_freq'"),
        ({"val__metrics": {"p": {"type": "calculate_psnr", "test_y_chanel": True}}}, "did you mean 'test_y_channel'"),
        ({"datasets__val__use_hfilp": True}, "'use_hfilp' in datasets.val; did you mean 'use_hflip'"),
        ({"train": 3}, "expected a mapping in train, got 3"),
        ({"train__optim_g__differentiable": True}, "expected no train.optim_g.differentiable, got true"),
        ({"train__optim_g": {"type": "Adam", "lr": 1, "foreach": True, "fused": True}}, "got both; take one out"),
        ({"train__optim_g": {"type": "Adam", "lr": 1, "betas": [0.9]}}, "expected 2 values in train.optim_g.betas"),
        ({"train__optim_g": {"type": "Adam", "lr": 1, "betas": [0.9] * 3}}, "expected 2 values in train.optim_g.betas"),
        ({"datasets__train__dataroot_gt": " "}, "expected a path in datasets.train.dataroot_gt, got an empty one"),
        ({"datasets__train__dataroot_gt": ["a", ""]}, "expected a path in datasets.train.dataroot_gt, got an empty"),
        ({"datasets__val__dataroot_lq": ""}, "expected a path in datasets.val.dataroot_lq, got an empty one"),
        ({"scale": 2.5}, "expected an integer for scale, got 2.5"),
    ],
)
def test_mistakes_in_standard_sections(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_basicsr_options(options(**change), READ)


def test_correct_options_pass() -> None:
    check_basicsr_options(options(), READ)
    check_basicsr_options(options(path=None, degflow={"anything": 1}, degradation={"type": "DegFlow"}), READ)
    optimizer = {"type": "AdamW", "lr": 1e-4, "weight_decay": 0.1, "betas": [0.9, 0.99]}
    check_basicsr_options(options(train__optim_g=optimizer), READ)


def test_unknown_datasets_are_checked_once_they_declare_their_keys() -> None:
    opt = options(datasets__train__typ="x")
    check_basicsr_options(opt, READ)
    extra = {**READ, "datasets.RecordingDataset": ("io_backend", "gt_size", "use_hflip", "use_rot")}
    with pytest.raises(ValueError, match=r"'typ' in datasets\.train; did you mean 'type'"):
        check_basicsr_options(opt, extra)
    check_basicsr_options(options(), extra)


def test_extra_keys_extend_a_section() -> None:
    opt = options(train__clip_grad=1.0, stage=2)
    with pytest.raises(ValueError, match="unknown key"):
        check_basicsr_options(opt, READ)
    check_basicsr_options(opt, {"train": ("clip_grad", "pixel_opt"), "options": ("stage", "scale")})


def test_every_option_that_basicsr_reads_is_known() -> None:
    """The key tables against BasicSR's own source: every literal key of an option mapping is in one of them."""
    basicsr = pytest.importorskip("basicsr", reason="its source is read")

    known = {*basicsr_keys.TOP_LEVEL, *basicsr_keys.LOADER, *basicsr_keys.DATASET}
    known |= {key for keys in basicsr_keys.SECTIONS.values() for key in keys}
    # Subsections with owners of their own: io_backend, wandb, loss, optimizer and network arguments.
    owned = {"client_keys", "db_paths", "lr", "num_style_feat", "project", "resume_id", "window_size"}
    source = Path(basicsr.__file__).parent
    read = set()
    for path in [*source.glob("data/*.py"), *source.glob("models/*.py"), source / "train.py"]:
        pattern = r"opt(?:\['\w+'\])*(?:\[|\.get\()['\"](\w+)['\"]"
        read |= set(re.findall(pattern, path.read_text(encoding="utf-8")))
    prefixes = tuple(key[:-1] for key in known if key.endswith("*"))
    assert len(read) > 60
    assert {key for key in read if not key.startswith(prefixes)} <= known | owned
