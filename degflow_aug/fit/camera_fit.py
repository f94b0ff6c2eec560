"""All stages in one go: from pairs to a bundle, within a budget, resumable at any moment."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, load_bundle
from degflow_aug.bundles.spec import LATEST
from degflow_aug.degradations.fitted.camera_kernels import FittedCamera, states_of
from degflow_aug.files.writing import atomic_path, remove_partial
from degflow_aug.fit.latent_cache import LatentCache, LatentCrops
from degflow_aug.fit.peers import Peers
from degflow_aug.fit.presets import Preset
from degflow_aug.fit.schedule import Budget, Schedule
from degflow_aug.fit.stage_options import FitSettings, crop_side, largest_crop, stage_options
from degflow_aug.fit.stage_run import BuildModel, StageRun, is_finished, make_folders
from degflow_aug.models.distill_model import LFMDistillModel
from degflow_aug.models.lfm_model import LFMModel
from degflow_aug.models.rae_model import RAEModel
from degflow_aug.models.refine_model import RefineModel
from degflow_aug.models.stages.kernel_source import (
    StageReport,
    fit_camera_kernels,
    read_kernel,
    search_files,
    unreported,
    write_kernel,
)
from degflow_aug.models.stages.latent_stage import LatentStageModel
from degflow_aug.models.training import interrupt

LATENT_MODELS: dict[str, Callable[[dict[str, Any]], LatentStageModel]] = {
    "lfm": LFMModel,
    "distill": LFMDistillModel,
}
MODELS: dict[str, BuildModel] = {"rae": RAEModel, "refine": RefineModel, **LATENT_MODELS}
CACHED_WINDOW = 256
# Where a stage has one of these, a loss of it looks at images.
IMAGE_OPTIONS = {"lpips_weight", "rollout_weight", "method"}
CACHE_SHARE = 0.3


@dataclass
class FitPlan:
    """What a work folder is for, and how far it is planned; kept as ``plan.json``.

    Attributes:
        request: the arguments of the fit; a resumed fit must be asked for the same.
        iterations: of each finished stage.
        seconds: time spent so far on the camera without networks and on finished stages.
    """

    path: Path
    request: dict[str, Any]
    iterations: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def open(cls, work: Path, request: dict[str, Any], *, new: bool = True) -> FitPlan:
        """The plan in ``work``, or a new one, which is written where ``new`` says so.

        Raises:
            ValueError: the folder holds another fit.
        """
        path = work / "plan.json"
        # As it will be read back: JSON turns the keys of a pattern, which are numbers, into text.
        request = json.loads(json.dumps(request))
        if not path.is_file():
            plan = cls(path, request)
            if new:
                plan.write()
            return plan
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            iterations, seconds, before = dict(known["iterations"]), float(known["seconds"]), dict(known["request"])
            if not 0 <= seconds < math.inf or not all(type(count) is int for count in iterations.values()):
                raise ValueError("no seconds, or no iterations")
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise ValueError(f"expected the plan of a fit in {path}, got other content; remove that folder") from None
        # An earlier version kept nothing of the pairs but their names.
        changed = [key for key in request if before.get(key) != request[key] and (key != "content" or key in before)]
        if changed == ["content"]:
            raise ValueError(
                f"expected the pairs as they were when {work} was begun, got other images of the same names; name "
                "another --work folder or remove this one"
            )
        if changed:
            raise ValueError(
                f"expected the same {changed[0]} as when {work} was begun ({before.get(changed[0])!r}), got "
                f"{request[changed[0]]!r}; name another --work folder or remove this one"
            )
        return cls(path, request, iterations, seconds)

    def write(self) -> None:
        """Write the plan, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.path) as partial:
            content = {"request": self.request, "iterations": self.iterations, "seconds": self.seconds}
            partial.write_text(json.dumps(content, indent=2), encoding="utf-8")


