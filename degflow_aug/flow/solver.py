"""Solvers of dz/dt = v(z, t) from t = 0, the HR image, to the time of a scale.

Steps are fixed, on the device, with an end time per sample; beside them stands the official solver, which is adaptive.

A velocity is any callable (z (B, ...), t (B,)) -> (B, ...). An average velocity u is any callable
(z (B, ...), t (B,), end (B,)) -> (B, ...) with z(end) = z(t) + (end - t) u(z(t), t, end): it needs no solver, it jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]
AverageVelocity = Callable[[Tensor, Tensor, Tensor], Tensor]
Step = Callable[[Velocity, Tensor, Tensor, Tensor], Tensor]


def _expand(dt: Tensor, z: Tensor) -> Tensor:
    return dt.to(z.dtype).reshape(-1, *[1] * (z.ndim - 1))


def euler(velocity: Velocity, z: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """First order, one evaluation. z: (B, ...); t, dt: (B,)."""
    return z + _expand(dt, z) * velocity(z, t)


def midpoint(velocity: Velocity, z: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """Second order, two evaluations: the velocity at half a step carries the whole step."""
    h = _expand(dt, z)
    half = z + h / 2 * velocity(z, t)
    return z + h * velocity(half, t + dt / 2)


def heun(velocity: Velocity, z: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """Second order, two evaluations: the mean of the velocities at both ends of an Euler step."""
    h = _expand(dt, z)
    start = velocity(z, t)
    return z + h / 2 * (start + velocity(z + h * start, t + dt))


def rk4(velocity: Velocity, z: Tensor, t: Tensor, dt: Tensor) -> Tensor:
    """Fourth order, four evaluations: the classical Runge-Kutta method."""
    h = _expand(dt, z)
    k1 = velocity(z, t)
    k2 = velocity(z + h / 2 * k1, t + dt / 2)
    k3 = velocity(z + h / 2 * k2, t + dt / 2)
    k4 = velocity(z + h * k3, t + dt)
    return z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


SOLVERS: dict[str, Step] = {"euler": euler, "midpoint": midpoint, "heun": heun, "rk4": rk4}
EVALUATIONS: dict[str, int] = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}
JUMP = "jump"
RK45 = "rk45"
RK45_TOLERANCE = 1e-5
"""That of the official code."""


def check_solver(name: str, end_time: bool) -> None:
    """Look whether a network can be solved by the method of that name.

    Args:
        name: euler, midpoint, heun, rk4 or rk45 for velocities, jump for average velocities.
        end_time: the network gives average velocities.

    Raises:
        ValueError: no such method, or one for the other kind of network.
    """
    if end_time and name != JUMP:
        raise ValueError(f"expected the solver {JUMP} for a network with end_time (a one-step student), got {name!r}")
    if name == JUMP and not end_time:
        raise ValueError(
            f"expected a solver out of {', '.join((*SOLVERS, RK45))}, got {JUMP!r}, which needs a network with "
            "end_time (a one-step student)"
        )
    if not end_time and name != RK45:
        solver_step(name)


def default_steps(name: str) -> int:
    """Steps of a solver where nobody says how many: one jump, or two steps; of RK45, which knows best, one solve."""
    return 1 if name in (JUMP, RK45) else 2


def solver_step(name: str) -> Step:
    """The step function of that name.

    Raises:
        ValueError: no such solver.
    """
    if not isinstance(name, str) or name not in SOLVERS:
        raise ValueError(f"expected a solver out of {', '.join((*SOLVERS, RK45))}, got {name!r}")
    return SOLVERS[name]


def integrate(velocity: Velocity, z0: Tensor, t_end: Tensor, steps: int, solver: str = "heun") -> Tensor:
    """Carry each sample from t = 0 to its own end time in ``steps`` equal steps.

    Args:
        z0: (B, ...) latents at t = 0.
        t_end: (B,) end times.
        steps: steps a sample; the whole batch takes them together.
        solver: euler, midpoint, heun or rk4.

    Raises:
        ValueError: unknown solver, no step, or end times that do not fit the batch.
    """
    step = solver_step(solver)
    _check_steps(z0, t_end, steps)
    dt, z = t_end / steps, z0
    for index in range(steps):
        z = step(velocity, z, dt * index, dt)
    return z


def jump_to(average: AverageVelocity, z: Tensor, t: Tensor, end: Tensor) -> Tensor:
    """One jump, one evaluation: z + (end - t) u(z, t, end). z: (B, ...); t, end: (B,)."""
    return z + _expand(end - t, z) * average(z, t, end)


def jumps(average: AverageVelocity, z0: Tensor, t_end: Tensor, steps: int = 1) -> Tensor:
    """Carry each sample from t = 0 to its own end time in ``steps`` equal jumps.

    Args:
        average: the average velocity between two times.
        z0: (B, ...) latents at t = 0.
        t_end: (B,) end times.
        steps: jumps a sample; the whole batch takes them together.

    Raises:
        ValueError: no step, or end times that do not fit the batch.
    """
    _check_steps(z0, t_end, steps)
    z, dt = z0, t_end / steps
    for index in range(steps):
        z = jump_to(average, z, dt * index, dt * (index + 1))
    return z


def _check_steps(z0: Tensor, t_end: Tensor, steps: int) -> None:
    if steps < 1 or t_end.shape != z0.shape[:1]:
        raise ValueError(
            f"expected steps >= 1 and end times ({z0.shape[0]},), got steps {steps} and times {tuple(t_end.shape)}"
        )


class RK45Path:
    """The official sampler: SciPy's RK45 on the host in float64, the batch as one vector, its dense output at any time.

    It starts at ``start`` with the state of t = 0, as the official code does, which times before that have too. One
    solve to ``end`` serves all times up to there. The samples of a batch are coupled by its step control.

    Args:
        velocity: what is solved.
        z0: (B, ...) latents at t = 0.
        tolerance: relative and absolute, of each step.
        start, end: the times between which it is solved.

    Attributes:
        evaluations: of the velocity.

    Raises:
        ValueError: velocities that are no numbers, for which steps would never be small enough.
    """

    @torch.no_grad()
    def __init__(
        self, velocity: Velocity, z0: Tensor, tolerance: float = RK45_TOLERANCE, start: float = 1e-3, end: float = 1.0
    ) -> None:
        from scipy.integrate import solve_ivp

        def field(t: float, flat: object) -> object:
            z = torch.as_tensor(flat, dtype=z0.dtype, device=z0.device).reshape(z0.shape)
            found = velocity(z, z.new_full(z.shape[:1], float(t))).double().cpu()
            if not found.isfinite().all():
                raise ValueError(f"expected velocities that are numbers, got NaN or infinity at t = {t:g}; look at HR")
            return found.flatten().numpy()

        begin = z0.double().cpu().flatten().numpy()
        solution = solve_ivp(field, (start, end), begin, rtol=tolerance, atol=tolerance, dense_output=True)
        if not solution.success:
            raise ValueError(f"expected RK45 to reach t = {end:g}, got: {solution.message}")
        self.z0, self.start, self.end, self.evaluations = z0, start, end, int(solution.nfev)
        self._solution = solution.sol

    def at(self, time: float) -> Tensor:
        """The latents (B, ...) at one time up to ``end``."""
        if time <= self.start:
            return self.z0
        return torch.from_numpy(self._solution(time)).to(self.z0).reshape(self.z0.shape)


def integrate_rk45(
    velocity: Velocity, z0: Tensor, times: Sequence[float], tolerance: float = RK45_TOLERANCE, start: float = 1e-3
) -> tuple[Tensor, int]:
    """:class:`RK45Path` to the last of ``times``; the reference for the solvers above.

    Returns:
        (T, B, ...) latents at ``times``, and the number of evaluations.
    """
    path = RK45Path(velocity, z0, tolerance, start, max(times))
    return torch.stack([path.at(time) for time in times]), path.evaluations
