"""A recording as a user holds it: looked at, cut, taken elsewhere.

Reading it line by line is `source.py`'s business. Opposite: `recorder.py` writes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import RecordingError
from .folder import FOLDER, names, resolve
from .source import CONVERTERS, Damage, Source
from .timeline import timeline

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CONVERTERS", "Damage", "Info", "Recording", "recordings"]


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


class Recording(Source):
    """Open one with `Recording.open("lesson1")`; `flow.replay("lesson1")` plays it.

    Rows stream from the file each time; `damage` tells what the last pass could not read.
    """

    # ---- looking

    def frame(self) -> pd.DataFrame:
        """Return all rows as a DataFrame: the log's columns, and `t`, seconds since the start."""
        from .frame import of_recording

        return of_recording(self.rows())

    def sessions(self) -> pd.DataFrame:
        """Return one row a session: its handshake, and when and how it ended."""
        from .frame import of_handshakes

        return of_handshakes(self.entries())

    def info(self) -> Info:
        """Return what it is and how much of what it holds; reads it once, keeps nothing."""
        counts = dict.fromkeys(("rows", "message", "response", "error"), 0)
        seconds, sessions, marks = 0.0, set[str](), list[tuple[float, str]]()
        for row in self.rows():
            counts["rows"] += 1
            counts[row.kind] = counts.get(row.kind, 0) + 1
            seconds = row.t
            if row.session is not None:
                sessions.add(row.session)
            if row.kind == "mark":
                marks.append((row.t, str(row.value)))
        parts = self.parts()
        return Info(
            name=self.name,
            created=str(self.header.get("created", "")),
            flow=self.header.get("flow") or {},
            redacted=list(self.header.get("redacted") or []),
            rows=counts["rows"],
            seconds=seconds,
            sessions=len(sessions),
            messages=counts["message"],
            responses=counts["response"] + counts.get("send", 0),
            errors=counts["error"],
            bytes=sum(path.stat().st_size for path in parts),
            parts=len(parts),
            marks=marks,
            damage=list(self.damage),
        )

    def sequence(self, start: float = 0.0, end: float | None = None, newest: int = 200) -> Any:
        """Return a Mermaid sequence diagram of a slice in seconds, one lifeline a session."""
        from .sequence import diagram

        chosen = (r for r in self.rows() if r.t >= start and (end is None or r.t <= end))
        return diagram(deque(chosen, newest))

    def to_csv(self, path: str | Path) -> Path:
        """Write its rows as CSV and return where; text that a spreadsheet would run is defused."""
        from .frame import write_csv

        return write_csv(self.frame(), path)

    def to_parquet(self, path: str | Path) -> Path:
        """Write its rows as Parquet (needs `pip install wsflow[parquet]`) and return where."""
        from .frame import write_parquet

        return write_parquet(self.frame(), path)

    def __len__(self) -> int:
        return sum(1 for _ in self.rows())

    def __repr__(self) -> str:
        return f"<Recording {self.name} {self.header.get('created', '')} {self.path}>"

    def _repr_html_(self) -> str:
        from .table import table

        info = self.info()
        facts = [
            ("created", info.created),
            ("length", f"{info.seconds:.1f} s"),
            ("sessions", info.sessions),
            ("messages", info.messages),
            ("responses", info.responses),
            ("errors", info.errors),
            ("size", f"{info.bytes:,} bytes"),
            *((f"mark at {t:.1f} s", text) for t, text in info.marks[:10]),
            *(("damage", str(one)) for one in info.damage[:10]),
        ]
        return timeline(self.rows(), info.seconds) + table(("recording", self.name), facts)


def recordings(folder: str | Path = FOLDER) -> pd.DataFrame:
    """Return the recordings of a folder as a table; one that can not be read says why."""
    from .frame import of_infos

    found: list[tuple[str, Info | str]] = []
    for name in names(folder):
        try:
            found.append((name, Recording.open(resolve(name, folder)).info()))
        except RecordingError as error:
            found.append((name, str(error)))
    return of_infos(found)
