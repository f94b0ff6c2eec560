"""What the cost benchmark says: its rows, their ratios, tables and plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cost.methods import OURS, SHIPPED, STOCK
from benchmarks.shared.measurement import Timing
from benchmarks.shared.plot import Axis, write_plot
from benchmarks.shared.results import markdown_table

NOTES = """\
LR at x{scale} of HR patches of photographs, already on the device. Times until the device is done; all methods of a
size take turns. Real-ESRGAN takes longer or shorter with what is drawn, so every repetition, or block of quick ones,
draws anew; its blur kernels are drawn outside of the time, because its dataset does that in its workers, and
its pool of pairs is left out. "x stock" is against BasicSR's feed_data without USM at
the same size: of medians, and of means. RK45 is the official sampler: encoding, SciPy on the host at 1e-5, decoding;
float32, not compiled. How often it evaluates depends on the weights: {weights}.
Memory is the peak of PyTorch's allocator on a GPU during one batch, beyond what was held before."""


def make_row(name: str, batch: int, patch: int, timing: Timing, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the comparison, times in seconds a batch."""
    row: dict[str, Any] = {"method": name, "batch": batch, "patch": patch, "skipped": timing.skipped, **facts}
    if timing.skipped:
        return row
    row |= {"median": timing.median, "mean": timing.mean, "lowest": min(timing.seconds)}
    row["repetitions"] = len(timing.seconds)
    return row


def add_ratios(rows: Sequence[dict[str, Any]]) -> None:
    """Put each row's median and mean over those of the stock row of its size into it, where both were measured."""
    stock = {(row["batch"], row["patch"]): row for row in rows if row["method"] == STOCK and not row["skipped"]}
    for row in rows:
        base = stock.get((row["batch"], row["patch"]))
        if base is not None and not row["skipped"]:
            row["ratio_of_medians"] = row["median"] / base["median"]
            row["ratio_of_means"] = row["mean"] / base["mean"]


def cost_table(rows: Sequence[Mapping[str, Any]], patch: int) -> str:
    """The rows of one patch size, by batch and then in their order."""
    head = [
        f"{patch}x{patch}", "batch", "ms a batch, median (mean)", "ms an image", "x stock, medians (means)", "NFE",
        "peak MB", "repetitions",
    ]  # fmt: skip
    chosen = [row for row in rows if row["patch"] == patch]
    return markdown_table(head, [_cells(row) for row in sorted(chosen, key=lambda row: row["batch"])])


def _cells(row: Mapping[str, Any]) -> list[str]:
    if row["skipped"]:
        return [row["method"], str(row["batch"]), f"skipped: {row['skipped']}", *[""] * 5]
    ratio = f"{row['ratio_of_medians']:.3g} ({row['ratio_of_means']:.3g})" if "ratio_of_means" in row else ""
    peak = f"{row['peak_mb']:.3g}" if "peak_mb" in row else ""
    return [
        row["method"], str(row["batch"]), f"{1e3 * row['median']:.3g} ({1e3 * row['mean']:.3g})",
        f"{1e3 * row['median'] / row['batch']:.3g}", ratio, str(row.get("nfe", "")), peak,
        str(row["repetitions"]),
    ]  # fmt: skip


def scales_table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """By preset: scales, time of one pass, time of single calls, their ratio."""
    head = ["views of one HR image", "scales", "side", "together, ms", "one by one, ms", "ratio", "repetitions"]
    rows = []
    for name, measured in found.items():
        for row in measured:
            cells = [f"skipped: {row['skipped']}", "", "", ""]
            if not row["skipped"]:
                times = [f"{1e3 * row[key]:.4g}" for key in ("together", "apart")]
                cells = [*times, f"{row['ratio']:.3f}", str(row["repetitions"])]
            rows.append([f"DegFlow {name}", str(row["scales"]), str(row["side"]), *cells])
    return markdown_table(head, rows)


def sizes_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """By preset: time by image size, and a sentence on the line through it."""
    head = ["one image", "scales", "side", "tiled", "ms", "ms a megapixel", "repetitions"]
    rows, sentences = [], []
    for name, preset in found.items():
        for row in preset["rows"]:
            cells = [f"skipped: {row['skipped']}", "", ""]
            if not row["skipped"]:
                cells = [f"{1e3 * row['seconds']:.4g}", f"{1e9 * row['seconds'] / row['pixels']:.4g}"]
                cells.append(str(row["repetitions"]))
            tiled = "yes" if row["tiled"] else "no"
            rows.append([f"DegFlow {name}", str(preset["scales"]), str(row["side"]), tiled, *cells])
        if "fit" in preset:
            fit = preset["fit"]
            sentences.append(
                f"DegFlow {name}: {1e3 * fit['intercept']:.3g} ms + {1e9 * fit['slope']:.4g} ms a megapixel, R^2 "
                f"{fit['r2']:.5f}, at most {fit['largest_deviation']:.1%} of a time off the line."
            )
    return markdown_table(head, rows) + "\n\n" + "\n".join(sentences)


def report(content: Mapping[str, Any]) -> str:
    """All of it as Markdown."""
    facts = content["facts"]
    weights = "; ".join(f"{name} {text}" for name, text in facts["weights"].items())
    notes = NOTES.format(scale=facts["scale"], weights=weights)
    precision = f"{facts['precision']}{', compiled' if facts['compile'] else ''}"
    device = f"{facts['device']}, {facts['threads']} threads, torch {facts['torch']}; DegFlow in {precision}"
    parts = [f"# What a degradation costs\n\n{device}.", notes]
    parts += [cost_table(content["methods"], patch) for patch in sorted({row["patch"] for row in content["methods"]})]
    parts += [scales_table(content["scales"])] if content["scales"] else []
    parts += [sizes_table(content["sizes"])] if content["sizes"] else []
    return "\n\n".join(parts)


def plot_costs(path: Path, rows: Sequence[Mapping[str, Any]], device: str) -> None:
    """Milliseconds an image against the batch, of the largest patches: the baselines, defaults, RK45 and one step."""
    patch = max((row["patch"] for row in rows), default=0)
    series: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["patch"] == patch and not row["skipped"] and _is_plotted(row["method"]):
            series.setdefault(row["method"], []).append((row["batch"], 1e3 * row["median"] / row["batch"]))
    if series:
        batches = tuple(sorted({row["batch"] for row in rows}))
        axes = (Axis("batch", True, batches), Axis("milliseconds an image, median", True))
        write_plot(path, f"LR of {patch}x{patch} HR, {device}", series, *axes)


def _is_plotted(method: str) -> bool:
    shipped = method == f"{STOCK}, {SHIPPED}"
    return (
        shipped or method in ("bicubic", STOCK, OURS) or method.endswith(("(default)", "one step", "RK45 on the host"))
    )
