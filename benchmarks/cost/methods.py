"""The degradations whose cost is compared, each prepared untimed and then called."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

import degflow_aug
from benchmarks.shared.generators import Networks, evaluations, host_rk45
from benchmarks.shared.measurement import Call
from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.fitted.student import LRCorrection, Student
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.degradations.noise.noisy_degradation import noise_from_state
from degflow_aug.degradations.realesrgan.kernels import BlurSettings, draw_blur_kernel, draw_sinc_kernel
from degflow_aug.degradations.realesrgan.realesrgan import RealESRGAN
from degflow_aug.degradations.realesrgan.settings import RealESRGANSettings
from degflow_aug.evaluation.evaluation import FITTED
from degflow_aug.flow.solver import JUMP

STOCK, OURS = "Real-ESRGAN, BasicSR", "Real-ESRGAN, ours"
SHIPPED = "as shipped, 400 -> 256"
SHIPPED_SIDE, SHIPPED_PATCH = 400, 256
"""BasicSR's dataset hands out 400 pixels a side, of which its option files keep 256."""
BUNDLE = "simulator"
"""The shipped bundle with both a kernel and a pipeline, up to x4."""
SAMPLERS = (("heun", 2), ("euler", 4))


@dataclass(frozen=True)
class Batch:
    """HR patches (B, 3, P, P) in [0, 1]; ``wide`` (B, 3, 400, 400) is what BasicSR's dataset gives for P = 256."""

    hr: Tensor
    wide: Tensor | None = None


@dataclass
class Entry:
    """A method to compare.

    Attributes:
        prepare: makes repetition number n on a batch ready, untimed; the call it returns gives LR (B, 3, p, p).
        facts: what its row says beside the numbers; ``nfe`` of RK45 is there after a call.
        shipped: takes the wide patches, and so has a row at P = 256 alone.
    """

    prepare: Callable[[Batch, int], Call]
    facts: dict[str, Any] = field(default_factory=dict)
    shipped: bool = False


class StockRealESRGAN:
    """BasicSR's ``RealESRNetModel.feed_data`` itself, on any device, without the rest of its model.

    The pool of earlier pairs is left out: it is on CUDA whatever the device, and takes only batches that divide 180.
    The layout of images in memory is mended before its second blur, where current PyTorch would end in an error.
    """

    def __init__(self, device: torch.device, scale: int, usm: bool) -> None:
        degflow_aug.register()
        from basicsr.models.realesrnet_model import RealESRNetModel
        from basicsr.utils import DiffJPEG, USMSharp

        self.settings = RealESRGANSettings()
        self.model = object.__new__(RealESRNetModel)
        self.model.opt = {**vars(self.settings), "scale": scale, "gt_usm": usm}
        self.model.is_train, self.model.device = True, device
        self.model.jpeger = DiffJPEG(differentiable=False).to(device)
        self.model.usm_sharpener = USMSharp().to(device)
        self.model._dequeue_and_enqueue = lambda: None

    def prepare(self, hr: Tensor, patch: int, repetition: int) -> Call:
        """Draw the kernels, which its dataset does in its workers, and seed what ``feed_data`` draws."""
        self.model.opt["gt_size"] = patch
        data = {"gt": hr, **self._kernels(hr.shape[0], np.random.default_rng((repetition, hr.shape[0])))}
        random.seed(repetition)
        np.random.seed(repetition)  # noqa: NPY002
        torch.manual_seed(repetition)

        def call() -> Tensor:
            self.model.feed_data(data)
            return self.model.lq

        return call

    def _kernels(self, batch: int, rng: np.random.Generator) -> dict[str, Tensor]:
        first, second = (BlurSettings.of(self.settings, suffix) for suffix in ("", "2"))
        draws: dict[str, Callable[[], np.ndarray]] = {
            "kernel1": lambda: draw_blur_kernel(rng, first),
            "kernel2": lambda: draw_blur_kernel(rng, second),
            "sinc_kernel": lambda: draw_sinc_kernel(rng, self.settings.final_sinc_prob, 21),
        }
        return {key: torch.from_numpy(np.stack([draw() for _ in range(batch)])).float() for key, draw in draws.items()}


