"""Bytes into a connection without a socket, and the same bytes into another parser that judges.

`heard` feeds ours, cut anywhere; `judged` feeds the sans-I/O protocol of `websockets` in one piece
and adds what that leaves to its caller (text must be UTF-8) and where RFC 6455 leaves a choice.
"""

import asyncio
import codecs
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side

from wsflow.wire.connection import Batch, Connection
from wsflow.wire.deflate import DeflateConnection

LIMIT = 2**12
"""Bytes a message may have here."""

HASTY = "control frame too long"
"""The one fault we name before the frame has come that has it."""


@dataclass
class Outcome:
    """What came of a stream: the messages, the pings answered, and the code it ended with."""

    messages: list[str | bytes] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    code: int | None = None
    reason: str = ""


class Wire:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.ended = False

    def set_protocol(self, protocol: object) -> None: ...

    def write(self, data: bytes) -> None:
        assert not self.ended, "something was written behind the FIN"
        self.sent += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None: ...


class Listening:
    """A session that notes what it is told."""

    halted = False

    def __init__(self, outcome: Outcome) -> None:
        self.state = "open"
        self.outcome = outcome

    def start(self) -> None: ...

    def receive(self, data: str | bytes, size: int) -> None:
        assert self.state == "open", "a message behind the end"
        assert size == len(data if isinstance(data, bytes) else data.encode())
        assert size <= LIMIT
        self.outcome.messages.append(data)

    def lost(self, code: int | None, reason: str = "", error: str | None = None) -> None:
        if self.state == "open":
            self.state = "closed"
            self.outcome.code, self.outcome.reason = code, reason


def agreed() -> PerMessageDeflate:
    """Return what a handshake that agreed on compression leaves."""
    return PerMessageDeflate(True, True, 15, 15)


def heard(pieces: Iterable[bytes], *, deflate: bool = False) -> Outcome:
    """Feed a connection piece by piece. Only in a running loop."""
    outcome, wire, batch = Outcome(), Wire(), Batch()
    transport = cast(asyncio.Transport, wire)
    if deflate:
        connection: Connection = DeflateConnection(batch, transport, LIMIT, None, agreed())
    else:
        connection = Connection(batch, transport, LIMIT)
    connection.start(cast(Any, Listening(outcome)), b"")
    for piece in pieces:
        for start in range(0, len(piece), len(batch.view)):
            part = piece[start : start + len(batch.view)]
            batch.view[: len(part)] = part
            connection.buffer_updated(len(part))
    ended = outcome.code is not None
    assert wire.ended == ended, "who is lost gets a FIN at once, and nobody else"
    frames = list(_frames(bytes(wire.sent)))
    outcome.pongs = [payload for opcode, payload in frames if opcode is Opcode.PONG]
    closes = [payload for opcode, payload in frames if opcode is Opcode.CLOSE]
    assert len(closes) == ended, "one Close frame, at the end"
    if ended:
        code = int.from_bytes(closes[0][:2]) if closes[0] else 1005
        assert code == outcome.code
        assert frames[-1][0] is Opcode.CLOSE
    connection.connection_lost(None)
    return outcome


def _frames(data: bytes) -> Iterable[tuple[Opcode, bytes]]:
    """Read what we wrote: whole, unmasked, and short, for nobody answered any message."""
    while data:
        assert data[0] & 0xF0 == 0x80
        size = data[1]
        assert size < 126
        yield Opcode(data[0] & 0x0F), data[2 : 2 + size]
        data = data[2 + size :]


def judged(stream: bytes, *, deflate: bool = False) -> Outcome:
    """Feed the judge."""
    judge, outcome = Protocol(Side.SERVER, max_size=LIMIT), Outcome()
    judge.extensions = [agreed()] if deflate else []
    judge.receive_data(stream)
    message, decoder = b"", None
    for event in cast(list[Any], judge.events_received()):
        if event.opcode is Opcode.PING:
            outcome.pongs.append(bytes(event.data))
        elif event.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            if event.opcode is not Opcode.CONT:
                message = b""
                text = event.opcode is Opcode.TEXT
                decoder = codecs.getincrementaldecoder("utf-8")() if text else None
            message += event.data
            try:
                if decoder is not None:
                    decoder.decode(bytes(event.data), event.fin)
            except UnicodeDecodeError:
                outcome.code = 1007
                return outcome
            if event.fin:
                outcome.messages.append(message if decoder is None else message.decode())
    if judge.close_rcvd is not None:
        outcome.code = int(judge.close_rcvd.code)  # also between fragments: there it says 1002
    elif judge.close_sent is not None:
        outcome.code = int(judge.close_sent.code)
    return outcome


def compare(stream: bytes, pieces: Iterable[bytes], *, deflate: bool = False) -> Outcome:
    """Check that ours, cut into these pieces and uncut, ends as the judge says; return how."""
    whole, cut = heard([stream], deflate=deflate), heard(pieces, deflate=deflate)
    assert cut == whole, f"cut: {cut}, whole: {whole}"
    due = judged(stream, deflate=deflate)
    if whole.reason == HASTY:
        due.code = 1002  # it waits for the end, looks at the length first, or takes a long way
        due.messages = due.messages[: len(whole.messages)]  # of writing a short one
        due.pongs = due.pongs[: len(whole.pongs)]
    due.reason = whole.reason
    assert whole == due, f"ours: {whole}, the judge: {due}"
    return whole
