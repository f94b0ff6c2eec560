"""The ``degradation:`` section of an option file, read strictly, and the degradation that it asks for.

degradation: {type: DegFlow, bundle: city100-iphone, scale_range: [1, 4], solver: heun, steps: 2, amp: bf16}
# or  {type: Bicubic}  {type: RealESRGAN, jpeg_range: [50, 95]}  {type: BSRGAN}
# or  {type: Camera, blur: 0.5}  {type: Phone, jpeg_quality: 85}  {type: FittedKernel, bundle: city100-iphone}
# or  {type: Mixture, parts: [{weight: 0.7, type: DegFlow, ...}, {weight: 0.3, type: RealESRGAN}]}
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from degflow_aug.bundles.bundle import Bundle, KernelBundle
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.bicubic import BicubicOptions
from degflow_aug.degradations.bsrgan.options import BSRGANOptions
from degflow_aug.degradations.fitted.camera_kernels import kind_of
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.options import FittedKernelOptions, FittedPipelineOptions, StudentOptions
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.generator.options import DegFlowOptions
from degflow_aug.degradations.grid import check_scale
from degflow_aug.degradations.mixture import Mixture
from degflow_aug.degradations.options import DegradationOptions, ScaleRange
from degflow_aug.degradations.realesrgan.options import RealESRGANOptions
from degflow_aug.degradations.simulator.options import SimulatedCameraOptions, SimulatedPhoneOptions
from degflow_aug.options.nearest_name import nearest_name
from degflow_aug.options.sections import check_known_keys, convert, read_options


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


TYPES: dict[str, type[DegradationOptions]] = {
    "DegFlow": DegFlowOptions,
    "RealESRGAN": RealESRGANOptions,
    "BSRGAN": BSRGANOptions,
    "Bicubic": BicubicOptions,
    "Camera": SimulatedCameraOptions,
    "Phone": SimulatedPhoneOptions,
    "FittedKernel": FittedKernelOptions,
    "FittedPipeline": FittedPipelineOptions,
    "Student": StudentOptions,
    "Mixture": MixtureOptions,
}


def register_degradation(name: str, options_class: type[DegradationOptions]) -> None:
    """Make a degradation known to option files as ``type: name``.

    Args:
        name: a new one, or that of the class itself a second time.
        options_class: a frozen dataclass with the keys of its section, ``scale_range`` among them, and ``build``.

    Raises:
        ValueError: a name that is taken, or a class that cannot read a section.
    """
    if TYPES.get(name, options_class) is not options_class:
        raise ValueError(f"expected a new name for a degradation, got {name!r}, which is {TYPES[name].__name__}'s")
    fields = getattr(options_class, "__dataclass_fields__", ())
    if "scale_range" not in fields or not callable(getattr(options_class, "build", None)):
        raise ValueError(
            f"expected a dataclass with the field scale_range and a method build for the options of {name!r}, got "
            f"{options_class!r}"
        )
    TYPES[name] = options_class


def build_degradation(section: Mapping[str, Any], where: str = "degradation") -> Degradation:
    """The degradation of a section, on the CPU, with its ``scale_range`` narrowed to the section's.

    Args:
        section: ``type`` and the options of that type.
        where: the section's name, for messages.

    Raises:
        ValueError: an unknown type or key (with the nearest name), a value out of its range, or no such bundle.
    """
    with _mistakes_in(where):
        wanted = _read(section, where)
        degradation = wanted.build(where)
    degradation.scale_range = _narrowed(wanted.scale_range, degradation.scale_range, where, section["type"])
    return degradation


def scale_range_of(section: Mapping[str, Any], where: str = "degradation") -> ScaleRange:
    """The scales that the degradation of a section will cover; of the bundle of a generator the header is read alone.

    Raises:
        ValueError: as :func:`build_degradation`.
    """
    with _mistakes_in(where):
        wanted = _read(section, where)
        own = wanted.made_for(where) if isinstance(wanted, DegFlowOptions) else wanted.build(where).scale_range
    return _narrowed(wanted.scale_range, own, where, section["type"])


def _read(section: Mapping[str, Any], where: str) -> DegradationOptions:
    if not isinstance(section, Mapping):
        raise ValueError(f"expected a mapping in {where}, got {section!r}")
    kind = section.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise ValueError(
            f"expected {where}.type out of {', '.join(TYPES)}, got {kind!r}{nearest_name(kind, TYPES) if kind else ''}"
        )
    return read_options(TYPES[kind], {key: value for key, value in section.items() if key != "type"}, where)


@contextmanager
def _mistakes_in(where: str) -> Iterator[None]:
    """Name the section in a sentence that does not."""
    try:
        yield
    except ValueError as error:
        if where in str(error):
            raise
        raise ValueError(f"{error} (in {where})") from None


def generator_of(bundle: Bundle | KernelBundle, **settings: Any) -> DegFlow | FittedKernel:
    """The degradation of a bundle, with the keyword arguments of :meth:`DegFlow.from_bundle`.

    Raises:
        ValueError: unknown settings, with the nearest name, some that cannot be, or settings of networks for a fitted
            kernel alone.
    """
    known = inspect.signature(DegFlow.from_bundle).parameters
    if isinstance(bundle, Bundle):
        check_known_keys(settings, known, "the settings of a generator")
        return DegFlow.from_bundle(bundle, **settings)
    noise, camera = settings.pop("noise", 0.0), settings.pop("camera", None)
    settings.pop("tile", None)
    for name, value in settings.items():
        # By their words, because 0 is equal to False.
        if name not in known or repr(value) not in ("None", repr(known[name].default)):
            raise ValueError(
                f"expected no {name} for a bundle that holds a fitted kernel alone, got {value}; it has no networks, "
                "so leave that out"
            )
    return kind_of(bundle.kernels[0]).from_bundle(bundle, noise=noise, camera=camera)


def _narrowed(wanted: ScaleRange | None, own: ScaleRange, where: str, kind: str) -> ScaleRange:
    if wanted is None:
        return own
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
