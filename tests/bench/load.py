"""The load: lean WebSocket clients that check every byte they are sent.

Frames are masked beforehand and replies compared with the bytes that must come, so that a client
costs a few microseconds a message. Never parses a reply: one that differs ends the measurement.
"""

import asyncio
import base64
import hashlib
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

READ_SIZE = 256 * 1024
WAIT_LIMIT = 5.0  # seconds for a handshake, for outstanding replies and for the close
ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
FIN_TEXT, FIN_CLOSE, MASKED = 0x81, 0x88, 0x80


class BenchError(Exception):
    """A server did not do what was asked, so there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Target:
    """The server to measure: its port, and how many seconds of CPU it has used so far."""

    port: int
    cpu: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement.

    `value` is in the row's unit, `cost` in µs of the server's CPU for each reply (0 where the
    system does not tell), `busy` the share of its core that the load generator used.
    """

    value: float
    cost: float
    busy: float


def frame(head: int, payload: bytes, key: bytes = b"") -> bytes:
    """Build one frame, masked when there is a key of four bytes."""
    size, mask_bit = len(payload), MASKED if key else 0
    if size < 126:
        header = bytes((head, mask_bit | size))
    elif size < 65536:
        header = bytes((head, mask_bit | 126)) + size.to_bytes(2)
    else:
        header = bytes((head, mask_bit | 127)) + size.to_bytes(8)
    return header + key + (_mask(payload, key) if key else payload)


def _mask(payload: bytes, key: bytes) -> bytes:
    size = len(payload)
    pad = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(pad)).to_bytes(size)


