"""Run as a program: what BasicSR 1.4.2 does where nothing but its imports is mended, as JSON of row -> outcome."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.basicsr_experiment import register_recording_dataset, train, write_experiment
from helpers.stock_realesrnet import degrade_with_realesrnet

from degflow_aug import compat

compat.apply()
warnings.simplefilter("ignore")

import basicsr.train  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from basicsr.data import build_dataloader  # noqa: E402
from basicsr.utils import options as basicsr_options  # noqa: E402

torch.set_num_threads(1)
FOLDER = Path(tempfile.mkdtemp())
ASKED = register_recording_dataset()


class RandomNumbers(torch.utils.data.Dataset):
    """Each item is a number drawn by NumPy, as a BasicSR dataset draws its noise."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        return int(np.random.randint(1_000_000_000))  # noqa: NPY002 - the legacy stream is the subject


class Slow(RandomNumbers):
    """Items that take so long that one is always being read."""

    def __getitem__(self, index: int) -> int:
        time.sleep(0.1)
        return index


class Broken(RandomNumbers):
    """Every item is a file that cannot be read."""

    def __getitem__(self, index: int) -> int:
        raise OSError("broken image")


def parse(options: Path, *flags: str) -> dict[str, Any]:
    """BasicSR's own parse_options."""
    sys.argv = ["train", "-opt", str(options), *flags]
    return basicsr_options.parse_options(str(options.parent))[0]


def experiment(name: str, **changes: Any) -> Path:
    """A new experiment in a folder of its own."""
    return write_experiment(FOLDER / name, **changes)


def resume_without_cuda() -> None:
    options = experiment("resume")
    train(options)
    train(options, "--auto_resume")


def resume_from_elsewhere() -> list[str]:
    options = experiment("elsewhere")
    train(options)
    train(options, "--auto_resume", working_directory=FOLDER)
    return sorted(path.name.split("_2")[0] for path in (options.parent / "experiments").iterdir())


def resumed_data_order() -> list[list[int]]:
    def load_on_cpu(opt: dict[str, Any]) -> Any:
        state = torch.load(opt["path"]["resume_state"], map_location="cpu")
        basicsr.train.check_resume(opt, state["iter"])
        return state

    options = experiment("order", images=8, train__total_iter=4)
    del ASKED[:]
    train(options)
    whole = list(ASKED[2:8])
    original = basicsr.train.load_resume_state
    basicsr.train.load_resume_state = load_on_cpu
    state = options.parent / "experiments/tiny/training_states/2.state"
    options = write_experiment(options.parent, images=8, train__total_iter=4, path__resume_state=str(state))
    del ASKED[:]
    train(options)
    basicsr.train.load_resume_state = original
    return [whole[2:], list(ASKED[:4])]


def iterations_of_six() -> int:
    options = experiment("short", images=3, train__total_iter=6, logger__save_checkpoint_freq=1)
    train(options)
    return len(list((options.parent / "experiments/tiny/training_states").glob("*.state")))


def dataset_smaller_than_batch() -> int:
    options = experiment("small", images=1, logger__save_checkpoint_freq=1)
    train(options)
    return len(list((options.parent / "experiments/tiny/training_states").glob("*.state")))


def folders_from_path_keys() -> list[str]:
    options = experiment("paths", path__stage_one=str(FOLDER / "not-a-folder.pth"))
    train(options)
    return sorted(path.name for path in FOLDER.iterdir() if path.name.startswith("not-a-folder"))


def repeated_worker_streams() -> list[list[int]]:
    loader_opt = {"phase": "train", "batch_size_per_gpu": 2, "num_worker_per_gpu": 2}
    loader = build_dataloader(RandomNumbers(), loader_opt, num_gpu=0, seed=0)
    return [torch.cat(list(loader)).tolist() for _ in range(2)]


def broken_image_under_cpu_prefetch() -> str:
    threading.excepthook = lambda _: None
    opt = {"phase": "train", "batch_size_per_gpu": 2, "num_worker_per_gpu": 0, "prefetch_mode": "cpu"}
    iterator = iter(build_dataloader(Broken(), opt, num_gpu=0, seed=0))
    reader = threading.Thread(target=lambda: next(iterator), daemon=True)
    reader.start()
    reader.join(timeout=2)
    return "waits" if reader.is_alive() else "ends"


def persistent_workers_under_cpu_prefetch() -> str:
    """Two threads read one iterator; which of them dies, and so whether anybody waits, differs from run to run."""
    return "waits" if any(prefetch_with_persistent_workers() == "waits" for _ in range(8)) else "ends"


