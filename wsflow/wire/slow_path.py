"""Frames that are no plain data frame: control frames, fragments, violations, one at a time.

`websockets`' sans-I/O protocol judges them: it knows the rules of RFC 6455 better than we do.
Opposite: `connection.py`, which reads plain frames by itself and touches the socket. Never: a read.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Protocol, cast

from websockets import protocol
from websockets.extensions import Extension
from websockets.frames import Frame, Opcode

from ..base.interfaces import CLOSE_INVALID_DATA, CLOSE_PROTOCOL
from .session import Session

MASKED = 0x80

_CONTROL = frozenset({Opcode.CLOSE, Opcode.PING, Opcode.PONG})
_DATA = frozenset({Opcode.CONT, Opcode.TEXT, Opcode.BINARY})
_IN_THE_MIDDLE = "the client left in the middle of a message"
_utf8 = codecs.getincrementaldecoder("utf-8")


class FrameWriter(Protocol):
    """What is asked of the connection."""

    writable: bool

    def write(self, frame: bytes) -> None: ...

    def finish(self) -> None: ...


class SlowPath:
    """The protocol of one connection, made when its first frame of this kind comes or leaves."""

    __slots__ = (
        "_decoder",
        "_extensions",
        "_library",
        "_max_size",
        "_session",
        "_writer",
        "message",
    )

    def __init__(
        self, writer: FrameWriter, session: Session, max_size: int, extensions: Sequence[Extension]
    ) -> None:
        self._writer, self._session = writer, session
        self._max_size, self._extensions = max_size, extensions
        self._library = self._rules()
        self.message: bytearray | None = None
        """A fragmented message, as far as it has come."""
        self._decoder: codecs.IncrementalDecoder | None = None
        """Reads along when it is text, so that a fault is found with the fragment it is in."""

    def _rules(self) -> protocol.Protocol:
        library = protocol.Protocol(protocol.Side.SERVER, max_size=self._max_size)
        library.extensions = list(self._extensions)
        return library

    # ---- in

    def judge(self, frame: bytes | bytearray) -> int:
        """Have the library judge a frame, or its head; return the size of its payload."""
        size = 0
        if frame[0] & 0x0F in _CONTROL and frame[1] & 0x7F > 125 and frame[1] >= MASKED:
            self.fail(CLOSE_PROTOCOL, "control frame too long")  # whatever else is wrong with it
            return size
        if self.message is not None and frame[0] & 0x0F == Opcode.CLOSE and not self.closing:
            # no fault, for whoever hangs up may leave a message unfinished: the library would
            # answer with 1002, so one that knows nothing of the fragments judges it
            self._library = self._rules()
        library = self._library
        library.receive_data(frame)
        for event in cast(list[Frame], library.events_received()):
            size += len(event.data)
            if event.opcode is Opcode.CLOSE:
                self._closed_by_client()
                return size
            if event.opcode in _DATA and not self._gathered(event):
                return size
        self._transmit()
        if library.parser_exc is not None:
            sent, received = library.close_sent, library.close_rcvd
            if received is not None:
                self._session.lost(int(received.code), received.reason, _IN_THE_MIDDLE)
            elif sent is not None:
                fault = f"the client broke the protocol: {sent.reason}"
                self._session.lost(int(sent.code), sent.reason, fault)
        return size

    def _gathered(self, frame: Frame) -> bool:
        """Add a frame to its message and hand that up when it is whole; False ends it all."""
        if frame.opcode is not Opcode.CONT:
            self.message = bytearray()
            self._decoder = _utf8() if frame.opcode is Opcode.TEXT else None
        message = self.message
        assert message is not None
        message += frame.data
        if self._decoder is not None:
            try:
                self._decoder.decode(bytes(frame.data), frame.fin)
            except UnicodeDecodeError:
                self.no_utf8(bytes(message))
                return False
        if frame.fin:
            self.message = None
            data = bytes(message)
            self._session.receive(data if self._decoder is None else str(data, "utf-8"), len(data))
        return True

    def _closed_by_client(self) -> None:
        received = self._library.close_rcvd
        assert received is not None
        why = None if self.message is None else _IN_THE_MIDDLE
        self._transmit()
        self._session.lost(int(received.code), received.reason, why)

    # ---- out

    @property
    def closing(self) -> bool:
        """Whether our Close frame was sent."""
        return self._library.close_sent is not None

    def no_utf8(self, text: bytes) -> None:
        """Fail the connection over a text that can not be read."""
        try:
            str(text, "utf-8")
        except UnicodeDecodeError as error:
            self.fail(CLOSE_INVALID_DATA, f"text is not UTF-8 at byte {error.start}")

    def fail(self, code: int, why: str) -> None:
        """Fail the connection (RFC 6455 section 7.1.7): Close, FIN, and discard what comes."""
        self._library.fail(code, why)
        self._transmit()
        self._session.lost(code, why, f"the client broke the protocol: {why}")

    def close(self, code: int, reason: str) -> None:
        """Send our Close frame."""
        self._library.send_close(code, reason)
        self._transmit()

    def ping(self) -> None:
        """Send a ping without a payload."""
        self._library.send_ping(b"")
        self._transmit()

    def _transmit(self) -> None:
        """Write what the library wants sent: pongs, Close, and the end of the stream."""
        for data in self._library.data_to_send():
            if not data:
                self.message = None
                self._writer.finish()
            elif self._writer.writable or self.closing:
                self._writer.write(data)
            # else: a pong to a client that does not read; RFC 6455 5.5.3 lets us skip it


def may_be_valid(first: int, second: int, length: int, room: int) -> bool:
    """Say whether the head of a frame is in order, so that its rest is worth waiting for."""
    opcode = first & 0x0F
    if opcode in _CONTROL:
        return MASKED <= second <= MASKED + 125
    return opcode <= Opcode.BINARY and second >= MASKED and length <= room
