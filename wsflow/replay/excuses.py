"""Recorded rows that the handlers played now are not to blame for, and why.

A person answered, a row before was lost, or what led there was left out; so is what follows.
"""

from __future__ import annotations

from ..compare.answer import BEFORE, BY_HAND
from ..events import is_by_hand
from ..io.format import Entry

KEPT = 100_000
"""Rows that are remembered to know what they brought about."""

LOST = "whose cause is not in the recording"


class Excuses:
    """Rows, by their number, and why nobody here is to blame for them."""

    __slots__ = ("_gaps", "rows", "sound")

    def __init__(self) -> None:
        self.rows: dict[int, str] = {}
        self.sound = 1
        """The first row behind the last gap: what came earlier may be missing."""
        self._gaps: list[range] = []

    def of(self, entry: Entry) -> str:
        """Return why nobody here is to blame for a row, if so: somebody or something else is."""
        cause = entry.cause
        why = self.rows.get(cause, "")
        if is_by_hand(entry):
            why = BY_HAND
        elif cause and not why and any(cause in gap for gap in self._gaps):
            why = BEFORE if cause in self._gaps[0] and self._gaps[0].start == 1 else LOST
        if why:
            self.remember(entry.seq, why)
        return why

    def remember(self, seq: int, why: str) -> None:
        """Excuse a row, and so what it brings about."""
        self.rows[seq] = why
        if len(self.rows) > KEPT:
            del self.rows[next(iter(self.rows))]

    def miss(self, first: int, end: int) -> None:
        """Rows from `first` to before `end` are not there: cut out, damaged, dropped, or told
        before the recording began.
        """
        if end > first:
            self._gaps.append(range(first, end))
            self.sound = end
