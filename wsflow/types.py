"""The shapes that travel: messages, events, replies, and one text where several are wanted.

Keys are spelled as the trigger contract spells them. This module knows no class of wsflow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NotRequired, TypeAlias, TypedDict

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


def texts(given: Iterable[str]) -> tuple[str, ...]:
    """Return all of them; a lone text is itself, and not its letters."""
    return (given,) if isinstance(given, str) else tuple(given)
