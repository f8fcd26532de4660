"""The table of who is connected."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import WsflowError
from .part import News, Part, text

if TYPE_CHECKING:
    from ..wire.session import Session
    from .host import Flow

MAX_ROWS = 200
"""Rows on a page."""

CHOICE_SECONDS = 1.0
"""Seconds between two looks at who is shown, when there are more than fit."""

SessionRow: TypeAlias = tuple[Any, ...]

ORDERS: dict[str, Callable[[Session], int]] = {
    "newest": lambda session: session.number,
    "most received": lambda session: session.messages_in,
    "most sent": lambda session: session.messages_out,
    "largest backlog": lambda session: session.backlog,
}


class SessionsPart(Part):
    """Up to 200 sessions, oldest first; with more, those that come first in the order asked for."""

    name = "sessions"
    actions = ("end", "choose")

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._filter, self._order = "", "newest"
        self._shown: list[Session] = []
        self._held: set[str] = set()
        """Those whose events wait in the freezer."""
        self._fitting = 0
        self._chosen_at = 0.0
        self._told: dict[str, SessionRow] = {}
        self._counts: tuple[int, int] | None = None
        self._since = time.time() - flow.sessions.now()
        """What to add to a session's clock for seconds since 1970."""

    # ---- what it tells

    def news(self) -> News | None:
        self._choose_again()
        self._held = set(self.flow.panel.freezes.waiting())
        rows = {session.id: self._row(session) for session in self._shown}
        changed = [row for who, row in rows.items() if self._told.get(who) != row]
        gone = [who for who in self._told if who not in rows]
        counts = (len(self.flow.sessions), self._fitting)
        if not changed and not gone and counts == self._counts:
            return None
        self._told, self._counts = rows, counts
        return {"rows": changed, "gone": gone, "total": counts[0], "fitting": counts[1]}

    def _choose_again(self) -> None:
        """Look who is there: at every tick, or less often where they are many."""
        now = time.monotonic()
        if self._fitting > MAX_ROWS and now - self._chosen_at < CHOICE_SECONDS:
            return
        self._chosen_at = now
        there = [one for one in self.flow.sessions if self._fits(one)]
        self._fitting = len(there)
        if len(there) > MAX_ROWS:
            there = heapq.nlargest(MAX_ROWS, there, key=ORDERS[self._order])
            there.sort(key=lambda session: session.number)
        self._shown = there

    def _fits(self, session: Session) -> bool:
        wanted = self._filter
        return not wanted or any(
            wanted in value.lower() for value in (session.id, session.peer, session.path)
        )

    def _row(self, session: Session) -> SessionRow:
        return (
            session.id,
            text(session.peer, 60),
            text(session.path, 120),
            "held" if session.id in self._held else session.state,
            round(session.opened_at + self._since, 1),
            session.messages_in,
            session.messages_out,
            session.backlog,
            session.dropped,
        )

    # ---- what it is asked

    def end(self, session: str, code: int = 1000, reason: str = "") -> None:
        """Close a session by hand."""
        self.flow.sessions.find(session).close(code, reason)

    def choose(self, filter: str = "", order: str = "newest") -> None:
        """Show only sessions whose id, peer or path has this in it, and which first."""
        if order not in ORDERS:
            raise WsflowError(f"no order {order!r}; there are: {', '.join(ORDERS)}")
        self._filter, self._order = filter.strip().lower(), order
        self._chosen_at, self._fitting = 0.0, 0
