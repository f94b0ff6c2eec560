"""The command line itself: help without torch, and one sentence for every mistake."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from multiprocessing import connection
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.photographs import write_photographs
from helpers.refusals import refused
from hypothesis import given, settings
from hypothesis import strategies as st

from degflow_aug import __version__, cli
from degflow_aug.cli import COMMANDS, main

OURS = ["train", "test", "generate", "evaluate", "convert"]
REQUIRED = {
    "train": ["-opt", "x.yml"],
    "test": ["-opt", "x.yml"],
    "generate": ["hr", "--bundle", "b", "--scales", "2", "--out", "out"],
    "evaluate": ["b", "--pairs", "p", "--layout", "city100"],
    "convert": ["--rae", "a.pth", "--flow", "f.pth", "--out", "o.safetensors"],
}


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from degflow_aug.cli import COMMANDS, main\n"
        "for arguments in (['-V'], [], ['help', 'fit'], *([name, '--help'] for name in COMMANDS)):\n"
        "    try: main(arguments)\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'numpy', 'cv2', 'basicsr', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"degflow_aug {__version__}\nusage: degflow COMMAND")
    assert done.stdout.count("usage: degflow fit ") == 2
    assert all(f"  {name} " in done.stdout and f"usage: degflow {name} " in done.stdout for name in COMMANDS)


def test_the_module_is_the_program() -> None:
    done = subprocess.run([sys.executable, "-m", "degflow_aug", "genrate"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "did you mean 'generate'?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["help", "genrate"], "got 'genrate'; did you mean 'generate'?"),
        (["--versoin"], "did you mean '--version'?"),
        (["x"], "got 'x'"),
        (["generate"], "arguments are required"),
        (["generate", "a", "--bundl", "b"], "did you mean '--bundle'?"),
        (["generate", "a", "--bundl=b"], "did you mean '--bundle'?"),
        (["train", "--auto_resum"], "did you mean '--auto_resume'?"),
        (["train", "-op", "x.yml"], "did you mean '-opt'?"),
        (["test", "-opt", "x.yml", "--force_yaml", "a=1"], "did you mean '--force_yml'?"),
        (["test"], "arguments are required: -opt"),
        (["tset"], "did you mean 'test'?"),
        (["evaluate", "b", "--scene", "1"], "did you mean '--scenes'?"),
        (["convert", "--flo", "x"], "did you mean '--flow'?"),
        (["convert", "--quite-another"], "unknown option --quite-another"),
        ([*["generate"], *REQUIRED["generate"], "--format", "foldr"], "got 'foldr'; did you mean 'folder'?\n"),
        ([*["generate"], *REQUIRED["generate"], "more"], "unrecognized arguments: more"),
        ([*["generate"], *REQUIRED["generate"], "--steps", "0"], "whole number from 1 to 1000, got '0'"),
        (["generate", "a", "--bundle", "b", "--out", "o", "--scales", "x2"], "got 'x2'"),
        (["generate", "a", "--bundle", "b", "--out", "o", "--scales", "0"], "at least 1, got 0"),
        (["generate", "a", "--bundle", "b", "--out", "o", "--scales", "nan"], "got 'nan'"),
        (["generate", "a", "--bundle", "b", "--out", "o", "--scales", "-2"], "got '-2'"),
        (["evaluate", "b", "--pairs", "p", "--layout", "city10"], "did you mean 'city100'?"),
        ([*["generate"], *REQUIRED["generate"], "--scales", "2"], "expected --scales once, got it after --scales"),
        (["generate", "a", "--out=o", "--out=p"], "expected --out once"),
        (["train", "-opt", "a.yml", "-opt", "b.yml"], "expected -opt once"),
        (["fit", "p", "--cameras-apart", "--no-cameras-apart"], "expected --no-cameras-apart once, got it after --cam"),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert part in refused(capsys, *arguments)


def test_flags_and_lists_may_be_given_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options", "liif_cpu"]) == 0
    said = refused(
        capsys, "train", "-opt", "none.yml", "--debug", "--debug", "--force_yml", "a=1", "--force_yml", "b=1"
    )
    assert "none.yml" in said


@settings(max_examples=60, deadline=None)
@given(
    command=st.sampled_from(OURS),
    mistake=st.text("abcdefghijklmnopqrstuvwxyz_-", min_size=4, max_size=14).map(lambda text: f"--zz{text}"),
    value=st.text(max_size=8),
    more=st.lists(st.text(max_size=8), max_size=4),
)
def test_no_unknown_option_passes(command: str, mistake: str, value: str, more: list[str]) -> None:
    for given_as in ([mistake], [mistake, value], [f"{mistake}={value}"]):
        assert main([command, *REQUIRED[command], *given_as]) == 2
    assert main([command, mistake, *more]) == 2


class Code:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)


def unfit_files(folder: Path) -> dict[str, Path]:
    """Files that are no bundle, checkpoint, option file or image."""
    folder.mkdir(parents=True)
    (folder / "pickle.pth").write_bytes(pickle.dumps(Code(folder / "executed"), protocol=2))
    (folder / "text.yml").write_text("knots: [1, 2\n", encoding="utf-8")
    (folder / "empty").touch()
    (folder / "other.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    names = {path.name: path for path in folder.iterdir()}
    return {**names, "folder": folder, "missing": folder / "missing"}


@pytest.mark.parametrize("name", ["pickle.pth", "text.yml", "empty", "other.safetensors", "folder", "missing"])
@pytest.mark.parametrize("command", OURS)
def test_unfit_files_are_refused_and_nothing_is_written(
    command: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = str(unfit_files(tmp_path / "files")[name])
    write_photographs(tmp_path / "hr", 1)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    arguments = {
        "train": ["-opt", bad],
        "test": ["-opt", bad],
        "generate": ["hr", "--bundle", bad, "--scales", "2", "--out", "out"],
        "evaluate": [bad, "--pairs", bad, "--layout", "city100"],
        "convert": ["--rae", bad, "--flow", bad, "--out", "out.safetensors"],
    }[command]
    assert bad in refused(capsys, command, *arguments)
    # Nor has the pickle been run.
    assert sorted(tmp_path.rglob("*")) == before


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from degflow_aug.commands import convert

    def interrupted(args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(convert, "run", interrupted)
    assert main(["convert", *REQUIRED["convert"]]) == 130
    assert capsys.readouterr().err == "degflow: interrupted\n"


def test_the_traceback_is_there_for_those_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEGFLOW_TRACEBACK", "1")
    with pytest.raises(ValueError, match="expected a command"):
        main(["no-such-command"])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "expected memory for what was asked for, got too little"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "expected memory for what was asked for"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "degflow doctor shows what is missing"),
    ],
)
def test_want_of_memory_and_of_libraries_is_a_sentence(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr("degflow_aug.commands.bundles.run", fail)
    assert said in refused(capsys, "bundles")


def test_another_runtime_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> int:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("degflow_aug.commands.bundles.run", fail)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        main(["bundles"])


@pytest.mark.parametrize("end", ["close", "refuse"])
def test_a_worker_that_dies_while_it_hands_over_a_batch_is_named(
    end: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def receive(arguments: list[str]) -> int:
        if end == "refuse":
            connection.Client(str(tmp_path / "nobody"))
        here, there = connection.Pipe()
        there.close()
        return int(here.recv())

    monkeypatch.setattr(cli, "_run", receive)
    assert "images to live on, got one that broke off while it handed over a batch" in refused(capsys)


def test_a_worker_that_dies_while_a_thread_is_started_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's own clearing up then fails with a KeyError, which training takes for a mistake in the options."""

    def start(arguments: list[str]) -> int:
        try:
            try:
                raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")
            except RuntimeError:
                {}.pop("thread")
        except KeyError as mistake:
            raise ValueError("expected other options") from mistake
        return 0

    monkeypatch.setattr(cli, "_run", start)
    assert "got one that is killed by signal: Killed, as where memory runs out" in refused(capsys)


