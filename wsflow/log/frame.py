"""Rows as pandas DataFrames. The only module of the log that loads pandas."""

from __future__ import annotations

import contextlib
import csv
import gc
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from msgspec.structs import astuple

from ..base.display import table
from ..base.snapshot import Snapshot, unpack
from ..compare.answer import Answer, Pair, Said
from ..errors import MissingPackageError
from ..events import Row
from ..io.format import Entry
from .dataframe import Frame
from .store import Block, Known, Place

if TYPE_CHECKING:
    from ..recording import Info

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters with which a cell of a spreadsheet becomes a formula (OWASP, CSV injection)."""

NUMBERS: dict[str, Any] = {
    "seq": np.int64,
    "t": np.float64,
    "time": np.int64,
    "scope": np.int64,
    "cause": np.int64,
    "size": np.int64,
    "elapsed": np.float64,
}
"""Columns of numbers in a recording's frame."""

PLACE = ("kind", "node", "port", "session", "path")
"""Columns of few names that come again and again."""


def build(blocks: list[Block], places: list[Place], sessions: dict[int, Known]) -> pd.DataFrame:
    """Return all rows as one frame; names are categories."""
    place = _column(blocks, "place", np.int32)
    first = blocks[0].first if blocks else 1
    known = list(sessions.values())
    session = _positions(_column(blocks, "session", np.int64), list(sessions))
    columns = {
        "seq": np.arange(first, first + len(place)),
        "time": _utc(_column(blocks, "time", np.int64)),
        "scope": _column(blocks, "scope", np.int64),
        "cause": _causes(_column(blocks, "cause", np.int64)),
        "kind": _named(place, [one.kind for one in places]),
        "node": _named(place, [one.node for one in places]),
        "port": _named(place, [one.port for one in places]),
        "session": _named(session, [one.id for one in known]),
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
            "opened": _moments([one.opened for one in known]),
            "peer": [one.peer for one in known],
            "path": [one.path for one in known],
            "method": [one.method for one in known],
            "params": [one.params for one in known],
            "query": [one.query for one in known],
            "headers": [one.headers for one in known],
            "closed": _moments([one.closed for one in known]),
            "code": pd.array([one.code for one in known], dtype="Int64"),
            "reason": [one.reason for one in known],
        }
    )


def of_recording(blocks: Iterable[list[Entry]]) -> pd.DataFrame:
    """Return the rows of a recording: the log's columns, and `t`, seconds since the start.

    Some hundred rows at a time become columns; nothing else of them is kept.
    """
    parts: dict[str, list[Any]] = {name: [np.empty(0, kind)] for name, kind in NUMBERS.items()}
    codes, places = array("i"), _Numbered()
    data, error = list[Any](), list[str | None]()
    with _no_garbage():
        for block in blocks:
            rows = [row for row in block if row.opened is None]
            if not rows:
                continue
            fields = zip(
                Entry.__struct_fields__, zip(*map(astuple, rows), strict=True), strict=True
            )
            columns: dict[str, Any] = dict(fields)
            for name, kind in NUMBERS.items():
                parts[name].append(np.fromiter(columns[name], kind, len(rows)))
            there = zip(*(columns[name] for name in PLACE), strict=True)
            codes.extend(map(places.__getitem__, there))
            data += _values(rows, columns["data"])
            error += columns["error"]
    whole = {name: np.concatenate(some) for name, some in parts.items()}
    place = np.array(codes, np.int32)
    names = {name: [one[at] for one in places] for at, name in enumerate(PLACE)}
    names["path"] = [path or None for path in names["path"]]
    return Frame(
        {
            "seq": whole["seq"],
            "t": whole["t"],
            "time": _utc(whole["time"]),
            "scope": whole["scope"],
            "cause": _causes(whole["cause"]),
            **{name: _named(place, some) for name, some in names.items()},
            "data": _series(data),
            "size": whole["size"],
            "elapsed": whole["elapsed"],
            "error": _series(error),
        },
        copy=False,
    )


