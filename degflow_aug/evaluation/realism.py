"""How real generated LR is: a two-sample test, the divergence of its noise, and the colours of noise at edges."""

from __future__ import annotations

import torch
from torch import Tensor

from degflow_aug.console.progress import track
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.evaluation.evaluation import EvaluationScene
from degflow_aug.evaluation.realism_rows import RealismRow
from degflow_aug.metrics.edge_chroma import edge_chroma
from degflow_aug.metrics.noise_divergence import residual_kld
from degflow_aug.metrics.two_sample import CLASSIFIERS, LRScene, TwoSample, two_sample_test

SIDE, DRAWS = 512, 2


class LRSample:
    """Real and generated LR of the same HR images, as 8 bits and of large images the middle."""

    def __init__(self) -> None:
        self._scenes: list[tuple[Tensor, Tensor, Tensor]] = []

    def __len__(self) -> int:
        return len(self._scenes)

    def add(self, real: Tensor, generated: Tensor, reference: Tensor) -> None:
        """Keep real LR (1, 3, h, w) in [0, 1], generated LR (draws, 3, h, w), and LR without noise, one or as many."""
        self._scenes.append((_kept(real), _kept(generated), _kept(reference)))

    def two_sample(self, classifier: str, seed: int = 0) -> TwoSample:
        """Tell the generated LR from the real.

        Raises:
            ValueError: too few scenes, or too small ones.
        """
        scenes = [LRScene(real[0] / 255, generated / 255) for real, generated, _ in self._scenes]
        return two_sample_test(scenes, classifier, seed=seed)

    def noise_kld(self) -> float:
        """Return the divergence of the noise of real LR from that of all generated LR."""
        return residual_kld(self._real_noise(), self._generated_noise())

    def edge_chroma(self) -> tuple[float, float]:
        """Return the ratio of chroma to luma at edges in the noise of generated and of real LR."""
        draws = [reference.expand_as(generated) / 255 for _, generated, reference in self._scenes]
        return (
            edge_chroma(self._generated_noise(), draws),
            edge_chroma(self._real_noise(), [reference / 255 for *_, reference in self._scenes]),
        )

    def _real_noise(self) -> list[Tensor]:
        return [real / 255 - reference / 255 for real, _, reference in self._scenes]

    def _generated_noise(self) -> list[Tensor]:
        return [generated / 255 - reference / 255 for _, generated, reference in self._scenes]


class Realism:
    """Gathers the LR of a generator beside the real, per camera and scale.

    Args:
        generator: with the noise to measure, seeded.
    """

    def __init__(self, generator: DegFlow | FittedKernel) -> None:
        self.generator = generator
        self._samples: dict[tuple[str, float], LRSample] = {}

    @torch.no_grad()
    def add(self, scene: EvaluationScene) -> None:
        """Make LR of the scene at each of its scales; of several cameras its own has to be chosen."""
        generator, draws = self.generator, DRAWS if self.generator.noise else 1
        for scale, real in scene.views.items():
            lr = to_lr_grid(generator.render(scene.hr, scale), scale)
            weights = generator.camera_weights(scene.hr) if isinstance(generator, DegFlow) else None
            made = [generator.with_noise(lr, torch.tensor([scale]), weights) for _ in range(draws)]
            sample = self._samples.setdefault((scene.camera, scale), LRSample())
            sample.add(to_lr_grid(real, scale), torch.cat(made), lr)

    def rows(self, seed: int = 0) -> list[RealismRow]:
        """Measure; ``seed`` is that of the two-sample tests, which take most of the time."""
        return [
            _row(camera, scale, sample, seed)
            for (camera, scale), sample in track(self._rising(), "two-sample test", "scale")
        ]

    def _rising(self) -> list[tuple[tuple[str, float], LRSample]]:
        return sorted(self._samples.items(), key=lambda item: item[0][1])


def _row(camera: str, scale: float, sample: LRSample, seed: int) -> RealismRow:
    found, reason = dict[str, TwoSample](), ""
    try:
        found = {name: sample.two_sample(name, seed) for name in CLASSIFIERS}
    except ValueError as error:
        reason = str(error)
    return RealismRow(camera, scale, len(sample), found, reason, sample.noise_kld(), *sample.edge_chroma())


def _kept(image: Tensor) -> Tensor:
    """The middle of (B, 3, h, w) as whole gray levels in uint8, on the CPU, from a place on the grid of JPEG."""
    top, left = (max(0, (side - SIDE) // 2) // 8 * 8 for side in image.shape[-2:])
    cut = image[..., top : top + SIDE, left : left + SIDE]
    return cut.clamp(0, 1).mul(255).round().to(torch.uint8).cpu()
