"""The socket-free brain of the wire side: who may come in, and to which route.

Transports are thin shells round it: they bring a `Request` and get a `Refusal` or an `Admission`;
they bring a `Transport` and get a `Session`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import unquote

import anyio

from ..base.interfaces import (
    GUARDS,
    Headers,
    HttpRoute,
    Left,
    Observer,
    Refusal,
    Reply,
    Request,
    Routes,
    SocketRoute,
    Transport,
    guarded,
)
from ..base.secrets import TOKEN_SUBPROTOCOL
from ..base.urls import parse_query
from ..errors import ClientGoneError
from ..tracebacks import named
from ..types import Query
from .policy import Policy, is_from_elsewhere, is_loopback
from .session import DEFAULT_LIMITS, Facts, Limits, Session
from .sessions import Sessions

MAX_SESSIONS = 10_000
"""Sessions at a time where nobody said otherwise."""

MAX_PATH = 2048
MAX_QUERY = 8192
"""Bytes of a query where nobody said otherwise."""

MAX_HEADERS = 100
MAX_HEADER_BYTES = 16 * 1024
MAX_BODY_BYTES = 2**20
MAX_TOLD = 20
"""Routes that are named to who asked for none of them."""

BODY_TIMEOUT = 30.0
"""Seconds a client may take to send a request's body."""


OPEN: Headers = tuple(
    (name, "cross-origin" if name == "cross-origin-resource-policy" else value)
    for name, value in GUARDS
)
"""What answers to pages of other origins carry: they were let in, so they may read them."""


class Admission(NamedTuple):
    """A handshake that may go on: its route, its facts and the subprotocol to answer with."""

    route: SocketRoute
    facts: Facts


