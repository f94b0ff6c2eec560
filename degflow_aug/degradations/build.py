"""The ``degradation:`` section of an option file, read strictly, and the degradation that it asks for.

degradation: {type: DegFlow, bundle: city100-iphone, scale_range: [1, 4], solver: heun, steps: 2, amp: bf16}
# or  {type: Bicubic}  {type: RealESRGAN, jpeg_range: [50, 95]}  {type: Camera, blur: 0.5}
# or  {type: FittedKernel, bundle: city100-iphone}
# or  {type: Mixture, parts: [{weight: 0.7, type: DegFlow, ...}, {weight: 0.3, type: RealESRGAN}]}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from degflow_aug.bundles.bundle import Bundle, KernelBundle, bundle_path, load_any_bundle, load_bundle
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.grid import check_scale
from degflow_aug.degradations.mixture import Mixture
from degflow_aug.degradations.realesrgan.realesrgan import RealESRGAN
from degflow_aug.degradations.realesrgan.settings import RealESRGANSettings
from degflow_aug.degradations.simulator.camera import Camera
from degflow_aug.degradations.simulator.optics import CameraOptics
from degflow_aug.options.stages import convert, read_options
from degflow_aug.options.yaml_file import nearest_name

ScaleRange = tuple[float, float]
Settings = TypeVar("Settings")


class DegradationOptions(Protocol):
    """Options of one type of degradation.

    Attributes:
        scale_range: [lowest, highest] scale, inside what the degradation was made for; none means all of that.
    """

    @property
    def scale_range(self) -> ScaleRange | None: ...

    def build(self, where: str) -> Degradation: ...


@dataclass(frozen=True)
class DegFlowOptions:
    """A trained generator.

    Attributes:
        bundle: path of its bundle, or the name of one that ships with the package.
        solver: euler, midpoint, heun or rk4, or jump for a one-step student; none means the bundle's own.
        steps: steps of that solver; none means the bundle's own.
        tile: larger images pass the autoencoder in tiles of that side.
        amp: none, or bf16 for autocast.
        compile: pass the networks through ``torch.compile``; a name is that of its mode.
        extrapolate: allow scales beyond the last knot, where nothing was trained.
        noise: strength of what HR does not determine, as learned by ``degflow fit``; 1 is that of the real pairs.
        camera: for a bundle that knows several: one by name, weights by name for one between, or any for one drawn a
            sample.
    """

    bundle: str
    scale_range: ScaleRange | None = None
    solver: str | None = None
    steps: int | None = None
    tile: int = 1024
    amp: str = "none"
    compile: bool | str = False
    extrapolate: bool = False
    noise: float = 0.0
    camera: str | Mapping | None = None

    def build(self, where: str) -> Degradation:
        """The generator, weights frozen.

        Raises:
            ValueError: no camera for a bundle that knows several: nobody could name one later.
        """
        bundle = load_bundle(self.bundle)
        _check_chosen(self.camera, bundle, f"{where}.camera")
        return DegFlow.from_bundle(
            bundle,
            solver=self.solver,
            steps=self.steps,
            tile=self.tile,
            extrapolate=self.extrapolate,
            amp=self.amp,
            compile=self.compile,
            noise=self.noise,
            camera=self.camera,
        )


@dataclass(frozen=True)
class RealESRGANOptions(RealESRGANSettings):
    """Real-ESRGAN's settings under BasicSR's names."""

    scale_range: ScaleRange | None = None

    def build(self, where: str) -> Degradation:
        """The degradation with these settings; needs BasicSR."""
        return RealESRGAN(_settings(self, RealESRGANSettings))


@dataclass(frozen=True)
class BicubicOptions:
    """Antialiased bicubic."""

    scale_range: ScaleRange | None = None

    def build(self, where: str) -> Degradation:
        """The degradation."""
        return Bicubic()


@dataclass(frozen=True)
class CameraOptions(CameraOptics):
    """The simulated camera with its constants."""

    scale_range: ScaleRange | None = None

    def build(self, where: str) -> Degradation:
        """The camera."""
        return Camera(_settings(self, CameraOptics))


@dataclass(frozen=True)
class FittedKernelOptions:
    """A camera's blur as one linear kernel a knot.

    Attributes:
        bundle: a bundle whose kernels are used (path or shipped name), or the path of a ``kernel.safetensors``.
        camera: for a bundle that knows several: one by name.
        noise: strength of what HR does not determine, as learned by ``degflow fit --preset kernel`` (or ``pipeline``).
    """

    bundle: str
    scale_range: ScaleRange | None = None
    camera: str | None = None
    noise: float = 0.0
    kind: ClassVar[type[FittedKernel]] = FittedKernel

    def build(self, where: str) -> Degradation:
        """The kernels of the bundle or of the kernel file."""
        path = bundle_path(self.bundle)
        tensors = _tensors(path)
        if tensors.keys() >= set(self.kind.state_keys):
            if self.camera is not None:
                raise ValueError(f"expected no camera for a file of kernels, got {where}.camera {self.camera!r}")
            return self.kind.of_state(tensors, noise=self.noise)
        if tensors.keys() >= set(FittedKernel.state_keys):
            raise ValueError(
                f"expected a file with a {self.kind.__name__} in {where}.bundle, got {path} with linear kernels alone; "
                "take type: FittedKernel, or fit again"
            )
        bundle = load_any_bundle(path)
        if not bundle.kernels:
            raise ValueError(
                f"expected a bundle with fitted kernels in {where}.bundle, got {path} without; "
                "train its flow with pseudo-views, or name a kernel.safetensors"
            )
        _check_chosen(self.camera, bundle, f"{where}.camera")
        return self.kind.from_bundle(bundle, noise=self.noise, camera=self.camera)


@dataclass(frozen=True)
class FittedPipelineOptions(FittedKernelOptions):
    """A camera as blur of light, tone curve and sharpening."""

    kind = FittedPipeline


@dataclass(frozen=True)
class MixtureOptions:
    """Several degradations, one drawn for each sample.

    Attributes:
        parts: sections like this one, each with a ``weight``.
    """

    parts: tuple[Mapping, ...]
    scale_range: ScaleRange | None = None

    def build(self, where: str) -> Degradation:
        """The mixture of the parts."""
        parts = []
        for index, part in enumerate(self.parts):
            place = f"{where}.parts[{index}]"
            if "weight" not in part:
                raise ValueError(f"expected a weight in {place}, got none; add the share of samples it should get")
            weight = convert(part["weight"], float, f"{place}.weight")
            rest = {key: value for key, value in part.items() if key != "weight"}
            parts.append((weight, build_degradation(rest, place)))
        return Mixture(parts)


def _check_chosen(camera: object, bundle: Bundle | KernelBundle, where: str) -> None:
    if camera is None and bundle.spec.cameras:
        known = ", ".join(bundle.spec.cameras)
        raise ValueError(f"expected {where} to name one of the cameras of the bundle ({known}), got none")


TYPES: dict[str, type[DegradationOptions]] = {
    "DegFlow": DegFlowOptions,
    "RealESRGAN": RealESRGANOptions,
    "Bicubic": BicubicOptions,
    "Camera": CameraOptions,
    "FittedKernel": FittedKernelOptions,
    "FittedPipeline": FittedPipelineOptions,
    "Mixture": MixtureOptions,
}


def build_degradation(section: Mapping[str, Any], where: str = "degradation") -> Degradation:
    """The degradation of a section, on the CPU, with its ``scale_range`` narrowed to the section's.

    Args:
        section: ``type`` and the options of that type.
        where: the section's name, for messages.

    Raises:
        ValueError: an unknown type or key (with the nearest name), a value out of its range, or no such bundle.
    """
    if not isinstance(section, Mapping):
        raise ValueError(f"expected a mapping in {where}, got {section!r}")
    kind = section.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise ValueError(
            f"expected {where}.type out of {', '.join(TYPES)}, got {kind!r}{nearest_name(kind, TYPES) if kind else ''}"
        )
    try:
        rest = {key: value for key, value in section.items() if key != "type"}
        options = read_options(TYPES[kind], rest, where)
        degradation = options.build(where)
    except ValueError as error:
        if where in str(error):
            raise
        raise ValueError(f"{error} (in {where})") from None
    if options.scale_range is not None:
        degradation.scale_range = _narrowed(options.scale_range, degradation.scale_range, where, kind)
    return degradation


def _narrowed(wanted: ScaleRange, own: ScaleRange, where: str, kind: str) -> ScaleRange:
    low, high = wanted
    try:
        if low <= high:
            return check_scale(low, *own), check_scale(high, *own)
    except ValueError:
        pass
    raise ValueError(
        f"expected {where}.scale_range as [lowest, highest] inside [{own[0]:g}, {own[1]:g}], what this {kind} was made "
        f"for, got [{low:g}, {high:g}]"
    )


def _settings(options: Any, kind: type[Settings]) -> Settings:
    """The fields of ``kind`` out of options that extend it."""
    return kind(**{item.name: getattr(options, item.name) for item in dataclasses.fields(kind)})  # type: ignore[arg-type]


def _tensors(path: Path) -> Mapping[str, Tensor]:
    """What is in a safetensors file; nothing if it is none, which whoever reads it as a bundle will say."""
    try:
        return load_file(path)
    except (SafetensorError, OSError):
        return {}
