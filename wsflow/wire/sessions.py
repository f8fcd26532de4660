"""All sessions of a flow: find one, watch them, close them all."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Iterator

from ..base.display import table
from ..base.wake import Wakeup
from ..errors import WsflowError
from .session import Session


class Sessions:
    """Sessions by id, oldest first. Reading is safe from any thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        """Where the sessions' time comes from."""
        self._by_id: dict[str, Session] = {}
        self._numbers = itertools.count(1)
        self._run = secrets.token_hex(2)
        self._emptied = Wakeup()
        self.paused = False
        """Whether the flow is paused: newcomers are not read from either."""

    def name(self) -> tuple[str, int]:
        """Return an id no other connection has, and its number: `("s7-k3f9", 7)`."""
        number = next(self._numbers)
        return f"s{number}-{self._run}", number

    def add(self, session: Session) -> None:
        """Take a session in."""
        self._by_id[session.id] = session

    def remove(self, session: Session) -> None:
        """Let a session go; harmless when it is not there."""
        self._by_id.pop(session.id, None)
        if not self._by_id:
            self._emptied.ring()

    def find(self, id: str) -> Session:
        """Return the session of that id, or the only one whose id begins with it.

        Raises:
            WsflowError: there is none, or several.
        """
        if id in self._by_id:
            return self._by_id[id]
        found = [session for session in self if session.id.split("-")[0] == id]
        if len(found) != 1:
            open_ones = ", ".join(session.id for session in list(self)[:8]) or "none"
            raise WsflowError(f"no open session {id!r}; open: {open_ones}")
        return found[0]

    def close_all(self, code: int, reason: str) -> None:
        """Start the closing handshake with everybody."""
        for session in self:
            session.end(code, reason)

    async def emptied(self) -> None:
        """Wait until no session is left."""
        if self._by_id:
            await self._emptied.wait()

    def check(self, now: float) -> None:
        """Have every session look after itself (see `Session.check`)."""
        for session in self:
            session.check(now)

    def pause(self, paused: bool) -> None:
        """Stop or go on reading from everybody."""
        self.paused = paused
        for session in self:
            session.pause(paused)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, session: object) -> bool:
        return session in self._by_id or any(session is one for one in self)

    def __getitem__(self, key: str | int) -> Session:
        return self.find(key) if isinstance(key, str) else list(self)[key]

    def __repr__(self) -> str:
        shown = " ".join(session.id for session in list(self)[:5])
        return f"<Sessions {len(self)} open{': ' + shown if shown else ''}>"

    def _repr_html_(self) -> str:
        head = ("session", "peer", "path", "state", "age", "in", "out", "waiting")
        rows = [
            (
                one.id,
                one.peer,
                one.path,
                one.state,
                f"{one.age:.0f} s",
                one.messages_in,
                one.messages_out,
                one.backlog,
            )
            for one in list(self)[:200]
        ]
        return table(head, rows, note=f"{len(self)} open")
