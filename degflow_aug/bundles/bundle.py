"""The bundle: one ``.safetensors`` file that holds a generator, with its spec in the header.

A bundle is read without its training options and without running code: the header says which networks to build
(LIIF's idea of checkpoints that carry their own spec), the tensors fill them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.archs.network_arguments import check_weights_fit
from degflow_aug.bundles.spec import GeneratorSpec, KernelSpec, bundle_path
from degflow_aug.files.tensor_file import text_name
from degflow_aug.files.writing import atomic_path

Network = TypeVar("Network", bound=nn.Module)
State = Mapping[str, Tensor]

FORMAT = "degflow-bundle-1"
KERNEL_FORMAT = "degflow-kernel-1"
# What Python says of a header that holds other things than it should.
_MISFITS = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
# No weight or kernel is so large; a flipped bit of an exponent is, and images come out as NaN.
_LARGEST = 1e8
_LONGEST = 300
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Bundle:
    """A generator in parts, with what was fitted to the same pairs without networks, one state per camera of the spec.

    Attributes:
        kernels: states of a ``FittedKernel``, the linear opponent, or of a ``FittedPipeline``, which hold those of the
            kernel too; or empty.
        noise: states of the noise, in any of its forms, or empty.
        students: states of the ``LRCorrection`` of each camera's ``Student``, or empty.
    """

    spec: GeneratorSpec
    rae: ResidualAutoencoder
    velocity: NCSNpp
    kernels: Sequence[State] = ()
    noise: Sequence[State] = ()
    students: Sequence[State] = ()


@dataclass(frozen=True)
class KernelBundle:
    """A camera as a linear kernel or a pipeline alone; ``kernels`` and ``noise`` are as in :class:`Bundle`."""

    spec: KernelSpec
    kernels: Sequence[State]
    noise: Sequence[State] = ()


def save_bundle(path: str | Path, bundle: Bundle | KernelBundle) -> None:
    """Write ``bundle`` to ``path``, whole or not at all.

    Raises:
        ValueError: the name does not end in .safetensors.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"expected a bundle's name to end in .safetensors, got {path.name}")
    several = bool(bundle.spec.cameras)
    parts = {"kernel": _joined(bundle.kernels, several), "noise": _joined(bundle.noise, several)}
    kind = KERNEL_FORMAT
    if isinstance(bundle, Bundle):
        parts = {"rae": bundle.rae.state_dict(), "velocity": bundle.velocity.state_dict(), **parts}
        parts["student"] = _joined(bundle.students, several)
        kind = FORMAT
    tensors = {
        f"{part}.{key}": value.detach().cpu().contiguous()
        for part, state in parts.items()
        for key, value in state.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        data = save(tensors, metadata={"format": kind, "spec": json.dumps(asdict(bundle.spec))})
        partial.write_bytes(_with_facts_in_order(data))


def _with_facts_in_order(data: bytes) -> bytes:
    """The bytes of a safetensors file with the facts of its header in alphabetical order.

    safetensors writes them in any order, so that one bundle had two digests, and `degflow generate` took it for two.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    facts = dict(sorted(header.pop("__metadata__").items()))
    text = json.dumps({"__metadata__": facts, **header}, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]


def read_spec(path_or_name: str | Path) -> GeneratorSpec | KernelSpec:
    """What a bundle says of itself, from its header alone.

    Raises:
        ValueError: no such file, or another kind of file.
    """
    path = bundle_path(path_or_name)
    header, _ = _read(path, tensors=False)
    try:
        return _spec(header)
    except _MISFITS as error:
        raise ValueError(f"expected a bundle with its spec in the header, got {path}: {misfit(error)}") from None


def load_bundle(path_or_name: str | Path) -> Bundle:
    """Read the bundle of a generator; only tensors and JSON are read, never code.

    Raises:
        ValueError: no such file, another kind of file, tensors that do not fit the spec, or a fitted kernel alone.
    """
    bundle = load_any_bundle(path_or_name)
    if isinstance(bundle, KernelBundle):
        raise ValueError(
            f"expected a bundle with networks, got {path_or_name}, which holds a fitted kernel alone; "
            f"take type: {'FittedPipeline' if 'blur' in bundle.kernels[0] else 'FittedKernel'} for it"
        )
    return bundle


def load_any_bundle(path_or_name: str | Path) -> Bundle | KernelBundle:
    """Read a bundle with or without networks.

    Raises:
        ValueError: as :func:`load_bundle`, but for a fitted kernel alone.
    """
    path = bundle_path(path_or_name)
    header, tensors = _read(path, tensors=True)
    try:
        spec = _spec(header)
        check_weights(tensors)
        kernels, noise = (split_cameras(_part(prefix, tensors)) for prefix in ("kernel.", "noise."))
        if isinstance(spec, KernelSpec):
            _check_kernels(kernels)
            return KernelBundle(spec, kernels, noise)
        rae = _filled(ResidualAutoencoder, spec.rae, _part("rae.", tensors))
        velocity = _filled(NCSNpp, spec.velocity, _part("velocity.", tensors))
    except (*_MISFITS, RuntimeError) as error:
        raise ValueError(f"expected a whole bundle, got {path} whose parts do not fit: {misfit(error)}") from None
    return Bundle(spec, rae, velocity, kernels, noise, split_cameras(_part("student.", tensors)))


def split_cameras(state: State) -> tuple[State, ...]:
    """The states in that of a file, one per camera; keys begin with a camera's number where there are several."""
    numbers = {key.partition(".")[0] for key in state}
    if not all(number.isdecimal() for number in numbers):
        return (state,)
    return tuple(_part(f"{number}.", state) for number in sorted(numbers, key=int))


def _joined(states: Sequence[State], several: bool) -> State:
    """The inverse of :func:`split_cameras`."""
    if not several:
        return states[0] if states else {}
    return {f"{index}.{key}": value for index, state in enumerate(states) for key, value in state.items()}


def misfit(error: Exception) -> str:
    """One line out of what PyTorch reports about tensors that do not fit: the first that names one, shortened."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = lines[1 if len(lines) > 1 and lines[0].startswith("Error(s)") else 0].strip()
    # It may quote whatever stands in the header.
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"


def _read(path: Path, *, tensors: bool) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The header, and the tensors or none of them."""
    try:
        with text_name(path) as name, safe_open(name, framework="pt") as file:
            header = file.metadata() or {}
            found = {key: file.get_tensor(key) for key in file.keys()} if tensors else {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"expected a safetensors bundle, got {path}: {error}; use `degflow convert` for official weights"
        ) from None
    if header.get("format") not in (FORMAT, KERNEL_FORMAT):
        raise ValueError(f"expected a bundle of format {FORMAT}, got {path} with format {header.get('format')!r:.80}")
    return header, found


def _spec(header: Mapping[str, str]) -> GeneratorSpec | KernelSpec:
    values = json.loads(header["spec"])
    values["knots"] = tuple(float(knot) for knot in values["knots"])
    if header["format"] == KERNEL_FORMAT:
        return KernelSpec(**values)
    return GeneratorSpec(**{**values, "cameras": tuple(values.get("cameras", ()))})


def check_weights(tensors: State) -> None:
    """Refuse tensors out of a file that cannot be weights or kernels.

    Raises:
        ValueError: names the first of other numbers than floats, or with values that are not finite or huge.
    """
    for key, value in tensors.items():
        if value.dtype not in _FLOATS:
            raise ValueError(f"{key} holds {str(value.dtype).removeprefix('torch.')} in place of float numbers")
        if not (value.abs() < _LARGEST).all():
            raise ValueError(f"{key} holds values that are not finite, or beyond {_LARGEST:g}")


def _check_kernels(states: Sequence[State]) -> None:
    missing = {"knots", "kernels"} - (set(states[0]) if len(states) == 1 else set())
    if missing:
        raise ValueError(f"kernel.{min(missing)} is missing")


def _part(prefix: str, tensors: State) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _filled(kind: type[Network], arguments: Mapping[str, Any], state: dict[str, Tensor]) -> Network:
    """The network of a header's arguments, which may ask for any amount of memory, with its weights."""
    check_weights_fit(kind, arguments, state)
    network = kind(**arguments)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)
