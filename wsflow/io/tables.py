"""Recordings as pandas DataFrames: their rows, their handshakes, and a folder of them.

Opposite: `log/frame.py`, the same of a log; it owns what both need.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from msgspec.structs import astuple

from ..base.display import table
from ..log.frame import Frame, causes, moments, named, no_garbage, objects, utc
from .format import Entry

if TYPE_CHECKING:
    from .info import Info

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


def of_recording(blocks: Iterable[list[Entry]]) -> pd.DataFrame:
    """Return the rows of a recording: the log's columns, and `t`, seconds since the start.

    Some hundred rows at a time become columns; nothing else of them is kept.
    """
    parts: dict[str, list[Any]] = {name: [np.empty(0, kind)] for name, kind in NUMBERS.items()}
    codes, places = array("i"), _Numbered()
    data, error = list[Any](), list[str | None]()
    with no_garbage():
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
            "time": utc(whole["time"]),
            "scope": whole["scope"],
            "cause": causes(whole["cause"]),
            **{name: named(place, some) for name, some in names.items()},
            "data": objects(data),
            "size": whole["size"],
            "elapsed": whole["elapsed"],
            "error": objects(error),
        },
        copy=False,
    )


def _values(rows: list[Entry], data: tuple[Any, ...]) -> Sequence[Any]:
    """Return what travelled; rows of nothing but text are told at once."""
    if {str}.issuperset(map(type, data)):  # bytes leave `data` empty
        return data
    return [row.value for row in rows]


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
            "opened": moments([one.get("time") for one, _ in known]),
            "peer": [one.get("peer") for one, _ in known],
            "path": [one.get("path") for one, _ in known],
            "method": [one.get("method") for one, _ in known],
            "params": [one.get("params") for one, _ in known],
            "query": [one.get("query") for one, _ in known],
            "headers": [one.get("headers") for one, _ in known],
            "closed": moments([None if end is None else end.time for _, end in known]),
            "code": pd.array(
                [None if end is None else end.code for _, end in known], dtype="Int64"
            ),
            "reason": ["" if end is None else end.reason for _, end in known],
        }
    )


class RecordingsFrame(Frame):
    """The recordings of a folder: text stands left, numbers right, as nowhere in pandas."""

    def _repr_html_(self) -> str:
        known = self.astype(object).where(self.notna(), None)
        return table(list(self.columns), known.values.tolist())


def _problem(info: Info) -> str:
    """Return what is wrong with a recording, the first of it."""
    return info.incomplete if info.lacks else f"incomplete: {info.damage[0]}"


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
                one if isinstance(one, str) else one.incomplete and _problem(one)
                for _, _, one in known
            ],
        }
    )
    return RecordingsFrame(columns.convert_dtypes())
