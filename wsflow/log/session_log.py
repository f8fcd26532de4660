"""Writes down what sessions do: their facts when they open, and what no trigger tells of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ..base.interfaces import SessionView
from ..base.secrets import redact_headers, redact_query
from ..types import Data
from .blocks import Known
from .store import Store

R = TypeVar("R")


MAX_PATHS = 1000
"""Paths of requests that came to nothing and have a place of their own: places are never forgotten,
and strangers choose the paths."""


class Caller(Protocol):
    """The way into the flow's loop from any thread."""

    def call(self, function: Callable[..., R], *args: Any) -> R: ...


class Numbered(Protocol):
    """A scope."""

    number: int


class Cause(Protocol):
    """The context of the handler that runs here."""

    _cause: int

    @property
    def _scope(self) -> Numbered: ...


class SessionLog:
    """A `interfaces.Observer` that tells a store."""

    def __init__(
        self, store: Store, caller: Caller, current: Callable[[], Cause | None] = lambda: None
    ) -> None:
        self._store, self._caller, self._current = store, caller, current
        self._paths: set[str] = set()

    def opened(self, session: SessionView) -> None:
        """Keep the facts of a handshake, without its secrets."""
        known = Known(
            id=session.id,
            peer=session.peer,
            path=session.path,
            method=session.method,
            params=session.params,
            query=redact_query(session.query),
            headers=redact_headers(session.headers),
            opened=self._store.now(),
        )
        self._store.know(session.number, known)

    def closed(self, session: SessionView, code: int | None, reason: str) -> None:
        """Keep how it ended; the facts may go with the session's last row."""
        self._store.session_ended(session.number, code, reason)

    def sent(self, session: SessionView, data: Data, size: int | None) -> None:
        """A message was sent by hand or by `session.send` in a handler, or could not be."""
        kind = "drop" if size is None else "send"
        error = None if size is not None else "the session has ended: nothing was sent"
        place, ctx = self._store.place(kind, "", "send"), self._current()
        scope, cause = (0, 0) if ctx is None else (ctx._scope.number, ctx._cause)
        self._store.tell(place, session.number, scope, cause, data, size or 0, None, error)

    def note(self, kind: str, text: str, session: int = 0, path: str = "") -> None:
        """Tell of something that happened on the wire."""
        where = "" if session else self._bounded(path)
        if path and not session and not where:
            text += f" (on {path!r})"
        self._store.tell(
            self._store.place(kind, "", "wire", where),
            session,
            0,
            0,
            None,
            0,
            None,
            text,
        )

    def _bounded(self, path: str) -> str:
        """Return a path that may be a place's; "" once strangers have asked for too many."""
        if path not in self._paths:
            if len(self._paths) >= MAX_PATHS:
                return ""
            self._paths.add(path)
        return path

    def call(self, function: Callable[..., R], *args: Any) -> R:
        """Call `function` in the flow's loop."""
        return self._caller.call(function, *args)
