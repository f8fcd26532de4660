"""A client in memory: the same endpoint, sessions and triggers, without a port.

For tests, replay and a first try in a notebook. What it sends takes the same way as a message
from a socket.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from types import TracebackType
from typing import Any, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from ..base.bodies import size_of, to_json
from ..base.interfaces import FlowLoop, Refusal, Request
from ..base.snapshot import is_unicode
from ..base.wake import Wakeup
from ..errors import PathError, ReceiveTimeoutError, RefusedError, SessionClosedError, Spelled
from ..types import Data
from .endpoint import Endpoint
from .loopback import Loopback
from .session import Session

R = TypeVar("R")

MAX_INBOX = 1024
"""Messages a client may leave unread before its session holds back."""

INBOX_LOW = MAX_INBOX // 2
"""And how few are left when it goes on."""


class Client(Spelled):
    """A client of a flow. It connects at the first `await`, or with `async with`.

    >>> alice = flow.client("/chat/red")          # doctest: +SKIP
    >>> await alice.send("hi")                    # doctest: +SKIP
    >>> await alice.receive(timeout=1)            # doctest: +SKIP
    """

    def __init__(
        self,
        endpoint: Endpoint,
        start: Callable[[], Awaitable[None]],
        home: FlowLoop,
        path: str,
        headers: Mapping[str, str],
        peer: str,
    ) -> None:
        if not isinstance(path, str) or not path.startswith("/"):
            raise PathError(
                f"a client in memory takes a path such as '/chat/red', not {path!r}; "
                "for an address: websockets.connect(server.url + '/chat/red')"
            )
        for what in (path, *headers, *headers.values()):
            if not (isinstance(what, str) and is_unicode(what)):
                raise PathError(f"no client can send {what!r}: it is no text that UTF-8 can carry")
        self.path = path
        self._endpoint, self._start, self._home = endpoint, start, home
        route, _, query = path.partition("?")
        pairs = tuple((name.lower(), value) for name, value in headers.items())
        self._request = Request("GET", route, query, (("host", "memory"), *pairs), peer, peer)
        self._transport: MemoryTransport | None = None

    # ---- connecting

    async def connect(self) -> Client:
        """Do the handshake now, if it was not done.

        Raises:
            RefusedError: the flow has no such route, or refuses it.
        """
        if self._transport is None:
            await self._start()
            await self._home.run(self._connect)
        return self

    async def _connect(self) -> None:
        verdict = self._endpoint.admit(self._request)
        if isinstance(verdict, Refusal):
            known = ", ".join(getattr(self._endpoint.routes, "paths", list)())
            hint = f" (routes: {known or 'none'})" if verdict.status == 404 else ""
            raise RefusedError(self.path, verdict.status, verdict.body.strip() + hint)
        transport = MemoryTransport()
        self._transport = transport
        transport.session = self._endpoint.open(verdict, transport)
        transport.session.start()

    @property
    def session(self) -> Session | None:
        """The flow's side of this connection; None before it is made."""
        return None if self._transport is None else self._transport.session

    # ---- talking

    async def send(self, message: Data) -> None:
        """Send one message: `str` as text, `bytes` as binary. Waits while the flow is behind.

        Raises:
            SessionClosedError: the session has ended.
            TypeError: the message is neither text nor bytes (see `send_json`).
        """
        if not isinstance(message, str | bytes):
            raise TypeError(f"send takes str or bytes, not {message!r:.80}; for JSON: send_json")
        await self._run(self._send, message, size_of(message))

    async def _send(self, message: Data, size: int) -> None:
        await checkpoint()  # a socket would let others have their turn, too
        transport = self._there()
        transport.raise_if_closed(self.path)
        session = transport.session
        while session.halted and session.is_open:
            await transport.wait_resumed()
        transport.raise_if_closed(self.path)
        if session.allows(size):
            session.receive(message, size)

    async def send_json(self, body: Any) -> None:
        """Send `body` as JSON text."""
        await self.send(to_json(body))

    async def receive(self, timeout: float | None = 10.0) -> Data:
        """Return the next message, in the order they were sent.

        Raises:
            ReceiveTimeoutError: none came within `timeout` seconds (None: wait for ever).
            SessionClosedError: the session has ended and everything was read.
        """
        return await self._run(self._receive, timeout)

    async def _receive(self, timeout: float | None) -> Data:
        transport = self._there()
        if transport.inbox:
            await checkpoint()
        with anyio.move_on_after(timeout):
            while not transport.inbox and not transport.closed:
                await transport.wait_message()
        if transport.inbox:
            return transport.take()
        transport.raise_if_closed(self.path)
        raise ReceiveTimeoutError(
            f"nothing arrived on {self.path!r} within {timeout:g} s; "
            "look at flow.log for what the handlers did"
        )

    async def receive_json(self, timeout: float | None = 10.0) -> Any:
        """Return the next message, read as JSON."""
        return json.loads(await self.receive(timeout))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection from the client's side; harmless twice, or when never connected."""
        if self._transport is not None:
            await self._home.run(self._close, code, reason)

    async def _close(self, code: int, reason: str) -> None:
        transport = self._there()
        transport.end(code, reason)

    @property
    def closed(self) -> tuple[int | None, str] | None:
        """Code and reason once the session has ended; None while it lives."""
        return None if self._transport is None else self._transport.closed

    # ---- inside

    async def _run(self, function: Callable[..., Awaitable[R]], *args: Any) -> R:
        await self.connect()
        return await self._home.run(function, *args)

    def _there(self) -> MemoryTransport:
        assert self._transport is not None
        return self._transport

    def __await__(self) -> Generator[Any, None, Client]:
        return self.connect().__await__()

    async def __aenter__(self) -> Client:
        return await self.connect()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[Data]:
        """Give messages until the session ends."""
        while True:
            try:
                message = await self.receive(timeout=None)
            except SessionClosedError:
                return
            yield message

    def __repr__(self) -> str:
        session = self.session
        state = "not connected yet" if session is None else f"{session.id} {session.state}"
        unread = len(self._transport.inbox) if self._transport else 0
        return f"<Client {self.path} {state} unread={unread}>"


class MemoryTransport(Loopback):
    """The session's way to a `Client`; `inbox` is what it has not read."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox: deque[Data] = deque()
        self._full = False
        self._news, self._resumed = Wakeup(), Wakeup()

    def send(self, data: Data) -> int:
        size = size_of(data)
        self.inbox.append(data)
        self._news.ring()
        if len(self.inbox) >= MAX_INBOX and not self._full:
            self._full = True
            self.session.block()
        return size

    def end(self, code: int | None, reason: str) -> None:
        """The connection ends, and whoever waits wakes up to see it."""
        self._news.ring()
        self._resumed.ring()
        super().end(code, reason)

    def resume(self) -> None:
        self._resumed.ring()

    def take(self) -> Data:
        """Return the oldest unread message."""
        data = self.inbox.popleft()
        self._taken += 1
        if self._full and len(self.inbox) <= INBOX_LOW:
            self._full = False
            self.session.unblock()
        return data

    async def wait_message(self) -> None:
        """Wait until something arrived or the connection ended."""
        await self._news.wait()

    async def wait_resumed(self) -> None:
        """Wait until the session may read on."""
        await self._resumed.wait()

    def raise_if_closed(self, path: str) -> None:
        """Raise `SessionClosedError` when the connection has ended."""
        if self.closed is not None:
            raise SessionClosedError(path, *self.closed)