def plain_entries(device: torch.device, scale: int) -> dict[str, Entry]:
    """Bicubic, BasicSR's Real-ESRGAN with and without USM, on patches as they are and as shipped, ours, a bundle."""
    entries = {"bicubic": Entry(_seeded(Bicubic(), scale))}
    for usm in (False, True):
        name = f"{STOCK}, USM" if usm else STOCK
        stock = StockRealESRGAN(device, scale, usm)
        entries[name] = Entry(_on_patches(stock))
        entries[f"{name}, {SHIPPED}"] = Entry(_on_wide_patches(stock), shipped=True)
    entries[OURS] = Entry(_seeded(RealESRGAN(), scale))
    return entries | _bundle_entries(device, scale)


def _bundle_entries(device: torch.device, scale: float) -> dict[str, Entry]:
    """A shipped generator, what its bundle holds without networks, and a student of that, also with noise.

    What a student was taught makes no difference here.
    """
    bundle = load_bundle(BUNDLE)
    (state,), (noise,) = bundle.kernels, bundle.noise
    found: dict[str, Degradation] = {
        f"DegFlow {BUNDLE}": degflow_aug.load_generator(BUNDLE),
        f"DegFlow {BUNDLE} + noise": degflow_aug.load_generator(BUNDLE, noise=1.0),
    }
    for name, kind in FITTED.items():
        kernel, residual = kind.of_state(state), noise_from_state(noise)
        found[name] = kernel
        found[f"student of a {name}"] = Student(kernel, LRCorrection())
        found[f"student of a {name} + noise"] = Student(kernel, LRCorrection(), residual=residual, noise=1.0)
    within = {name: each for name, each in found.items() if scale <= each.scale_range[1]}
    return {name: Entry(_seeded(each.to(device), scale)) for name, each in within.items()}


def generator_entries(
    name: str, networks: Networks, scale: float, settings: Mapping[str, Any], longest: float
) -> dict[str, Entry]:
    """A preset with the official sampler, the fixed-step ones, its default and one step, as far as it takes them."""
    default = (networks.solver, networks.steps)
    found: dict[str, Entry] = {}
    if networks.solver != JUMP:
        found[f"DegFlow {name}, RK45 on the host"] = _official(networks.copied(), scale, longest)
        for solver, steps in dict.fromkeys((*SAMPLERS, default)):
            label = f"DegFlow {name}, {solver}-{steps}" + (" (default)" if (solver, steps) == default else "")
            found[label] = _sampler(networks, solver, steps, scale, settings)
        networks = networks.student()
    label = f"DegFlow {name}, one step" + (" (default)" if default == (JUMP, 1) else "")
    found[label] = _sampler(networks, JUMP, 1, scale, settings)
    for entry in found.values():
        entry.facts |= {"preset": name, "weights": networks.weights}
    return found


def _sampler(networks: Networks, solver: str, steps: int, scale: float, settings: Mapping[str, Any]) -> Entry:
    prepare = _seeded(networks.degflow(solver, steps, **settings), scale)
    return Entry(prepare, {"solver": solver, "steps": steps, "nfe": evaluations(solver, steps)})


def _official(networks: Networks, scale: float, longest: float) -> Entry:
    """The official sampler to the LR image; always float32 and not compiled, as the official code."""
    facts: dict[str, Any] = {"solver": "rk45"}

    def prepare(batch: Batch, repetition: int) -> Call:
        def call() -> Tensor:
            (view,), facts["nfe"] = host_rk45(networks, batch.hr, [scale], longest=longest)
            return to_lr_grid(view, float(scale))

        return call

    return Entry(prepare, facts)


def _seeded(degradation: Degradation, scale: float) -> Callable[[Batch, int], Call]:
    """Every repetition has a seed of its own."""

    def prepare(batch: Batch, repetition: int) -> Call:
        degradation.seed(repetition)
        return lambda: degradation(batch.hr, float(scale))

    return prepare


def _on_patches(stock: StockRealESRGAN) -> Callable[[Batch, int], Call]:
    return lambda batch, repetition: stock.prepare(batch.hr, batch.hr.shape[-1], repetition)


def _on_wide_patches(stock: StockRealESRGAN) -> Callable[[Batch, int], Call]:
    def prepare(batch: Batch, repetition: int) -> Call:
        if batch.wide is None:
            raise ValueError(f"expected patches of {SHIPPED_SIDE} pixels for the row as shipped, got none")
        return stock.prepare(batch.wide, batch.hr.shape[-1], repetition)

    return prepare
