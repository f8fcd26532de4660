"""A WebSocket on an asyncio transport, after the handshake: bytes in, messages up, frames out.

Whole, unfragmented, masked data frames take a lean path; everything else (control frames,
fragments, violations) goes, one whole frame at a time, to `slow_path.py`.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from typing import cast

from websockets.extensions import Extension

try:
    from websockets.speedups import apply_mask
except ImportError:  # no C compiler where websockets was built
    from websockets.utils import apply_mask

from ..types import Data
from .session import Session
from .slow_path import MASKED, SlowPath, may_be_valid

BUFFER_BYTES = 256 * 1024

TURN_BYTES = 2**20
FRAME_COST = 2**10
"""Bytes one client's input may come to before everybody else has a turn, and what a frame counts
beside its (inflated) payload: 1,024 small messages, about 6 ms."""

CORK_BYTES = 64 * 1024
"""Bytes of replies that are held back while the messages of one read are worked on."""

CROWD = 16
"""To how many connections the last message of a read may lead before they are written to: the first
members of a large room need not wait until the last one's turn has come."""

CLOSE_TIMEOUT = 5.0
"""Seconds a client may take to answer our Close frame."""

STUCK_TIMEOUT = 2.0
"""The same for a client that does not read, and so will hardly see it."""

DISCARD_TIMEOUT = 1.0
"""Seconds we go on discarding input after both sides have closed (no RST over our Close)."""

LARGE_BYTES = 2**14
"""Bytes of a payload from which on a view is cheaper than a copy."""

TEXT, BINARY = 0x81, 0x82  # FIN with opcodes 1 and 2: a whole message in one frame


class Batch:
    """What all connections of one loop share: a read buffer, and who wrote during this read.

    All replies to one read leave in one write a connection: the largest single gain in speed.
    """

    __slots__ = (
        "connections",
        "dirty",
        "last_data",
        "last_frame",
        "last_size",
        "more",
        "packed",
        "reading",
        "view",
    )

    def __init__(self) -> None:
        self.view = memoryview(bytearray(BUFFER_BYTES))
        self.reading = False
        self.more = False
        """Whether messages of this read follow the one that is worked on."""
        self.dirty: list[Connection] = []
        self.connections: set[Connection] = set()
        """Those that are open, also after their session has ended."""
        self.last_data: Data | None = None
        self.last_frame = b""
        self.last_size = 0
        self.packed: tuple[Data, int, bytes, int] | None = None
        """The last message that was compressed: itself, for which window, as a frame, its size."""

    def flush(self) -> None:
        """Write what this read gave rise to."""
        dirty = self.dirty
        for connection in dirty:
            connection.flush()
        dirty.clear()

    def wants(self, connection: Connection) -> None:
        """Note who has something to write; of many nobody waits longer than for `CROWD` others."""
        dirty = self.dirty
        dirty.append(connection)
        if len(dirty) >= CROWD and not self.more:
            self.flush()


