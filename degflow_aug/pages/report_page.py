"""A report as one HTML file: facts, warnings, charts, tables and pictures, below 5 MB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from degflow_aug.pages.chart import chart_html
from degflow_aug.pages.document import asset, document, image_uri, text
from degflow_aug.pages.report_content import Chart, Report, Strip, Table

LARGEST_PAGE = 5_000_000
"""Bytes below which a page stays."""
_FOR_PICTURES = 3_800_000
_LONGEST_SETTING = 100_000
_LONGEST_TABLE = 40
_WIDEST = 1280
_TALLEST = 2400
_QUALITY = 88


def report_page(report: Report) -> str:
    """Make the page of a report; pictures are left out, and named, where it would grow above 5 MB."""
    body = [
        f'<header><h1>{text(report.title)}</h1><p class="quiet">{text(report.subtitle)}</p></header>',
        _warnings(report.warnings),
        _facts(report.facts, report.code),
        _charts(report.charts),
        *map(_table, report.tables),
        _strips(report.strips),
        *(_settings(name, content) for name, content in report.settings.items()),
    ]
    return document(report.title, f"<main>{''.join(body)}</main>", style=asset("report.css"))


def _warnings(warnings: Sequence[str]) -> str:
    items = "".join(f"<li>{text(warning)}</li>" for warning in warnings)
    return f'<ul class="warnings" aria-label="Warnings">{items}</ul>' if items else ""


def _facts(facts: Mapping[str, str], code: frozenset[str]) -> str:
    def shown(name: str, value: str) -> str:
        return f"<code>{text(value)}</code>" if name in code else text(value)

    items = "".join(f"<dt>{text(name)}</dt><dd>{shown(name, value)}</dd>" for name, value in facts.items() if value)
    return f"<dl>{items}</dl>" if items else ""


def _charts(charts: Sequence[Chart]) -> str:
    figures = {noisy: "" for noisy in (True, False)}
    for number, chart in enumerate(charts):
        figures[chart.noisy] += chart_html(chart, number)
    note = '<p class="quiet">thin: every value; thick: mean over a twentieth of the points</p>'
    losses = f'<section><h2>Losses</h2>{note}<div class="charts">{figures[True]}</div></section>'
    curves = f'<section><h2>Curves</h2><div class="charts">{figures[False]}</div></section>'
    return (losses if figures[True] else "") + (curves if figures[False] else "")


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in table.head)
    rows = []
    for number, row in enumerate(table.rows):
        cells = []
        for column, cell in enumerate(row):
            shown = f"<b>{text(cell)}</b>" if (number, column) in table.best else text(cell)
            cells.append(f'<th scope="row">{shown}</th>' if column == 0 else f"<td>{shown}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    note = f'<p class="quiet">{text(table.note)}</p>' if table.note else ""
    shown = (
        f'{note}<div class="wide" tabindex="0" role="region" aria-label="{text(table.title)}"><table><thead><tr>{head}'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
    if len(rows) > _LONGEST_TABLE:
        return f"<details><summary>{text(table.title)} ({len(rows)} rows)</summary>{shown}</details>"
    return f"<section><h2>{text(table.title)}</h2>{shown}</section>"


def _strips(strips: Sequence[Strip]) -> str:
    shown, spent, left_out = [], 0, []
    for strip in strips:
        uri = image_uri(reduced(strip.pixels), _QUALITY)
        if spent + len(uri) > _FOR_PICTURES:
            left_out.append(strip.title)
            continue
        spent += len(uri)
        shown.append(_strip(strip, uri))
    if not shown:
        return ""
    note = ""
    if left_out:
        more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
        said = f"Left out, so that the page stays below 5 MB: {', '.join(left_out[:3])}{more}."
        note = f'<p class="quiet">{text(said)}</p>'
    return f"<section><h2>Pictures</h2>{note}{''.join(shown)}</section>"


def _strip(strip: Strip, uri: str) -> str:
    columns = "".join(f"<span>{text(name)}</span>" for name in strip.columns)
    named = ", ".join([strip.title, *strip.columns])
    least = f' style="min-width:{150 * len(strip.columns)}px"' if strip.columns else ""
    heads = f'<div class="columns">{columns}</div>' if columns else ""
    return (
        f'<figure class="strip"><figcaption>{text(strip.title)}</figcaption><div class="wide" tabindex="0" '
        f'role="region" aria-label="{text(strip.title)}"><div{least}>{heads}<img alt="{text(named)}" src="{uri}">'
        "</div></div></figure>"
    )


def reduced(pixels: np.ndarray) -> np.ndarray:
    """Shrink a picture that is wider or taller than a page has use for."""
    height, width = pixels.shape[:2]
    factor = min(1.0, _WIDEST / width, _TALLEST / height)
    if factor == 1:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _settings(name: str, content: str) -> str:
    cut = content if len(content) <= _LONGEST_SETTING else f"{content[:_LONGEST_SETTING]}\n..."
    return f"<details><summary>{text(name)}</summary><pre>{text(cut)}</pre></details>"
