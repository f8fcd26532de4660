"""What a recording holds, counted and drawn in one reading, however long it is.

Nobody knows its length before its end, so the picture grows coarser as it grows longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from ..events import ANSWERS
from ..io.format import Entry
from .part import News, text

BINS = 1024
"""Places across; at least half of them are used."""

MAX_LINES = 24
"""Sessions with a line of their own; all others share one."""

MAX_MARKS = 500

MAX_SECONDS = 1e12
"""Seconds; a file may say anything."""

NO_SESSION = "no session"
"""The line of what belongs to none: HTTP requests, say."""

TICK_KINDS = {
    "message": "in",
    **dict.fromkeys(ANSWERS, "out"),
    "error": "error",
    "req": "begin",
    "close": "end",
}


class Summary:
    """Counts, and where something happened: session by session, in `BINS` places."""

    def __init__(self) -> None:
        self.rows = 0
        self.seconds = 0.0
        self._span = 2.0**-6
        self._sessions: dict[str, int] = {}
        self._ticks: dict[tuple[str, int], set[int]] = {}
        self._marks: list[tuple[float, str]] = []

    @property
    def sessions(self) -> int:
        """How many sessions it tells of."""
        return len(self._sessions) - (NO_SESSION in self._sessions)

    def add(self, entries: Iterable[Entry]) -> None:
        """Take the next rows."""
        ticks, sessions = self._ticks, self._sessions
        for row in entries:
            if row.opened is not None:
                continue
            self.rows += 1
            self.seconds = t = max(min(row.t, MAX_SECONDS), self.seconds)
            while t >= self._span:
                self._coarsen()
            kind = TICK_KINDS.get(row.kind)
            if kind is not None:
                who = row.session
                if who is None:
                    who, kind = NO_SESSION, "in" if kind == "begin" else kind
                line = sessions.setdefault(who, len(sessions))
                where = ticks.setdefault((kind, min(line, MAX_LINES)), set())
                where.add(int(t / self._span * BINS))
            elif row.kind == "mark" and len(self._marks) < MAX_MARKS:
                self._marks.append((t, str(row.value)))

    def _coarsen(self) -> None:
        self._span *= 2
        for where in self._ticks.values():
            halves = {place // 2 for place in where}
            where.clear()
            where.update(halves)

    def news(self, name: str) -> News:
        """Return it for a page: a moment is its place times `width`, in seconds."""
        lines = [text(who, 40) for who in islice(self._sessions, MAX_LINES)]
        others = max(0, len(self._sessions) - MAX_LINES)
        ticks: dict[str, list[list[int]]] = {}
        for (kind, line), where in self._ticks.items():
            empty: list[list[int]] = [[] for _ in range(len(lines) + (others > 0))]
            ticks.setdefault(kind, empty)[line] = sorted(where)
        return {
            "name": name,
            "seconds": self.seconds,
            "width": self._span / BINS,
            "lines": lines,
            "others": others,
            "ticks": ticks,
            "marks": [[t, text(what)] for t, what in self._marks],
        }
