"""The report: results as a table for the terminal, as Markdown and as JSON.

Also says under what conditions they were measured. Never measures or judges.
"""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

from rich.table import Table

from tests.bench.contestants import BASELINE, OURS, Contestant
from tests.bench.rounds import Results
from tests.bench.scenarios import Row

HEADS = ("row", "server", "median", "unit", "ratio", "min", "max", "cpu µs", "load")
NUMBERS = frozenset(("median", "ratio", "min", "max", "cpu µs", "load"))
BUSY = 0.95  # from this share of its core on, the load may be what was measured


def versions(results: Results) -> dict[str, str]:
    """Map Python and the packages that matter to their versions."""
    packages = dict.fromkeys(OURS.packages)
    for contestant in results.contestants:
        packages.update(dict.fromkeys(contestant.packages))
    return {"python": platform.python_version()} | {name: _version(name) for name in packages}


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


def table(results: Results) -> Table:
    """Build the table for a terminal."""
    shown = Table()
    for head in HEADS:
        shown.add_column(head, justify="right" if head in NUMBERS else "left", no_wrap=True)
    for row in results.rows:
        for cells in _lines(results, row):
            shown.add_row(*cells)
        shown.add_section()
    return shown


def markdown(results: Results) -> str:
    """Write the same table in Markdown."""
    rules = ["---:" if head in NUMBERS else "---" for head in HEADS]
    lines = [cells for row in results.rows for cells in _lines(results, row)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEADS, rules, *lines))


def _lines(results: Results, row: Row) -> Iterator[tuple[str, ...]]:
    for number, contestant in enumerate(results.contestants):
        yield (
            "" if number else row.title,
            contestant.title,
            f"{median(results.values(row, contestant)):,.0f}",
            row.unit,
            *_ratio_cells(results, row, contestant),
            f"{results.cost(row, contestant):.1f}",
            f"{results.busy(row, contestant):.0%}",
        )


def _ratio_cells(results: Results, row: Row, contestant: Contestant) -> tuple[str, str, str]:
    if contestant is BASELINE:
        return "1", "", ""
    ratio = results.ratio(row, contestant)
    return f"{ratio.median:.2f}", f"{ratio.low:.2f}", f"{ratio.high:.2f}"


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
        "load": results.busy(row, contestant),
    }