def _values(rows: list[Entry], data: tuple[Any, ...]) -> Sequence[Any]:
    """Return what travelled; rows of nothing but text are told at once."""
    if {str}.issuperset(map(type, data)):  # bytes leave `data` empty
        return data
    return [row.value for row in rows]


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """Spare the collector a million new objects none of which is garbage: a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Numbered(dict[Any, int]):
    """Numbers what it is asked for, from 0 on."""

    def __missing__(self, key: Any) -> int:
        return self.setdefault(key, len(self))


def of_handshakes(entries: Iterable[Entry]) -> pd.DataFrame:
    """Return one row a session of a recording: its handshake, and how it ended."""
    facts: dict[str, dict[str, Any]] = {}
    ends: dict[str | None, Entry] = {}
    for entry in entries:
        if entry.opened is not None:
            facts.setdefault(str(entry.opened.get("id")), entry.opened)
        elif entry.kind == "close":
            ends[entry.session] = entry
    known = [(one | {"id": id}, ends.get(id)) for id, one in facts.items()]
    return Frame(
        {
            "session": [one["id"] for one, _ in known],
            "opened": _moments([one.get("time") for one, _ in known]),
            "peer": [one.get("peer") for one, _ in known],
            "path": [one.get("path") for one, _ in known],
            "method": [one.get("method") for one, _ in known],
            "params": [one.get("params") for one, _ in known],
            "query": [one.get("query") for one, _ in known],
            "headers": [one.get("headers") for one, _ in known],
            "closed": _moments([None if end is None else end.time for _, end in known]),
            "code": pd.array(
                [None if end is None else end.code for _, end in known], dtype="Int64"
            ),
            "reason": ["" if end is None else end.reason for _, end in known],
        }
    )


def of_pairs(pairs: list[Pair]) -> pd.DataFrame:
    """Return one row an answer that differs: then (`old`) and now (`new`), and when."""
    return Frame(
        {
            "session": [pair.session for pair in pairs],
            "status": [pair.status for pair in pairs],
            "t": np.array([pair.t for pair in pairs]),
            "old": _series([_body(pair.old) for pair in pairs]),
            "new": _series([_body(pair.new) for pair in pairs]),
        }
    )


def _body(said: Said | None) -> Any:
    body = None if said is None else said.body
    return str(body) if isinstance(body, Answer) else body


class RecordingsFrame(Frame):
    """The recordings of a folder: text stands left, numbers right, as nowhere in pandas."""

    def _repr_html_(self) -> str:
        known = self.astype(object).where(self.notna(), None)
        return table(list(self.columns), known.values.tolist())


def of_infos(infos: list[tuple[str, Info | str]]) -> pd.DataFrame:
    """Return one row a recording; one that could not be read says why under `problem`."""
    known = [(name, None if isinstance(one, str) else one, one) for name, one in infos]
    columns = Frame(
        {
            "recording": [name for name, _, _ in known],
            "created": [info.created if info else None for _, info, _ in known],
            "seconds": [round(info.seconds, 3) if info else None for _, info, _ in known],
            "sessions": [info.sessions if info else None for _, info, _ in known],
            "messages": [info.messages if info else None for _, info, _ in known],
            "responses": [info.responses if info else None for _, info, _ in known],
            "errors": [info.errors if info else None for _, info, _ in known],
            "bytes": [info.bytes if info else None for _, info, _ in known],
            "problem": [
                one if isinstance(one, str) else str(one.damage[0]) if one.damage else ""
                for _, _, one in known
            ],
        }
    )
    return RecordingsFrame(columns.convert_dtypes())


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
    with _no_garbage():
        return _series(list(map(unpack, values())))


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


def _named(codes: Any, names: Sequence[str | None]) -> Any:
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
    return _named(np.where(session < 0, place + len(known), session), names)


def _causes(causes: Any) -> Any:
    """Return what led to each row; 0 stands for nothing."""
    return pd.arrays.IntegerArray(causes, causes == 0)


def _utc(times: Any) -> Any:
    return pd.DatetimeIndex(times.view("M8[ns]")).tz_localize("UTC")


def _as_it_is(values: Any) -> Any:
    """Return an object column; left alone, pandas picks a dtype by what it finds."""
    return pd.Series(values, dtype=object, copy=False)


def _series(values: list[Any]) -> Any:
    return _as_it_is(_boxed(values))


def _categorical(codes: Any, categories: list[Any]) -> Any:
    make: Any = pd.Categorical.from_codes  # its stubs know no int32 codes
    return make(codes, categories=categories)


def _moments(times: list[int | None]) -> Any:
    """Return UTC times; None is a time that has not come."""
    known = np.array([-1 if time is None else time for time in times], np.int64)
    return pd.Series(pd.to_datetime(known, unit="ns", utc=True)).mask(known < 0)


def _moment(value: Any) -> pd.Timestamp:
    moment = pd.Timestamp(value)
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment
