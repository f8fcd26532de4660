"""Rows as pandas DataFrames, and what a DataFrame of them is. All of the log that loads pandas.

Opposite: `io/tables.py`, the same of recordings.
"""

from __future__ import annotations

import contextlib
import csv
import gc
import html
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..base.snapshot import Snapshot, unpack
from ..errors import MissingPackageError
from ..events import Row
from .blocks import Block, Known, Place

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters with which a cell of a spreadsheet becomes a formula (OWASP, CSV injection)."""


class Frame(pd.DataFrame):
    """A DataFrame whose Styler, too, shows what clients wrote as text, not as markup (P22).

    pandas escapes cells only in a frame's own HTML; a Styler's `format()` has to be told again.
    """

    @property
    def _constructor(self) -> type[Frame]:
        return Frame

    @property
    def style(self) -> Styler:
        """Show it with pandas' Styler (needs jinja2)."""
        styler: Styler = super().style.format(_cell)
        for axis in (0, 1):
            styler.format_index(_cell, axis=axis)
        return styler


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.{pd.get_option('styler.format.precision')}f}"
    return html.escape(str(value))


def build(blocks: list[Block], places: list[Place], sessions: dict[int, Known]) -> pd.DataFrame:
    """Return all rows as one frame; names are categories."""
    place = _column(blocks, "place", np.int32)
    first = blocks[0].first if blocks else 1
    known = list(sessions.values())
    session = _positions(_column(blocks, "session", np.int64), list(sessions))
    columns = {
        "seq": np.arange(first, first + len(place)),
        "time": utc(_column(blocks, "time", np.int64)),
        "scope": _column(blocks, "scope", np.int64),
        "cause": causes(_column(blocks, "cause", np.int64)),
        "kind": named(place, [one.kind for one in places]),
        "node": named(place, [one.node for one in places]),
        "port": named(place, [one.port for one in places]),
        "session": named(session, [one.id for one in known]),
        "path": _path(place, places, session, known),
        "data": _data(blocks),
        "size": _column(blocks, "size", np.int64),
        "elapsed": _optional(blocks, "elapsed", np.full(len(place), np.nan)),
        "error": _as_it_is(_optional(blocks, "error", np.empty(len(place), object))),
    }
    return Frame(columns, copy=False)


def chosen(
    frame: pd.DataFrame,
    *,
    node: str | None,
    port: str | None,
    session: str | None,
    kinds: Sequence[str] | None,
    since: Any,
    until: Any,
) -> pd.DataFrame:
    """Return the rows that fit all filters that are not None."""
    fits = np.ones(len(frame), dtype=bool)
    for column, value in (("node", node), ("port", port), ("session", session)):
        if value is not None:
            fits &= np.asarray(frame[column] == value)
    if kinds is not None:
        fits &= np.asarray(frame["kind"].isin(kinds))
    if since is not None:
        fits &= np.asarray(frame["time"] >= _moment(since))
    if until is not None:
        fits &= np.asarray(frame["time"] <= _moment(until))
    return frame if fits.all() else frame[fits].reset_index(drop=True)


def between(rows: Iterable[Row], since: Any, until: Any) -> list[Row]:
    """Return the rows within these times, of which each may be None."""
    first = None if since is None else _moment(since).value
    last = None if until is None else _moment(until).value
    return [
        row
        for row in rows
        if (first is None or row.time >= first) and (last is None or row.time <= last)
    ]


def of_sessions(sessions: dict[int, Known]) -> pd.DataFrame:
    """Return one row a session."""
    known = list(sessions.values())
    return Frame(
        {
            "session": [one.id for one in known],
            "opened": moments([one.opened for one in known]),
            "peer": [one.peer for one in known],
            "path": [one.path for one in known],
            "method": [one.method for one in known],
            "params": [one.params for one in known],
            "query": [one.query for one in known],
            "headers": [one.headers for one in known],
            "closed": moments([one.closed for one in known]),
            "code": pd.array([one.code for one in known], dtype="Int64"),
            "reason": [one.reason for one in known],
        }
    )