def prefetch_with_persistent_workers() -> str:
    from basicsr.data.prefetch_dataloader import CPUPrefetcher

    opt = {"phase": "train", "batch_size_per_gpu": 1, "num_worker_per_gpu": 1, "prefetch_mode": "cpu"}
    opt["persistent_workers"] = True
    prefetcher = CPUPrefetcher(build_dataloader(Slow(), opt, num_gpu=0, seed=0))

    def two_epochs() -> None:
        for _ in range(2):
            prefetcher.reset()
            while prefetcher.next() is not None:
                pass

    reader = threading.Thread(target=two_epochs, daemon=True)
    reader.start()
    reader.join(timeout=5)
    return "waits" if reader.is_alive() else "ends"


def yaml_values() -> list[Any]:
    options = FOLDER / "values.yml"
    text = "name: a\nnum_gpu: 0\ndatasets: {}\npath: {}\nlogger: {}\ntrain:\n  lr: 1e-4\n  ema_decy: 0.9\n  lr: 2e-4\n"
    options.write_text(text, encoding="utf-8")
    return list(parse(options)["train"].items())


def force_yml_runs_code() -> str | None:
    entry = 'name"]; __import__("os").environ.setdefault("DEGFLOW_INJECTED", "yes"); opt["name=tiny'
    parse(experiment("inject"), "--force_yml", entry)
    return os.environ.get("DEGFLOW_INJECTED")


def torchrun_on_cpu() -> None:
    os.environ["RANK"] = "0"
    try:
        basicsr_options.init_dist("pytorch")
    finally:
        del os.environ["RANK"]


def niqe_of_one_block() -> float:
    from basicsr.metrics import calculate_niqe

    return calculate_niqe(np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8), 0)


def filter_behind_jpeg() -> list[int]:
    from basicsr.utils import DiffJPEG
    from basicsr.utils.img_process_util import filter2D

    compressed = DiffJPEG(differentiable=False)(torch.rand(2, 3, 32, 32), quality=torch.tensor([50.0, 90.0]))
    return list(filter2D(compressed, torch.full((2, 3, 3), 1 / 9)).shape)


def float_scale() -> None:
    train(experiment("scale", scale=2.0))


def best_metrics_after_resume() -> bool:
    from basicsr.models.base_model import BaseModel

    model = BaseModel({"num_gpu": 0, "is_train": True})
    model.resume_training({"optimizers": [], "schedulers": [], "best_metric_results": {"val": {}}})
    return hasattr(model, "best_metric_results")


ROWS: dict[str, Callable[[], Any]] = {
    "resume without cuda": resume_without_cuda,
    "auto_resume from elsewhere": resume_from_elsewhere,
    "data order after resume": resumed_data_order,
    "iterations of six": iterations_of_six,
    "dataset smaller than a batch": dataset_smaller_than_batch,
    "folders from path keys": folders_from_path_keys,
    "null path key": lambda: train(experiment("null", path={"stage_one": None})),
    "worker streams": repeated_worker_streams,
    "broken image under cpu prefetch": broken_image_under_cpu_prefetch,
    "persistent workers under cpu prefetch": persistent_workers_under_cpu_prefetch,
    "persistent_workers without workers": lambda: train(
        experiment("persistent", datasets__train__persistent_workers=True)
    ),
    "cuda prefetch without cuda": lambda: train(
        experiment("cuda", datasets__train__prefetch_mode="cuda", datasets__train__pin_memory=True)
    ),
    "num_gpu without cuda": lambda: train(experiment("gpu", num_gpu=1)),
    "no use_tb_logger": lambda: train(experiment("tb", logger__use_tb_logger=None)),
    "yaml values": yaml_values,
    "force_yml": force_yml_runs_code,
    "--local-rank": lambda: parse(experiment("rank"), "--local-rank=0"),
    "torchrun on cpu": torchrun_on_cpu,
    "niqe of one block": niqe_of_one_block,
    "filter2D behind DiffJPEG": filter_behind_jpeg,
    "RealESRNetModel with a batch of two": lambda: degrade_with_realesrnet(2),
    "float scale": float_scale,
    "best metrics after resume": best_metrics_after_resume,
}


def outcome(row: Callable[[], Any]) -> Any:
    """What a row returns, or the name of the exception it ends with."""
    try:
        return row()
    except (Exception, SystemExit) as error:
        return type(error).__name__


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()):
        results = {name: outcome(row) for name, row in ROWS.items()}
    print(json.dumps(results), flush=True)
    # Threads that wait for ever would keep the interpreter, and their workers, alive.
    os._exit(0)
