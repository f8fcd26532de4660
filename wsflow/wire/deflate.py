"""permessage-deflate (RFC 7692) that keeps nothing between messages.

Both directions go without context takeover: a session that is idle costs no window, and a broadcast
is compressed once for all. The library knows the rules and stops inflating at the limit.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from typing import cast

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.headers import build_extension, parse_extension
from websockets.typing import ExtensionName

from ..types import Data
from .connection import BINARY, TEXT, Batch, Connection, framed

NAME = ExtensionName("permessage-deflate")

ZLIB_LEVEL, ZLIB_MEMORY = 1, 5
"""zlib's: a megabyte of text takes about 10 ms, and 80 KB while it takes them."""

RSV1 = 0x40

_FACTORY = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True
)


def negotiate(offers: str | None) -> tuple[str, PerMessageDeflate] | None:
    """Return the answer to a client's Sec-WebSocket-Extensions, and what was agreed.

    None when it offered nothing of the kind, or nothing we can read: then nothing is compressed.
    """
    try:
        offered = parse_extension(offers or "")
    except InvalidHeader:
        return None
    for name, asked in offered:
        if name == NAME:
            try:
                granted, agreed = _FACTORY.process_request_params(asked, [])
            except NegotiationError:
                continue  # the client may have offered other parameters too
            return build_extension([(NAME, granted)]), agreed
    return None


class DeflateConnection(Connection):
    """A connection whose handshake agreed on compression. Frames without it go the lean path."""

    __slots__ = ("_agreed",)

    def __init__(
        self,
        batch: Batch,
        transport: asyncio.Transport,
        max_size: int,
        former: object,
        agreed: PerMessageDeflate,
    ) -> None:
        super().__init__(batch, transport, max_size, former)
        self._agreed = agreed

    def _extensions(self) -> Sequence[Extension]:
        return (self._agreed,)

    def send(self, data: Data) -> int:
        """Frame one message, compressed; a broadcast only once."""
        bits = self._agreed.local_max_window_bits
        packed = self._batch.packed
        if packed is None or packed[0] is not data or packed[1] != bits:
            payload = data.encode() if type(data) is str else cast(bytes, data)
            frame = _packed(payload, TEXT if type(data) is str else BINARY, bits)
            packed = self._batch.packed = (data, bits, frame, len(payload))
        self.write(packed[2])
        return packed[3]


def _packed(payload: bytes, head: int, bits: int) -> bytes:
    engine = zlib.compressobj(ZLIB_LEVEL, zlib.DEFLATED, -bits, ZLIB_MEMORY)
    data = engine.compress(payload) + engine.flush(zlib.Z_SYNC_FLUSH)
    return framed(head | RSV1, data[:-4])  # RFC 7692 section 7.2.1
