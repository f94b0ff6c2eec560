"""The GPU script: it ends in time, leaves what it has done, and its arguments are those of the benchmarks it runs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

pytest.importorskip("basicsr", reason="its Real-ESRGAN is what the others are compared with")
from benchmarks.cost import options as cost_options
from benchmarks.cost import step_share
from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import graphs, small_fit
from benchmarks.gpu.parts import MEASURED, OUT, TINY, Part

WRITES = """
import sys
from pathlib import Path
for suffix, text in (('.json', '{"found": 1}'), ('.md', '# Found\\n\\n1')):
    Path(sys.argv[1] + suffix).write_text(text)
"""
MODULES = {
    "writes": WRITES,
    "fails": "print('what went wrong')\nraise SystemExit(3)\n",
    "endless": "import time\nprint('begun', flush=True)\nwhile True:\n    time.sleep(0.1)\n",
}
PARSERS = {
    "benchmarks.cost": lambda words: cost_options.parse(None, words),
    "benchmarks.cost.step_share": step_share.parse,
    "benchmarks.gpu.graphs": graphs.parse,
    "benchmarks.gpu.small_fit": small_fit.parse,
}


def test_every_part_is_told_and_what_is_stopped_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(gpu, "LEAST", 0.0)
    environment = (("PYTHONPATH", str(tmp_path)),)
    limits = {"writes": 600.0, "fails": 600.0, "endless": 1.0}
    parts = {name: Part(limit, (name, OUT), environment) for name, limit in limits.items()}
    gpu.run(parts, time.monotonic() + 3000, tmp_path / "gpu", torch.device("cpu"))
    found = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))["parts"]
    assert [part["end"] for part in found] == ["done", "failed (3)", "stopped after 1 s"]
    assert (found[0]["content"], found[0]["said"]) == ({"found": 1}, "")
    assert "what went wrong" in found[1]["said"]
    text = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert "| fails |" in text
    assert "## writes\n\n### Found\n\n1" in text
    left = gpu.run(parts, time.monotonic() - 1, tmp_path / "gpu", torch.device("cpu"))
    assert {part.end for part in left} == {"no time left"}


def test_parts_fit_into_nine_minutes_and_have_the_arguments_of_their_benchmarks() -> None:
    assert MEASURED.keys() == TINY.keys()
    assert sum(part.seconds for part in MEASURED.values()) < 9 * 60 - gpu.LEAST
    for part in (*MEASURED.values(), *TINY.values()):
        module, *words = part.command
        assert module == "pytest" or PARSERS[module](words).device in ("cpu", "cuda")


def test_without_a_gpu_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        gpu.parse([])
    assert "expected a CUDA device, got none; --dry-run" in capsys.readouterr().err


@pytest.mark.slow
def test_a_dry_run_goes_through_all_of_it(tmp_path: Path) -> None:
    assert gpu.main(["--dry-run", "--minutes", "60", "--out", str(tmp_path / "gpu")]) == 0
    found = {part["name"]: part for part in json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))["parts"]}
    assert {name: part["end"] for name, part in found.items()} == dict.fromkeys(MEASURED, "done")
    assert all(part["content"] for name, part in found.items() if name != "tests")
    assert found["fit"]["content"]["fit"]["training"]["iterations"].keys() == {"rae", "lfm", "refine"}
