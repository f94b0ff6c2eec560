"""A job of Slurm is joined without a shell, whichever of BasicSR's functions is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.basicsr_experiment import run_python

from degflow_aug.compat.slurm import first_host, init_dist_slurm

JOIN = """
import json, os, sys, unittest.mock as mock
import torch
{first}
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: 2
torch.cuda.set_device = lambda index: None
torch.multiprocessing.set_start_method("fork", force=True)
with mock.patch("torch.distributed.init_process_group") as joined:
    try:
        {join}
    except ValueError as error:
        print(json.dumps(str(error)))
        sys.exit()
print(json.dumps([os.environ[name] for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK")]))
"""
_WITH_WHAT_IT_NEEDS = (
    "import torchvision.transforms.functional as functional; "
    "sys.modules['torchvision.transforms.functional_tensor'] = functional"
)
ENTRIES = {
    "ours": ("import degflow_aug.compat.devices as devices", "devices.init_dist('slurm')"),
    "import": ("import degflow_aug; from basicsr.utils.dist_util import init_dist", "init_dist('slurm')"),
    "imported before": (
        f"{_WITH_WHAT_IT_NEEDS}; from basicsr.utils.dist_util import init_dist; import degflow_aug",
        "init_dist('slurm')",
    ),
    "in its own words": (
        "import degflow_aug; from basicsr.utils import dist_util",
        "dist_util._init_dist_slurm('nccl', port=29500)",
    ),
    "registered": (
        "import degflow_aug; degflow_aug.register(); from basicsr.utils.options import init_dist",
        "init_dist('slurm', port=29500)",
    ),
}


@pytest.mark.parametrize(
    ("nodes", "host"),
    [
        ("gpu1", "gpu1"),
        ("10.0.0.7", "10.0.0.7"),
        ("gpu[01-04,7],login", "gpu01"),
        ("gpu[003,010-012]", "gpu003"),
        ("rack[1-2]-node[08-10].example.org,x", "rack1-node08.example.org"),
        ("login_a,gpu[1-4]", "login_a"),
    ],
)
def test_the_first_host_of_a_list(nodes: str, host: str) -> None:
    assert first_host(nodes) == host


@pytest.mark.parametrize(
    "nodes",
    [
        "",
        ",a",
        "a,",
        "a b",
        "a;b",
        "$(id)",
        "`id`",
        "a|b",
        "a&",
        "a\nb",
        "-x",
        "a,-x",
        "a[1-",
        "a[]",
        "a[1;2]",
        "a[x]",
        "ä",
        "a>b",
    ],
)
def test_what_is_no_list_is_refused(nodes: str) -> None:
    with pytest.raises(ValueError, match="expected a list of nodes"):
        first_host(nodes)


@pytest.mark.parametrize(
    "entry", [next(iter(ENTRIES)), *(pytest.param(each, marks=pytest.mark.slow) for each in list(ENTRIES)[1:])]
)
def test_no_entry_leads_to_a_shell(entry: str, tmp_path: Path) -> None:
    first, join = ENTRIES[entry]
    program = JOIN.format(first=first, join=join)
    for nodes in (f"x; touch {tmp_path}/ran; echo 127.0.0.1 #", "gpu[07-09]"):
        environment = {"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_NODELIST": nodes, "MASTER_PORT": "29500"}
        done = run_python("-c", program, **environment)
        assert done.returncode == 0, done.stderr[-2000:]
        found = json.loads(done.stdout.splitlines()[-1])
        if nodes == "gpu[07-09]":
            assert found == ["gpu07", "29500", "3", "4", "1"]
        else:
            assert found.startswith("expected a list of nodes such as gpu[01-04],login in SLURM_NODELIST, got")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["SLURM_PROCID", "SLURM_NTASKS", "SLURM_NODELIST"])
def test_what_slurm_has_not_set_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    for other, value in (("SLURM_PROCID", "0"), ("SLURM_NTASKS", "1"), ("SLURM_NODELIST", "a")):
        monkeypatch.setenv(other, value)
    monkeypatch.delenv(name)
    with pytest.raises(ValueError, match=f"in .*{name}, got ''"):
        init_dist_slurm("gloo")
