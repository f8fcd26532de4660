"""Rows of the log as a person reads them: lists that show themselves, and the texts of a row."""

from __future__ import annotations

import datetime
from typing import Any

from ..base.display import plain, table
from ..events import Row

DEEPEST = 12
"""Steps of indent that are shown of a trace."""

INDENT = "· "


class Rows(list[Row]):
    """Some rows, oldest first."""

    def __repr__(self) -> str:
        return "\n".join([f"<{len(self)} rows>", *map(line, self)])

    def _repr_html_(self) -> str:
        return rows_table(self)


class Trace(list[Row]):
    """An event and all that it caused, oldest first: a list of rows that shows itself as a tree."""

    def __repr__(self) -> str:
        if not self:
            return "<Trace of nothing>"
        head = f"<Trace of row {self[0].seq}: {len(self)} rows>"
        steps = zip(self.steps(), self, strict=True)
        return "\n".join([head, *(f"{'  ' * step}{line(row)}" for step, row in steps)])

    def _repr_html_(self) -> str:
        began = self[0].time if self else 0
        head = ("seq", "ms", "what", "where", "session", "data", "error")
        width = len(head) if any(row.error for row in self) else len(head) - 1
        lines = [
            (
                row.seq,
                round((row.time - began) / 1e6, 2),
                f"{INDENT * (step - 1)}└ {row.kind}" if step else row.kind,
                where(row),
                row.session,
                data_text(row.data),
                row.error,
            )[:width]
            for step, row in zip(self.steps(), self, strict=True)
        ]
        return table(head[:width], lines, note="ms since the first row; indented below its cause")

    def steps(self) -> list[int]:
        """Return how many causes lie between the first row and each of them."""
        depth: dict[int, int] = {}
        for row in self:
            depth[row.seq] = depth[row.cause] + 1 if row.cause in depth else 0
        return [min(depth[row.seq], DEEPEST) for row in self]


def rows_table(rows: list[Row], note: str = "") -> str:
    """Return rows as an HTML table; the column of errors is there when there are any."""
    head = ("seq", "time", "kind", "node", "port", "session", "data", "error")
    width = len(head) if any(row.error for row in rows) else len(head) - 1
    return table(head[:width], [_cells(row)[:width] for row in rows], note=note)


def _cells(row: Row) -> tuple[object, ...]:
    time, data = clock_text(row.time), data_text(row.data)
    return row.seq, time, row.kind, row.node, row.port, row.session, data, row.error


def line(row: Row) -> str:
    """Return a row as one line of text."""
    error = f"  {plain(row.error)}" if row.error else ""
    return (
        f"{row.seq:6} {clock_text(row.time)} {row.kind:9} {plain(where(row)):24} "
        f"{row.session or '':10} {data_text(row.data):.60}{error:.120}"
    )


def where(row: Row) -> str:
    """Return where it happened, as the user writes it."""
    return placed(row.node, row.port)


def placed(node: str, port: str) -> str:
    """Return node and port as the user writes them; what belongs to no node has only a port."""
    return ".".join(filter(None, (node, port)))


def clock_text(time: int) -> str:
    """Return the UTC time of day, to the millisecond."""
    moment = datetime.datetime.fromtimestamp(time / 1e9, datetime.UTC)
    return moment.strftime("%H:%M:%S.%f")[:-3]


def data_text(data: Any) -> str:
    """Return data as one line of text; what a client sent is never markup or control code."""
    if data is None:
        return ""
    try:
        text = data if isinstance(data, str) and data.isprintable() else repr(data)
    except ValueError as error:  # a number of more digits than Python is willing to write
        text = f"<{type(data).__name__}: {error}>"
    return text if len(text) <= 200 else text[:199] + "…"
