"""What towers ask of each other: a session, a transport, a route, a request, a row told.

The endpoint talks to transports and routes only through these, so that a socket, an ASGI server
and the in-memory client are the same to it; a trigger knows no more of a session than this.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from ..errors import ReplyError
from ..types import Data, Query
from .bodies import content_type
from .snapshot import describe

CLOSE_NORMAL = 1000
CLOSE_GOING_AWAY = 1001
CLOSE_PROTOCOL = 1002
CLOSE_INVALID_DATA = 1007
CLOSE_TOO_BIG = 1009
CLOSE_RESTART = 1012
CLOSE_TRY_LATER = 1013

Headers: TypeAlias = tuple[tuple[str, str], ...]

Left: TypeAlias = Callable[[], Awaitable[object]]
"""Waits until the client of a request has left."""

R = TypeVar("R")


def check_close(code: object, reason: object) -> tuple[int, str]:
    """Return code and reason of a Close frame as they were given.

    Raises:
        ReplyError: an application may not send that code (RFC 6455 section 7.4), or the reason
            does not fit into the frame (section 5.5: 125 bytes with the code).
    """
    if type(code) is not int or not (code in _CODES or 3000 <= code <= 4999):
        raise ReplyError(f"close code {code!r} may not be sent: take 1000 or 3000 to 4999")
    try:
        if isinstance(reason, str) and len(reason.encode()) <= 123:
            return code, reason
    except UnicodeEncodeError:
        pass  # a lone surrogate: no text a frame can carry
    raise ReplyError(f"a close reason is text of at most 123 bytes, not {describe(reason)}")


_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})


class Request(NamedTuple):
    """A handshake or an HTTP request as it came, before anybody believed any of it."""

    method: str
    path: str
    """Raw, still percent-encoded, without the query."""
    query: str
    headers: Headers
    """Names in lower case, in the order they came."""
    client: str
    """The other end of the socket."""
    local: str = ""
    """Our end of the socket: an address, without port."""

    def header(self, name: str) -> str | None:
        """Return a header's value, repeats joined with ', '; None when it is absent."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None


class Reply(NamedTuple):
    """An HTTP response, ready to leave."""

    status: int
    headers: Headers
    body: bytes


GUARDS: Headers = (
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
)
"""What answers carry unless their author says otherwise: no page of another site gets to read one
as a script, a style or a picture (promise P19)."""


def guarded(reply: Reply, guards: Headers = GUARDS) -> Reply:
    """Return a response with those of `guards` that it does not name itself."""
    named = {name for name, _ in reply.headers}
    missing = tuple(guard for guard in guards if guard[0] not in named)
    return reply._replace(headers=reply.headers + missing) if missing else reply


class Refusal(NamedTuple):
    """A handshake or request that gets no further: an HTTP status and a text for the client."""

    status: int
    body: str
    headers: Headers = ()

    def reply(self) -> Reply:
        """Return the response that says so: plain text, unless its headers say otherwise."""
        named = any(name == "content-type" for name, _ in self.headers)
        kind = () if named else (("content-type", content_type(self.body)),)
        return guarded(Reply(self.status, kind + self.headers, self.body.encode()))


class SessionView(Protocol):
    """A session as triggers, contexts and the engine see it."""

    id: str
    number: int
    peer: str
    method: str
    path: str
    params: dict[str, str]
    query: Query
    headers: dict[str, str]
    inflight: int
    starting: int
    waiting: deque[Any]

    @property
    def is_open(self) -> bool: ...

    def deliver(self, data: Data) -> int | None: ...

    def end(self, code: int = 1000, reason: str = "") -> None: ...

    def send(self, body: Any) -> bool: ...

    def close(self, code: int = 1000, reason: str = "") -> None: ...

    def when_closed(self, forget: Callable[[], object]) -> bool: ...

    def handler_started(self) -> None: ...

    def handler_ended(self) -> None: ...


class Transport(Protocol):
    """One open connection, seen from its session."""

    def send(self, data: Data) -> int:
        """Hand over one message and return its size in bytes.

        It may call `session.block()` when the other end does not keep up. Raises
        `UnicodeEncodeError` for text that is no UTF-8; nothing was sent then.
        """

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake; the transport sees to it that it ends."""

    def abort(self) -> None:
        """Drop the connection now."""

    def resume(self) -> None:
        """Go on reading: the session no longer halts."""

    def progress(self) -> int:
        """Return a number that grows whenever the other end took something."""

    def settled(self) -> bool:
        """Say whether all that was handed over has left this process."""

    def heard(self) -> bool:
        """Say whether anything arrived since the last call."""

    def ping(self) -> None:
        """Ask the other end for a sign of life, where the wire has such a thing."""


class SocketRoute(Protocol):
    """Who hears of a session: a WebSocket Trigger."""

    subprotocols: tuple[str, ...]

    def opened(self, session: SessionView) -> None: ...

    def received(self, session: SessionView, data: Data, size: int) -> None: ...

    def closed(
        self, session: SessionView, code: int | None, reason: str, error: str | None
    ) -> None: ...


class HttpRoute(Protocol):
    """Who answers plain HTTP requests: an HTTP Trigger."""

    pattern: str

    async def requested(
        self, request: Request, params: dict[str, str], body: bytes, left: Left | None = None
    ) -> Reply | Refusal: ...


class Observer(Protocol):
    """Who writes down what happens on the wire, and lets other threads in."""

    def asked(self, headers: Headers, query: Query) -> None: ...

    def opened(self, session: SessionView) -> None: ...

    def closed(self, session: SessionView, code: int | None, reason: str) -> None: ...

    def sent(self, session: SessionView, data: Data, size: int | None) -> None: ...

    def note(self, kind: str, text: str, session: int = 0, path: str = "") -> None: ...

    def call(self, function: Callable[..., R], *args: Any) -> R: ...


class FlowLoop(Protocol):
    """The loop of a flow, as who may be in another one reaches it."""

    async def run(self, function: Callable[..., Awaitable[R]], *args: Any) -> R: ...


class Routes(Protocol):
    """Where the endpoint looks up who is behind a path."""

    def socket(self, path: str) -> tuple[SocketRoute, dict[str, str]] | None: ...

    def http(self, path: str) -> tuple[dict[str, HttpRoute], dict[str, str]] | None: ...

    def is_page(self, path: str) -> bool:
        """Say whether a page of ours is there, which runs no handler."""


class Tell(Protocol):
    """Write one row of what happened and return its `seq` (see `events.Row`)."""

    def __call__(
        self,
        place: int,
        session: int,
        scope: int,
        cause: int,
        data: Any,
        size: int,
        elapsed: float | None = None,
        error: str | None = None,
    ) -> int: ...


class Places(Protocol):
    """Give the number under which rows of one kind at one port are told."""

    def __call__(self, kind: str, node: str, port: str, path: str = "") -> int: ...
