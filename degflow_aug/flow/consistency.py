"""Consistency distillation after FlowSR, turned round: from HR (t = 0) to LR, whose time is the end of a sample's path.

A student f(z, t, e) = z + (e - t) u(z, t, e) gives the end of the path from any point on it, so f(z, e, e) = z. It is
taught to say the same at t and at a later t', where the teacher's Euler step from t leads. Times t, t' and e below are
those of the path; :func:`draw_pairs` draws fractions of e.
"""

from __future__ import annotations

import torch
from torch import Tensor

from degflow_aug.flow.solver import AverageVelocity, Velocity, euler, jump_to

FAST, SLOW = 4, 1000


def draw_pairs(count: int, device: torch.device, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Fast-slow pairs (t, t'), two tensors (count,) with 0 <= t < t' <= 1.

    One time is on the fast grid j / 4, the other on the slow grid k / 1000, each way in half of the draws:
    t = j / 4, j in {0 .. 3}, and t' slow, uniform on (t, 1]; or t slow, uniform on [0, 1), and t' the next fast node
    above it. That is the law of FlowSR with t replaced by 1 - t. Inference starts at t = 0, which one draw in eight
    does (1/2 * 1/4 + 1/2 * 1/1000 = 0.1255), with t' anywhere: half of these pairs skip more than half of the path in
    one Euler step, so the law alone ties the student to a coarse Euler method, and losses on real views have to pull
    its end off that.
    """
    part = SLOW // FAST
    fast_first = torch.rand(count, device=device, generator=generator) < 0.5
    node = part * torch.randint(FAST, (count,), device=device, generator=generator)
    uniform = torch.rand(count, device=device, generator=generator, dtype=torch.float64)
    later = SLOW - (uniform * (SLOW - node)).long()
    slow = (uniform * SLOW).long()
    following = (slow // part + 1) * part
    start, end = torch.where(fast_first, node, slow), torch.where(fast_first, later, following)
    return start / SLOW, end / SLOW


@torch.no_grad()
def consistency_target(
    teacher: Velocity, target: AverageVelocity, z: Tensor, t: Tensor, t_next: Tensor, end: Tensor
) -> Tensor:
    """Where the path from ``z`` should end: f(z + (t' - t) v(z, t), t', e) with the teacher's v and a slow student's f.

    Args:
        teacher: the velocity that is distilled.
        target: average velocity of the student's EMA.
        z: (B, ...) points at times ``t``.
        t, t_next, end: (B,) times, t <= t' <= e.
    """
    return jump_to(target, euler(teacher, z, t, t_next - t), t_next, end)


def consistency_loss(average: AverageVelocity, z: Tensor, t: Tensor, end: Tensor, target: Tensor) -> Tensor:
    """Mean square of f(z, t, e) - target of each sample: (B, ...) -> (B,)."""
    return (jump_to(average, z, t, end) - target).square().flatten(1).mean(1)