class Connection(asyncio.BufferedProtocol):
    """The transport of one socket session (see `interfaces.Transport`)."""

    __slots__ = (
        "_batch",
        "_cut",
        "_finished",
        "_former",
        "_fragmented",
        "_given",
        "_got",
        "_max_size",
        "_out",
        "_out_size",
        "_rest",
        "_session",
        "_slow_path",
        "_stopped",
        "_timer",
        "_transport",
        "writable",
    )

    def __init__(
        self, batch: Batch, transport: asyncio.Transport, max_size: int, former: object = None
    ) -> None:
        self._former = former
        """Who held the transport before: a `StreamWriter` closes it when it is collected."""
        self._batch, self._transport, self._max_size = batch, transport, max_size
        self._session = cast(Session, None)  # given by `start`, before anything happens
        self._slow_path: SlowPath | None = None
        self._rest = bytearray()
        self._cut = 0
        """How many bytes the frame at the head of `_rest` needs to be whole."""
        self._fragmented = False
        """Whether a message has begun to come in fragments."""
        self._out: list[bytes] = []
        self._out_size = self._given = 0
        self._got = self._stopped = self._finished = False
        self.writable = True
        """Whether the operating system takes more."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def descriptor(self) -> int:
        """The number of its socket; -1 once that is closed."""
        sock = self._transport.get_extra_info("socket")
        return -1 if sock is None else int(sock.fileno())

    def start(self, session: Session, rest: bytes) -> None:
        """Take over from the handshake; `rest` is what the client sent behind it."""
        self._session = session
        self._batch.connections.add(self)
        self._transport.set_protocol(self)
        session.start()
        if rest:
            self._pump(rest)

    # ---- asyncio calls

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._batch.view

    def buffer_updated(self, nbytes: int) -> None:
        self._got = True
        if self._finished:
            return  # lingering: discard
        rest = self._rest
        if rest:
            rest += self._batch.view[:nbytes]
            if len(rest) < self._cut:
                return
            self._rest = bytearray()  # the old one is worked on as it is: it may be large
            self._pump(rest)
        else:
            self._pump(self._batch.view[:nbytes].tobytes())

    def eof_received(self) -> bool:
        self._lost(None)
        self._after(CLOSE_TIMEOUT)  # asyncio waits for ever for a client that reads no more
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._former = None
        self._batch.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._lost(exc)

    def pause_writing(self) -> None:
        self.writable = False
        self._session.block()

    def resume_writing(self) -> None:
        self.writable = True
        self._session.unblock()

    # ---- in

    def _pump(self, data: bytes | bytearray) -> None:
        """Work on the messages of one read; what they cause leaves when it is done."""
        batch = self._batch
        if batch.reading:  # a handler let a halted session go on: we are inside its read already
            self._read(data)
            return
        batch.reading = True
        try:
            self._read(data)
        finally:
            batch.reading = False
            batch.flush()

    def _read(self, data: bytes | bytearray) -> None:
        session, batch, max_size = self._session, self._batch, self._max_size
        position, end, turn = 0, len(data), TURN_BYTES
        self._cut = 0
        while end - position >= 6:  # the shortest frame a client may send: header and mask
            if session.halted or turn <= 0:
                self._stop()
                if turn <= 0:
                    self.resume()
                break
            turn -= FRAME_COST
            first, second = data[position], data[position + 1]
            length, start = second & 0x7F, position + 6
            if length == 126:
                length, start = data[position + 2] << 8 | data[position + 3], position + 8
            elif length == 127:
                if end - position < 10:
                    break
                length = int.from_bytes(data[position + 2 : position + 10])
                start = position + 14
            stop = start + length
            if (
                (first != TEXT and first != BINARY)
                or second < MASKED
                or length > max_size
                or self._fragmented
            ):
                if stop > end and may_be_valid(first, second, length, self._room()):
                    self._cut = stop - position
                    break
                turn -= self._judge(data[position:stop])
                if self._finished:
                    return
                position = stop
                continue
            if stop > end:
                self._cut = stop - position
                break
            mask = data[start - 4 : start]
            if length < LARGE_BYTES:
                payload = apply_mask(data[start:stop], mask)
            else:
                payload = apply_mask(memoryview(data)[start:stop], mask)
            position = stop
            batch.more = position < end
            if first == BINARY:
                session.receive(payload, length)
                continue
            try:
                text = payload.decode()
            except UnicodeDecodeError:
                self._rules().no_utf8(payload)
                return
            session.receive(text, length)
        if position < end and not self._finished:
            self._rest += data[position:]
            if not self._cut and not self._stopped:
                self._glance()

    def _glance(self) -> None:
        """Judge a header that is not whole by what is there: a fault may be the last we hear."""
        rest = self._rest
        if len(rest) < 2:
            return
        length = int.from_bytes(rest[2:4]) if rest[1] & 0x7F == 126 and len(rest) >= 4 else 0
        if not may_be_valid(rest[0], rest[1], length, self._room()):
            self._judge(bytes(rest))

    def _room(self) -> int:
        """Return how many bytes the next frame may bring."""
        begun = self._slow_path.message if self._slow_path is not None else None
        return self._max_size - len(begun or b"")

    def _judge(self, frame: bytes | bytearray) -> int:
        """Give a frame that is no plain data frame away; return its payload's size."""
        slow_path = self._rules()
        size = slow_path.judge(frame)
        self._fragmented = slow_path.message is not None
        return size

    def _rules(self) -> SlowPath:
        if self._slow_path is None:
            size = self._max_size
            self._slow_path = SlowPath(self, self._session, size, self._extensions())
        return self._slow_path

    def _extensions(self) -> Sequence[Extension]:
        """Return what the handshake agreed on."""
        return ()

    def _stop(self) -> None:
        """Read no further: too many handlers of this session run, or the flow is paused."""
        if not self._stopped:
            self._stopped = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on, beginning with what was there already."""
        if self._stopped:
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        if not self._stopped or self._finished or self._session.halted:
            return
        rest, self._rest = bytes(self._rest), bytearray()
        self._stopped = False
        if rest:
            self._pump(rest)
        if not self._stopped and not self._transport.is_closing():
            self._transport.resume_reading()

    # ---- out

    def send(self, data: Data) -> int:
        """Frame one message and write it; a broadcast frames the same object only once."""
        batch = self._batch
        if data is batch.last_data:
            frame = batch.last_frame
        else:
            if type(data) is str:
                payload, head = data.encode(), TEXT
            else:
                payload, head = cast(bytes, data), BINARY
            size = len(payload)
            if size < 126 and head == TEXT:
                frame = _SHORT_TEXT[size] + payload
            else:
                frame = framed(head, payload)
            batch.last_data, batch.last_frame, batch.last_size = data, frame, size
        out = self._out  # as `write` does, without the call
        out.append(frame)
        self._out_size += len(frame)
        if not batch.reading or self._out_size > CORK_BYTES:
            self.flush()
        elif len(out) == 1:
            batch.wants(self)
        return batch.last_size

    def write(self, frame: bytes) -> None:
        """Write a frame, with what else leaves after this read."""
        self._out.append(frame)
        self._out_size += len(frame)
        batch = self._batch
        if not batch.reading or self._out_size > CORK_BYTES:
            self.flush()
        elif len(self._out) == 1:
            batch.wants(self)

    def flush(self) -> None:
        """Give what was held back to the operating system."""
        out = self._out
        if not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        self._given += len(data)
        out.clear()
        self._out_size = 0
        self._transport.write(data)

    def close(self, code: int, reason: str) -> None:
        """Send our Close frame; the client has five seconds to answer it."""
        slow_path = self._rules()
        if not slow_path.closing and not self._finished:
            slow_path.close(code, reason)
            self._after(CLOSE_TIMEOUT if self.writable else STUCK_TIMEOUT)

    def abort(self) -> None:
        """Drop the connection now."""
        self._transport.abort()

    def ping(self) -> None:
        """Send a ping; any sign of life will do as an answer."""
        if self.writable:
            self._rules().ping()

    def progress(self) -> int:
        """Return how many bytes the operating system has taken."""
        return self._given - self._transport.get_write_buffer_size()

    def settled(self) -> bool:
        """Say whether the operating system has taken everything."""
        return not self._out and not self._transport.get_write_buffer_size()

    def heard(self) -> bool:
        """Say whether anything arrived since the last call."""
        got, self._got = self._got, False
        return got

    def finish(self) -> None:
        """FIN now (RFC 6455 section 7.1.1: the server drops first), discard until theirs."""
        if self._finished:
            return
        self._finished = True
        self._rest.clear()
        self.flush()
        if self._stopped:
            self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()
            self._after(DISCARD_TIMEOUT if self.writable else CLOSE_TIMEOUT)
        else:
            self._transport.close()

    def _after(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def _lost(self, error: Exception | None) -> None:
        if self._session.state == "closed":
            return
        where = " in the middle of a message" if self._rest or self._fragmented else ""
        why = f" ({type(error).__name__})" if error is not None else ""
        answered = self._slow_path is not None and self._slow_path.closing
        text = None if answered else f"connection lost{where} without a Close frame{why}"
        self._session.lost(None, "", text)


_SHORT_TEXT = [bytes((TEXT, size)) for size in range(126)]
"""The head of a short text message, by its size: looked up in half the time it takes to make."""


def framed(head: int, payload: bytes) -> bytes:
    """Return a whole frame; `head` is its first byte: FIN, reserved bits and opcode."""
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", head, 126, size) + payload
    return struct.pack("!BBQ", head, 127, size) + payload
