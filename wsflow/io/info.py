"""What a recording is, without its rows: when it was made, how long it is, how much it holds.

`tables.py` makes a table of many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .reader import Damage, Reader


@dataclass(frozen=True)
class Info:
    """What a recording is, without its rows."""

    name: str
    created: str
    flow: dict[str, Any]
    redacted: list[str]
    rows: int
    seconds: float
    sessions: int
    messages: int
    responses: int
    errors: int
    bytes: int
    parts: int
    marks: list[tuple[float, str]]
    damage: list[Damage]

    @classmethod
    def of(cls, reader: Reader) -> Info:
        """Read a recording once; nothing of it is kept."""
        counts = dict.fromkeys(("rows", "message", "response", "error"), 0)
        seconds, sessions, marks = 0.0, set[str](), list[tuple[float, str]]()
        for row in reader.rows():
            counts["rows"] += 1
            counts[row.kind] = counts.get(row.kind, 0) + 1
            seconds = row.t
            if row.session is not None:
                sessions.add(row.session)
            if row.kind == "mark":
                marks.append((row.t, str(row.value)))
        parts, flow, redacted = (
            reader.parts(),
            reader.header.get("flow"),
            reader.header.get("redacted"),
        )
        return cls(
            name=reader.name,
            created=reader.created,
            flow=flow if isinstance(flow, dict) else {},
            redacted=redacted if isinstance(redacted, list) else [],
            rows=counts["rows"],
            seconds=seconds,
            sessions=len(sessions),
            messages=counts["message"],
            responses=counts["response"] + counts.get("send", 0),
            errors=counts["error"],
            bytes=sum(path.stat().st_size for path in parts),
            parts=len(parts),
            marks=marks,
            damage=list(reader.damage),
        )
