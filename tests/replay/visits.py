"""Recordings of visits, written by hand, for ghosts to repeat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wsflow import Context, Flow, Recording
from wsflow.io import format as lines


class Visits:
    """Writes a recording by hand, row by row, with times of its own."""

    def __init__(self, path: Path) -> None:
        self._lines = [lines.write_object({"wsflow": 1, "created": "today", "time": 0})]
        self._path, self._seq = path, 0

    def opened(self, id: str, path: str = "/", t: float = 0.0, **facts: Any) -> Visits:
        known = {"id": id, "path": path, "peer": "p", "query": {}, "headers": {}} | facts
        self._lines.append(lines.write_object({"opened": known}))
        return self.row(t, "req", id)

    def row(self, t: float, kind: str, session: str | None, **rest: Any) -> Visits:
        self._seq += 1
        row = {"seq": self._seq, "t": t, "scope": 1, "kind": kind, "session": session}
        self._lines.append(lines.write_object(row | rest))
        return self

    def says(self, t: float, session: str, data: str) -> Visits:
        return self.row(t, "message", session, data=data)

    def leaves(self, t: float, session: str, code: int | None, reason: str = "") -> Visits:
        return self.row(t, "close", session, code=code, reason=reason)

    def recording(self) -> Recording:
        self._path.write_bytes(b"".join(self._lines))
        return Recording.open(self._path)


def echo(flow: Flow, path: str = "/") -> None:
    @flow.node
    def repeat(ev: Any, ctx: Context) -> None:
        ctx.emit("response", {"body": ev["message"]})

    flow.websocket(path).message >> repeat
