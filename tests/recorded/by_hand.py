"""Recordings written by hand, line by line, and read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wsflow.io.format import FORMAT, Entry, write_object
from wsflow.recording import Recording

EVIL = "<img src=x onerror=alert(1)>"


START = 1_714_557_600 * 10**9


DTYPES = {
    "seq": "int64",
    "t": "float64",
    "time": "datetime64[ns, UTC]",
    "scope": "int64",
    "cause": "Int64",
    "kind": "category",
    "node": "category",
    "port": "category",
    "session": "category",
    "path": "category",
    "data": "object",
    "size": "int64",
    "elapsed": "float64",
    "error": "object",
}


def header(**more: Any) -> dict[str, Any]:
    return {"wsflow": FORMAT, "created": "2024-05-01T10:00:00.000+00:00", "time": START} | more


def opened(who: str, **more: Any) -> dict[str, Any]:
    facts = {"id": who, "peer": "1.2.3.4", "path": "/red", "method": "GET", "time": START}
    return {"opened": facts | {"params": {}, "query": {}, "headers": {}} | more}


def row(seq: int, kind: str, who: str | None = None, **more: Any) -> dict[str, Any]:
    fields = {"seq": seq, "t": seq / 2, "time": START + seq * 10**9, "kind": kind, "node": "n"}
    return fields | ({"session": who, "path": "/red"} if who else {}) | more


STORY = [
    header(redacted=["cookie"], flow={"name": "chat"}),
    opened("s1", query={"a": "1"}),
    row(1, "req", "s1"),
    row(2, "message", "s1", data="hi", size=2, scope=1),
    row(3, "response", "s1", data="HI", size=2, scope=1, cause=2, elapsed=0.25),
    opened("s2"),
    row(4, "message", "s2", bytes="AP8=", size=2),
    row(5, "send", "s2", data={"x": [1]}, size=9),
    row(6, "mark", data="half-time"),
    row(7, "error", "s1", error=EVIL),
    row(8, "close", "s1", code=1000, reason="bye"),
]


def made(path: Path, *lines: dict[str, Any], tail: bytes = b"") -> Recording:
    path.write_bytes(b"".join(map(write_object, lines)) + tail)
    return Recording.open(path)


def read(path: Path) -> list[Entry]:
    recording = Recording.open(path)
    rows = list(recording.rows())
    assert recording.damage == []
    return rows


def in_order(rows: list[Entry]) -> bool:
    return [row.seq for row in rows] == list(range(1, len(rows) + 1))
