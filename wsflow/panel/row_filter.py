"""Which rows of the log a page wants to see: asked of raw rows, so that most are never decoded."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..base.snapshot import Snapshot
from ..errors import WsflowError
from ..events import KINDS
from ..log.rows import data_text

if TYPE_CHECKING:
    from ..log.store import Store

Raw: TypeAlias = tuple[Any, ...]
"""seq, time, place, session, scope, cause, data, size, elapsed, error."""

UNPACK_COST = 10
"""What it costs to unpack a row's data, in rows that are only looked at."""

MAX_REMEMBERED = 10_000
"""Sessions of which it is remembered whether they fit."""


class Selected(NamedTuple):
    """What fell through, the `seq` of the last row that was looked at (0: none), what is left."""

    found: list[Raw]
    last: int
    left: int


class RowFilter:
    """Rows of these kinds, at a `node.port` with this in it, of this session, with this text.

    Raises:
        WsflowError: there is no such kind.
    """

    def __init__(
        self,
        store: Store,
        kinds: Iterable[str] = (),
        where: str = "",
        session: str = "",
        text: str = "",
    ) -> None:
        self._store = store
        self._kinds = frozenset(kinds)
        unknown = self._kinds - {*KINDS}
        if unknown:
            raise WsflowError(f"no rows of kind {min(unknown)!r}; kinds: {', '.join(KINDS)}")
        self._where, self._session = where.strip().lower(), session.strip().lower()
        self._text = text.strip().lower()
        self._packed = self._text.encode("utf-8", "surrogatepass")
        self._is_word = self._text.isascii() and self._text.replace(" ", "").isalpha()
        """Whether it stands in packed data as it is written."""
        self._places: list[bool] = []
        self._sessions: dict[int, bool] = {}
        self.open = not (self._kinds or self._where or self._session or self._text)
        """Whether every row falls through."""

    def select(self, rows: Iterable[Raw], budget: int) -> Selected:
        """Return the rows that fit. A look costs 1 of the budget, unpacking far more."""
        found, last = [], 0
        for row in rows:
            if budget <= 0:
                break
            budget -= 1
            last = row[0]
            if not self._at(row[2]) or (self._session and not self._of(row[3])):
                continue
            if self._text:
                fits, cost = self._contains(row[6], row[9])
                budget -= cost
                if not fits:
                    continue
            found.append(row)
        return Selected(found, last, budget)

    def _at(self, place: int) -> bool:
        places = self._places
        if place >= len(places):
            places += map(self._fits_place, islice(self._store.places(), len(places), None))
        return places[place]

    def _fits_place(self, place: Any) -> bool:
        kind, node, port, _ = place
        return (not self._kinds or kind in self._kinds) and (
            not self._where or self._where in f"{node}.{port}".lower()
        )

    def _of(self, number: int) -> bool:
        fits = self._sessions.get(number)
        if fits is None:
            known = self._store.known(number)
            id = "" if known is None else known.id.lower()
            fits = self._session in (id, id.split("-")[0])
            if len(self._sessions) >= MAX_REMEMBERED:
                self._sessions.clear()
            if known is not None:
                self._sessions[number] = fits
        return fits

    def _contains(self, data: Any, error: str | None) -> tuple[bool, int]:
        """Return whether a row has the text in its data or error, and what it cost to know."""
        text = self._text
        if error is not None and text in error.lower():
            return True, 0
        if type(data) is str:
            return text in data.lower(), len(data) // 1000
        if type(data) is Snapshot:
            packed = data.packed
            if self._packed in packed.lower():
                return True, len(packed) // 1000
            if self._is_word:
                return False, len(packed) // 1000
            return text in _whole(data.unpack()).lower(), UNPACK_COST + len(packed) // 100
        if type(data) is bytes:
            return self._packed in data.lower(), len(data) // 1000
        return data is not None and text in data_text(data).lower(), 1


def _whole(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # a number of more digits than Python is willing to write
        return ""
