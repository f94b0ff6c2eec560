"""What a call launches, waits for and holds, seen with the profiler."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.autograd.profiler_util import FunctionEvent

from benchmarks.shared.measurement import Call, Method

LAUNCHES = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx", "cudaGraphLaunch")
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
# On a GPU these wait: for a value, or for how many there are.
WAITING_OPERATORS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::_unique2", "aten::unique_dim")
# Operators without a kernel of their own: allocation, shapes, and those that only call others.
_WITHOUT_KERNEL = """
_local_scalar_dense _nnpack_available _reshape_alias _unsafe_view alias as_strided chunk contiguous detach detach_ empty
empty_like empty_strided expand expand_as flatten is_nonzero item lift_fresh movedim narrow new_empty permute reshape
resize_ resolve_conj resolve_neg result_type select slice split split_with_sizes squeeze t to transpose unbind unflatten
unfold unsqueeze view view_as
"""
WITHOUT_KERNEL = frozenset(f"aten::{name}" for name in _WITHOUT_KERNEL.split())


@dataclass(frozen=True)
class Traffic:
    """What one call does beside computing.

    Attributes:
        kernels: launched on a GPU, a graph counting once; on a CPU operators that would launch at least one.
        waits: times the host waits for the GPU; on a CPU operators that would make it wait. What would only wait
            there, such as a copy to the host, is not seen on a CPU.
        peak_bytes: memory held at once beyond what was held before the call.
    """

    kernels: int
    waits: int
    peak_bytes: int


def traffic(method: Method, device: torch.device) -> Traffic:
    """Look at one call with the profiler; on a GPU memory is that of PyTorch's allocator in a call before it."""
    if device.type != "cuda":
        operators, peak = _profiled_on_cpu(method(0))
        return Traffic(kernel_operators(operators), _count(operators, WAITING_OPERATORS), peak)
    call = method(0)
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    result = call()
    torch.cuda.synchronize(device)
    peak = torch.cuda.max_memory_allocated(device) - before
    del result
    # The profiler itself waits for the device at its end.
    profiled, empty = _profiled_on_cuda(method(0)), _profiled_on_cuda(lambda: None)
    counts = [_count(profiled, names) - _count(empty, names) for names in (LAUNCHES, WAITS)]
    return Traffic(counts[0], counts[1], peak)


def _profiled_on_cuda(call: Call) -> list[FunctionEvent]:
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=kinds) as profiler:
        call()
    return list(profiler.events() or [])


def _profiled_on_cpu(call: Call) -> tuple[list[FunctionEvent], int]:
    """Operators of a call, and the most memory that it held at once by the allocations in the profiler's trace."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = call()
    del result
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(file))
        trace = json.loads(file.read_text(encoding="utf-8"))["traceEvents"]
    moves = sorted((event["ts"], event["args"]["Bytes"]) for event in trace if event.get("name") == "[memory]")
    held = peak = 0
    for _, size in moves:
        held += size
        peak = max(peak, held)
    return list(profiler.events() or []), peak


def kernel_operators(events: list[FunctionEvent]) -> int:
    """Innermost operators that compute something: what would be at least one kernel launch each on a GPU."""
    return sum(_kernels(event) for event in events if event.cpu_parent is None and event.name != "[memory]")


def _kernels(event: FunctionEvent) -> int:
    inside = sum(_kernels(child) for child in event.cpu_children if child.name != "[memory]")
    return inside or int(event.name.startswith("aten::") and event.name not in WITHOUT_KERNEL)


def _count(events: list[FunctionEvent], names: tuple[str, ...]) -> int:
    found = Counter(event.name for event in events)
    return sum(found[name] for name in names)
