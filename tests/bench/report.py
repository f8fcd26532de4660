"""The report: results as tables for the terminal, as Markdown and as JSON.

Also says under what conditions they were measured. Never measures or judges.
"""

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

from rich.table import Table

from tests.bench.contestants import BASELINE, OURS, Contestant
from tests.bench.figures import Figure, Figures
from tests.bench.rounds import Results
from tests.bench.scenarios import Row

HEADS = ("row", "server", "median", "unit", "ratio", "min", "max", "cpu µs", "cpu ×", "load")
FIGURE_HEADS = ("figure", "median", "unit", "goal", "reached", "min", "max")
NUMBERS = frozenset(("median", "ratio", "min", "max", "cpu µs", "cpu ×", "load", "goal"))
BUSY = 0.95  # from this share of its core on, the load may be what was measured


def versions(results: Results) -> dict[str, str]:
    """Map Python and the packages that matter to their versions."""
    packages = dict.fromkeys(OURS.packages)
    for contestant in results.contestants:
        packages.update(dict.fromkeys(contestant.packages))
    found = {"python": platform.python_version()} | {name: _version(name) for name in packages}
    for contestant in results.contestants:
        found |= contestant.version()
    return found


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def conditions(results: Results) -> str:
    """Say in one line what was measured on what."""
    names = ", ".join(f"{name} {number}" for name, number in versions(results).items())
    return (
        f"{names}; {os.cpu_count()} CPUs, {results.cores}; "
        f"{results.rounds} rounds of {results.seconds:g} s"
    )


def notes(results: Results) -> list[str]:
    """List what a reader must know before believing the table."""
    busy = [
        f"{row.title}, {contestant.title}: the load generator had no time left; the server may be "
        "better than shown"
        for row in results.rows
        for contestant in results.contestants
        if results.busy(row, contestant) >= BUSY
    ]
    return busy + results.notes


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table, before it is known where it is shown: its heads, and lines in groups."""

    heads: tuple[str, ...]
    groups: list[list[tuple[str, ...]]]


def rows_sheet(results: Results) -> Sheet:
    """Lay out the rows: every server against raw Hypercorn."""
    return Sheet(HEADS, [list(_lines(results, row)) for row in results.rows])


def figures_sheet(figures: Figures) -> Sheet:
    """Lay out the figures: each against its goal."""
    return Sheet(FIGURE_HEADS, [[_figure_cells(figures, one) for one in figures.wanted]])


def table(sheet: Sheet) -> Table:
    """Build a table for a terminal."""
    shown = Table()
    for head in sheet.heads:
        shown.add_column(head, justify="right" if head in NUMBERS else "left", no_wrap=True)
    for group in sheet.groups:
        for cells in group:
            shown.add_row(*cells)
        shown.add_section()
    return shown


def markdown(sheet: Sheet) -> str:
    """Write the same table in Markdown."""
    rules = ["---:" if head in NUMBERS else "---" for head in sheet.heads]
    lines = [cells for group in sheet.groups for cells in group]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (sheet.heads, rules, *lines))


def _lines(results: Results, row: Row) -> Iterator[tuple[str, ...]]:
    for number, contestant in enumerate(results.contestants):
        yield (
            "" if number else row.title,
            contestant.title,
            _number(median(results.values(row, contestant))),
            row.unit,
            *_ratio_cells(results, row, contestant),
            f"{results.cost(row, contestant):.1f}",
            _savings_cell(results, row, contestant),
            f"{results.busy(row, contestant):.0%}",
        )


def _ratio_cells(results: Results, row: Row, contestant: Contestant) -> tuple[str, str, str]:
    if contestant is BASELINE:
        return "1", "", ""
    ratio = results.ratio(row, contestant)
    return f"{ratio.median:.2f}", f"{ratio.low:.2f}", f"{ratio.high:.2f}"


def _savings_cell(results: Results, row: Row, contestant: Contestant) -> str:
    savings = None if contestant is BASELINE else results.savings(row, contestant)
    return "" if savings is None else f"{savings:.2f}"


def _figure_cells(figures: Figures, figure: Figure) -> tuple[str, ...]:
    values = figures.values[figure.name]
    return (
        figure.title,
        _number(figures.median(figure)),
        figure.unit,
        f"{'at most' if figure.lower else 'at least'} {figure.goal:,g}",
        "yes" if figures.reached(figure) else "no",
        _number(min(values)),
        _number(max(values)),
    )


def _number(value: float) -> str:
    """Show three digits that matter, and whole numbers from a hundred on."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def as_json(results: Results) -> dict[str, Any]:
    """Turn everything measured into what JSON can hold."""
    return {
        "versions": versions(results),
        "cpus": os.cpu_count(),
        "cores": str(results.cores),
        "rounds": results.rounds,
        "seconds": results.seconds,
        "notes": notes(results),
        "rows": {row.name: _row_json(results, row) for row in results.rows},
    }


def _row_json(results: Results, row: Row) -> dict[str, Any]:
    servers = {c.name: _server_json(results, row, c) for c in results.contestants}
    return {"title": row.title, "unit": row.unit, "lower": row.lower, "servers": servers}


def _server_json(results: Results, row: Row, contestant: Contestant) -> dict[str, Any]:
    ratio = results.ratio(row, contestant)
    return {
        "values": results.values(row, contestant),
        "median": median(results.values(row, contestant)),
        "ratios": results.ratios(row, contestant),
        "ratio": {"median": ratio.median, "min": ratio.low, "max": ratio.high},
        "cpu": results.cost(row, contestant),
        "savings": results.savings(row, contestant),
        "load": results.busy(row, contestant),
    }


def figures_json(figures: Figures) -> dict[str, Any]:
    """Turn the figures into what JSON can hold."""
    return {
        figure.name: {
            "title": figure.title,
            "unit": figure.unit,
            "goal": figure.goal,
            "lower": figure.lower,
            "reached": figures.reached(figure),
            "values": figures.values[figure.name],
            "median": figures.median(figure),
        }
        for figure in figures.wanted
    }
