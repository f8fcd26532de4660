"""The shapes that travel: events, replies, and what the flow side needs to know of a session.

Keys are spelled as the trigger contract spells them. This module knows no class of wsflow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NotRequired, Protocol, TypeAlias, TypedDict

Data: TypeAlias = str | bytes
"""One WebSocket message: text frames are `str`, binary frames are `bytes`."""

Query: TypeAlias = dict[str, str | list[str]]
"""A parsed query string: one value is a `str`, a repeated one a list of `str`."""

Handler: TypeAlias = Callable[..., Any]
"""A plain function `(event, ctx)`, `(event)` or `()`, `def` or `async def`."""


class SocketEvent(TypedDict):
    """What a WebSocket Trigger sends on `req`."""

    peer: str
    sessionId: str
    method: str
    params: dict[str, str]
    query: Query
    headers: dict[str, str]


class MessageEvent(SocketEvent):
    """What a WebSocket Trigger sends on `message`."""

    message: Data


class CloseEvent(SocketEvent):
    """What a WebSocket Trigger sends on `close`; `code` is None when nobody told one."""

    code: int | None
    reason: str


class HttpEvent(TypedDict):
    """What an HTTP Trigger sends on `out`."""

    method: str
    path: str
    params: dict[str, str]
    query: Query
    body: Any
    rawBody: bytes
    headers: dict[str, str]
    routePath: str


class TimerEvent(TypedDict):
    """What a Timer sends on `out`: which tick since the start, and UTC in seconds since 1970."""

    count: int
    time: float


class ErrorEvent(TypedDict):
    """What a Catch trigger sends on `out`: who failed, how, and with which value."""

    error: str
    type: str
    node: str
    port: str
    value: Any
    sessionId: str | None
    traceback: str


class Response(TypedDict):
    """The argument of `emit("response", ...)` for the client behind a socket event."""

    body: NotRequired[Any]
    end: NotRequired[Any]
    code: NotRequired[int]
    reason: NotRequired[str]


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


Settings: TypeAlias = Mapping[str, Any]
