"""Malformed inputs through the command line: a sample of the fault campaign, and what its verdicts are worth."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.faults.forks import ForkServer, Outcome
from benchmarks.faults.inputs.cases import Case, Reader
from benchmarks.faults.inputs.inputs import make_seeds, run_reader, verdict
from benchmarks.faults.inputs.readers import READERS
from tests.files.test_tensor_file import Runs

# The work folder of a fit takes half a minute to make; the whole campaign tries it.
SAMPLED = [reader for reader in READERS if "work folder" not in reader.name]
SHARE = 0.08


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_seeds(tmp_path_factory.mktemp("valid") / "inputs", fit=False)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer() as forks:
        yield forks


def test_the_campaign_is_as_large_as_promised() -> None:
    assert sum(reader.cases for reader in READERS) >= 2000
    assert 150 <= sum(round(reader.cases * SHARE) for reader in SAMPLED) <= 250


@pytest.mark.parametrize("reader", SAMPLED, ids=lambda reader: reader.name)
def test_malformed_inputs_are_refused_in_one_sentence(
    reader: Reader, server: ForkServer, valid: Path, tmp_path: Path
) -> None:
    tally = run_reader(reader, server, valid, tmp_path, SHARE, seed=7, keep=None)
    assert tally.failures == []
    assert tally.cases == round(reader.cases * SHARE)
    ended = ("refused", "skipped", "still valid")
    assert sum(tally.figures[name] for name in ended) == tally.cases
    assert tally.figures["refused"] > 0


GOOD = Outcome(code=2, signal=0, hung=False, stderr="degflow: expected a, got b\n", seconds=0.1, peak=100)
WRONG = [
    {"code": None, "hung": True}, {"working": 10.5}, {"code": None, "signal": 11}, {"code": 1}, {"code": 3},
    {"peak": 201},
    {"code": 1, "stderr": "Traceback (most recent call last):\n  File\nValueError: x\n"},
    {"stderr": "degflow: a\ndegflow: b\n"}, {"stderr": "a warning\ndegflow: a\n"}, {"stderr": ""},
    {"stderr": "usage: x\n"},
]  # fmt: skip


def test_a_sentence_and_exit_code_2_pass(tmp_path: Path) -> None:
    folder = tmp_path / "1/2/3/case"
    folder.mkdir(parents=True)
    assert verdict(GOOD, Case([]), folder, 200) is None
    skipped = dataclasses.replace(GOOD, code=1, stderr="degflow: skipped a.png: expected b\n")
    assert verdict(skipped, Case([]), folder, 200) is None
    logged = dataclasses.replace(GOOD, stderr="INFO: training\ndegflow: expected a\n")
    assert verdict(logged, Case([], logs=True), folder, 200) is None


@pytest.mark.parametrize("change", WRONG)
def test_other_ends_are_failures(tmp_path: Path, change: dict[str, object]) -> None:
    folder = tmp_path / "1/2/3/case"
    folder.mkdir(parents=True)
    assert verdict(dataclasses.replace(GOOD, **change), Case([]), folder, 200) is not None


def test_traces_of_code_and_of_paths_are_failures(tmp_path: Path) -> None:
    folder = tmp_path / "1/2/3/case"
    (folder / "deep").mkdir(parents=True)
    (folder.parent / "escaped").touch()
    assert verdict(GOOD, Case([]), folder, 200) == f"files outside its folder: {folder.parent / 'escaped'}"
    (folder / "deep/ran").touch()
    assert verdict(GOOD, Case([]), folder, 200) == "code of the input was run"


def test_the_server_tells_exit_codes_sentences_and_memory(server: ForkServer, tmp_path: Path) -> None:
    done = server.run(["bundles"], tmp_path)
    assert (done.code, done.signal, done.hung, done.stderr) == (0, 0, False, "")
    refused = server.run(["bundle"], tmp_path)
    assert refused.code == 2
    assert refused.stderr.startswith("degflow: expected a command")
    assert 0 < done.peak < 100e6


MESSY = st.one_of(
    st.text(max_size=60), st.from_regex(r"[0-9.,:eE+ -]{1,40}", fullmatch=True), st.binary(max_size=40).map(repr)
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(option=st.sampled_from(["--scales", "--tile", "--device", "--camera", "--grid", "--format", "--x"]), text=MESSY)
def test_any_text_after_an_option_is_taken_or_refused(
    server: ForkServer, valid: Path, tmp_path: Path, option: str, text: str
) -> None:
    folder = tmp_path / f"1/2/3/{random.Random(text).getrandbits(64)}{option}"
    folder.mkdir(parents=True, exist_ok=True)
    hr, bundle = str(valid / "pairs/x4/000.png"), str(valid / "kernel.safetensors")
    argv = ["generate", hr, "--bundle", bundle, "--out", "out", f"{option}={text.replace(chr(0), '')}"]
    argv += [] if option == "--scales" else ["--scales", "2"]
    outcome = server.run(argv, folder)
    assert not outcome.hung
    assert "Traceback" not in outcome.stderr
    assert outcome.code in (0, 2), outcome.stderr
    if outcome.code == 2:
        assert outcome.stderr.startswith("degflow: ")
        assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["train", "test"])
@pytest.mark.parametrize("key", ["path:pretrain_network_g", "path:resume_state"])
def test_no_checkpoint_that_options_name_runs_code(
    server: ForkServer, valid: Path, tmp_path: Path, command: str, key: str
) -> None:
    import torch

    torch.save({"params": Runs(tmp_path / "ran"), "iter": 1, "epoch": 1}, tmp_path / "code.pth")
    file = valid / ("test.yml" if command == "test" else "sr.yml")
    outcome = server.run([command, "-opt", str(file), "--force_yml", f"{key}={tmp_path / 'code.pth'}"], tmp_path)
    assert not (tmp_path / "ran").exists()
    if (command, key) != ("test", "path:resume_state"):
        assert outcome.code == 2
        assert outcome.stderr.splitlines()[-1].startswith("degflow: expected a")


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped/x", "..", "a/../../x"])
def test_names_in_records_and_templates_reach_no_other_folder(
    server: ForkServer, valid: Path, tmp_path: Path, name: str
) -> None:
    """Records are looked up by the names of the images that are there; a template fits names of folders as they are."""
    inside = tmp_path / "1/2/3/inside"
    generate = ["generate", str(valid / "pairs/x4"), "--bundle", str(valid / "kernel.safetensors"), "--scales", "2"]
    inside.mkdir(parents=True)
    assert server.run([*generate, "--out", "out"], inside).code == 0
    records = (inside / "out/files.jsonl").read_text(encoding="utf-8").replace('"name": "000"', f'"name": "{name}"')
    (inside / "out/files.jsonl").write_text(records, encoding="utf-8")
    assert server.run([*generate, "--out", "out"], inside).code == 0
    assert [path.name for path in inside.parent.iterdir()] == ["inside"]
    assert sorted(path.name for path in (inside / "out/2").iterdir()) == ["000.png", "001.png", "002.png"]
    (inside / "pattern.yml").write_text(f'{{hr: "{name}/{{id}}.png", views: {{2: "{name}/{{id}}.png"}}}}')
    pairs = ["--pairs", str(valid / "pairs"), "--layout", "pattern", "--pattern", "pattern.yml"]
    outcome = server.run(["evaluate", str(valid / "kernel.safetensors"), *pairs], inside)
    assert outcome.code == 2
    assert "expected files named" in outcome.stderr
