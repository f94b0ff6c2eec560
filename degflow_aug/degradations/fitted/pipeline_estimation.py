"""Estimates a camera's pipeline, blur of light, tone curve and sharpening, from the best windows of pairs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from degflow_aug.degradations.fitted.fitted_kernel import ViewParameters
from degflow_aug.degradations.fitted.kernel_estimation import Pairs
from degflow_aug.degradations.fitted.kernel_interpolation import NEGLIGIBLE, TAPS, kernel_side, sharpening_kernels
from degflow_aug.degradations.fitted.pipeline_windows import Windows, draw_windows

EXPONENTS = (1 / 3, 3.0)
"""Lowest and highest. Beyond, float32 has no precision left for black."""
ITERATIONS = 80
HISTORY = 20
LOOKS = 1.25
"""Looks at the error for each step, at most and on average."""
LEAST_GAIN = 2e-5
"""Share of the first error that a step has to gain. On the simulator all steps do; where there is little to find the
search ends early."""
HELD_OUT = 5
"""Every so-manyth window of a scale tells what the pipeline is worth."""
LOWEST_FREQUENCY = 0.02
"""Cycles a pixel below which the spectrum of photographs is taken as flat."""
TAP_SCALE = 0.5
"""How much a tap changes beside a kernel's values for an equal step, so that both are found together."""
RIDGE = 1e-5
"""Weight of the distance to where the search began, beside the share of the error that is left."""
KEPT_EVERY = 10
"""Steps after which the state of the search is kept, which costs one more look at the error."""

_KEPT = {"start", "steps", "looks", "ended", "search", "optimizer"}


class SearchWatch:
    """Who waits for a search; this one is nobody."""

    def step(self, done: int, total: int) -> None:
        """Told of the steps done, and how many there are at most, whenever the error has been looked at; may end the
        search by raising."""

    def recall(self) -> dict[str, Any] | None:
        """What :meth:`keep` was given last, by the search that this one goes on with."""
        return None

    def keep(self, state: dict[str, Any]) -> None:
        """Take the state of the search, plain values and tensors."""


UNWATCHED = SearchWatch()


class Pipeline(NamedTuple):
    """Blur (K, 3, k, k), exponent () and taps (K, 3, t, t), knot 1 with its unit impulses first.

    Attributes:
        left: share of what linear kernels leave of views, as a mean square, that the pipeline leaves; of windows that
            it was not fitted to, where there are enough.
    """

    blur: Tensor
    exponent: Tensor
    taps: Tensor
    left: float = 1.0