class Script:
    """A cycle of equally long text messages: as frames to send and as the bytes that must come.

    The messages differ, so that a lost, doubled or late reply, or another client's, is noticed.
    """

    def __init__(self, messages: Sequence[bytes]) -> None:
        if len({len(message) for message in messages}) != 1:
            raise ValueError("the messages of a script must have one length")
        key = os.urandom(4)
        frames = [frame(FIN_TEXT, message, key) for message in messages]
        replies = b"".join(frame(FIN_TEXT, message) for message in messages)
        self.length = len(messages)
        self.frame_size = len(frames[0])
        self.reply_size = len(replies) // self.length
        self.period = len(replies)
        self.frames = b"".join(frames) * 2
        self.replies = replies * (2 + READ_SIZE // self.period)

    @classmethod
    def numbered(cls, name: str, length: int, size: int) -> Self:
        """Make `length` messages of `size` bytes that carry `name` and their number."""
        texts = (f"{name} message {number} " for number in range(length))
        return cls([(text * (size // len(text) + 1))[:size].encode() for text in texts])


class Client(asyncio.BufferedProtocol):
    """One connection that counts replies and compares them with its script.

    A subclass decides in `replied` what to do next, and what is `owed` to it.
    """

    _buffer = bytearray(READ_SIZE)  # shared: what is in it is used up before the next read
    _view = memoryview(_buffer)

    def __init__(self, name: str, script: Script) -> None:
        self.name = name
        self.script = script
        self.done = 0
        self.sent = 0
        self.hushed = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._fault = self.ended
        self._transport: asyncio.Transport
        self._received = 0
        self._position = 0
        self._closing = False

    @property
    def owed(self) -> int:
        """How many replies must have come when all is quiet."""
        return self.sent

    def begin(self) -> None:
        """What comes from now on is measured."""

    def replied(self, count: int) -> None:
        """Act on the next `count` replies, which were right."""

    def say(self, count: int) -> None:
        """Send the next `count` messages in one write; not more than the script has."""
        script = self.script
        start = self.sent % script.length * script.frame_size
        self.sent += count
        self._transport.write(script.frames[start : start + count * script.frame_size])

    def watch(self, fault: asyncio.Future[None]) -> None:
        """Report faults to this future."""
        self._fault = fault

    def fail(self, reason: str) -> None:
        """End the measurement with a BenchError."""
        if not self._fault.done():
            self._fault.set_exception(BenchError(f"{self.name}: {reason}"))
        self._transport.abort()

    def close(self) -> None:
        """Start the closing handshake; `ended` is done when the server has dropped the line."""
        self._closing = True
        self._transport.write(frame(FIN_CLOSE, (1000).to_bytes(2), os.urandom(4)))

    def abort(self) -> None:
        """Drop the connection."""
        self._closing = True
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self.fail(
                f"the server dropped the connection after {self.done} replies ({exc or 'EOF'})"
            )
        if not self.ended.done():
            self.ended.set_result(None)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        script = self.script
        if not script.replies.startswith(self._view[:nbytes], self._position):
            self._unexpected(bytes(self._view[:nbytes]))
            return
        self._received += nbytes
        self._position = self._received % script.period
        count = self._received // script.reply_size - self.done
        if count:
            self.done += count
            self.replied(count)

    def _unexpected(self, data: bytes) -> None:
        at_boundary = self._received == self.done * self.script.reply_size
        if at_boundary and data[0] == FIN_CLOSE:
            if not self._closing:
                code, reason = int.from_bytes(data[2:4]), data[4 : 2 + data[1]]
                self.fail(f"the server closed with {code} {reason!r} after {self.done} replies")
            return
        expected = self.script.replies[self._position : self._position + len(data)]
        differs = next(
            i for i, pair in enumerate(zip(data, expected, strict=True)) if len(set(pair)) > 1
        )
        got, due = data[differs : differs + 40], expected[differs : differs + 40]
        number = (self._received + differs) // self.script.reply_size + 1
        self.fail(f"reply {number} is wrong: got {got!r} where {due!r} was due")


class Speaker(Client):
    """Keeps a number of messages outstanding: each reply is followed by the next message."""

    def replied(self, count: int) -> None:
        if self.done > self.sent:
            self.fail(f"{self.done} replies to {self.sent} messages")
        elif not self.hushed:
            self.say(count)


class Timed(Speaker):
    """Also notes how long each reply took, of those that came while it was measured."""

    def __init__(self, name: str, script: Script) -> None:
        super().__init__(name, script)
        self.lasted: list[float] = []
        self._said_at = 0.0

    def say(self, count: int) -> None:
        self._said_at = time.perf_counter()
        super().say(count)

    def replied(self, count: int) -> None:
        self.lasted.append(time.perf_counter() - self._said_at)
        super().replied(count)

    def begin(self) -> None:
        self.lasted.clear()


class Room:
    """Clients who all hear what the first of them says; it goes on once everyone has heard it."""

    def __init__(self) -> None:
        self.members: list[Client] = []
        self._missing = 0

    @property
    def spoken(self) -> int:
        """How many messages the speaker has sent."""
        return self.members[0].sent

    def heard(self, member: Client, count: int) -> None:
        """Take note that a member got messages; the last one lets the speaker go on."""
        self._missing -= count
        if self._missing == 0 and not member.hushed:
            self.speak()
        elif self._missing < 0:
            member.fail(f"{member.done} messages came where {self.spoken} were sent")

    def speak(self) -> None:
        """Let the speaker send the next message."""
        self._missing = len(self.members)
        self.members[0].say(1)


class Listener(Client):
    """A member of a room."""

    def __init__(self, name: str, script: Script, room: Room) -> None:
        super().__init__(name, script)
        self._room = room
        room.members.append(self)

    @property
    def owed(self) -> int:
        return self._room.spoken

    def replied(self, count: int) -> None:
        self._room.heard(self, count)


class Crowd:
    """All clients of one measurement; leaving the block closes every connection in good order."""

    def __init__(self, target: Target, path: str) -> None:
        self._target = target
        self._path = path
        self._clients: list[Client] = []
        self._fault: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                await self._close()
        finally:
            for client in self._clients:
                client.abort()
            await self._ended()
            if self._fault.done():
                self._fault.exception()  # what ended the block came first

    async def join(self, client: Client) -> None:
        """Connect a client."""
        client.watch(self._fault)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: client, sock=upgraded(self._target.port, self._path))
        self._clients.append(client)

    async def measure(self, seconds: float) -> Sample:
        """Count the replies to all clients, a second, once warmed up; then wait for silence."""
        await self._watch(seconds / 4)
        for client in self._clients:
            client.begin()
        before = self._readings()
        await self._watch(seconds)
        after = self._readings()
        await self._hush()
        replies, elapsed, served, loaded = (b - a for a, b in zip(before, after, strict=True))
        if not replies:
            raise BenchError(f"not one reply in {seconds} s")
        return Sample(replies / elapsed, served / replies * 1e6, loaded / elapsed)

    def _readings(self) -> tuple[int, float, float, float]:
        """Read replies so far, the clock, the server's and our own CPU time."""
        replies = sum(client.done for client in self._clients)
        return replies, time.perf_counter(), self._target.cpu(), time.process_time()

    async def _watch(self, seconds: float) -> None:
        """Let the time pass, or raise the first fault."""
        await asyncio.wait([self._fault], timeout=seconds)
        if self._fault.done():
            self._fault.result()

    async def _hush(self) -> None:
        deadline = time.perf_counter() + WAIT_LIMIT
        for client in self._clients:
            client.hushed = True
        for client in self._clients:
            while client.done < client.owed:
                await self._watch(0.002)
                if time.perf_counter() > deadline:
                    raise BenchError(
                        f"{client.name}: {client.done} replies came, {client.owed} are due"
                    )

    async def _close(self) -> None:
        for client in self._clients:
            client.close()
        left = await self._ended()
        await self._watch(0)
        if left:
            raise BenchError(f"{left} connections still open {WAIT_LIMIT:g} s after our Close")

    async def _ended(self) -> int:
        """Wait for the connections to end; return how many did not."""
        ends = [client.ended for client in self._clients]
        if ends:
            await asyncio.wait(ends, timeout=WAIT_LIMIT)
        return sum(not end.done() for end in ends)


async def visits(target: Target, seconds: float, *, path: str, callers: int = 4) -> Sample:
    """Count the clients a second that connect, shake hands, close and are let go.

    Blocking sockets in threads: nothing a client could do is cheaper.
    """
    await _visits(target, seconds / 4, path, callers)
    before = time.perf_counter(), target.cpu(), time.process_time()
    count = await _visits(target, seconds, path, callers)
    after = time.perf_counter(), target.cpu(), time.process_time()
    elapsed, served, loaded = (b - a for a, b in zip(before, after, strict=True))
    if not count:
        raise BenchError(f"not one visit in {seconds} s")
    return Sample(count / elapsed, served / count * 1e6, loaded / elapsed)


async def _visits(target: Target, seconds: float, path: str, callers: int) -> int:
    until = time.perf_counter() + seconds

    def call() -> int:
        count = 0
        while time.perf_counter() < until:
            _visit(target.port, path)
            count += 1
        return count

    return sum(await asyncio.gather(*(asyncio.to_thread(call) for _ in range(callers))))


def _visit(port: int, path: str) -> None:
    with upgraded(port, path) as line:
        line.settimeout(WAIT_LIMIT)
        try:
            line.sendall(frame(FIN_CLOSE, (1000).to_bytes(2), os.urandom(4)))
            answer = b""
            while data := line.recv(READ_SIZE):
                answer += data
        except OSError as error:
            raise BenchError(f"a visitor was not let go: {error!r}") from error
    if answer != b"\x88\x02\x03\xe8":
        raise BenchError(f"a visitor's Close was answered with {answer[:100]!r}")


def upgraded(port: int, path: str) -> socket.socket:
    """Connect and shake hands, blocking; the socket that is returned speaks WebSocket."""
    key = base64.b64encode(os.urandom(16))
    accept = base64.b64encode(hashlib.sha1(key + ACCEPT_GUID).digest())
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key.decode()}\r\n\r\n"
    )
    try:
        line = socket.create_connection(("127.0.0.1", port), WAIT_LIMIT)
        answer = _ask(line, request.encode())
    except OSError as error:
        raise BenchError(f"no handshake on {path}: {error!r}") from error
    if (
        not answer.startswith(b"HTTP/1.1 101 ")
        or accept not in answer
        or answer[-4:] != b"\r\n\r\n"
    ):
        line.close()
        raise BenchError(f"handshake on {path} answered with {answer[:500]!r}")
    line.setblocking(False)
    return line


def _ask(line: socket.socket, request: bytes) -> bytes:
    try:
        line.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            if not (data := line.recv(READ_SIZE)):
                raise ConnectionError(f"closed after {answer!r}")
            answer += data
    except OSError:
        line.close()
        raise
    return answer
