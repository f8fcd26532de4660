"""Hypercorn speaks HTTP/1.1, up to the handshake; then the transport belongs to a `Connection`.

A handshake that comes whole and is granted is answered at once, which is twice as fast; everything
else (requests, refusals, heads in crumbs) is Hypercorn's.
Subclasses only, no monkeypatching; `tests/wire/test_listener.py` fails when an overridden method of
Hypercorn changes. HTTP/2 is not offered: it would let 50 sockets share one connection past any cap.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

import h11
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol, H11WSConnection
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

from ..base.forks import blind
from ..base.interfaces import Refusal, Request
from ..errors import ServeError
from ..tracebacks import named
from .acceptor import BUSY, Acceptor
from .connection import Batch, Connection
from .deflate import DeflateConnection, negotiate
from .endpoint import Admission, Endpoint
from .handshake import asks_for_websocket, key_of, request_of, switching, whole_handshake

HEADER_TIMEOUT = 5.0
"""Seconds a client may take for its request head; also how long an idle connection is kept."""

GLANCE_SHARE = 0.1
"""The part of it we wait for a whole handshake, before Hypercorn takes over."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A handshake that may go on: what was asked, the client's key, and to whom it leads."""

    asked: Request
    key: str
    admission: Admission


Verdict: TypeAlias = Granted | Refusal