class _Search(nn.Module):
    """The unknowns, in coordinates in which an equal step changes views equally much.

    The power of photographs falls as 1 / f^2, so that a change of a kernel at frequency f counts with 1 / f: kernels
    are moved in coordinates of theirs divided by f. The search begins at the linear kernels, exponent 1, no sharpening.

    Args:
        windows: of the pairs, by scale.
        kernels: (K, 3, k, k), linear ones of these scales.
    """

    def __init__(self, windows: Mapping[float, Windows], kernels: Tensor) -> None:
        super().__init__()
        self.windows, self.side = windows, kernel_side(max(windows))
        self.start = kernels
        device, size = kernels.device, kernels.shape[-1]
        reach = (size + self.side) // 2 - 1 - NEGLIGIBLE
        reach = max(1, min(reach, min(found.hr.shape[-1] for found in windows.values()) // 4))
        self.inner = slice(reach, -reach)
        rows, columns = torch.fft.fftfreq(size, device=device), torch.fft.rfftfreq(size, device=device)
        self.gain = 2 * ((rows[:, None].square() + columns.square()).sqrt() + LOWEST_FREQUENCY)
        self.step = nn.Parameter(torch.zeros_like(self.start))
        self.turn = nn.Parameter(kernels.new_zeros(()))
        self.tap_step = nn.Parameter(self.start.new_zeros(*self.start.shape[:2], TAPS, TAPS))

    def pipeline(self) -> Pipeline:
        """Where the search stands, without knot 1."""
        moved = torch.fft.irfft2(torch.fft.rfft2(self.step) * self.gain, s=self.step.shape[-2:])
        taps = TAP_SCALE * self.tap_step
        impulse = torch.zeros_like(taps)
        impulse[..., TAPS // 2, TAPS // 2] = 1
        return Pipeline(_unit_sum(self.start + moved), EXPONENTS[1] ** torch.tanh(self.turn), _unit_sum(impulse + taps))

    def errors(self) -> Iterator[Tensor]:
        """Mean weighted square of what is left of the views, scale by scale, divided by the number of scales."""
        for index, (scale, found) in enumerate(self.windows.items()):
            blur, exponent, taps, _ = self.pipeline()
            one = torch.full((1,), scale, device=blur.device)
            sharpening = sharpening_kernels(taps[index, None], one, self.side)
            left = ViewParameters(blur[index, None], exponent[None], sharpening).views(found.hr) - found.views
            weighted = found.weights[:, None, None, None] * left.square()
            yield weighted[..., self.inner, self.inner].mean() / len(self.windows)

    @torch.enable_grad()
    def run(self, watch: SearchWatch) -> None:
        """Go to the best pipeline near the start; a search that was stopped goes on as if it had not been."""
        optimizer = torch.optim.LBFGS(
            self.parameters(), history_size=HISTORY, line_search_fn="strong_wolfe", tolerance_grad=0,
            tolerance_change=LEAST_GAIN,
        )  # fmt: skip
        steps, looks, ended = self._recall(watch.recall(), optimizer)
        first = max(self._error_at_start(), 1e-12)

        def closure() -> float:
            """The share of the error that is left and the ridge, with gradients."""
            nonlocal looks
            looks += 1
            watch.step(optimizer.state[self.step].get("n_iter", 0), ITERATIONS)
            optimizer.zero_grad()
            total = 0.0
            distance = self.step.square().sum() + self.tap_step.square().sum()
            # Scale by scale, so that only one of them holds memory for gradients.
            for part in itertools.chain((error / first for error in self.errors()), [RIDGE * distance]):
                part.backward()  # type: ignore[no-untyped-call]
                total += float(part.detach())
            return total

        group, most = optimizer.param_groups[0], int(LOOKS * ITERATIONS)
        while not ended:
            planned = min(steps + KEPT_EVERY, ITERATIONS)
            # Going on begins with a look that does not count.
            looks -= steps > 0
            group["max_iter"], group["max_eval"] = planned - steps, most - looks
            optimizer.step(closure)
            steps = int(optimizer.state[self.step]["n_iter"])
            ended = steps < planned or steps == ITERATIONS or looks >= most
            known = {"start": self.start, "steps": steps, "looks": looks, "ended": ended}
            watch.keep({**known, "search": self.state_dict(), "optimizer": optimizer.state_dict()})

    def _recall(self, known: dict[str, Any] | None, optimizer: torch.optim.Optimizer) -> tuple[int, int, bool]:
        """Steps, looks at the error and whether it has ended, of a search that was kept, if it was of these pairs."""
        if known is None or set(known) != _KEPT or not torch.equal(known["start"].to(self.start), self.start):
            return 0, 0, False
        self.load_state_dict(known["search"])
        optimizer.load_state_dict(known["optimizer"])
        return int(known["steps"]), int(known["looks"]), bool(known["ended"])

    def _error_at_start(self) -> float:
        return type(self)(self.windows, self.start).error()

    @torch.no_grad()
    def error(self) -> float:
        """Of all scales."""
        return sum(float(part) for part in self.errors())

    def found(self, held_out: Mapping[float, Windows]) -> Pipeline:
        """The pipeline, and what it leaves of other windows beside what the start leaves of them."""
        start, self.windows = type(self)(held_out, self.start), held_out
        blur, exponent, taps, _ = self.pipeline()
        left = self.error() / max(start.error(), 1e-12)
        return Pipeline(blur.detach(), exponent.detach(), taps.detach(), left)


def estimate_pipeline(
    pairs: Pairs, knots: Sequence[float], kernels: Tensor, seed: int = 0, *, watch: SearchWatch = UNWATCHED
) -> Pipeline:
    """The pipeline that leaves least of the views of ``pairs``.

    min over K, g, S of sum_k |view_k - S_k * (K_k * HR^g)^(1 / g)|^2 over detailed windows of the pairs, see
    :func:`draw_windows`, by L-BFGS.

    Args:
        pairs: HR images with their views; read once.
        knots: K + 1 scales, 1 first.
        kernels: (K + 1, 3, k, k), the linear kernels of these pairs; the first is a unit impulse.
        seed: of the choice of windows.
        watch: told of every step, and keeps the search for one that goes on.

    Returns:
        The pipeline at all knots, on the device of ``kernels``.
    """
    windows = draw_windows(pairs, dict(zip(knots[1:], kernels[1:], strict=True)), seed)
    parts = {scale: found.split(HELD_OUT) for scale, found in windows.items()}
    search = _Search({scale: part for scale, (_, part) in parts.items()}, kernels[1:].clone())
    search.run(watch)
    return _with_knot_one(search.found({scale: part for scale, (part, _) in parts.items()}))


def _unit_sum(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum((-2, -1), keepdim=True)


def _with_knot_one(found: Pipeline) -> Pipeline:
    """The pipeline with the unit impulses of knot 1."""

    def joined(values: Tensor) -> Tensor:
        impulse = torch.zeros_like(values[:1])
        impulse[..., values.shape[-2] // 2, values.shape[-1] // 2] = 1
        return torch.cat([impulse, values])

    return found._replace(blur=joined(found.blur), taps=joined(found.taps))