TERMINATED = """
import os, signal, sys, time
from degflow_aug import cli
from degflow_aug.files.writing import atomic_path
def run(arguments):
    with atomic_path(arguments[0]) as partial:
        partial.write_text("half")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
cli._run = run
sys.exit(cli.main(sys.argv[1:]))
"""


def test_sigterm_ends_any_command_with_143_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TERMINATED, str(tmp_path / "out.json")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (143, "")
    assert list(tmp_path.iterdir()) == []


EVIL = "\x1b]0;owned\x07\ndegflow: all is well\r\u202e\x9b2J"


@pytest.mark.parametrize(
    "arguments",
    [
        (EVIL,),
        ("options", EVIL),
        ("bundles", EVIL),
        ("bundles", f"--{EVIL}"),
        ("generate", EVIL, "--bundle", EVIL, "--scales", "2", "--out", EVIL),
        ("evaluate", "simulator", "--pairs", EVIL, "--layout", EVIL),
        ("train", "-opt", f"{EVIL}.yml"),
    ],
)
def test_arguments_cannot_write_to_the_terminal(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, *arguments).removesuffix("\n").isprintable()


def started_by_torchrun(monkeypatch: pytest.MonkeyPatch, rank: int, name: str) -> list[dict[str, str]]:
    """Run a command as one of two processes; returns the environment that it has seen each time."""
    seen: list[dict[str, str]] = []
    for variable, value in {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank}.items():
        monkeypatch.setenv(variable, str(value))
    command = SimpleNamespace(add_arguments=lambda parser: None, run=lambda args: seen.append(dict(os.environ)) or 0)
    monkeypatch.setattr(cli.importlib, "import_module", lambda path: command)
    assert main([name]) == 0
    assert os.environ["RANK"] == str(rank)
    return seen


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_processes_of_torchrun_share_the_work_or_leave_it_to_the_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    shared = name in ("train", "fit", "generate")
    first, second = (started_by_torchrun(monkeypatch, rank, name) for rank in (0, 1))
    assert len(first) == 1
    assert len(second) == shared
    assert ("WORLD_SIZE" in first[0]) is shared
    assert ("works in one process" in capsys.readouterr().err) is not shared