def write_csv(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a frame as CSV and return where; text that a spreadsheet would run is defused."""
    # all text quoted: a lone carriage return would begin a row otherwise
    defused(frame).to_csv(path, index=False, quoting=csv.QUOTE_NONNUMERIC)
    return Path(path)


def write_parquet(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a frame as Parquet and return where.

    Raises:
        MissingPackageError: no package that can is installed.
    """
    try:
        flattened(frame).to_parquet(path, index=False)
    except ImportError as error:
        raise MissingPackageError("Parquet", "parquet") from error
    return Path(path)


def defused(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame for a spreadsheet: what begins like a formula gets a quote before it."""

    def safe(value: object) -> object:
        text = value if isinstance(value, str) else None if value is None else repr(value)
        return f"'{text}" if text is not None and text.startswith(FORMULA) else text

    names = {"data", "error", "path", "node", "port", "session"}
    clean: dict[str, Any] = {
        name: [safe(one) if one == one else None for one in frame[name]] for name in names
    }
    return frame.assign(**clean)


def flattened(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with `data` as text or bytes split into two typed columns."""
    data = list(frame["data"])
    columns: dict[str, Any] = {
        "data": [_as_text(one) for one in data],
        "bytes": [one if isinstance(one, bytes) else None for one in data],
    }
    return frame.assign(**columns)


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, bytes):
        return None
    return value if isinstance(value, str) else repr(value)


@contextlib.contextmanager
def no_garbage() -> Iterator[None]:
    """Spare the collector a million new objects none of which is garbage: a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _column(blocks: list[Block], name: str, dtype: Any) -> Any:
    parts = [np.frombuffer(getattr(block, name), dtype) for block in blocks]
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _optional(blocks: list[Block], name: str, column: Any) -> Any:
    """Fill a column most blocks do not have at all; numpy reads None as no number."""
    start = 0
    for block in blocks:
        values = getattr(block, name)
        if values is not None:
            column[start : start + len(block)] = np.array(values, column.dtype)
        start += len(block)
    return column


def _data(blocks: list[Block]) -> Any:
    """Return what travelled; snapshots are unpacked where there are any."""

    def values() -> Iterator[Any]:
        return chain.from_iterable(block.data for block in blocks)

    if Snapshot not in set(map(type, values())):
        return _as_it_is(np.fromiter(values(), object, sum(map(len, blocks))))
    with no_garbage():
        return objects(list(map(unpack, values())))


def _boxed(values: list[Any]) -> Any:
    """Return an object array of any values; `np.array` would make a matrix of lists."""
    return np.fromiter(values, dtype=object, count=len(values))


def _positions(numbers: Any, known: list[int]) -> Any:
    """Return where each number stands in `known`, which grows; -1 where it does not."""
    if not known:
        return np.full(len(numbers), -1, np.int32)
    there = np.array(known, np.int64)
    order = np.argsort(there)
    at = order[np.minimum(np.searchsorted(there, numbers, sorter=order), len(known) - 1)]
    return np.where(there[at] == numbers, at, -1).astype(np.int32)


def named(codes: Any, names: Sequence[str | None]) -> Any:
    """Return codes as categories; several codes may have one name, None and -1 have none."""
    categories: dict[str | None, int] = {}
    for name in names:
        if name is not None:
            categories.setdefault(name, len(categories))
    small = np.int8 if len(categories) < 127 else np.int32
    translate = np.array([*(categories.get(name, -1) for name in names), -1], small)
    return _categorical(translate[codes], list(categories))


def _path(place: Any, places: list[Place], session: Any, known: list[Known]) -> Any:
    """Return the path of each row's session, or, without one, its place's own."""
    names = [*(one.path for one in known), *(one.path or None for one in places)]
    return named(np.where(session < 0, place + len(known), session), names)


def causes(causes: Any) -> Any:
    """Return what led to each row; 0 stands for nothing."""
    return pd.arrays.IntegerArray(causes, causes == 0)


def utc(times: Any) -> Any:
    return pd.DatetimeIndex(times.view("M8[ns]")).tz_localize("UTC")


def _as_it_is(values: Any) -> Any:
    """Return an object column; left alone, pandas picks a dtype by what it finds."""
    return pd.Series(values, dtype=object, copy=False)


def objects(values: list[Any]) -> Any:
    return _as_it_is(_boxed(values))


def _categorical(codes: Any, categories: list[Any]) -> Any:
    make: Any = pd.Categorical.from_codes  # its stubs know no int32 codes
    return make(codes, categories=categories)


def moments(times: list[int | None]) -> Any:
    """Return UTC times; None is a time that has not come."""
    known = np.array([-1 if time is None else time for time in times], np.int64)
    return pd.Series(pd.to_datetime(known, unit="ns", utc=True)).mask(known < 0)


def _moment(value: Any) -> pd.Timestamp:
    moment = pd.Timestamp(value)
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment
