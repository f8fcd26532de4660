"""What a recording is, without its rows: when it was made, how long it is, how much it holds.

`tables.py` makes a table of many.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ..events import ANSWERS
from .completeness import in_a_line
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
    lacks: list[str]
    """What of it is not there, in words: a part, its end, rows that were lost."""

    @property
    def incomplete(self) -> str:
        """In a line, what keeps it from being whole; empty when it is."""
        return in_a_line(self.lacks, len(self.damage))

    @classmethod
    def of(cls, reader: Reader) -> Info:
        """Read a recording once; nothing of it is kept."""
        counts = Counter[str]()
        seconds, sessions, marks = 0.0, set[str](), list[tuple[float, str]]()
        for row in reader.rows():
            counts[row.kind] += 1
            seconds = row.t
            if row.session is not None:
                sessions.add(row.session)
            if row.kind == "mark":
                marks.append((row.t, str(row.value)))
        parts, header = reader.parts(), reader.header
        flow, redacted = header.get("flow"), header.get("redacted")
        return cls(
            name=reader.name,
            created=reader.created,
            flow=flow if isinstance(flow, dict) else {},
            redacted=redacted if isinstance(redacted, list) else [],
            rows=counts.total(),
            seconds=seconds,
            sessions=len(sessions),
            messages=counts["message"],
            responses=sum(counts[kind] for kind in ANSWERS),
            errors=counts["error"],
            bytes=sum(path.stat().st_size for path in parts),
            parts=len(parts),
            marks=marks,
            damage=list(reader.damage),
            lacks=reader.lacks,
        )
