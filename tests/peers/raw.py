"""A peer that says exactly what a test tells it to: TCP, one HTTP request, frames by hand.

Written against RFC 6455 and nothing of wsflow, so that both ends cannot share a mistake. Reads and
writes go straight to a socket of ours: what was sent, and how the other side ended, is certain.
"""

import asyncio
import contextlib
import errno
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Self

from tests.process.beats import BEAT

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"
TIMEOUT = 30.0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3


class Frame(NamedTuple):
    """A frame as a server sent it."""

    opcode: int
    payload: bytes
    fin: bool

    @property
    def code(self) -> int | None:
        """The code in a Close frame, None in an empty one."""
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.payload[:2]) if self.payload else None

    @property
    def reason(self) -> str:
        """The reason in a Close frame."""
        assert self.opcode == CLOSE, self
        return self.payload[2:].decode()


class Response(NamedTuple):
    """An HTTP response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    length: int | None = None,
) -> bytes:
    """Build any frame, right or wrong; `length` is what the header claims."""
    claimed = len(payload) if length is None else length
    bit = 0 if mask is None else 0x80
    head = bytes((fin << 7 | rsv << 4 | opcode,))
    if claimed < 126:
        head += bytes((bit | claimed,))
    elif claimed < 65536:
        head += struct.pack("!BH", bit | 126, claimed)
    else:
        head += struct.pack("!BQ", bit | 127, claimed)
    return head + payload if mask is None else head + mask + masked(payload, mask)


def masked(payload: bytes, mask: bytes) -> bytes:
    """Apply a mask (RFC 6455 section 5.3), the long way round."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


def text(payload: str) -> bytes:
    """Build a whole text message."""
    return frame(TEXT, payload.encode())


def close(code: int | None = None, reason: str | bytes = "") -> bytes:
    """Build a Close frame; without a code it is empty."""
    tail = reason if isinstance(reason, bytes) else reason.encode()
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + tail)


def fragments(opcode: int, parts: Iterable[bytes]) -> list[bytes]:
    """Build a message in as many frames as there are parts."""
    whole = list(parts)
    return [
        frame(opcode if i == 0 else CONT, part, fin=i == len(whole) - 1)
        for i, part in enumerate(whole)
    ]