class Listener:
    """A bound socket that serves one endpoint in the running loop."""

    def __init__(
        self,
        endpoint: Endpoint,
        app: Any,
        *,
        max_connections: int,
        compression: bool = False,
        certfile: str | None = None,
        keyfile: str | None = None,
    ) -> None:
        self.endpoint, self.max_connections = endpoint, max_connections
        self.compression = compression
        self.batch = Batch()
        self.config = _config(certfile, keyfile)
        self.tls = self._tls()
        self.app = ASGIWrapper(app)
        self.context = WorkerContext(None)
        self.handshakes: dict[asyncio.Task[None], asyncio.StreamWriter | None] = {}
        """Who has connected and is no session yet; no writer before TLS is agreed on."""
        self._door: Acceptor | asyncio.Server | None = None

    async def start(self, sock: socket.socket) -> None:
        """Accept on a socket that is bound and listens already."""
        answer = b"" if self.tls else BUSY
        door = Acceptor(sock, self._welcome, self._full, partial(self._note, "drop"), answer)
        try:
            door.start()
            self._door = door
        except NotImplementedError:  # Windows' own loop: there asyncio accepts, and answers nobody
            self._door = await asyncio.start_server(self._accepted, sock=sock, ssl=self.tls)

    def _tls(self) -> ssl.SSLContext | None:
        if self.config.certfile is None and self.config.keyfile is None:
            return None
        if self.config.certfile is None:
            raise ServeError(f"keyfile={self.config.keyfile!r} needs its certificate: certfile=...")
        try:
            return self.config.create_ssl_context()
        except (OSError, ssl.SSLError) as error:
            raise ServeError(
                f"certfile={self.config.certfile!r}, keyfile={self.config.keyfile!r}: {error}"
            ) from error

    def close(self) -> None:
        """Accept nobody any more; those inside stay.

        `wait_closed` is not awaited: from Python 3.12 on it waits for every connection.
        """
        if self._door is not None:
            self._door.close()

    async def drain(self, seconds: float, goes_on: Callable[[], bool]) -> None:
        """Drop sockets whose session is over; let HTTP requests end, then drop them too.

        They get so many seconds, and as many again while it `goes_on`.
        """
        await self.context.terminated.set()
        for connection in list(self.batch.connections):
            connection.abort()
        while self.handshakes:
            await asyncio.wait(list(self.handshakes), timeout=seconds)
            if not goes_on():
                break
        for writer in list(self.handshakes.values()):
            if writer is not None:
                writer.transport.abort()
        for task in list(self.handshakes):
            task.cancel()
        if self.handshakes:
            await asyncio.wait(list(self.handshakes), timeout=1.0)

    def cut(self) -> None:
        """Have no socket any more, without a word to clients: in a forked child they are not ours,
        and in a loop that was closed nobody can be told.
        """
        writers = [one for one in self.handshakes.values() if one is not None]
        sockets = [one.get_extra_info("socket") for one in writers]
        if isinstance(self._door, Acceptor):
            self._door.cut()
        sessions = [one.descriptor for one in self.batch.connections]
        blind([*sessions, *(sock.fileno() for sock in sockets if sock is not None)])

    # ---- newcomers

    def _full(self) -> str | None:
        if len(self.handshakes) + len(self.endpoint.sessions) < self.max_connections:
            return None
        return f"there are {self.max_connections} connections already"

    def _welcome(self, sock: socket.socket) -> None:
        task = asyncio.get_running_loop().create_task(self._visit(sock))
        self.handshakes[task] = None
        task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self.handshakes.pop(task, None)

    async def _visit(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                sock,
                ssl=self.tls,
                ssl_handshake_timeout=HEADER_TIMEOUT if self.tls else None,
            )
        except (OSError, asyncio.CancelledError):  # no TLS, or none in time
            sock.close()
            return
        await self._accepted(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self.handshakes[task] = writer
        try:
            data = await _first_words(reader)
            visitor = _Visitor(self, reader, writer)
            if not self._greeted(data, visitor):
                reader._buffer[:0] = data  # type: ignore[attr-defined]
                await visitor
        except asyncio.CancelledError:  # by `drain`
            writer.transport.abort()
        except Exception as error:  # noqa: BLE001 (one connection's fault stays its own)
            self._note("error", f"connection failed: {named(error)}")
            writer.transport.abort()
        finally:
            self.handshakes.pop(task, None)

    def _greeted(self, data: bytes, visitor: _Visitor) -> bool:
        """Answer a whole handshake, if it is to be granted; else leave everything as it is."""
        asked = whole_handshake(data)
        if asked is None:
            return False
        try:
            visitor.look()
        except OSError:
            return False  # it has left already
        request, rest = asked
        visitor.verdict = self.judge(visitor.asked(request), request)
        if isinstance(visitor.verdict, Refusal):
            return False
        visitor.open(visitor.verdict, rest)
        return True

    def judge(self, asked: Request, request: h11.Request) -> Verdict:
        """Decide on a handshake; once, for a refusal is also a row."""
        key = key_of(asked, request.http_version)
        try:
            if isinstance(key, Refusal):
                return self.endpoint.refuse(asked, key)
            admission = self.endpoint.admit(asked)
        except Exception as error:  # noqa: BLE001 (a fault of ours: promise P25)
            return self.endpoint.fault(error)
        return admission if isinstance(admission, Refusal) else Granted(asked, key, admission)

    def _note(self, kind: str, text: str) -> None:
        self.endpoint.observer.note(kind, text)


class _Visitor(TCPServer):
    """Hypercorn's side of one connection, until it is handed over or closed."""

    def __init__(
        self, listener: Listener, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(listener.app, loop, listener.config, listener.context, {}, reader, writer)
        self.listener = listener
        self.handed_over = self.heard_out = False
        self.verdict: Verdict | None = None
        """On its first request, where that was a handshake and we decided already."""
        self.client: tuple[str, int] | None = None
        self.server: tuple[str, int] | None = None

    def look(self) -> None:
        """Find out who it is; raises OSError when it has left."""
        sock = self.writer.get_extra_info("socket")
        if sock is None:
            raise ConnectionError("the transport is closed")
        self.client = parse_socket_addr(sock.family, sock.getpeername())
        self.server = parse_socket_addr(sock.family, sock.getsockname())

    def asked(self, request: h11.Request) -> Request:
        """Return its request in our words."""
        client, server = self.client, self.server
        return request_of(request, client[0] if client else "", server[0] if server else "")

    async def run(self) -> None:
        """As upstream, but with our HTTP/1.1 protocol and nothing else to negotiate."""
        try:
            self.look()
            tls = self.writer.get_extra_info("ssl_object") is not None
            async with TaskGroup(self.loop) as group:
                self._task_group = group
                self.protocol = _Http(  # type: ignore[assignment]
                    self.app,
                    self.config,
                    self.context,
                    group,
                    ConnectionState(self.state),
                    tls,
                    self.client,
                    self.server,
                    self.protocol_send,
                )
                self.protocol.visitor = self  # type: ignore[attr-defined]
                await self.idle_task.restart(group, self._idle_timeout)
                await self._read_data()
        except OSError:
            pass
        finally:
            await self._close()

    async def _read_data(self) -> None:
        while not self.reader.at_eof() and not self.handed_over:
            try:
                data = await self.reader.read(2**16)
            except OSError:
                break
            await self.protocol.handle(RawData(data))
        if not self.handed_over:
            await self.protocol.handle(Closed())
        self.heard_out = True
        await self.idle_task.stop()  # the task group would wait for it: five seconds for nothing

    async def protocol_send(self, event: Event) -> None:
        """As upstream, but a client that reads nothing of its answer is dropped."""
        if not isinstance(event, RawData):
            if not (isinstance(event, Updated) and self.heard_out):  # no next request to wait for
                await super().protocol_send(event)
            return
        transport = self.writer.transport
        async with self.send_lock:
            self.writer.write(event.data)
            left = transport.get_write_buffer_size() + 1
            while transport.get_write_buffer_size() < left and not transport.is_closing():
                left = transport.get_write_buffer_size()
                with contextlib.suppress(TimeoutError, ConnectionError):
                    await asyncio.wait_for(self.writer.drain(), HEADER_TIMEOUT)
                    return
            transport.abort()

    async def _close(self) -> None:
        if not self.handed_over:
            await super()._close()

    def open(self, granted: Granted, rest: bytes) -> None:
        """Answer 101 and give the transport away; from here on Hypercorn is out of the way."""
        transport = cast(asyncio.Transport, self.writer.transport)
        if transport.is_closing():
            return  # nobody is there any more
        self.handed_over = True
        connection, extension = self._connection(granted.asked, transport)
        session = self.listener.endpoint.open(granted.admission, connection)
        transport.write(switching(granted.key, session.subprotocol, extension))
        buffer: bytearray = self.reader._buffer  # type: ignore[attr-defined]
        buffered = bytes(buffer)
        buffer.clear()
        transport.pause_reading()  # and on again: the stream reader may have paused at its limit,
        transport.resume_reading()  # or swallowed a FIN, which a new look finds once more
        connection.start(session, rest + buffered)

    def _connection(
        self, asked: Request, transport: asyncio.Transport
    ) -> tuple[Connection, str | None]:
        """Make the connection, and the extensions to answer with."""
        listener = self.listener
        batch, size = listener.batch, listener.endpoint.limits.max_message_size
        offers = asked.header("sec-websocket-extensions") if listener.compression else None
        granted = negotiate(offers)
        if granted is None:
            return Connection(batch, transport, size, self.writer), None
        answer, agreed = granted
        return DeflateConnection(batch, transport, size, self.writer, agreed), answer


class _Http(H11Protocol):
    """HTTP/1.1 with our way of upgrading."""

    visitor: _Visitor
    refused = False

    async def _check_protocol(self, event: h11.Request) -> None:
        """Ignore an offer of h2c (RFC 9110 section 7.8 allows it) and refuse prior knowledge."""
        if event.method == b"PRI":
            self.refused = True
            await self._send_error_response(505)
            await self.send(Closed())

    async def _create_stream(self, request: h11.Request) -> None:
        if self.refused:
            return
        if not asks_for_websocket(request):
            await super()._create_stream(request)
            return
        visitor = self.visitor
        verdict, visitor.verdict = visitor.verdict, None
        if verdict is None:
            verdict = visitor.listener.judge(visitor.asked(request), request)
        if isinstance(verdict, Refusal):
            await self._refuse(verdict)
            return
        rest = self.connection.trailing_data[0]
        self.connection = H11WSConnection(self.connection)  # type: ignore[arg-type]
        self.connection.buffer.clear()
        visitor.open(verdict, rest)

    async def _refuse(self, refusal: Refusal) -> None:
        reply = refusal.reply()
        headers = [*reply.headers, ("content-length", str(len(reply.body)))]
        given = [(k.encode(), v.encode()) for k, v in headers if k != "connection"]
        await self._send_h11_event(
            h11.Response(status_code=reply.status, headers=[*given, (b"connection", b"close")])
        )
        await self._send_h11_event(h11.Data(data=reply.body))
        await self._send_h11_event(h11.EndOfMessage())
        await self.send(Closed())

    async def _send_error_response(self, status_code: int) -> None:
        client = self.client[0] if self.client else "?"
        name = http.HTTPStatus(status_code).phrase
        text = f"no HTTP request came from {client}: answered {status_code} {name}"
        self.visitor.listener.endpoint.observer.note("drop", text, 0, "")
        await super()._send_error_response(status_code)


def _config(certfile: str | None, keyfile: str | None) -> Config:
    config = Config()
    config.errorlog = config.accesslog = None  # nothing is printed into somebody's cell
    config.alpn_protocols = ["http/1.1"]
    config.include_server_header = False
    config.keep_alive_timeout = HEADER_TIMEOUT * (1 - GLANCE_SHARE)
    # one PEM file may hold both; without a keyfile Hypercorn would speak plain text
    config.certfile, config.keyfile = certfile, keyfile or certfile
    return config


async def _first_words(reader: asyncio.StreamReader) -> bytes:
    """Return what a client says first, if it says something soon."""
    try:
        async with asyncio.timeout(HEADER_TIMEOUT * GLANCE_SHARE):
            return await reader.read(2**16)
    except (TimeoutError, OSError):  # whoever reads next learns of the latter again
        return b""
