"""Sums, marks and sentences of the downstream benchmark, for numbers whose answer is known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.downstream.conclusion import conclusion, percent
from benchmarks.downstream.report import fidelity_table, gain_table, report, write_scores_plot
from benchmarks.downstream.scores import Scores
from degflow_aug.files.image_file import read_image

Values = dict[str, tuple[float, ...]]


def scores(**by_scale: Values) -> Scores:
    """Scores of Y-PSNR by scale (``x2``), kind and seed."""
    scales = {name.removeprefix("x").replace("_", "."): values for name, values in by_scale.items()}
    kinds = next(iter(scales.values()))
    return Scores(
        {
            kind: [
                {scale: {"psnr": float(values[kind][seed]), "ssim": 0.5} for scale, values in scales.items()}
                for seed in range(len(kinds[kind]))
            ]
            for kind in kinds
        }
    )


def values(degflow: tuple[float, float], **more: tuple[float, float]) -> Values:
    ends = {"bicubic": (25.0, 25.0), "Real-ESRGAN": (24.0, 24.2), "true pairs": (27.0, 27.0)}
    return {**ends, "DegFlow": degflow, **{name.replace("_", " "): found for name, found in more.items()}}


def test_means_spreads_and_shares() -> None:
    found = scores(x2_9={"bicubic": (24, 26), "DegFlow": (28, 28.5), "true pairs": (28.5, 29.5)})
    assert found.spread("bicubic", "2.9") == (25, 1)
    assert found.share("DegFlow", "2.9") == pytest.approx((28.25 - 25) / (29 - 25))
    assert (found.share("bicubic", "2.9"), found.share("true pairs", "2.9")) == (0, 1)
    assert "| bicubic | 25.00 ± 1.00 / 0.5000 |" in fidelity_table(found)


def test_scales_are_in_order() -> None:
    found = scores(x10=values((26, 26)), x2=values((26, 26)), x1_5=values((26, 26)))
    assert found.scales == ["1.5", "2", "10"]
    assert "| x1.5 | x2 (knot) | x10 |" in fidelity_table(found, knots=[2.0, 4.0])


def test_marks_are_for_differences_beyond_both_half_spreads() -> None:
    # Half spreads 0.25 and 0.5: together 0.75, which binary numbers hold exactly.
    edge = scores(x2={"bicubic": (25, 25.5), "Real-ESRGAN": (25.5, 26.5), "true pairs": (25.75, 26.75)})
    assert edge.compare("bicubic", "Real-ESRGAN", "2") == "="
    assert edge.compare("bicubic", "true pairs", "2") == "<"
    assert edge.compare("true pairs", "bicubic", "2") == ">"
    assert edge.compare("true pairs", "Real-ESRGAN", "2") == "="
    assert re.search(r"^\| Real-ESRGAN \| \d+ % `=\.=` \|$", gain_table(edge), re.MULTILINE)


def test_shares_need_a_gain_that_seeds_do_not_explain() -> None:
    noisy = scores(x2={"bicubic": (25, 25), "DegFlow": (25.2, 25.2), "true pairs": (25, 25.5)})
    worse = scores(x2={"bicubic": (25, 25), "DegFlow": (25.2, 25.2), "true pairs": (24, 24)})
    alone = scores(x2={"bicubic": (25, 25), "DegFlow": (25.2, 25.2)})
    for found in (noisy, worse, alone):
        assert found.share("DegFlow", "2") is None
        assert "| DegFlow | - `" in gain_table(found)
    for found in (noisy, worse):
        assert "at x2 true pairs gain nothing over bicubic that seeds do not explain" in conclusion(found).lower()


def test_shares_are_rounded_down() -> None:
    assert [percent(share) for share in (0.899, 0.9, 1.0, -0.001, 1.204)] == ["89 %", "90 %", "100 %", "-1 %", "120 %"]


def test_conclusion_of_a_generator_that_reaches_ninety_per_cent() -> None:
    found = scores(x1_5=values((26.82, 26.86)), x2=values((26.98, 27.0)), x4=values((26.9, 27.04)))
    assert conclusion(found, knots=[2.0, 4.0]) == (
        "Of what true pairs gain over bicubic, DegFlow recovers 98 to 99 % at the knots and 92 % at unseen scales; "
        "DegFlow reaches 90 % wherever there is a gain; Real-ESRGAN is below DegFlow at every scale; Real-ESRGAN is "
        "below bicubic at every scale; DegFlow and true pairs differ by no more than the seeds at x2 and x4."
    )


def test_conclusion_of_a_generator_that_does_not() -> None:
    part = conclusion(scores(x2=values((26.9, 26.9)), x3=values((26.5, 26.5))))
    assert "DegFlow reaches 90 % but for x3" in part
    assert "differ by no more" not in part
    none = conclusion(scores(x2=values((26.0, 26.0)), x3=values((24.1, 24.1))))
    assert "DegFlow recovers -45 to 50 %" in none
    assert "DegFlow reaches 90 % nowhere" in none
    assert "Real-ESRGAN is below DegFlow at x2 and within the seeds of DegFlow at x3" in none


def test_conclusion_names_where_realesrgan_is_ahead_and_truth_is_passed() -> None:
    ahead = {**values((27.5, 27.5)), "Real-ESRGAN": (28.0, 28.0)}
    found = conclusion(scores(x2=ahead, x3=values((27.5, 27.5))))
    assert "Real-ESRGAN is below DegFlow at x3 and above DegFlow at x2" in found
    assert "DegFlow is above true pairs at every scale" in found


def test_conclusion_tells_of_every_generator_and_judges_the_better_of_ours() -> None:
    kinds = values((26.0, 26.0), DegFlow_paper=(26.99, 26.99), FittedKernel=(25.5, 25.5))
    kinds["DegFlow + noise"] = (26.9, 26.9)
    found = conclusion(scores(x2_9=kinds))
    assert found.startswith(
        "Of what true pairs gain over bicubic, DegFlow recovers 50 %, DegFlow + noise 95 %, DegFlow paper 99 %, "
        "FittedKernel 25 %; DegFlow + noise reaches 90 %"
    )


def test_one_seed_tells_no_difference_from_chance() -> None:
    found = scores(x2={"bicubic": (25,), "Real-ESRGAN": (24,), "DegFlow": (26.9,), "true pairs": (27,)})
    said = conclusion(found)
    assert said.endswith("; one seed, so that no difference is told from chance.")
    assert "Real-ESRGAN" not in said
    assert "`.??`" in gain_table(found)


def test_kinds_without_references_are_compared_in_the_table_alone() -> None:
    assert "in the table alone" in conclusion(scores(x2={"FittedKernel": (25, 26)}))
    assert "part of the gain" not in report(scores(x2={"FittedKernel": (25, 26)}))


def test_results_have_to_be_of_the_same_seeds_and_scales() -> None:
    one = {"2": {"psnr": 25.0, "ssim": 0.5}}
    for uneven in ({"bicubic": [one], "DegFlow": [one, one]}, {"bicubic": [one, {"4": one["2"]}]}, {"bicubic": []}, {}):
        with pytest.raises(ValueError, match="same seeds and scales"):
            Scores(uneven)


@pytest.mark.parametrize("scales", [{"x2": values((26, 26.5)), "x4": values((25, 25))}, {"x2_9": values((26, 26))}])
def test_plot_shows_every_kind(scales: dict[str, Values], tmp_path: Path) -> None:
    write_scores_plot(tmp_path / "plot.png", scores(**scales), "title")
    image = read_image(tmp_path / "plot.png")
    for colour in ((0x1F, 0x77, 0xB4), (0xD6, 0x27, 0x28), (0x2C, 0xA0, 0x2C), (0xFF, 0x7F, 0x0E)):
        assert (image == colour).all(-1).any()