class Endpoint:
    """Decides, and opens sessions. One for each way in; all share routes and sessions."""

    def __init__(
        self,
        routes: Routes,
        sessions: Sessions,
        observer: Observer,
        *,
        policy: Policy | None = None,
        limits: Limits = DEFAULT_LIMITS,
        max_sessions: int = MAX_SESSIONS,
        max_query_size: int = MAX_QUERY,
        told_routes: Callable[[], list[str]] | None = None,
    ) -> None:
        self.routes, self.sessions, self.observer = routes, sessions, observer
        self.policy, self.limits, self.max_sessions = policy, limits, max_sessions
        self.max_query_size = max_query_size
        self.told_routes = told_routes
        """What a client of this machine that goes astray is told of; None: of nothing."""

    # ---- sockets

    def admit(self, request: Request) -> Admission | Refusal:
        """Decide on a WebSocket handshake. A refusal is also a row of the log."""
        verdict = self._admit(request)
        if not isinstance(verdict, Refusal):
            return verdict
        self._asked(request)
        return self.refuse(request, verdict)

    def _admit(self, request: Request) -> Admission | Refusal:
        refusal = self._judge(request)
        if refusal is not None:
            return refusal
        found = self.routes.socket(request.path)
        if found is None:
            return self._astray(request, "WebSocket route")
        if len(self.sessions) >= self.max_sessions:
            return Refusal(503, "too many sessions\n", (("retry-after", "1"),))
        route, params = found
        try:
            query = parse_query(request.query)
        except ValueError as error:
            return Refusal(400, f"the query can not be read: {error}\n")
        facts = Facts(
            peer=self.policy.peer(request) if self.policy else request.client,
            method=request.method,
            path=unquote(request.path),
            params=params,
            query=query,
            headers=_merged(request.headers),
            subprotocol=_chosen(request, route.subprotocols),
        )
        return Admission(route, facts)

    def open(self, admission: Admission, transport: Transport, id: str | None = None) -> Session:
        """Make the session of an admitted handshake; the transport calls its `start()`.

        `id` is given in a replay, where a session keeps the name it was recorded under.
        """
        fresh, number = self.sessions.name()
        session = Session(
            id or fresh,
            number,
            admission.facts,
            transport,
            admission.route,
            self.limits,
            self.observer,
            self.sessions.now,
            self._closed,
        )
        session.paused = self.sessions.paused
        self.observer.opened(session)
        self.sessions.add(session)
        return session

    def _closed(self, session: Session, code: int | None, reason: str) -> None:
        self.sessions.remove(session)
        self.observer.closed(session, code, reason)

    # ---- plain HTTP

    async def answer(
        self,
        request: Request,
        read_body: Callable[[int], Awaitable[bytes | None]],
        left: Left | None = None,
    ) -> Reply:
        """Answer an HTTP request that asks for no socket.

        `read_body(limit)` gives the body, or None when it is larger than `limit` bytes. `left()`
        waits until the client has left.

        Raises:
            ClientGoneError: the client left before it was answered.
        """
        try:
            reply = await self._answer(request, read_body, left)
        except ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001 (a fault of ours: promise P25)
            return self.fault(error).reply()
        return guarded(reply, OPEN if is_from_elsewhere(request) else GUARDS)

    async def _answer(
        self,
        request: Request,
        read_body: Callable[[int], Awaitable[bytes | None]],
        left: Left | None,
    ) -> Reply:
        self._asked(request)
        found = self._find(request)
        if isinstance(found, Refusal):
            return self.refuse(request, found).reply()
        route, params = found
        with anyio.move_on_after(BODY_TIMEOUT) as reading:
            body = await read_body(MAX_BODY_BYTES)
        verdict: Reply | Refusal
        if reading.cancelled_caught:
            verdict = Refusal(408, "the body took too long\n")
        elif body is None:
            verdict = Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes\n")
        else:
            verdict = await route.requested(request, params, body, left)
        return self.refuse(request, verdict).reply() if isinstance(verdict, Refusal) else verdict

    def _find(self, request: Request) -> tuple[HttpRoute, dict[str, str]] | Refusal:
        refusal = self._judge(request)
        if refusal is not None:
            return refusal
        found = self.routes.http(request.path)
        if found is None:
            if self.routes.socket(request.path) is not None:
                return Refusal(
                    426,
                    "this path speaks WebSocket: open it with a WebSocket client\n",
                    (("upgrade", "websocket"), ("connection", "upgrade")),
                )
            return self._astray(request, "route")
        by_method, params = found
        route = by_method.get(request.method)
        if route is None:
            allowed = ", ".join(sorted(by_method))
            return Refusal(
                405, f"this path takes {allowed or 'no method yet'}\n", (("allow", allowed),)
            )
        return route, params

    # ---- both

    def _asked(self, request: Request) -> None:
        """Let the observer know what is secret of a request that opens no session."""
        query: Query = {}
        if len(request.query) <= self.max_query_size:
            with contextlib.suppress(ValueError):  # too many fields: the request is refused
                query = parse_query(request.query)
        self.observer.asked(request.headers, query)

    def fault(self, error: Exception) -> Refusal:
        """Write a fault of ours down; the client learns nothing of it (promise P25)."""
        self.observer.note("error", f"a request could not be answered: {named(error)}")
        return Refusal(500, "something went wrong on this side\n")

    def _astray(self, request: Request, wanted: str) -> Refusal:
        """Refuse a path that nobody has, and name those that somebody has to who may know."""
        told = self.told_routes() if self.told_routes and is_loopback(request.client) else []
        more = f" and {len(told) - MAX_TOLD} more" if len(told) > MAX_TOLD else ""
        there = f"; there are: {', '.join(told[:MAX_TOLD])}{more}" if told else ""
        return Refusal(404, f"no {wanted} on this path{there}\n")

    def _judge(self, request: Request) -> Refusal | None:
        if len(request.path) > MAX_PATH:
            return Refusal(414, f"the path is longer than {MAX_PATH} bytes\n")
        if len(request.query) > self.max_query_size:
            return Refusal(414, f"the query is longer than {self.max_query_size} bytes\n")
        if "\x00" in unquote(request.path):
            return Refusal(400, "the path contains NUL\n")
        size = sum(len(name) + len(value) for name, value in request.headers)
        if len(request.headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
            return Refusal(431, f"more than {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes\n")
        if self.policy is None:
            return None
        return self.policy.judge(request, to_page=self.routes.is_page(request.path))

    def refuse(self, request: Request, refusal: Refusal) -> Refusal:
        """Write a refusal down and return it."""
        text = f"{request.method} from {request.client} refused with {refusal.status}: "
        self.observer.note("drop", text + refusal.body.strip(), 0, unquote(request.path)[:200])
        return refusal


def _merged(headers: Headers) -> dict[str, str]:
    """Return one value a name; repeats are joined with ', ' (RFC 9110 section 5.3)."""
    merged: dict[str, str] = {}
    for name, value in headers:
        merged[name] = f"{merged[name]}, {value}" if name in merged else value
    return merged


def _chosen(request: Request, supported: tuple[str, ...]) -> str | None:
    """Return the subprotocol to answer with: the first one offered that the route speaks.

    A browser that offered only its token gets it back: it would hang up on no answer at all.
    """
    header = request.header("sec-websocket-protocol")
    offered = [name.strip() for name in header.split(",")] if header else []
    for name in offered:
        if name in supported or name == TOKEN_SUBPROTOCOL.split(".")[0]:
            return name
    tokens = [name for name in offered if name.startswith(TOKEN_SUBPROTOCOL)]
    return tokens[0] if tokens else None
