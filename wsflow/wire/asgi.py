"""The endpoint as an ASGI application, for any ASGI server or framework.

The server's own limits apply: most report other close codes than the client sent, and read ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import quote

import anyio

from ..base.bodies import size_of
from ..base.interfaces import Headers, Refusal, Request
from ..base.wake import Wakeup
from ..errors import ClientGoneError
from ..tracebacks import said
from ..types import Data
from .endpoint import Endpoint
from .session import Session

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

SEND_AHEAD = 64
"""Messages handed to the ASGI server ahead of what it has taken."""


class AsgiApp:
    """`startup` and `shutdown` follow the server's lifespan; without one, first use starts."""

    def __init__(
        self,
        endpoint: Endpoint,
        startup: Callable[[], Awaitable[None]],
        shutdown: Callable[[], Awaitable[None]],
    ) -> None:
        self.endpoint, self._startup, self._shutdown = endpoint, startup, shutdown

    def __repr__(self) -> str:
        paths = ", ".join(getattr(self.endpoint.routes, "paths", list)())
        return f"<AsgiApp {paths:.60}>" if paths else "<AsgiApp without WebSocket routes>"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI 3.0)."""
        match scope["type"]:
            case "lifespan":
                await self._lifespan(receive, send)
            case "http":
                await self._startup()
                await self._http(scope, receive, send)
            case "websocket":
                await self._startup()
                await self._websocket(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._startup()
        except Exception as error:  # noqa: BLE001 (the server reports it)
            await send({"type": "lifespan.startup.failed", "message": said(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        async def left() -> None:
            """Wait for the client to leave."""
            while (await receive())["type"] != "http.disconnect":
                pass

        async def read_body(limit: int) -> bytes | None:
            body = bytearray()
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError("the client left before its request was whole")
                body += message.get("body", b"")
                if len(body) > limit:
                    return None
                if not message.get("more_body"):
                    return bytes(body)

        try:
            reply = await self.endpoint.answer(_request(scope), read_body, left)
        except ClientGoneError:
            return
        headers = [*reply.headers, ("content-length", str(len(reply.body)))]
        await send(
            {"type": "http.response.start", "status": reply.status, "headers": _raw(tuple(headers))}
        )
        await send({"type": "http.response.body", "body": reply.body})

    async def _websocket(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        verdict = self.endpoint.admit(_request(scope))
        if isinstance(verdict, Refusal):
            await _deny(scope, send, verdict)
            return
        transport = _AsgiTransport(send)
        session = transport.session = self.endpoint.open(verdict, transport)
        await send({"type": "websocket.accept", "subprotocol": session.subprotocol})
        session.start()
        try:
            async with anyio.create_task_group() as group:

                async def write() -> None:
                    await transport.write()
                    group.cancel_scope.cancel()

                group.start_soon(write)
                await _read(session, transport, receive)
                group.cancel_scope.cancel()
        finally:
            session.lost(None, "", "connection lost without a Close frame")


async def _read(session: Session, transport: _AsgiTransport, receive: Receive) -> None:
    while True:
        while session.halted:
            await transport.wait_resumed()
        message = await receive()
        if message["type"] == "websocket.disconnect":
            code = message.get("code")
            session.lost(None if code == 1006 else code, message.get("reason") or "")
            return
        text = message.get("text")
        data: Data = text if text is not None else message.get("bytes") or b""
        size = size_of(data)
        if session.allows(size):
            session.receive(data, size)


class _AsgiTransport:
    """Messages wait here for the one task that may call the server's `send`."""

    def __init__(self, send: Send) -> None:
        self.session: Session
        self._send = send
        self._queue: deque[Message] = deque()
        self._more, self._resumed = Wakeup(), Wakeup()
        self._taken = 0
        self._gone = False

    def send(self, data: Data) -> int:
        size = len(data.encode() if isinstance(data, str) else data)
        key = "text" if isinstance(data, str) else "bytes"
        self._put({"type": "websocket.send", key: data})
        if len(self._queue) >= SEND_AHEAD:
            self.session.block()
        return size

    def close(self, code: int, reason: str) -> None:
        self._put({"type": "websocket.close", "code": code, "reason": reason})

    def abort(self) -> None:
        self._gone = True
        self._more.ring()

    def resume(self) -> None:
        self._resumed.ring()

    def progress(self) -> int:
        return self._taken

    def settled(self) -> bool:
        return not self._queue

    def heard(self) -> bool:
        return True  # keeping the connection alive is the server's business

    def ping(self) -> None:
        """ASGI has no ping."""

    async def wait_resumed(self) -> None:
        await self._resumed.wait()

    def _put(self, message: Message) -> None:
        self._queue.append(message)
        self._more.ring()

    async def write(self) -> None:
        """Give the queue to the server; ends the connection after our Close."""
        while not self._gone:
            while self._queue:
                message = self._queue.popleft()
                try:
                    await self._send(message)
                except OSError as error:  # what ASGI servers raise when the client has left
                    self.session.lost(None, "", f"connection lost: {error}")
                    return
                self._taken += 1
                if message["type"] == "websocket.close":
                    self.session.lost(None)
                    return
                if len(self._queue) == SEND_AHEAD // 2:
                    self.session.unblock()
            await self._more.wait()
        self.session.lost(None, "", "connection dropped by the server")


async def _deny(scope: Message, send: Send, refusal: Refusal) -> None:
    if "websocket.http.response" in scope.get("extensions", {}):
        reply = refusal.reply()
        kind = "websocket.http.response"
        start = {"type": f"{kind}.start", "status": reply.status, "headers": _raw(reply.headers)}
        await send(start)
        await send({"type": f"{kind}.body", "body": reply.body})
    else:
        await send({"type": "websocket.close"})  # the server answers 403


def _request(scope: Message) -> Request:
    raw = scope.get("raw_path")
    path = raw.decode("latin1") if raw else quote(scope["path"])
    root = scope.get("root_path", "")
    if root and path.startswith(root):
        path = path[len(root) :] or "/"
    client, server = scope.get("client"), scope.get("server")
    return Request(
        method=scope.get("method", "GET"),
        path=path.partition("?")[0],
        query=scope.get("query_string", b"").decode("latin1"),
        headers=tuple(
            (key.decode("latin1").lower(), value.decode("latin1"))
            for key, value in scope["headers"]
        ),
        client=client[0] if client else "",
        local=server[0] if server else "",
    )


def _raw(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin1"), value.encode("latin1")) for name, value in headers]