def request(
    path: str = "/",
    headers: Iterable[tuple[str, str]] = (),
    *,
    method: str = "GET",
    version: str = "1.1",
    host: str | None = "localhost",
    body: bytes = b"",
) -> bytes:
    """Build an HTTP request, with nothing in it that was not asked for."""
    lines = [f"{method} {path} HTTP/{version}"]
    lines += [] if host is None else [f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin1") + body


def handshake(
    path: str = "/",
    headers: Iterable[tuple[str, str]] = (),
    *,
    without: Iterable[str] = (),
    version: str = "1.1",
    host: str | None = "localhost",
) -> bytes:
    """Build an opening handshake; a header given replaces the usual one of that name."""
    usual = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    given = list(headers)
    left_out = {name.lower() for name in (*without, *(name for name, _ in given))}
    kept = [(name, value) for name, value in usual.items() if name.lower() not in left_out]
    return request(path, [*kept, *given], version=version, host=host)


async def eventually(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for what nothing tells of, such as a descriptor that is given back.

    The seconds are those of `Beats`: a machine that is busy with other things makes none late.
    """
    for _ in range(round(seconds / BEAT)):
        if holds():
            return
        await asyncio.sleep(BEAT)
    assert holds(), f"not within {seconds} s"


def descriptors(port: int) -> list[int]:
    """Return this process's own ends of the connections to a server that it runs on `port`."""
    ours = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # gone meanwhile
            if not str(entry.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as sock:
                name = sock.getsockname()
                listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if isinstance(name, tuple) and name[1] == port and not listens:
                ours.append(int(entry.name))
    return ours


def open_files() -> int:
    """Return how many descriptors this process holds."""
    return len(list(Path("/proc/self/fd").iterdir()))


class Raw:
    """A TCP connection to a server in this process or another, on 127.0.0.1."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.reads = 0
        self._held = bytearray()
        self._loop = asyncio.get_running_loop()

    @classmethod
    @contextlib.asynccontextmanager
    async def tcp(cls, port: int, *, receive_buffer: int | None = None) -> AsyncIterator[Self]:
        """Connect and say nothing; a small `receive_buffer` makes a client that takes little."""
        with socket.socket() as sock:
            if receive_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            yield cls(sock)

    @classmethod
    @contextlib.asynccontextmanager
    async def websocket(
        cls,
        port: int,
        path: str = "/",
        headers: Iterable[tuple[str, str]] = (),
        *,
        receive_buffer: int | None = None,
    ) -> AsyncIterator[Self]:
        """Connect and do the opening handshake."""
        async with cls.tcp(port, receive_buffer=receive_buffer) as raw:
            await raw.send(handshake(path, headers))
            response = await raw.response()
            assert response.status == 101, response
            assert response.headers["sec-websocket-accept"] == ACCEPT
            yield raw

    async def send(self, *parts: bytes) -> None:
        """Send all parts in one go."""
        await self._loop.sock_sendall(self.sock, b"".join(parts))

    async def dribble(self, data: bytes, step: int = 1) -> None:
        """Send in pieces, each of which the server can read before the next is sent."""
        for start in range(0, len(data), step):
            await self.send(data[start : start + step])
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def receive(self) -> bytes:
        """Return what was held back or comes next; `b""` is the end of the stream."""
        if self._held:
            data = bytes(self._held)
            self._held.clear()
            return data
        return await self._receive()

    async def _receive(self) -> bytes:
        self.reads += 1
        async with asyncio.timeout(TIMEOUT):
            return await self._loop.sock_recv(self.sock, 2**18)

    async def exactly(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        held = self._held
        while len(held) < size:
            data = await self._receive()
            if not data:
                raise EOFError(f"the stream ended after {bytes(held)!r:.80}, wanted {size} bytes")
            held += data
        data = bytes(held[:size])
        del held[:size]
        return data

    async def line(self) -> str:
        """Return the next line, without its end."""
        data = b""
        while not data.endswith(b"\r\n"):
            data += await self.exactly(1)
        return data[:-2].decode("latin1")

    async def response(self) -> Response:
        """Read one HTTP response."""
        status = int((await self.line()).split(" ")[1])
        headers: dict[str, str] = {}
        while head := await self.line():
            name, _, value = head.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await self.line(), 16):
                body += await self.exactly(size)
                await self.exactly(2)
            await self.exactly(2)
        elif "content-length" in headers:
            body = await self.exactly(int(headers["content-length"]))
        return Response(status, headers, body)

    async def frame(self) -> Frame:
        """Read one frame; a server's frames are never masked (RFC 6455 section 5.1)."""
        first, length = await self.exactly(2)
        assert length < 128, "the server masked a frame"
        assert not first & 0x70, "the server set reserved bits"
        if length >= 126:
            length = int.from_bytes(await self.exactly(2 if length == 126 else 8))
        return Frame(first & 0x0F, await self.exactly(length), bool(first & 0x80))

    async def frames(self, count: int) -> list[Frame]:
        """Read so many frames."""
        return [await self.frame() for _ in range(count)]

    async def rest(self) -> bytes:
        """Read until the stream ends; a reset is an error."""
        data = b""
        while chunk := await self.receive():
            data += chunk
        return data

    async def closed(self) -> Frame:
        """Read on until a Close frame, and require the end of the stream right behind it."""
        while (last := await self.frame()).opcode != CLOSE:
            pass
        assert await self.rest() == b"", "something follows the Close frame"
        return last

    async def gone(self) -> None:
        """Wait until the other side has dropped the connection, with or without a reset."""
        with contextlib.suppress(ConnectionError):
            while await self.receive():
                pass

    async def pour(self, chunk: bytes) -> int:
        """Send the same again and again until the other side drops us; return how many bytes."""
        poured = 0
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(TIMEOUT):
                while True:
                    await self.send(chunk)
                    poured += len(chunk)
        return poured

    def half_close(self) -> None:
        """Send FIN and go on reading; ConnectionResetError when the other side was faster."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            raise ConnectionResetError(error.errno, error.strerror) from error

    def reset(self) -> None:
        """Drop the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def error(self) -> int:
        """Return the error the system holds for this socket: 0 when there was no reset."""
        return self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
