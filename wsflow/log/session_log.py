"""Writes down what sessions do: their facts when they open, and what no trigger tells of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from ..base.interfaces import Headers, SessionView
from ..base.secrets import redact_headers, redact_query
from ..base.snapshot import made_anew
from ..types import Data, Query
from .blocks import Known
from .store import Store

R = TypeVar("R")


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

    def asked(self, headers: Headers, query: Query) -> None:
        """Learn the secrets of a request, whatever comes of it: no row shows them."""
        self._store.secrets.meet(headers, query)

    def opened(self, session: SessionView) -> None:
        """Keep the facts of a handshake, without its secrets."""
        secrets = self._store.secrets
        more = secrets.hold(session.number, session.headers.items(), session.query)
        clean = partial(made_anew, text=secrets.text)
        known = Known(
            id=session.id,
            peer=session.peer,
            path=clean(session.path),
            method=session.method,
            params=clean(session.params),
            query=clean(redact_query(session.query)),
            headers=clean(redact_headers(session.headers)),
            opened=self._store.now(),
        )
        self._store.know(session.number, known, more)

    def closed(self, session: SessionView, code: int | None, reason: str) -> None:
        """Keep how it ended; the facts may go with the session's last row."""
        self._store.session_ended(session.number, code, reason)

    def sent(self, session: SessionView, data: Data, size: int | None) -> None:
        """A message was sent by hand or by `session.send` in a handler, or could not be."""
        kind = "drop" if size is None else "send"
        error = None if size is not None else "the session has ended: nothing was sent"
        place, ctx = self._store.place(kind, "", "send"), self._current()
        scope, cause = (0, 0) if ctx is None else (ctx._scope.number, ctx._cause)
        weight = len(data) if size is None else size
        self._store.tell(place, session.number, scope, cause, data, weight, None, error)

    def note(self, kind: str, text: str, session: int = 0, path: str = "") -> None:
        """Tell of something that happened on the wire."""
        where = "" if session else self._store.secrets.text(path)
        place = self._store.place(kind, "", "wire", where)
        if where and not self._store.places()[place].path:
            text += f" (on {where!r})"
        self._store.tell(place, session, 0, 0, None, 0, None, text)

    def call(self, function: Callable[..., R], *args: Any) -> R:
        """Call `function` in the flow's loop."""
        return self._caller.call(function, *args)