class CameraFit:
    """A fit of one camera, or of several that are told apart.

    Args:
        preset: networks and recipe.
        settings: pairs and folders.
        plan: of the work folder.
        minutes: budget of all stages together; 0 where ``iterations`` is given.
        iterations: of all stages together, split by the stages' shares.
        save_seconds: time between checkpoints.
        report: called as (stage, done, total, loss); the loss is nan for the camera without networks (kernel, pipeline)
            and for the cache of windows (encode).

    Attributes:
        peers: the processes that fit together, as ``settings`` says. Each runs the fit; the first writes.
    """

    def __init__(
        self,
        preset: Preset,
        settings: FitSettings,
        plan: FitPlan,
        *,
        minutes: float = 0.0,
        iterations: int = 0,
        save_seconds: float = 60.0,
        report: StageReport = unreported,
    ) -> None:
        self.preset, self.settings, self.plan, self.report = preset, settings, plan, report
        self.save_seconds = save_seconds
        self.minutes, self.iterations = minutes, iterations
        self._cache: LatentCache | None = None
        self.peers = Peers()

    def run(self) -> Bundle:
        """Train what is not trained yet and return the bundle, without noise."""
        if self.peers.first:
            remove_partial(self.settings.work)
            self.kernel()
        self.peers.wait()
        self.plan.seconds = self.peers.of_first(self.plan.seconds)
        for stage in self.preset.stages:
            if not is_finished(self.options(stage)):
                self.plan.seconds += self.run_stage(stage)
                self._write_plan()
        return self._bundle(read_kernel(self._kernel_file))

    @property
    def _kernel_file(self) -> Path:
        return self.settings.work / "kernel.safetensors"

    def _write_plan(self) -> None:
        if self.peers.first:
            self.plan.write()

    def options(self, stage: str) -> dict[str, Any]:
        """Options of a stage."""
        return stage_options(stage, self.preset, self.settings)

    def kernel(self) -> FittedCamera:
        """The pipeline of the pairs, or one per camera: source of pseudo-views and opponent in every table.

        Kernels alone where the recipe has no use for more.
        """
        path = self._kernel_file
        if not path.is_file():
            began = time.monotonic()
            fitted = fit_camera_kernels(
                self.settings.pairs(),
                self.settings.cameras,
                pipeline=self.preset.pipeline,
                report=self.report,
                keep=self.settings.work,
            )
            write_kernel(path, fitted)
            self.plan.seconds += time.monotonic() - began
            self.plan.write()
        for file in search_files(self.settings.work):
            file.unlink()
        return read_kernel(path)

    def run_stage(self, stage: str) -> float:
        """Train one stage to its end; returns the seconds of work in it, those before an interruption included."""
        recipe, began = self.preset.stages[stage], time.monotonic()
        opt = self.options(stage)
        make_folders(opt)
        dataset = self.dataset(stage, opt)
        prepared = self.peers.of_first(time.monotonic() - began)
        run = StageRun(
            MODELS[stage], opt, dataset, self._budget(stage, prepared),
            Schedule(recipe.lr, recipe.floor, recipe.warmup, recipe.recursive),
            lambda *state: self.report(stage, *state), self.save_seconds, self.peers,
        )  # fmt: skip
        model = run.run()
        self.plan.iterations[stage] = model.iteration
        if stage == "refine":
            # Its autoencoder is another one now: what follows encodes with that, resumed or not.
            self._cache = None
        return prepared + run.elapsed

    def dataset(self, stage: str, opt: dict[str, Any]) -> Any:
        """Images, or for a stage with cached windows their latents."""
        recipe, smallest = self.preset.stages[stage], self.settings.pairs().smallest_side
        if not recipe.windows:
            return self.settings.pairs(largest_crop(self.preset, stage, crop_side(recipe), smallest))
        if self._cache is None:
            model = LATENT_MODELS[stage](opt)
            multiple = model.rae.multiple
            side = min(CACHED_WINDOW, smallest) // multiple * multiple
            # The same for every stage, so that a fit resumed in a later one finds the windows it had.
            largest = max(each.batch for each in self.preset.stages.values() if each.windows)
            windows = min(recipe.windows, self.iterations * largest or recipe.windows)
            seconds = math.inf if self.iterations else CACHE_SHARE * 60 * self.minutes * recipe.share
            self._cache = LatentCache(
                model, self.settings.pairs(side), windows=windows, seconds=seconds,
                with_images=any(IMAGE_OPTIONS & each.options.keys() for each in self.preset.stages.values()),
                seed=self.settings.seed, progress=lambda done: self._report_window(done, windows), peers=self.peers,
            )  # fmt: skip
        step = 2 ** (len(self.preset.velocity["multipliers"]) - 1)
        return LatentCrops(self._cache, min(recipe.crop // self._cache.multiple, self._cache.side) // step * step)

    def _report_window(self, done: int, windows: int) -> None:
        if self.peers.first:
            self.report("encode", done, windows, math.nan)
        interrupt.check()

    def _budget(self, stage: str, spent: float) -> Budget:
        """A stage's share of the iterations asked for, or of the time left; ``spent`` went into its preparation."""
        stages = self.preset.stages
        if self.iterations:
            return Budget(iterations=max(1, round(self.iterations * stages[stage].share)))
        following = list(stages)[list(stages).index(stage) :]
        share = stages[stage].share / sum(stages[name].share for name in following)
        # Preparation that took longer than expected takes time from the stages, but never more than half of theirs.
        least = 60 * self.minutes * stages[stage].share / 2
        return Budget(seconds=max((60 * self.minutes - self.plan.seconds) * share - spent, least))

    def _bundle(self, kernel: FittedCamera) -> Bundle:
        """The last stage's generator with the facts of its training and the fitted kernel."""
        last = list(self.preset.stages)[-1]
        trained = load_bundle(self.settings.work / last / "models" / LATEST)
        facts = {
            "preset": self.plan.request["preset"], "recipe": self.plan.request["recipe"],
            "iterations": dict(self.plan.iterations), "seconds": round(self.plan.seconds),
            "scenes": self.plan.request["scenes"], "seed": self.settings.seed,
        }  # fmt: skip
        if self.plan.request.get("one_step"):
            facts["one_step"] = self.plan.request["one_step"]
        spec = GeneratorSpec(**{**trained.spec.__dict__, "training": facts})
        return Bundle(spec, trained.rae, trained.velocity, states_of(kernel))
