"""The ``degradation:`` sections of ``type: FittedKernel``, ``type: FittedPipeline`` and ``type: Student``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from degflow_aug.bundles.bundle import check_weights, load_any_bundle, load_bundle
from degflow_aug.bundles.spec import bundle_path
from degflow_aug.degradations.camera_choice import check_chosen
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.degradations.fitted.student import Student
from degflow_aug.degradations.options import ScaleRange, Strength


@dataclass(frozen=True)
class FittedKernelOptions:
    """A camera's blur as one linear kernel per knot.

    Attributes:
        bundle: a bundle whose kernels are used (path or shipped name), or the path of a ``kernel.safetensors``.
        camera: for a bundle that knows several: one by name.
        noise: strength of what HR does not determine, as learned by ``degflow fit --preset kernel`` (or ``pipeline``).
    """

    bundle: str
    scale_range: ScaleRange | None = None
    camera: str | None = None
    noise: Strength = 0.0
    kind: ClassVar[type[FittedKernel]] = FittedKernel

    def build(self, where: str) -> FittedKernel:
        """The kernels of the bundle or of the kernel file."""
        path = bundle_path(self.bundle)
        tensors = _tensors(path)
        if tensors.keys() >= set(self.kind.state_keys):
            try:
                check_weights(tensors)
            except ValueError as error:
                raise ValueError(f"expected a whole file of kernels, got {path}: {error}") from None
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
        check_chosen(self.camera, bundle.spec.cameras, f"{where}.camera")
        return self.kind.from_bundle(bundle, noise=self.noise, camera=self.camera)


@dataclass(frozen=True)
class FittedPipelineOptions(FittedKernelOptions):
    """A camera as blur of light, tone curve and sharpening."""

    kind = FittedPipeline


@dataclass(frozen=True)
class StudentOptions:
    """The student of a trained generator, which ``degflow distill`` has put into its bundle.

    Attributes:
        bundle: path of the bundle, or the name of one that ships with the package.
        camera: for a bundle that knows several: one by name.
        noise: strength of what HR does not determine, that of the generator; 1 is that of the real pairs.
    """

    bundle: str
    scale_range: ScaleRange | None = None
    camera: str | None = None
    noise: Strength = 0.0

    def build(self, where: str) -> Student:
        """The student of the bundle."""
        bundle = load_bundle(self.bundle)
        check_chosen(self.camera, bundle.spec.cameras, f"{where}.camera")
        return Student.from_bundle(bundle, noise=self.noise, camera=self.camera)


def _tensors(path: Path) -> Mapping[str, Tensor]:
    """What is in a safetensors file; nothing if it is none, which whoever reads it as a bundle will say."""
    try:
        return load_file(path)
    except (SafetensorError, OSError):
        return {}
