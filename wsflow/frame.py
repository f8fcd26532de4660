"""Rows as pandas DataFrames. The only module of the log that loads pandas."""

from __future__ import annotations

import contextlib
import csv
import gc
import math
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .compare import Pair, Said
from .errors import MissingPackageError
from .lines import Entry
from .snapshot import unpack
from .tape import Block, Known, Place

if TYPE_CHECKING:
    from .recording import Info

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters with which a cell of a spreadsheet becomes a formula (OWASP, CSV injection)."""


def build(blocks: list[Block], places: list[Place], sessions: dict[int, Known]) -> pd.DataFrame:
    """Return all rows as one frame; names are categories."""
    place = _column(blocks, "place", np.int32)
    number = _column(blocks, "session", np.int64)
    cause = pd.array(_column(blocks, "cause", np.int64), dtype="Int64")
    cause[np.asarray(cause == 0)] = pd.NA
    session, session_path = _by_session(number, sessions)
    starts = [np.arange(block.first, block.first + len(block)) for block in blocks]
    columns = {
        "seq": np.concatenate(starts) if starts else np.empty(0, np.int64),
        "time": pd.to_datetime(_column(blocks, "time", np.int64), unit="ns", utc=True),
        "scope": _column(blocks, "scope", np.int64),
        "cause": cause,
        "kind": _named(place, [one.kind for one in places]),
        "node": _named(place, [one.node for one in places]),
        "port": _named(place, [one.port for one in places]),
        "session": session,
        "path": _path(place, places, session_path),
        "data": _series([unpack(data) for block in blocks for data in block.data]),
        "size": _column(blocks, "size", np.int64),
        "elapsed": _optional(blocks, "elapsed", np.float64),
        "error": _series(list(_optional(blocks, "error", object))),
    }
    return pd.DataFrame(columns, copy=False)


def chosen(
    frame: pd.DataFrame,
    *,
    node: str | None,
    port: str | None,
    session: str | None,
    kinds: list[str] | None,
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


def of_sessions(sessions: dict[int, Known]) -> pd.DataFrame:
    """Return one row a session."""
    known = list(sessions.values())
    return pd.DataFrame(
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


def of_recording(rows: Iterable[Entry]) -> pd.DataFrame:
    """Return the rows of a recording: the log's columns, and `t`, seconds since the start.

    Some thousand rows at a time become columns; nothing else of them is kept.
    """
    numbers = {name: array("q") for name in ("seq", "time", "scope", "cause", "size")}
    t, elapsed = array("d"), array("d")
    names = {name: _Names() for name in ("kind", "node", "port", "session", "path")}
    names["path"][""] = -1
    data, error = list[Any](), list[str | None]()
    wholes: list[Any] = [*numbers.values(), *names.values()]
    fields, rows = attrgetter(*numbers, *names), iter(rows)
    with _no_garbage():
        while some := list(islice(rows, 4096)):
            for whole, column in zip(wholes, zip(*map(fields, some), strict=True), strict=True):
                whole.extend(column)
            t.extend([row.t for row in some])
            elapsed.extend([math.nan if row.elapsed is None else row.elapsed for row in some])
            data += [row.value for row in some]
            error += [row.error for row in some]
    seq, time, scope, cause, size = (np.frombuffer(one, np.int64) for one in numbers.values())
    causes = pd.array(cause, dtype="Int64")
    causes[cause == 0] = pd.NA
    return pd.DataFrame(
        {
            "seq": seq,
            "t": np.frombuffer(t, np.float64),
            "time": pd.to_datetime(time, unit="ns", utc=True),
            "scope": scope,
            "cause": causes,
            **{name: one.column() for name, one in names.items()},
            "data": _series(data),
            "size": size,
            "elapsed": np.frombuffer(elapsed, np.float64),
            "error": _series(error),
        }
    )


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


class _Names(dict[str | None, int]):
    """A column of few names that come again and again; maps each to its code."""

    def __init__(self) -> None:
        super().__init__({None: -1})
        self._codes = array("i")
        self._names: list[str] = []

    def __missing__(self, name: str) -> int:
        self._names.append(name)
        self[name] = len(self._names) - 1
        return self[name]

    def extend(self, names: Iterable[str | None]) -> None:
        self._codes.extend(map(self.__getitem__, names))

    def column(self) -> Any:
        return _categorical(np.frombuffer(self._codes, np.int32), self._names)


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
    return pd.DataFrame(
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
    return pd.DataFrame(
        {
            "session": [pair.session for pair in pairs],
            "status": [pair.status for pair in pairs],
            "t": np.array([(pair.old or pair.new or Said(0.0, None)).t for pair in pairs]),
            "old": _series([None if pair.old is None else pair.old.body for pair in pairs]),
            "new": _series([None if pair.new is None else pair.new.body for pair in pairs]),
        }
    )


def of_infos(infos: list[tuple[str, Info | str]]) -> pd.DataFrame:
    """Return one row a recording; one that could not be read says why under `problem`."""
    known = [(name, None if isinstance(one, str) else one, one) for name, one in infos]
    return pd.DataFrame(
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
    ).convert_dtypes()


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


def _optional(blocks: list[Block], name: str, dtype: Any) -> Any:
    """Return a column most blocks do not have at all."""
    parts = []
    for block in blocks:
        values = getattr(block, name)
        part = np.full(len(block), np.nan if dtype is np.float64 else None, dtype)
        if values is not None:
            part[:] = (
                [np.nan if v is None else v for v in values] if dtype is np.float64 else values
            )
        parts.append(part)
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _boxed(values: list[Any]) -> Any:
    """Return an object array of any values; `np.array` would make a matrix of lists."""
    return np.fromiter(values, dtype=object, count=len(values))


def _named(codes: Any, names: list[str]) -> Any:
    """Return codes as categories; several places may have one name."""
    categories = list(dict.fromkeys(names))
    position = {name: index for index, name in enumerate(categories)}
    translate = np.array([position[name] for name in names], np.int32)
    return _categorical(translate[codes] if len(codes) else codes, categories)


def _by_session(numbers: Any, sessions: dict[int, Known]) -> tuple[Any, Any]:
    """Return the session ids of rows, and their paths (None where there is no session)."""
    known = list(sessions.items())
    lookup = {number: index for index, (number, _) in enumerate(known)}
    unique, inverse = np.unique(numbers, return_inverse=True)
    codes = np.array([lookup.get(int(number), -1) for number in unique], np.int32)
    paths = [None if code < 0 else known[code][1].path for code in codes]
    ids = [one.id for _, one in known]
    row_codes = codes[inverse] if len(numbers) else np.empty(0, np.int32)
    return _categorical(row_codes, ids), _boxed(paths)[inverse]


def _path(place: Any, places: list[Place], session_path: Any) -> Any:
    if not len(place):
        return pd.Categorical([])
    own = _boxed([one.path or None for one in places])[place]
    return pd.Categorical(np.where(session_path != None, session_path, own))  # noqa: E711


def _series(values: list[Any]) -> Any:
    """Return a column of any values; left alone, pandas picks a dtype by what it finds."""
    return pd.Series(_boxed(values), dtype=object)


def _categorical(codes: Any, categories: list[str]) -> Any:
    make: Any = pd.Categorical.from_codes  # its stubs know no int32 codes
    return make(codes, categories=categories)


def _moments(times: list[int | None]) -> Any:
    """Return UTC times; None is a time that has not come."""
    known = np.array([-1 if time is None else time for time in times], np.int64)
    return pd.Series(pd.to_datetime(known, unit="ns", utc=True)).mask(known < 0)


def _moment(value: Any) -> pd.Timestamp:
    moment = pd.Timestamp(value)
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment
