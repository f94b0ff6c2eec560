"""Which of its cameras a generator is to be: names as people write them, mixtures, and a draw for every sample."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from unicodedata import normalize

import numpy as np
import torch
from torch import Tensor

from degflow_aug.draws import fresh_seed

ANY = "any"
CameraLike = str | Mapping[str, float]


class CameraChoice:
    """The weights of a generator's cameras for every sample.

    Args:
        names: the cameras, in the order of their embeddings.
        camera: one of them; weights by name, brought to a sum of 1, for a camera between; ``any`` for one drawn per
            sample, each as often as the others; None where every call has to name one.

    Attributes:
        index: number of the camera, of a mixture's nearest; None where it is drawn or not chosen.

    Raises:
        ValueError: a name of none or of several cameras, or weights that are negative, not finite or all 0.
    """

    def __init__(self, names: Sequence[str], camera: CameraLike | None = None) -> None:
        self.names, self.drawn = tuple(names), camera == ANY
        self._row: Tensor | None = None
        if camera is not None and not self.drawn:
            self._row = camera_row(camera, self.names)
        self.index = None if self._row is None else int(self._row.argmax())
        self._random: np.random.Generator | None = None

    def seed(self, seed: int) -> None:
        """Restart the stream that cameras are drawn from."""
        # Set apart from whoever draws scales from the same seed.
        self._random = np.random.default_rng(np.random.SeedSequence((seed % 2**63, 0xCA)))

    def weights(self, batch: int, camera: CameraLike | Tensor | None = None) -> Tensor:
        """(batch, cameras), each row of sum 1, on the CPU.

        Args:
            camera: in place of the one chosen; a tensor is the weights themselves and stays where it is.

        Raises:
            ValueError: no camera is chosen, or as :class:`CameraChoice`, or weights of another shape or sum. Weights on
                an accelerator are trusted.
        """
        if isinstance(camera, Tensor):
            return _checked(camera, batch, self.names)
        if camera is None and self._row is None and not self.drawn:
            raise ValueError(
                f"expected one of the cameras {', '.join(self.names)} for this generator, got none; name it as camera, "
                f"or give weights by name, or {ANY} for one drawn per sample"
            )
        if camera == ANY or (camera is None and self.drawn):
            random = self._random or np.random.default_rng(fresh_seed())
            return one_hot(torch.from_numpy(random.integers(len(self.names), size=batch)), len(self.names))
        row = self._row if camera is None else camera_row(camera, self.names)
        assert row is not None
        return row.expand(batch, -1)

    def __str__(self) -> str:
        """The camera, or the mixture, in words; empty where none is chosen."""
        if self._row is None:
            return ANY if self.drawn else ""
        shares = [(weight, name) for weight, name in zip(self._row.tolist(), self.names, strict=True) if weight]
        return shares[0][1] if len(shares) == 1 else " + ".join(f"{weight:g} {name}" for weight, name in shares)


def check_only_camera(camera: CameraLike | Tensor | None, name: str) -> None:
    """Refuse a camera for a generator that knows one, ``name``, unless it is that.

    Raises:
        ValueError: it is not.
    """
    if camera is None:
        return
    # What was fitted to the pairs of several cameras as one is none of them.
    several = "+" in name
    if not isinstance(camera, str) or not _is_meant(camera, name, exactly=several):
        known = f"knows {name} alone" if name else "does not name its camera"
        raise ValueError(f"expected no camera for a generator that {known}, got {camera!r}; leave it out")


def check_chosen(camera: object, names: Sequence[str], where: str) -> None:
    """Refuse an option file that leaves the camera open where several have ``names``: nobody could name one later.

    Raises:
        ValueError: ``where`` names none.
    """
    if camera is None and names:
        raise ValueError(f"expected {where} to name one of the cameras of the bundle ({', '.join(names)}), got none")


def one_hot(indices: Tensor, cameras: int) -> Tensor:
    """Weights (B, cameras) of the cameras with these indices (B,)."""
    return torch.nn.functional.one_hot(indices.long(), cameras).float()


def camera_row(camera: CameraLike, names: Sequence[str]) -> Tensor:
    """Weights (cameras,) of sum 1 of a name, or of weights by name.

    Raises:
        ValueError: as :class:`CameraChoice`.
    """
    if isinstance(camera, str):
        return one_hot(torch.tensor(find_camera(camera, names)), len(names))
    row = torch.zeros(len(names))
    for name, weight in camera.items():
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < math.inf:
            raise ValueError(f"expected finite weights of at least 0 for cameras, got {weight!r} for {name}")
        row[find_camera(str(name), names)] += weight
    if not row.sum() > 0:
        raise ValueError(f"expected weights of cameras that are not all 0, got {dict(camera)}")
    return row / row.sum()


def find_camera(name: str, names: Sequence[str]) -> int:
    """The number of the camera that ``name`` means: the same name in any case, or the last words of one, as iPhoneX is
    of the folder City100_iPhoneX, or the other way round.

    Raises:
        ValueError: none of them, or several.
    """
    found = [index for index, each in enumerate(names) if _is_meant(name, each, exactly=True)]
    found = found or [index for index, each in enumerate(names) if _is_meant(name, each, exactly=False)]
    if len(found) != 1:
        what = "one" if found else "a camera"
        raise ValueError(f"expected {what} out of {', '.join(names)}, got {name!r}")
    return found[0]


def is_one_of(camera: str, known: str) -> bool:
    """Whether ``camera`` is the one that a generator names, or one of those that it was fitted to as one."""
    return any(_is_meant(camera, each, exactly=False) for each in known.split(" + "))


def by_camera(indices: Tensor, apply: Callable[[int, Tensor], Tensor]) -> Tensor:
    """Results of ``apply(camera, rows)`` for the samples of each camera, in the order of the samples.

    Args:
        indices: (B,) on the CPU, the camera of each sample.
        apply: gives (R, ...) for rows (R,) on the CPU.
    """
    rows = [(index, (indices == index).nonzero()[:, 0]) for index in indices.unique().tolist()]
    results = torch.cat([apply(index, these) for index, these in rows])
    order = torch.cat([these for _, these in rows]).argsort()
    return results.index_select(0, order.to(results.device, non_blocking=True))


def _is_meant(name: str, known: str, *, exactly: bool) -> bool:
    # macOS writes accents of folders as letters of their own.
    one, other = (re.findall(r"[^\W_]+", normalize("NFC", text).casefold()) for text in (name, known))
    if exactly:
        return one == other
    shorter = min(len(one), len(other))
    return shorter > 0 and one[-shorter:] == other[-shorter:]


def _checked(weights: Tensor, batch: int, names: Sequence[str]) -> Tensor:
    wanted = (batch, len(names))
    right = weights.shape == wanted and weights.is_floating_point()
    if right and weights.device.type == "cpu":
        right = bool((weights >= 0).all()) and torch.allclose(weights.sum(1), weights.new_ones(batch), atol=1e-3)
    if not right:
        raise ValueError(
            f"expected weights {wanted} of the cameras {', '.join(names)}, none below 0 and each row of sum 1, got "
            f"{weights.dtype} {tuple(weights.shape)}"
        )
    return weights
